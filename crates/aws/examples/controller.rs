//! A controller in its smallest form: reads the signals, acts on each change once, and acknowledges.
//!
//! `cargo run -p aws --example controller -- target/gridbell/stack.json`, while `gridbell up` runs. In AWS a file with the same
//! members does (no `endpoint_url`; `acks` with its token), and the keys of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.

use std::{collections::HashMap, env, error::Error, fs, io, path::Path};

use aws::client::{Access, shared};
use aws_sdk_sqs::Client;
use serde_json::{Value, json};

/// Where it is kept which version of which dispatch was acted on: it must survive a restart.
const SEEN: &str = "controller-seen.json";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1).unwrap_or_else(|| "target/gridbell/stack.json".to_owned());
    let stack: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let told = |pointer: &str| stack.pointer(pointer).and_then(Value::as_str);
    let queue = told("/queues/signals").ok_or("no queue of signals")?;
    let key = |name: &str| env::var(name).unwrap_or_else(|_| "test".to_owned());
    let (id, secret) = (key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY"));
    let sqs =
        Client::new(&shared(Access::new(told("/endpoint_url"), told("/region").unwrap_or("us-east-1"), &id, &secret)));
    // It fails where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let seen_file = Path::new(&file).with_file_name(SEEN);
    let mut seen: HashMap<String, u64> =
        fs::read(&seen_file).map_or_else(|_| Ok(HashMap::new()), |bytes| serde_json::from_slice(&bytes))?;
    loop {
        let received =
            sqs.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(4).send().await?;
        for message in received.messages.unwrap_or_default() {
            let event: Value = serde_json::from_str(message.body().unwrap_or_default())?;
            let subject = event["subject"].as_str().unwrap_or_default().to_owned();
            let sequence: u64 = event["sequence"].as_str().unwrap_or_default().parse()?;
            // What is delivered twice, or after something newer, is old news.
            if seen.get(&subject).is_none_or(|highest| *highest < sequence) {
                let said = act(&event)?;
                seen.insert(subject, sequence);
                keep(&seen_file, &seen)?;
                if let (Some(said), Some(acks)) = (said, told("/acks")) {
                    acknowledge(&http, acks, &event["data"]["dispatch"], said).await?;
                }
            }
            // Last of all: who dies before this is handed the same signal again.
            let receipt = message.receipt_handle.unwrap_or_default();
            sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await?;
        }
    }
}

/// Does what the signal asks for and returns what is to be acknowledged. Each signal states the dispatch whole, so doing the
/// same twice is harmless.
fn act(event: &Value) -> io::Result<Option<&'static str>> {
    let dispatch = &event["data"]["dispatch"];
    let (key, start, end) = (&dispatch["key"], &dispatch["start"], &dispatch["end"]);
    let (line, said) = match event["type"].as_str().unwrap_or_default() {
        // Nobody curtails for a test; that it came all this way is acknowledged.
        _ if dispatch["test"] == true => (format!("test {key}"), Some("completed")),
        "gridbell.dispatch.scheduled.v1" => {
            (format!("curtail {key} by {} from {start} to {end}", dispatch["request"]), Some("accepted"))
        }
        "gridbell.dispatch.updated.v1" => {
            (format!("instead {key} by {} from {start} to {end}", dispatch["request"]), Some("accepted"))
        }
        "gridbell.dispatch.cancelled.v1" => (format!("leave {key} alone"), None),
        "gridbell.dispatch.ended.v1" => (format!("release {key}, over at {end}"), None),
        // Power, meter data and accounts are somebody else's.
        other => (format!("pass over {other}"), None),
    };
    io::Write::write_all(&mut io::stdout(), format!("{line}\n").as_bytes())?;
    Ok(said)
}

/// Written whole or not at all.
fn keep(file: &Path, seen: &HashMap<String, u64>) -> Result<(), Box<dyn Error>> {
    let new = file.with_extension("new");
    fs::write(&new, serde_json::to_vec(seen)?)?;
    Ok(fs::rename(new, file)?)
}

async fn acknowledge(http: &reqwest::Client, acks: &str, dispatch: &Value, said: &str) -> Result<(), Box<dyn Error>> {
    let body = json!({"dispatch": dispatch["key"], "version": dispatch["version"], "state": said});
    let request = http.post(acks).header("content-type", "application/json").body(body.to_string());
    match request.send().await?.status().as_u16() {
        // 409: there is a newer version by now, whose signal is on its way.
        200 | 409 => Ok(()),
        status => Err(format!("the acknowledgement got {status}").into()),
    }
}
