//! A controller in its smallest form: reads the signals, acts on each change once, and acknowledges.
//!
//! `cargo run -p aws --example controller -- target/gridbell/stack.json`, while `gridbell up` runs. In AWS a file with the same
//! members does (no `endpoint_url`; `acks` with its token), and the keys of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.

use std::{collections::HashMap, env, fs, io, time::Duration};

use aws::client::{Access, shared};
use aws_sdk_sqs::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type BoxError = Box<dyn std::error::Error>;

/// What is kept of each subject, over a restart: the newest version, and the parts of it that have come.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    /// Epoch and sequence: the epoch counts first, since a rebuilt stack numbers from 1 again under a newer one.
    version: (u64, u64),
    /// The targets of each part, until all have come.
    parts: HashMap<u64, Value>,
    /// All parts have come, and it was acted on.
    done: bool,
}

/// What a signal means after what was seen before.
enum Next {
    /// All of a version is there: act on it.
    Act(Value),
    /// It was acted on already: its acknowledgement may have been lost.
    Again,
    /// Other parts are still to come.
    Wait,
    /// A newer version is known.
    Old,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let file = env::args().nth(1).unwrap_or_else(|| "target/gridbell/stack.json".to_owned());
    let stack: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let told = |pointer: &str| stack.pointer(pointer).and_then(Value::as_str);
    let key = |name: &str| env::var(name).unwrap_or_else(|_| "test".to_owned());
    let (id, secret) = (key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY"));
    let region = told("/region").unwrap_or("us-east-1");
    let sqs = Client::new(&shared(Access::new(told("/endpoint_url"), region, &id, &secret)));
    let (queue, acks) = (told("/queues/signals").ok_or("no queue")?, told("/acks").ok_or("no acks")?);
    // It fails where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    // What was acted on must survive a restart.
    let seen_file = format!("{file}.seen");
    let mut seen: HashMap<String, Seen> =
        fs::read(&seen_file).map_or_else(|_| Ok(HashMap::new()), |bytes| serde_json::from_slice(&bytes))?;
    loop {
        if let Err(error) = round(&sqs, queue, (&http, acks), (&seen_file, &mut seen)).await {
            say(&format!("tries again soon: {error}"))?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Takes what lies in the queue. What fails stays there and comes again.
async fn round(
    sqs: &Client,
    queue: &str,
    (http, acks): (&reqwest::Client, &str),
    (seen_file, seen): (&str, &mut HashMap<String, Seen>),
) -> Result<(), BoxError> {
    let received =
        sqs.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(4).send().await?;
    for message in received.messages.unwrap_or_default() {
        let event: Value = serde_json::from_str(message.body().unwrap_or_default())?;
        let subject = event["subject"].as_str().unwrap_or_default();
        let next = seen.entry(subject.to_owned()).or_default().next(&event)?;
        let event = match next {
            Next::Act(whole) => {
                say(&what(&whole).0)?;
                Some(whole)
            }
            Next::Again => Some(event),
            Next::Wait => None,
            Next::Old => {
                say(&format!("pass over {}: a newer version is known", event["id"]))?;
                None
            }
        };
        fs::write(format!("{seen_file}.new"), serde_json::to_vec(seen)?)?;
        fs::rename(format!("{seen_file}.new"), seen_file)?;
        // Only what was acted on is acknowledged, and again where it comes again: that may have been lost.
        if let Some((event, said)) = event.and_then(|event| what(&event).1.map(|said| (event, said))) {
            acknowledge(http, acks, &event, said).await?;
        }
        // Last of all: who dies before this is handed the same signal again.
        let receipt = message.receipt_handle.unwrap_or_default();
        sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await?;
    }
    Ok(())
}

impl Seen {
    fn next(&mut self, event: &Value) -> Result<Next, BoxError> {
        let decimal = |name: &str| event[name].as_str().unwrap_or_default().parse::<u64>();
        let version = (decimal("epoch")?, decimal("sequence")?);
        if version < self.version {
            return Ok(Next::Old);
        }
        if version > self.version {
            // Parts of an older version that are still missing do not matter any more.
            *self = Self { version, ..Self::default() };
        } else if self.done {
            return Ok(Next::Again);
        }
        let dispatch = &event["data"]["dispatch"];
        let (part, parts) = (dispatch["part"].as_u64().unwrap_or(1), dispatch["parts"].as_u64().unwrap_or(1));
        let mut whole = event.clone();
        if parts > 1 {
            self.parts.insert(part, dispatch["targets"].clone());
            if (self.parts.len() as u64) < parts {
                return Ok(Next::Wait);
            }
            let targets = (1..=parts).filter_map(|part| self.parts.get(&part)?.as_array()).flatten();
            whole["data"]["dispatch"]["targets"] = targets.cloned().collect();
        }
        *self = Self { version, done: true, ..Self::default() };
        Ok(Next::Act(whole))
    }
}

async fn acknowledge(http: &reqwest::Client, acks: &str, event: &Value, said: &str) -> Result<(), BoxError> {
    let dispatch = &event["data"]["dispatch"];
    let (key, version, epoch) = (&dispatch["key"], &dispatch["version"], &event["epoch"]);
    let body = json!({"dispatch": key, "epoch": epoch, "version": version, "state": said});
    let request = http.post(acks).header("content-type", "application/json").body(body.to_string());
    let status = request.send().await?.status().as_u16();
    // 409: there is a newer version by now, whose signal is on its way.
    if matches!(status, 200 | 409) { Ok(()) } else { Err(format!("the acknowledgement got {status}").into()) }
}

/// What the signal asks for, here in words, and what is to be acknowledged. Each signal states the dispatch whole.
fn what(event: &Value) -> (String, Option<&'static str>) {
    let dispatch = &event["data"]["dispatch"];
    let (key, start, end, request) = (&dispatch["key"], &dispatch["start"], &dispatch["end"], &dispatch["request"]);
    match event["type"].as_str().unwrap_or_default() {
        // Nobody curtails for a test; that it came all this way is acknowledged.
        _ if dispatch["test"] == true => (format!("test {key}"), Some("completed")),
        "gridbell.dispatch.scheduled.v1" => (format!("curtail {key} by {request}, {start} to {end}"), Some("accepted")),
        "gridbell.dispatch.updated.v1" => (format!("instead {key} by {request}, {start} to {end}"), Some("accepted")),
        "gridbell.dispatch.cancelled.v1" => (format!("leave {key} alone"), None),
        "gridbell.dispatch.ended.v1" => (format!("release {key}, over at {end}"), None),
        other => (format!("pass over {other}, which is somebody else's"), None),
    }
}

fn say(line: &str) -> io::Result<()> {
    io::Write::write_all(&mut io::stdout(), format!("{}\n", dispatch::text::one_line(line)).as_bytes())
}
