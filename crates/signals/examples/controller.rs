//! A minimal controller: reads the signals, acts on each change once, acknowledges it, and releases its sites by the
//! clock.
//!
//! Start `gridbell up`, then run `cargo run -p gridbell-signals --example controller -- target/gridbell/stack.json`. For AWS,
//! write a file with the same members (no `endpoint_url`; `acks` with its token) and set `AWS_ACCESS_KEY_ID` and
//! `AWS_SECRET_ACCESS_KEY`.

#![expect(clippy::disallowed_methods, reason = "a controller uses its own clock")]

use std::{collections::BTreeSet, env, fs, io, time::Duration};

use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use signals::{
    AckClient, AckState, Acknowledgement, ActiveDispatches, Data, Delivery, DispatchChange, Envelope, SignalType,
    VersionFilter,
};

type BoxError = Box<dyn std::error::Error>;

/// Longer than a queue keeps a message (14 days), by one day. Older messages are not delivered again.
const RETENTION: Duration = Duration::from_hours(15 * 24);

/// The state that must survive a restart.
#[derive(Default, Serialize, Deserialize)]
struct State {
    filter: VersionFilter,
    active: ActiveDispatches,
    /// The sites that are curtailed now, each as `source/id`.
    curtailed: BTreeSet<String>,
}

struct Controller {
    sqs: Client,
    queue: String,
    acks: AckClient,
    file: String,
    state: State,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let file = env::args().nth(1).unwrap_or_else(|| "target/gridbell/stack.json".to_owned());
    let stack: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let text = |pointer: &str| stack.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    // This fails where a provider is already installed; that one works too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = format!("{file}.state");
    let state = fs::read(&file).map_or_else(|_| Ok(State::default()), |bytes| serde_json::from_slice(&bytes))?;
    let (queue, acks) = (text("/queues/signals").ok_or("no queue")?, text("/acks").ok_or("no acks")?);
    let acks = AckClient::new(reqwest::Client::new(), acks);
    let sqs = sqs(text("/endpoint_url"), text("/region"));
    let mut controller = Controller { sqs, queue, acks, file, state };
    loop {
        if let Err(error) = controller.round().await {
            say(&format!("tries again soon: {error}"))?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn sqs(endpoint_url: Option<String>, region: Option<String>) -> Client {
    let key = |name: &str| env::var(name).unwrap_or_else(|_| "test".to_owned());
    let keys = Credentials::new(key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY"), None, None, "environment");
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_sdk_sqs::Config::builder().behavior_version(BehaviorVersion::latest()).http_client(http);
    let region = Region::new(region.unwrap_or_else(|| "us-east-1".to_owned()));
    let mut config = config.region(region).credentials_provider(keys);
    config.set_endpoint_url(endpoint_url);
    Client::from_conf(config.build())
}

impl Controller {
    /// Reads the queue once. A message that fails stays in the queue and is delivered again.
    async fn round(&mut self) -> Result<(), BoxError> {
        self.follow_the_clock()?;
        let receive = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10).wait_time_seconds(4);
        for message in receive.send().await?.messages.unwrap_or_default() {
            let acknowledgement = self.take(Envelope::parse(message.body().unwrap_or_default())?)?;
            self.follow_the_clock()?;
            if let Some(acknowledgement) = acknowledgement {
                match self.acks.send(&acknowledgement).await {
                    // A retry does not help, and the messages behind this one must not wait for it.
                    Err(error) if !error.is_temporary() => say(&format!("pass over: {error}"))?,
                    answer => drop(answer?),
                }
            }
            // Delete last: after a crash before this line, the queue delivers the message again.
            let receipt = message.receipt_handle.unwrap_or_default();
            self.sqs.delete_message().queue_url(&self.queue).receipt_handle(receipt).send().await?;
        }
        Ok(())
    }

    /// Acts on a signal and returns its acknowledgement.
    fn take(&mut self, signal: Envelope) -> Result<Option<Acknowledgement>, BoxError> {
        let id = signal.id.clone();
        let signal = match self.state.filter.accept(signal) {
            Delivery::New { signal, missed } => {
                if missed > 0 {
                    say(&format!("pass over {missed} versions before {id:?} that never came"))?;
                }
                say(&what(&signal).0)?;
                self.state.filter.mark_done(&signal);
                if let Data::Dispatch(dispatch) = &signal.data {
                    self.state.active.update(dispatch.clone());
                }
                signal
            }
            // The first acknowledgement may be lost.
            Delivery::Duplicate(signal) => signal,
            Delivery::Incomplete { .. } => return Ok(None),
            Delivery::Outdated { .. } => {
                return say(&format!("pass over {id:?}: a newer version is known")).map(|()| None);
            }
        };
        Ok(what(&signal).1.map(|state| Acknowledgement::of(&signal, state)))
    }

    /// Curtails and releases the sites, and stores the state. gridbell sends no signal when a start or a known end
    /// passes, and `effective` may extend the curtailment of a site: `curtailed` considers both.
    fn follow_the_clock(&mut self) -> Result<(), BoxError> {
        let (now, State { filter, active, curtailed }) = (Timestamp::now(), &mut self.state);
        let current: BTreeSet<String> =
            active.curtailed(now).into_iter().map(|(source, id)| format!("{source}/{id}")).collect();
        for site in current.difference(curtailed) {
            say(&format!("site {site:?} is curtailed now"))?;
        }
        for site in curtailed.difference(&current) {
            say(&format!("site {site:?} is released"))?;
        }
        *curtailed = current;
        filter.forget_before(now - RETENTION);
        active.forget_before(now);
        fs::write(format!("{}.new", self.file), serde_json::to_vec(&self.state)?)?;
        Ok(fs::rename(format!("{}.new", self.file), &self.file)?)
    }
}

/// Describes what a signal asks for, and how to acknowledge it. Each signal contains its whole dispatch.
fn what(signal: &Envelope) -> (String, Option<AckState>) {
    let Data::Dispatch(dispatch) = &signal.data else { return (format!("pass over {:?}", signal.id), None) };
    let end = dispatch.end.map_or_else(|| "further notice".to_owned(), |end| end.to_string());
    let (key, start, request) = (&dispatch.key, dispatch.start, dispatch.request);
    match &signal.kind {
        // A test curtails nothing. The acknowledgement confirms that it arrived.
        _ if dispatch.test => (format!("test {key:?}"), Some(AckState::Completed)),
        SignalType::Dispatch(DispatchChange::Scheduled) => {
            (format!("curtail {key:?} by {request:?}, {start} to {end}"), Some(AckState::Accepted))
        }
        SignalType::Dispatch(DispatchChange::Updated) => {
            (format!("instead {key:?} by {request:?}, {start} to {end}"), Some(AckState::Accepted))
        }
        SignalType::Dispatch(DispatchChange::Cancelled) => (format!("leave {key:?} alone"), None),
        _ => (format!("{key:?} is over"), None),
    }
}

fn say(line: &str) -> Result<(), BoxError> {
    Ok(io::Write::write_all(&mut io::stdout(), format!("{line}\n").as_bytes())?)
}
