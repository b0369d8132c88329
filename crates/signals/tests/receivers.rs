//! The HTTP receivers in Python and Node.js check signatures as Standard Webhooks defines them. A missing interpreter is
//! reported loudly.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "helpers of a test that uses the real time"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

const BODY: &str = r#"{"id":"s/d#7.1","type":"gridbell.dispatch.scheduled.v1","data":{"dispatch":{"id":"ü"}}}"#;
const ID: &str = "s/d#7.1 site-gateway";

struct Receiver {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: u16,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The HMAC of RFC 2104, independent of the receivers' libraries.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64);
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|place| key.get(place).copied().unwrap_or(0) ^ byte).collect() };
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

fn secret(byte: u8) -> (String, Vec<u8>) {
    let key = vec![byte; 32];
    (format!("whsec_{}", BASE64_STANDARD.encode(&key)), key)
}

fn signature(key: &[u8], sent_at: u64, body: &str) -> String {
    let signed = format!("{ID}.{sent_at}.{body}");
    format!("v1,{}", BASE64_STANDARD.encode(hmac(key, signed.as_bytes())))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Receiver {
    /// None if the interpreter is missing.
    fn start(interpreter: &str, file: &str) -> Option<Self> {
        if let Err(error) = Command::new(interpreter).arg("--version").output() {
            eprintln!("\n!!! {interpreter} cannot be run ({error}): examples/{file} was NOT tested\n");
            return None;
        }
        let mut child = Command::new(interpreter)
            .arg(format!("{}/examples/{file}", env!("CARGO_MANIFEST_DIR")))
            .arg("0")
            .env("GRIDBELL_SECRETS", format!("{} {}", secret(1).0, secret(2).0))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it starts").unwrap();
        let port = first.strip_prefix("listens on ").expect(&first).parse().unwrap();
        Some(Self { child, lines, port })
    }

    /// Posts a body with the headers of Standard Webhooks. Returns the answer's status and body.
    fn post(&self, sent_at: &str, signature: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/cloudevents+json\r\n\
             content-length: {}\r\nwebhook-id: {ID}\r\nwebhook-timestamp: {sent_at}\r\nwebhook-signature: {signature}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect(head);
        // Node.js sends its answer in chunks.
        let body = body.lines().find(|line| line.starts_with('{')).unwrap_or_default();
        (status, body.replace(' ', ""))
    }
}

fn accepts_only_what_is_signed(interpreter: &str, file: &str) {
    let Some(mut receiver) = Receiver::start(interpreter, file) else { return };
    let (now, [first, second, foreign]) = (now_s(), [1, 2, 3].map(|byte| secret(byte).1));
    let post = |sent_at: u64, signature: &str, body: &str| receiver.post(&sent_at.to_string(), signature, body);
    let accepted = (200, r#"{"state":"accepted"}"#.to_owned());
    // With either secret, while they are rotated; and if the sender signs with both, of which only one is known here.
    assert_eq!(post(now, &signature(&first, now, BODY), BODY), accepted);
    assert_eq!(post(now, &signature(&second, now, BODY), BODY), accepted);
    let both = format!("{} {}", signature(&foreign, now, BODY), signature(&second, now, BODY));
    assert_eq!(post(now, &both, BODY), accepted);
    let heartbeat = r#"{"id":"heartbeat#7.1","type":"gridbell.heartbeat.v1","data":{"heartbeat":{}}}"#;
    assert_eq!(post(now, &signature(&first, now, heartbeat), heartbeat), (200, "{}".to_owned()));

    let good = signature(&first, now, BODY);
    let other = BODY.replace("scheduled", "cancelled");
    for (why, answer) in [
        ("a foreign secret", post(now, &signature(&foreign, now, BODY), BODY)),
        ("another body", post(now, &good, &other)),
        ("another time", post(now - 1, &good, BODY)),
        ("an old message", post(now - 301, &signature(&first, now - 301, BODY), BODY)),
        ("a message from the future", post(now + 400, &signature(&first, now + 400, BODY), BODY)),
        ("no signature", post(now, "", BODY)),
        ("another version of signatures", post(now, &good.replace("v1,", "v2,"), BODY)),
        ("a part of the signature", post(now, &good[..good.len() - 2], BODY)),
        ("no time", receiver.post("", &good, BODY)),
        ("a time that is no number", receiver.post("1e9", &good, BODY)),
    ] {
        assert_eq!(answer.0, 401, "{file}: {why}: {answer:?}");
    }
    for no_signal in ["[]", "{", "null"] {
        let answer = post(now, &signature(&first, now, no_signal), no_signal);
        assert_eq!(answer.0, 400, "{file}: {no_signal}: {answer:?}");
    }
    let handled: Vec<String> = receiver.lines.by_ref().take(4).map(|line| line.unwrap()).collect();
    assert_eq!(handled[0], "gridbell.dispatch.scheduled.v1 s/d#7.1");
    assert_eq!(handled[3], "gridbell.heartbeat.v1 heartbeat#7.1");
}

#[test]
fn the_python_receiver_accepts_only_what_is_signed() {
    accepts_only_what_is_signed("python3", "receiver.py");
}

#[test]
fn the_node_receiver_accepts_only_what_is_signed() {
    accepts_only_what_is_signed("node", "receiver.mjs");
}
