//! The functions of the stack: the pipeline's own code with the ports of one invocation.

use jiff::SignedDuration;
use pipeline::{
    alerts::{AckPages, Alert, Page},
    health::sweep::Swept,
    hydrate::Hydrate,
    in_time::SWEEPS_FOR,
    ingest::{
        acknowledge::Acknowledge,
        receive::{HttpAnswer, Incoming, Receive},
    },
    job::Message,
    outputs::courier::Courier,
    ports::Clock,
    retrier::{CourierPorts, Retrier},
};

use crate::{Inner, Invocation};

/// The public URL, at the start of each link in a mail.
pub const PUBLIC_URL: &str = "https://gridbell.example";

/// A function of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Accepts webhooks.
    Receiver,
    /// Reads `deliveries`.
    Hydrator,
    /// Reads `retries`.
    Retrier,
    /// The retrier, run by the schedule every minute.
    Sweeper,
    /// Reads `alerts` and `reviews`.
    Alerter,
    /// Reads `signals` and `outputs`.
    Courier,
}

impl Function {
    /// The function's time-out in the template.
    pub(crate) fn timeout(self) -> SignedDuration {
        SignedDuration::from_secs(if self == Self::Receiver { 10 } else { 20 })
    }

    /// The function that reads an internal queue.
    pub(crate) fn of(queue: Inner) -> Option<Self> {
        match queue {
            Inner::Deliveries => Some(Self::Hydrator),
            Inner::Retries => Some(Self::Retrier),
            Inner::Alerts | Inner::Reviews => Some(Self::Alerter),
            Inner::Outputs => Some(Self::Courier),
            Inner::RetriesDead | Inner::AlertsDead | Inner::OutputsDead => None,
        }
    }
}

/// A webhook with the token in its path.
#[derive(Debug, Clone, Copy)]
pub struct Webhook<'a> {
    /// The source in the path.
    pub source: &'a str,
    /// The token in the path.
    pub token: &'a str,
    /// The body.
    pub body: &'a str,
}

impl<'a> From<Webhook<'a>> for Incoming<'a> {
    fn from(Webhook { source, token, body }: Webhook<'a>) -> Self {
        Incoming {
            method: "POST",
            source,
            path_token: Some(token),
            header_token: None,
            content_encoding: None,
            traceparent: None,
            body: body.as_bytes(),
        }
    }
}

impl Invocation<'_> {
    pub(crate) async fn receive(&self, request: Incoming<'_>) -> HttpAnswer {
        let receive = Receive::<Self> { config: &self.sim.config, intake: self, host: self };
        receive.handle(request, receive.hop(&request)).await
    }

    pub(crate) async fn hydrate(&self, messages: Vec<Message>) -> Vec<String> {
        // An idle process takes the next batch and keeps its cache. A process that dies never comes back.
        let process = self.sim.with(|state| state.idle_hydrators.pop()).unwrap_or_default();
        let hydrate = Hydrate::<Self> {
            config: &self.sim.config,
            table: self,
            stream: self,
            api: self,
            deliveries: self,
            job_queue: self,
            local_budgets: &process.local_budgets,
            host: self,
            views: &process.views,
        };
        let left = hydrate.batch(self.as_it_reads(messages)).await;
        self.sim.with(|state| state.idle_hydrators.push(process));
        left
    }

    fn retrier(&self) -> Retrier<'_, Self> {
        Retrier {
            config: &self.sim.config,
            table: self,
            stream: self,
            deliveries: self,
            incidents: self,
            queues: self,
            courier: self.has_outputs().then_some(CourierPorts { outputs: self, queue: self }),
            job_queue: self,
            host: self,
        }
    }

    /// Whether the stack has a courier.
    fn has_outputs(&self) -> bool {
        !self.sim.config.outputs.is_empty()
    }

    fn courier(&self) -> Courier<'_, Self> {
        let config = &self.sim.config;
        Courier { config, outputs: self, targets: self, courier_queue: self, job_queue: self, host: self }
    }

    /// A batch of `signals`.
    pub(crate) async fn deliver(&self, messages: Vec<Message>) -> Vec<String> {
        self.courier().signals(messages).await
    }

    /// A batch of `outputs`.
    pub(crate) async fn deliver_again(&self, messages: Vec<Message>) -> Vec<String> {
        self.courier().batch(self.as_it_reads(messages)).await
    }

    pub(crate) async fn retry(&self, messages: Vec<Message>) -> Vec<String> {
        self.retrier().batch(self.as_it_reads(messages)).await
    }

    pub(crate) async fn acknowledge(&self, token: &str, body: &[u8]) -> HttpAnswer {
        let config = &self.sim.config;
        Acknowledge::<Self> { config, table: self, job_queue: self, host: self }.handle("POST", token, body).await
    }

    pub(crate) async fn sweep(&self) -> Swept {
        if self.sim.with(|state| state.has_heartbeat) {
            return Box::pin(self.retrier().sweep()).await.swept.unwrap_or_default();
        }
        // Without heartbeats, the simulation settles.
        let retrier = self.retrier();
        let until = self.now() + SWEEPS_FOR;
        let open = retrier.open().await;
        let _ = retrier.watch().arm_due(&open, until).await;
        let _ = retrier.polls().send_due(&open).await;
        let _ = retrier.sweeper().hint(self, &open, until).await;
        let _ = retrier.sweeper().resend(self, until).await;
        let _ = retrier.find_overdue_lanes(&open).await;
        let swept = retrier.sweeper().run(until).await.unwrap_or_default();
        let _ = retrier.heartbeat_signals().send_due(until).await;
        swept
    }

    pub(crate) async fn alert(&self, messages: Vec<Message>) -> Vec<String> {
        let alert = Alert::<Self> {
            config: &self.sim.config,
            public_url: Some(PUBLIC_URL),
            stack: None,
            incidents: self,
            table: self,
            deliveries: self,
            queues: self,
            outputs: self.has_outputs().then_some(self),
            mailer: self,
            ringer: self,
            job_queue: self,
            host: self,
        };
        alert.batch(self.as_it_reads(messages)).await
    }

    pub(crate) async fn follow(&self, method: &str, secret: &str, form: &str) -> Page {
        let config = &self.sim.config;
        let pages = AckPages::<Self> { config, stack: None, incidents: self, table: self, job_queue: self, host: self };
        pages.handle(method, secret, form.as_bytes()).await
    }
}
