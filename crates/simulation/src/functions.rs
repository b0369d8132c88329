//! The functions as the world runs them: the pipeline's own code, wired to the ports of one invocation.

use jiff::SignedDuration;
use pipeline::{
    acknowledge::Acknowledge,
    alert::{AckPages, Alert, Page},
    hydrate::Hydrate,
    in_time::SWEEPS_FOR,
    job::Message,
    ports::Clock,
    receive::{HttpAnswer, Incoming, Receive},
    retrier::Retrier,
    sweep::Swept,
};

use crate::{Inner, Invocation};

/// What the links in mails stand behind.
pub const PUBLIC_URL: &str = "https://gridbell.example";

/// A function of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Takes webhooks.
    Receiver,
    /// Reads `deliveries`.
    Hydrator,
    /// Reads `retries`.
    Retrier,
    /// The retrier, run by the schedule of every minute.
    Sweeper,
    /// Reads `alerts` and `reviews`.
    Alerter,
}

impl Function {
    /// How long an invocation may take, as the template has it.
    pub(crate) fn timeout(self) -> SignedDuration {
        SignedDuration::from_secs(if self == Self::Receiver { 10 } else { 20 })
    }

    /// The function that reads an inner queue.
    pub(crate) fn of(queue: Inner) -> Option<Self> {
        match queue {
            Inner::Deliveries => Some(Self::Hydrator),
            Inner::Retries => Some(Self::Retrier),
            Inner::Alerts | Inner::Reviews => Some(Self::Alerter),
            Inner::RetriesDead | Inner::AlertsDead => None,
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
            body: body.as_bytes(),
        }
    }
}

impl Invocation<'_> {
    pub(crate) async fn receive(&self, request: Incoming<'_>) -> HttpAnswer {
        Receive { config: &self.sim.config, intake: self, host: self }.handle(request).await
    }

    pub(crate) async fn hydrate(&self, messages: Vec<Message>) -> Vec<String> {
        // A process that waits takes the next batch with all that it knows; one that dies is seen no more.
        let process = self.sim.with(|state| state.idle_hydrators.pop()).unwrap_or_default();
        let hydrate = Hydrate {
            config: &self.sim.config,
            table: self,
            stream: self,
            api: self,
            deliveries: self,
            job_queue: self,
            shares: &process.shares,
            host: self,
            views: &process.views,
        };
        let left = hydrate.batch(self.as_it_reads(messages)).await;
        self.sim.with(|state| state.idle_hydrators.push(process));
        left
    }

    fn retrier(&self) -> Retrier<'_, Self, Self, Self, Self, Self, Self, Self> {
        Retrier {
            config: &self.sim.config,
            table: self,
            stream: self,
            deliveries: self,
            incidents: self,
            queues: self,
            job_queue: self,
            host: self,
        }
    }

    pub(crate) async fn retry(&self, messages: Vec<Message>) -> Vec<String> {
        self.retrier().batch(self.as_it_reads(messages)).await
    }

    pub(crate) async fn acknowledge(&self, token: &str, body: &[u8]) -> HttpAnswer {
        let config = &self.sim.config;
        Acknowledge { config, table: self, job_queue: self, host: self }.handle("POST", token, body).await
    }

    pub(crate) async fn sweep(&self) -> Swept {
        if self.sim.with(|state| state.has_heartbeat) {
            return Box::pin(self.retrier().sweep()).await.swept.unwrap_or_default();
        }
        // A world without heartbeats settles.
        let retrier = self.retrier();
        let until = self.now() + SWEEPS_FOR;
        let open = retrier.open().await;
        let _ = retrier.watch().arm_due(&open, until).await;
        let _ = retrier.polls().send_due(&open).await;
        let _ = retrier.sweeper().hint(self, &open, until).await;
        let _ = retrier.sweeper().resend(self, until).await;
        retrier.sweeper().run(until).await.unwrap_or_default()
    }

    pub(crate) async fn alert(&self, messages: Vec<Message>) -> Vec<String> {
        let alert = Alert {
            config: &self.sim.config,
            public_url: Some(PUBLIC_URL),
            stack: None,
            incidents: self,
            table: self,
            deliveries: self,
            queues: self,
            mailer: self,
            job_queue: self,
            host: self,
        };
        alert.batch(self.as_it_reads(messages)).await
    }

    pub(crate) async fn follow(&self, method: &str, secret: &str, form: &str) -> Page {
        let pages = AckPages { config: &self.sim.config, incidents: self, table: self, job_queue: self, host: self };
        pages.handle(method, secret, form.as_bytes()).await
    }
}
