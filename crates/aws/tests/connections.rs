//! Reused connections that the provider drops: one new connection and no failed attempt, and only for connections that
//! were dropped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws::{
    http::{Connections, HttpApi, Limits},
    secrets::{KeySource, Reference, Secret},
};
use pipeline::{
    config::{Config, Source},
    ports::{FetchError, ProviderApi},
};
use providers::{ApiPath, ApiRequest, Method};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

struct Keys;

impl KeySource for Keys {
    async fn read(&self, _reference: &Reference) -> Result<Secret, String> {
        Ok(Secret::new("key"))
    }
}

/// How the server treats a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Answer,
    /// Answers and closes the connection.
    AnswerAndClose,
    /// Reads the request and closes the connection in good order.
    Close,
    /// The same, after more than half of a request's time.
    CloseLate,
    /// Resets the connection.
    Reset,
    /// Sends half a status line, then closes.
    HalfALine,
    /// Sends something that is not HTTP.
    Garbage,
    /// Sends the head and half a body, then closes.
    HalfABody,
    /// Sends nothing more, and keeps the connection open.
    Hang,
}

/// The requests at the server: the connection's number, the method, the body.
type Seen = Arc<Mutex<Vec<(usize, String, String)>>>;

/// Chooses an act by the number of the connection and of the request on it, both from 1.
type Script = fn(usize, usize) -> Act;

async fn serve(script: Script) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let log = seen.clone();
    tokio::spawn(async move {
        for connection in 1.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let log = log.clone();
            tokio::spawn(async move { drop(converse(stream, connection, script, log).await) });
        }
    });
    (base, seen)
}

async fn converse(stream: TcpStream, connection: usize, script: Script, seen: Seen) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    for number in 1.. {
        let (mut line, mut method, mut length) = (String::new(), String::new(), 0);
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if method.is_empty() {
                line.split(' ').next().unwrap_or_default().clone_into(&mut method);
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        seen.lock().unwrap().push((connection, method, String::from_utf8_lossy(&body).into_owned()));
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let said = match script(connection, number) {
            Act::Answer => {
                stream.write_all(whole.as_bytes()).await?;
                continue;
            }
            Act::AnswerAndClose => whole,
            Act::Close => "",
            Act::CloseLate => {
                sleep(LIMITS.total * 5 / 8).await;
                ""
            }
            Act::Reset => {
                // Closing with unread bytes, or with this option, resets a connection.
                stream.get_ref().set_zero_linger()?;
                ""
            }
            Act::HalfALine => "HTTP/1.",
            Act::Garbage => "220 mail.example.com ESMTP\r\n\r\n",
            Act::HalfABody => &whole[..whole.len() - 1],
            Act::Hang => return std::future::pending().await,
        };
        return stream.write_all(said.as_bytes()).await;
    }
    Ok(())
}

struct Client {
    api: HttpApi<Keys>,
    source: Source,
}

const LIMITS: Limits = Limits { connect: Duration::from_millis(300), total: Duration::from_millis(800), bytes: 1_024 };

impl Client {
    fn of(base: &str) -> Self {
        let source =
            serde_json::json!({"provider": "leap", "api_url": base, "api_key": "ssm:/gridbell/x", "tokens": []});
        let api = HttpApi::new(Connections::new(None, LIMITS).unwrap(), Keys, LIMITS);
        let mut config = Config::parse(&serde_json::json!({ "sources": { "s": source } }).to_string()).unwrap();
        Self { api, source: config.sources.remove("s").unwrap() }
    }

    async fn request(&self, request: &ApiRequest) -> Result<String, FetchError> {
        self.api.fetch("leap-prod", &self.source, request, jiff::SignedDuration::from_secs(20)).await
    }
}

fn get() -> ApiRequest {
    ApiRequest { method: Method::Get, path: ApiPath::fixed("/x"), query: Vec::new(), body: None, idempotent: true }
}

fn search() -> ApiRequest {
    let body = Some(serde_json::json!({"meter_event_ids": ["e-1"]}));
    ApiRequest { method: Method::Post, body, ..get() }
}

/// The connection of each request.
fn connections(seen: &Seen) -> Vec<usize> {
    seen.lock().unwrap().iter().map(|(connection, ..)| *connection).collect()
}

#[tokio::test]
async fn a_dropped_kept_connection_costs_a_new_one_and_no_failure() {
    for request in [get(), search()] {
        // Each connection ends with its second request.
        let scripts: [Script; 3] = [
            |_, request| if request == 2 { Act::Close } else { Act::Answer },
            |_, request| if request == 2 { Act::Reset } else { Act::Answer },
            |_, request| if request == 2 { Act::HalfALine } else { Act::Answer },
        ];
        for (number, script) in scripts.into_iter().enumerate() {
            let (base, seen) = serve(script).await;
            let client = Client::of(&base);
            for _ in 0..4 {
                assert_eq!(client.request(&request).await.unwrap(), "{}", "script {number} {:?}", request.method);
            }
            assert_eq!(connections(&seen), [1, 1, 2, 2, 3, 3, 4], "the new connection is kept as well");
            let bodies = seen.lock().unwrap().clone();
            assert!(
                bodies.iter().all(|(_, _, body)| *body == bodies[0].2),
                "the repeated request is the same: {bodies:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_failure() {
    // Whether the client notices the end before its next request or with it.
    let (base, seen) = serve(|_, _| Act::AnswerAndClose).await;
    let client = Client::of(&base);
    for _ in 0..20 {
        assert_eq!(client.request(&search()).await.unwrap(), "{}");
    }
    assert_eq!(connections(&seen), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn many_dropped_connections_at_once_cost_one_new_each() {
    let (base, _seen) = serve(|connection, request| match (connection, request) {
        (1..=4, 2) => Act::Close,
        _ => Act::Answer,
    })
    .await;
    let client = Client::of(&base);
    for _ in 0..2 {
        let (get, search) = (get(), search());
        let (a, b, c, d) =
            tokio::join!(client.request(&get), client.request(&search), client.request(&get), client.request(&search));
        for answer in [a, b, c, d] {
            assert_eq!(answer.unwrap(), "{}");
        }
    }
}

#[tokio::test]
async fn a_new_connection_that_breaks_is_a_failure_as_ever() {
    let scripts: [Script; 3] = [|_, _| Act::Close, |_, _| Act::Reset, |_, _| Act::HalfALine];
    for script in scripts {
        for request in [get(), search()] {
            let (base, seen) = serve(script).await;
            let client = Client::of(&base);
            for asked in 1..=2 {
                let error = client.request(&request).await.unwrap_err();
                assert!(matches!(&error, FetchError::Answer(said) if said.contains("broke off")), "{error:?}");
                assert_eq!(connections(&seen).len(), asked, "sent once");
            }
        }
    }
    // The client saw an answer on another connection, which then closed in good order: the next one is new.
    let (base, seen) = serve(|connection, _| if connection == 1 { Act::HalfABody } else { Act::Close }).await;
    let client = Client::of(&base);
    for asked in 1..=3 {
        assert!(client.request(&get()).await.is_err());
        assert_eq!(connections(&seen).len(), asked, "sent once");
    }
}

#[tokio::test]
async fn what_breaks_again_is_not_sent_a_third_time() {
    let (base, seen) = serve(|connection, request| match (connection, request) {
        (1, 1) => Act::Answer,
        _ => Act::Close,
    })
    .await;
    let client = Client::of(&base);
    client.request(&get()).await.unwrap();
    assert!(client.request(&get()).await.is_err());
    assert_eq!(connections(&seen), [1, 1, 2]);
}

#[tokio::test]
async fn what_is_answered_or_changes_something_is_not_sent_again() {
    let scripts: [Script; 3] = [
        |_, request| if request == 2 { Act::Garbage } else { Act::Answer },
        |_, request| if request == 2 { Act::HalfABody } else { Act::Answer },
        |_, request| if request == 2 { Act::Hang } else { Act::Answer },
    ];
    for script in scripts {
        let (base, seen) = serve(script).await;
        let client = Client::of(&base);
        client.request(&get()).await.unwrap();
        assert!(client.request(&get()).await.is_err());
        assert_eq!(connections(&seen), [1, 1]);
    }
    for method in [Method::Get, Method::Post] {
        let (base, seen) = serve(|_, request| if request == 2 { Act::Close } else { Act::Answer }).await;
        let client = Client::of(&base);
        let once = ApiRequest { method, idempotent: false, ..get() };
        client.request(&once).await.unwrap();
        assert!(client.request(&once).await.is_err());
        assert_eq!(connections(&seen), [1, 1]);
    }
}

#[tokio::test]
async fn both_attempts_share_the_time_of_one() {
    let (base, seen) = serve(|connection, request| match (connection, request) {
        (1, 1) => Act::Answer,
        (1, _) => Act::CloseLate,
        _ => Act::Hang,
    })
    .await;
    let client = Client::of(&base);
    client.request(&get()).await.unwrap();
    let began = Instant::now();
    let error = client.request(&get()).await.unwrap_err();
    assert!(matches!(&error, FetchError::Answer(said) if said.contains("no whole answer")), "{error:?}");
    assert!(began.elapsed() < LIMITS.total * 3 / 2, "{:?}", began.elapsed());
    assert_eq!(connections(&seen), [1, 1, 2]);
}
