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
    sync::{Arc, Mutex},
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

/// Starts `gridbell up` with further arguments and waits for its `stack.json`.
#[expect(clippy::disallowed_methods, reason = "a test that waits for a process reads the real clock")]
fn up(config: &str, more: &[&str]) -> Up {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("gridbell.toml"), config).expect("written");
    let mut gridbell = Command::new(env!("CARGO_BIN_EXE_gridbell"))
        .args(["up", "--json", "--state", "stack.json"])
        .args(more)
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
    post_with(url, "", body)
}

/// The same with further header lines, each with its line end.
fn post_with(url: &str, headers: &str, body: &str) -> (u16, String) {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    let mut stream = std::net::TcpStream::connect(host).expect("connected");
    let request = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
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
    let mut up = up(CONFIG, &[]);
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
    let mut up = up(CONFIG, &[]);
    let text = |pointer: &str| up.stack.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let endpoint = text("/endpoint_url");
    let functions = functions_of(&endpoint);
    assert!(!functions.is_empty(), "the receiver has answered, so it runs");
    up.signal("-KILL");
    up.gridbell.wait().expect("ended");
    wait_until("nothing of it runs", || !is_open(&endpoint) && functions_of(&endpoint).is_empty());
    assert!(!up.state().exists(), "it would describe what is gone");
}

/// A viewer that takes spans, and the spans.
fn viewer() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let spans: Arc<Mutex<Vec<Value>>> = Arc::default();
    let into = Arc::clone(&spans);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
            assert!(head.starts_with("POST /v1/traces "), "{head}");
            let length = head
                .to_lowercase()
                .split_once("content-length: ")
                .and_then(|(_, rest)| rest.split("\r\n").next().and_then(|length| length.parse::<usize>().ok()));
            let mut body = vec![0; length.expect("a length")];
            reader.read_exact(&mut body).expect("a body");
            let request: Value = serde_json::from_slice(&body).expect("JSON");
            for resource in request["resourceSpans"].as_array().expect("resources") {
                let function = &resource["resource"]["attributes"][0]["value"]["stringValue"];
                for span in resource["scopeSpans"][0]["spans"].as_array().expect("spans") {
                    let mut span = span.clone();
                    span["function"] = function.clone();
                    into.lock().expect("a lock").push(span);
                }
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            std::io::Write::write_all(&mut stream, answer).expect("answered");
        }
    });
    (url, spans)
}

#[test]
fn one_webhook_is_one_trace_in_a_viewer() {
    let (viewer, spans) = viewer();
    let up = up(CONFIG, &["--otlp", &viewer]);
    let url = up.stack["sources"]["one"]["url"].as_str().expect("a URL");
    let header = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let body = r#"{"event":{"name":"dispatch.create"},"resource":"/2022-04-15/dispatches/dkmq"}"#;
    assert_eq!(post_with(url, header, body).0, 200);
    // The provider does not answer, so the retrier sends the request back.
    let of_trace = || {
        let spans = spans.lock().expect("a lock").clone();
        spans.into_iter().filter(|span| span["traceId"] == "0af7651916cd43dd8448eb211c80319c").collect::<Vec<_>>()
    };
    let named = |name: &str| of_trace().into_iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    wait_until("two attempts are in the viewer", || named("hydrate").len() > 1 && named("fetch").len() > 1);
    let parent = |span: &Value| {
        let parent = of_trace().into_iter().find(|other| other["spanId"] == span["parentSpanId"]);
        parent.map(|parent| parent["name"].as_str().expect("a name").to_owned())
    };
    let [receive] = &named("receive")[..] else { panic!("{:?}", of_trace()) };
    assert_eq!((&receive["parentSpanId"], &receive["function"]), (&"b7ad6b7169203331".into(), &"receiver".into()));
    let attempts = named("hydrate");
    let parents: Vec<Option<String>> = attempts.iter().map(parent).collect();
    assert!(
        parents.contains(&Some("receive".to_owned())) && parents.contains(&Some("retry".to_owned())),
        "{parents:?}"
    );
    for (name, of, function) in [("fetch", "hydrate", "hydrator"), ("retry", "hydrate", "retrier")] {
        let spans = named(name);
        assert!(
            spans.iter().all(|span| parent(span).as_deref() == Some(of) && span["function"] == function),
            "{spans:?}"
        );
    }
    assert_eq!(named("fetch")[0]["status"]["code"], 2, "it failed");
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
