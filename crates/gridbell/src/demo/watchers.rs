//! Tasks that record what the demo's controller and on-call person get: signals and mail.

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
use tokio::{net::TcpListener, sync::mpsc::UnboundedReceiver, task::JoinSet, time::interval};

use super::observations::{Mail, Observations, Signal};
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
        signals: UnboundedReceiver<Signal>,
        mail: (Client, String),
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
        let elsewhere = listener.local_addr()?.to_string();
        let calls_elsewhere = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(note_signals(Arc::clone(observations), signals));
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

async fn note_signals(observations: Arc<Observations>, mut signals: UnboundedReceiver<Signal>) {
    while let Some(signal) = signals.recv().await {
        observations.note(|seen| seen.signals.push(signal));
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
