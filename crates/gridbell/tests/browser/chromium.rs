//! Headless Chromium, controlled through its `DevTools` protocol over two pipes: JSON messages, each ended by a zero
//! byte.
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

/// Longest wait for an answer.
const ANSWERS: Duration = Duration::from_mins(1);

/// One browser for all tests of this file; it ends when the pipes close.
static BROWSER: LazyLock<Option<Browser>> = LazyLock::new(Browser::start);

/// The browser; none, with a warning, if Chromium is not installed.
pub(crate) fn browser() -> Option<&'static Browser> {
    BROWSER.as_ref()
}

pub(crate) struct Browser {
    to: Mutex<(ChildStdin, u64)>,
    heard: Arc<Heard>,
    _process: Child,
}

/// The browser's messages.
#[derive(Default)]
struct Heard {
    state: Mutex<Messages>,
    news: Condvar,
}

#[derive(Default)]
struct Messages {
    answers: BTreeMap<u64, Value>,
    events: Vec<Value>,
    ended: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The Chromium binary: `CHROMIUM`, else from `PATH`.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}

impl Browser {
    fn start() -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("\n!!! Chromium is not installed: the web console was NOT tested (apt-get install chromium)\n");
            return None;
        };
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chromium");
        drop(std::fs::remove_dir_all(&profile));
        let data = format!("--user-data-dir={}", profile.display());
        // The browser reads from descriptor 3 and writes to descriptor 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--remote-debugging-pipe",
                data.as_str(),
            ])
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Chromium starts");
        let (to, from) = (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || hearing.listen(BufReader::new(from)));
        Some(Self { to: Mutex::new((to, 0)), heard, _process: process })
    }

    /// Calls a method of the protocol, on the browser or on a session.
    pub(crate) fn call(&self, session: Option<&str>, method: &str, parameters: &Value) -> Value {
        self.try_call(session, method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same; an error is Chromium's own, such as a page that has no document yet.
    pub(crate) fn try_call(&self, session: Option<&str>, method: &str, parameters: &Value) -> Result<Value, Value> {
        let id = {
            let mut to = lock(&self.to);
            to.1 += 1;
            let mut message = json!({"id": to.1, "method": method, "params": parameters});
            if let Some(session) = session {
                message["sessionId"] = json!(session);
            }
            to.0.write_all(format!("{message}\0").as_bytes()).expect("Chromium listens");
            to.1
        };
        let answer = self.heard.wait(method, |messages| messages.answers.remove(&id));
        if answer["error"].is_null() { Ok(answer["result"].clone()) } else { Err(answer["error"].clone()) }
    }

    /// The number of events so far.
    pub(crate) fn events_so_far(&self) -> usize {
        lock(&self.heard.state).events.len()
    }

    /// A session's events after the first `after` of all events.
    pub(crate) fn events(&self, session: &str, after: usize) -> Vec<Value> {
        let state = lock(&self.heard.state);
        state.events[after..].iter().filter(|event| event["sessionId"] == session).cloned().collect()
    }

    /// Waits for a session's event after the first `after` of all events.
    pub(crate) fn wait_for(&self, session: &str, method: &str, after: usize) {
        let is_it = |event: &&Value| event["sessionId"] == session && event["method"] == method;
        self.heard.wait(method, |messages| messages.events[after..].iter().find(is_it).map(|_| ()));
    }
}

impl Heard {
    fn listen(&self, mut from: impl BufRead) {
        let mut message = Vec::new();
        while from.read_until(0, &mut message).is_ok_and(|bytes| bytes > 0) {
            message.pop();
            let value: Value = serde_json::from_slice(&message).expect("JSON");
            message.clear();
            let mut state = lock(&self.state);
            match value["id"].as_u64() {
                Some(id) => drop(state.answers.insert(id, value)),
                None => state.events.push(value),
            }
            self.news.notify_all();
        }
        lock(&self.state).ended = true;
        self.news.notify_all();
    }

    fn wait<T>(&self, what: &str, mut find: impl FnMut(&mut Messages) -> Option<T>) -> T {
        let mut found = None;
        let state = lock(&self.state);
        let waiting = |messages: &mut Messages| {
            found = find(messages);
            found.is_none() && !messages.ended
        };
        drop(self.news.wait_timeout_while(state, ANSWERS, waiting).unwrap_or_else(PoisonError::into_inner));
        found.unwrap_or_else(|| panic!("{what}: no answer of Chromium within {} s", ANSWERS.as_secs()))
    }
}
