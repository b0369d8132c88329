//! `gridbell up` as a person runs it: it serves, cleans up, and leaves nothing behind when it is killed.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "helpers of tests fail the test, and print the output of gridbell"
)]

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The first run installs the emulator and builds the functions.
const UP: Duration = Duration::from_mins(20);

struct Up {
    gridbell: Child,
    folder: tempfile::TempDir,
    stack: Value,
}

impl Up {
    fn state(&self) -> PathBuf {
        self.folder.path().join("stack.json")
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.gridbell.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.gridbell.kill());
        drop(self.gridbell.wait());
    }
}

/// Starts `gridbell up` and waits for its `stack.json`.
#[expect(clippy::disallowed_methods, reason = "a test that waits for a process reads the real clock")]
fn up(config: &str) -> Up {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("gridbell.toml"), config).expect("written");
    let mut gridbell = Command::new(env!("CARGO_BIN_EXE_gridbell"))
        .args(["up", "--json", "--state", "stack.json"])
        .current_dir(folder.path())
        .env("KEY_OF_TEST", "s3cr3t-of-the-test")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gridbell starts");
    let stderr = gridbell.stderr.take().expect("piped");
    let said = std::thread::spawn(move || {
        BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .inspect(|line| eprintln!("{line}"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    let begun = Instant::now();
    let state = folder.path().join("stack.json");
    while !state.exists() {
        if let Some(status) = gridbell.try_wait().expect("asked") {
            panic!("gridbell ended with {status}:\n{}", said.join().unwrap_or_default());
        }
        assert!(begun.elapsed() < UP, "not up after {UP:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let stack = serde_json::from_str(&std::fs::read_to_string(&state).expect("readable")).expect("JSON");
    Up { gridbell, folder, stack }
}

/// A POST without a library; returns the answer's status and body.
fn post(url: &str, body: &str) -> (u16, String) {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    let mut stream = std::net::TcpStream::connect(host).expect("connected");
    let request = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn is_open(url: &str) -> bool {
    let host = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address");
    std::net::TcpStream::connect(host).is_ok()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("after 10 s it is not so that {what}");
}

const CONFIG: &str = "[sources.one]\nprovider = 'voltus'\napi_url = 'http://127.0.0.1:9'\napi_key = 'env:KEY_OF_TEST'\n\
                      [sources.two]\nprovider = 'nvgrid'\n\
                      token = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n";

#[test]
fn it_comes_up_says_where_and_goes_on_ctrl_c() {
    let mut up = up(CONFIG);
    let text = |pointer: &str| up.stack.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut keys: Vec<_> = up.stack.as_object().expect("an object").keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["acks", "endpoint_url", "mail", "queues", "region", "sources", "tables", "webhook_base"]);
    let base = text("/webhook_base");
    assert!(text("/sources/one/url").starts_with(&format!("{base}/hooks/one/")));
    assert_eq!(text("/sources/two/url"), format!("{base}/hooks/two"));
    assert!(text("/acks").starts_with(&format!("{base}/acks/")));
    assert!(!up.stack.to_string().contains("s3cr3t-of-the-test"));

    let (status, _) = post(&text("/sources/one/url"), r#"{"event":{"name":""},"resource":""}"#);
    assert_eq!(status, 200);
    let (status, body) = post(&format!("{base}/hooks/two/wrong"), "{}");
    assert_eq!(status, 404, "{body}");

    let endpoint = text("/endpoint_url");
    up.signal("-INT");
    let mut said = String::new();
    up.gridbell.stdout.take().expect("piped").read_to_string(&mut said).expect("read");
    assert_eq!(up.gridbell.wait().expect("ended").code(), Some(0));
    assert_eq!(serde_json::from_str::<Value>(&said).expect("--json prints stack.json"), up.stack);
    assert!(!up.state().exists());
    assert!(!is_open(&endpoint), "the emulator is gone when gridbell is");
}

#[test]
fn killed_it_leaves_nothing_running() {
    let mut up = up(CONFIG);
    let text = |pointer: &str| up.stack.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let endpoint = text("/endpoint_url");
    let functions = functions_of(&endpoint);
    assert!(!functions.is_empty(), "the receiver has answered, so it runs");
    up.signal("-KILL");
    up.gridbell.wait().expect("ended");
    wait_until("nothing of it runs", || !is_open(&endpoint) && functions_of(&endpoint).is_empty());
    assert!(!up.state().exists(), "it would describe what is gone");
}

/// The functions' processes: their environment contains the emulator's address.
fn functions_of(endpoint: &str) -> Vec<u32> {
    let wanted = format!("AWS_ENDPOINT_URL={endpoint}");
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    processes
        .filter(|process| {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        })
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .collect()
}
