//! A minimal controller: it acts once on each change, acknowledges it, curtails and releases its sites by the clock, and
//! raises an alarm if a version did not arrive or gridbell is silent. The README of this crate says how to run it.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it has its own clock, and speaks to a person")]

use std::{collections::BTreeSet, env, fs, time::Duration};

use anyhow::{Context, Result};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use signals::{AckClient, AckState, Acknowledgement, ActiveDispatches, Data, Delivery, Envelope, VersionFilter};

/// The state that must survive a restart.
#[derive(Default, Serialize, Deserialize)]
struct State {
    filter: VersionFilter,
    active: ActiveDispatches,
    /// Curtailed sites and alarms, in words.
    current: BTreeSet<String>,
}

struct Controller {
    sqs: aws_sdk_sqs::Client,
    queue: String,
    acks: AckClient,
    /// A message that an earlier read has not deleted comes again within this time.
    in_flight: SignedDuration,
    file: String,
    state: State,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let file = env::args().nth(1).context("usage: controller STACK.JSON")?;
    let stack: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let text = |pointer: &str| stack.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut aws = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    aws = aws.region(Region::new(text("/region").context("no region")?));
    if let Some(local) = text("/endpoint_url") {
        aws = aws.endpoint_url(local).credentials_provider(Credentials::new("test", "test", None, None, "local"));
    }
    let (sqs, queue) = (aws_sdk_sqs::Client::new(&aws.load().await), text("/queues/signals").context("no queue")?);
    let acks = AckClient::new(reqwest::Client::new(), text("/acks").context("no acks")?);
    let in_flight = SignedDuration::from_secs(stack["in_flight_s"].as_i64().unwrap_or(90));
    let file = format!("{file}.state");
    let state = fs::read(&file).map_or_else(|_| Ok(State::default()), |bytes| serde_json::from_slice(&bytes))?;
    let mut controller = Controller { sqs, queue, acks, in_flight, file, state };
    loop {
        if let Err(error) = controller.round().await {
            println!("tries again soon: {error}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Controller {
    /// Reads the queue once. A message that fails stays in the queue and is delivered again.
    async fn round(&mut self) -> Result<()> {
        self.follow_the_clock()?;
        let receive = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10).wait_time_seconds(4);
        for message in receive.send().await?.messages.unwrap_or_default() {
            let signal = Envelope::parse(message.body().unwrap_or_default())?;
            if let Some(acknowledgement) = self.take(signal)? {
                match self.acks.send(&acknowledgement).await {
                    // Sending it again does not help, and the messages behind this one must not wait for it.
                    Err(error) if !error.is_temporary() => println!("pass over: {error}"),
                    answer => drop(answer?),
                }
            }
            // Delete last: after a crash before this line, the queue delivers the message again.
            let receipt = message.receipt_handle.unwrap_or_default();
            self.sqs.delete_message().queue_url(&self.queue).receipt_handle(receipt).send().await?;
        }
        Ok(())
    }

    /// Acts on a signal, stores that, and returns the acknowledgement.
    fn take(&mut self, signal: Envelope) -> Result<Option<Acknowledgement>> {
        let signal = match self.state.filter.accept(signal, Timestamp::now()) {
            Delivery::New { signal, missed } => {
                println!("{} {}, {missed} missed before", signal.kind, signal.subject);
                self.state.filter.mark_done(&signal);
                if let Data::Dispatch(dispatch) = &signal.data {
                    self.state.active.update(dispatch.clone());
                }
                Some(signal)
            }
            Delivery::Duplicate(signal) => Some(signal), // The first acknowledgement may be lost.
            Delivery::Incomplete { .. } | Delivery::Outdated { .. } => None,
        };
        self.follow_the_clock()?;
        let dispatch = signal.filter(|signal| matches!(signal.data, Data::Dispatch(_)));
        Ok(dispatch.map(|signal| Acknowledgement::of(&signal, AckState::Accepted)))
    }

    /// Curtails and releases sites, raises and ends alarms, and stores the state. gridbell sends nothing when a start or
    /// a known end passes, and `effective` may extend the curtailment of a site: `curtailed` considers both.
    fn follow_the_clock(&mut self) -> Result<()> {
        let (now, State { filter, active, current }) = (Timestamp::now(), &mut self.state);
        let sites = active.curtailed(now).into_iter().map(|(source, id)| format!("site {source}/{id} is curtailed"));
        let missing = filter.missing(now - self.in_flight);
        let missing = missing.map(|one| format!("ALARM: version {} of {} did not arrive", one.version, one.subject));
        let late = filter.late_since(now).map(|since| format!("ALARM: no signal since {since}"));
        let is_so: BTreeSet<String> = sites.chain(missing).chain(late).collect();
        is_so.difference(current).for_each(|one| println!("now: {one}")); // Curtail here.
        current.difference(&is_so).for_each(|one| println!("over: {one}")); // Release here.
        *current = is_so;
        filter.forget_before(now - SignedDuration::from_hours(15 * 24)); // A queue keeps messages for 14 days.
        active.forget_before(now);
        fs::write(format!("{}.new", self.file), serde_json::to_vec(&self.state)?)?;
        Ok(fs::rename(format!("{}.new", self.file), &self.file)?)
    }
}
