//! The functions as the world runs them: the pipeline's own code, wired to the ports of one invocation.

use pipeline::{
    acknowledge::Acknowledge,
    alert::{Alert, Door, Page},
    hydrate::Hydrate,
    poll::Polls,
    pulse::Pulse,
    receive::{Answer, Incoming, Receive},
    retry::Retry,
    sweep::{Sweep, Swept},
    watch::Watch,
    work::Message,
};

use crate::{Inner, Invocation};

/// What the links in mails stand behind.
pub const PUBLIC_URL: &str = "https://gridbell.example";

/// A function of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Takes webhooks.
    Receiver,
    /// Reads `deliveries`.
    Hydrator,
    /// Reads `retries`.
    Retrier,
    /// The retrier, run by the schedule of every minute.
    Sweeper,
    /// Reads `alerts`.
    Alerter,
}

impl Function {
    /// The function that reads an inner queue.
    pub(crate) fn of(queue: Inner) -> Option<Self> {
        match queue {
            Inner::Deliveries => Some(Self::Hydrator),
            Inner::Retries => Some(Self::Retrier),
            Inner::Alerts => Some(Self::Alerter),
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
    pub(crate) async fn receive(&self, request: Incoming<'_>) -> Answer {
        Receive { config: &self.world.config, intake: self, world: self }.handle(request).await
    }

    pub(crate) async fn hydrate(&self, messages: Vec<Message>) -> Vec<String> {
        let config = &self.world.config;
        let hydrate =
            Hydrate { config, table: self, stream: self, api: self, deliveries: self, outlet: self, world: self };
        hydrate.batch(messages).await
    }

    pub(crate) async fn retry(&self, messages: Vec<Message>) -> Vec<String> {
        let config = &self.world.config;
        let (messages, mut failed) = self.pulse().batch(messages).await;
        let watch = Watch { config, table: self, stream: self, outlet: self, world: self };
        let (failures, left) = watch.batch(messages).await;
        failed.extend(left);
        failed.extend(Retry { config, table: self, deliveries: self, outlet: self, world: self }.batch(failures).await);
        failed
    }

    fn pulse(&self) -> Pulse<'_, Self, Self, Self, Self> {
        Pulse { health: self, queues: self, outlet: self, world: self }
    }

    pub(crate) async fn acknowledge(&self, token: &str, body: &[u8]) -> Answer {
        let config = &self.world.config;
        Acknowledge { config, table: self, outlet: self, world: self }.handle("POST", token, body).await
    }

    pub(crate) async fn sweep(&self) -> Swept {
        let config = &self.world.config;
        let watch = Watch { config, table: self, stream: self, outlet: self, world: self };
        // A sweep that could not even begin is made up for a minute later.
        let _ = watch.arm_due().await;
        if self.world.with(|state| state.has_pulse) {
            let _ = self.pulse().minute().await;
        }
        let _ = Polls { config, deliveries: self, outlet: self, world: self }.send_due().await;
        Sweep { config, table: self, stream: self, outlet: self, world: self }.run().await.unwrap_or_default()
    }

    pub(crate) async fn alert(&self, messages: Vec<Message>) -> Vec<String> {
        let config = &self.world.config;
        let public_url = Some(PUBLIC_URL);
        Alert { config, public_url, incidents: self, table: self, mailer: self, outlet: self, world: self }
            .batch(messages)
            .await
    }

    pub(crate) async fn follow(&self, method: &str, secret: &str) -> Page {
        Door { incidents: self, world: self }.handle(method, secret).await
    }
}
