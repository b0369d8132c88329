//! `gridbell verify` on a local stack: what it tests, who hears of it, and that nothing is left of it, however it ends.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use local_stack::{ProviderUrls, Stack, UpOptions, progress, queue::Queue};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, task::JoinHandle};

/// The stack, and whose turn it is: two runs at once are refused. It ends with the process.
static STACK: LazyLock<(Runtime, Mutex<Stack>)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("threads");
    let options = UpOptions::built_in(&ProviderUrls::new()).expect("the built-in configuration");
    let stack = runtime.block_on(Stack::up(options, progress::on_stderr().as_ref())).expect("up");
    (runtime, Mutex::new(stack))
});

const CALLER: &str = "caller@example.com";

fn turn() -> MutexGuard<'static, Stack> {
    STACK.1.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    /// The outcome of each step, by its name.
    fn outcome(&self, step: &str) -> String {
        let said = self.json();
        let steps = said["steps"].as_array().expect("steps");
        let found = steps.iter().find(|one| one["step"] == step).unwrap_or_else(|| panic!("no step {step}: {said}"));
        found["outcome"].as_str().expect("an outcome").to_owned()
    }
}

fn command(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridbell"));
    command.args(arguments).arg("--state").arg(stack.state_file());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(child: Child) -> Said {
    let output = child.wait_with_output().expect("gridbell ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code().expect("ended"), out: text(output.stdout), err: text(output.stderr) }
}

fn gridbell(stack: &Stack, arguments: &[&str]) -> Said {
    ended(command(stack, arguments).spawn().expect("gridbell starts"))
}

/// Fails if a run has left a dispatch, an incident or an open source.
fn nothing_is_left(stack: &Stack) {
    let dispatches = gridbell(stack, &["dispatch", "list", "--all", "--json"]).out;
    assert!(!dispatches.contains("gridbell-verify"), "{dispatches}");
    let incidents = gridbell(stack, &["alert", "list", "--json"]).out;
    assert!(!incidents.contains("gridbell-verify"), "{incidents}");
    let console = STACK.0.block_on(stack_client::Console::open_local(stack.state_file())).expect("the stack");
    let permit = STACK.0.block_on(console.configurations().has_permit()).expect("read");
    assert!(!permit, "the permit is stored still");
}

fn mails(stack: &Stack) -> Vec<Value> {
    STACK.0.block_on(stack.mail()).expect("the mails")
}

/// A controller that answers `accepted` to every dispatch, and keeps the signals that it saw.
fn controller(stack: &Stack) -> (JoinHandle<()>, Receiver<Value>) {
    let (to, seen) = mpsc::channel();
    let description = stack.description().clone();
    let reading = STACK.0.spawn(async move {
        let http = stack_client::http_client().expect("a client");
        let queue = Queue::of(&description, "signals", http.clone()).expect("a queue");
        while let Ok(messages) = queue.take().await {
            for message in messages {
                let signal: Value = serde_json::from_str(&message.body).expect("an event");
                let dispatch = &signal["data"]["dispatch"];
                let answer = json!({"dispatch": dispatch["key"], "version": dispatch["version"], "state": "accepted"});
                if dispatch["status"] == "scheduled" {
                    drop(http.post(&description.acks).body(answer.to_string()).send().await);
                }
                if to.send(signal).is_err() {
                    return;
                }
            }
        }
    });
    (reading, seen)
}

#[test]
fn a_stack_that_works_passes_and_keeps_nothing() {
    let stack = turn();
    let before = mails(&stack).len();
    let said = gridbell(&stack, &["verify", "--mail", CALLER, "--json"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let passed = said.json();
    assert_eq!((&passed["passed"], passed["took_ms"].as_u64().is_some()), (&json!(true), true), "{passed}");
    for step in ["permit", "webhook", "signal", "redrive", "chain", "mail", "cancellation", "clean-up"] {
        assert_eq!(said.outcome(step), "passed", "{passed}");
    }
    // The local stack has no alarms, and no controller reads its queue.
    assert_eq!((said.outcome("alarms").as_str(), said.outcome("acknowledgement").as_str()), ("skipped", "skipped"));
    let sent: Vec<Value> = mails(&stack).split_off(before);
    assert!(!sent.is_empty(), "{passed}");
    for mail in &sent {
        assert!(mail["subject"].as_str().expect("a subject").starts_with("[gridbell] [TEST] "), "{mail}");
        assert_eq!(mail["to"], json!([CALLER]), "{mail}");
    }
    nothing_is_left(&stack);
    // Progress is on standard error, so that the result can be read by a program.
    assert!(said.err.contains("chain") && !said.err.contains("error"), "{}", said.err);
}

#[test]
fn a_controller_that_answers_tests_is_followed() {
    let stack = turn();
    let (reading, seen) = controller(&stack);
    let said = gridbell(&stack, &["verify", "--json"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert_eq!((said.outcome("acknowledgement").as_str(), said.outcome("mail").as_str()), ("passed", "skipped"));
    let mut last = BTreeMap::new();
    while let Ok(signal) = seen.recv_timeout(Duration::from_secs(3)) {
        let subject = signal["subject"].as_str().expect("a subject").to_owned();
        assert!(subject.starts_with("gridbell-verify/"), "{signal}");
        assert_eq!(signal["data"]["dispatch"]["test"], json!(true), "{signal}");
        last.insert(subject, signal["data"]["dispatch"]["status"].clone());
    }
    reading.abort();
    // Signals of earlier runs may have waited in the queue.
    assert!(last.len() >= 2 && last.values().all(|status| *status == json!("cancelled")), "{last:?}");
    nothing_is_left(&stack);
}

#[test]
fn an_interrupted_run_cleans_up_and_says_so() {
    let stack = turn();
    let child = command(&stack, &["verify", "--json"]).spawn().expect("gridbell starts");
    std::thread::sleep(Duration::from_secs(4));
    let other = gridbell(&stack, &["verify", "--json"]);
    assert_eq!((other.code, other.outcome("permit").as_str()), (1, "failed"), "{}", other.out);
    assert!(other.out.contains("another `gridbell verify` runs on this stack"), "{}", other.out);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let said = ended(child);
    assert!(said.code == 1 && said.err.contains("interrupted: cleaning up"), "{}\n{}", said.out, said.err);
    assert_eq!((&said.json()["passed"], said.outcome("clean-up").as_str()), (&json!(false), "passed"), "{}", said.out);
    nothing_is_left(&stack);
}

#[test]
fn a_hydrator_that_is_killed_over_a_delivery_loses_nothing() {
    let stack = turn();
    let said = gridbell(&stack, &["verify", "--crash", "--json"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert_eq!(said.outcome("crash"), "passed", "{}", said.out);
    nothing_is_left(&stack);
}

#[test]
fn the_source_is_closed_without_a_run() {
    let stack = turn();
    let url = format!("{}/hooks/gridbell-verify/any-token", stack.description().webhook_base);
    let status = STACK.0.block_on(async move {
        let http = stack_client::http_client().expect("a client");
        http.post(url).header("content-type", "application/json").body("{}").send().await.expect("an answer").status()
    });
    assert_eq!(status.as_u16(), 404);
    let refused = gridbell(&stack, &["verify", "--mail", "not an address"]);
    assert!(refused.code == 2 && refused.err.contains("write one plain address"), "{}", refused.err);
}
