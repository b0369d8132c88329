//! The demo's controller and on-call person: tasks that read the queue `signals` and the mail, and record what arrives.

use std::{
    collections::HashSet,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use reqwest::Client;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet, time::interval};

use super::observations::{Mail, Observations, Signal};
use local_stack::queue::{Message, Queue};
use provider_server::times;

/// How often the mail is read.
const MAIL_EVERY: Duration = Duration::from_millis(300);

/// Background tasks that run until this is dropped.
#[derive(Debug)]
pub(super) struct Watchers {
    _tasks: JoinSet<()>,
    /// The host that forged webhooks point to.
    pub(super) elsewhere: String,
    calls_elsewhere: Arc<AtomicUsize>,
}

impl Watchers {
    pub(super) async fn start(
        observations: &Arc<Observations>,
        signals: Queue,
        mail: (Client, String),
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
        let elsewhere = listener.local_addr()?.to_string();
        let calls_elsewhere = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(read_signals(Arc::clone(observations), signals));
        tasks.spawn(read_mail(Arc::clone(observations), mail));
        let calls = Arc::clone(&calls_elsewhere);
        tasks.spawn(async move {
            // Each connection is counted and closed.
            while listener.accept().await.is_ok() {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { _tasks: tasks, elsewhere, calls_elsewhere })
    }

    /// Connections to the host that gridbell must never call.
    pub(super) fn calls_elsewhere(&self) -> usize {
        self.calls_elsewhere.load(Ordering::Relaxed)
    }
}

async fn read_signals(observations: Arc<Observations>, queue: Queue) {
    let mut pause = interval(Duration::from_millis(100));
    loop {
        match queue.take().await {
            Ok(messages) => {
                let at = times::now();
                observations.note(|seen| seen.signals.extend(messages.into_iter().map(|message| signal(message, at))));
            }
            // The stack may be shutting down; the final checks report what is missing.
            Err(_) => drop(pause.tick().await),
        }
    }
}

fn signal(message: Message, arrived_at: jiff::Timestamp) -> Signal {
    let system = |name: &str| message.system.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Signal {
        arrived_at,
        event: serde_json::from_str(&message.body).unwrap_or(Value::Null),
        group: system("MessageGroupId"),
        deduplication: system("MessageDeduplicationId"),
        attributes: message.attributes,
    }
}

async fn read_mail(observations: Arc<Observations>, (http, url): (Client, String)) {
    let mut known = HashSet::new();
    let mut clock = interval(MAIL_EVERY);
    loop {
        clock.tick().await;
        let Ok(response) = http.get(&url).timeout(Duration::from_secs(5)).send().await else { continue };
        let Ok(list) = response.json::<Vec<Value>>().await else { continue };
        for mail in list {
            let text = |name: &str| mail.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            if known.insert(text("id")) {
                let mail = Mail { seen_at: times::now(), subject: text("subject"), text: text("text") };
                observations.note(|seen| seen.mails.push(mail));
            }
        }
    }
}
