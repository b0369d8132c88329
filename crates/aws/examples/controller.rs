//! A controller in its smallest form: reads the signals, acts on each change once, and acknowledges.
//!
//! `cargo run -p aws --example controller -- target/gridbell/stack.json`, while `gridbell up` runs. In AWS a file with the same
//! members does (no `endpoint_url`; `acks` with its token), and the keys of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.

use std::{collections::HashMap, env, fs, io, time::Duration};

use aws::client::{Access, shared};
use aws_sdk_sqs::Client;
use serde_json::{Value, json};

type BoxError = Box<dyn std::error::Error>;

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
    let mut seen: HashMap<String, u64> =
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
    (seen_file, seen): (&str, &mut HashMap<String, u64>),
) -> Result<(), BoxError> {
    let received =
        sqs.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(4).send().await?;
    for message in received.messages.unwrap_or_default() {
        let event: Value = serde_json::from_str(message.body().unwrap_or_default())?;
        let subject = event["subject"].as_str().unwrap_or_default().to_owned();
        let sequence: u64 = event["sequence"].as_str().unwrap_or_default().parse()?;
        let highest = seen.get(&subject).copied().unwrap_or_default();
        let (line, said) = what(&event);
        // What is delivered twice, or after something newer, is not acted on.
        if sequence > highest {
            say(&line)?;
            seen.insert(subject, sequence);
            fs::write(format!("{seen_file}.new"), serde_json::to_vec(seen)?)?;
            fs::rename(format!("{seen_file}.new"), seen_file)?;
        }
        // The newest is acknowledged again where it comes again: that may have been lost.
        if let (Some(said), true) = (said, sequence >= highest) {
            let dispatch = &event["data"]["dispatch"];
            let body = json!({"dispatch": dispatch["key"], "version": dispatch["version"], "state": said});
            let request = http.post(acks).header("content-type", "application/json").body(body.to_string());
            let status = request.send().await?.status().as_u16();
            // 409: there is a newer version by now, whose signal is on its way.
            if !matches!(status, 200 | 409) {
                return Err(format!("the acknowledgement got {status}").into());
            }
        }
        // Last of all: who dies before this is handed the same signal again.
        let receipt = message.receipt_handle.unwrap_or_default();
        sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await?;
    }
    Ok(())
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
    io::Write::write_all(&mut io::stdout(), format!("{line}\n").as_bytes())
}
