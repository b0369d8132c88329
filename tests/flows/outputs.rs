//! The courier on the running stack: an HTTP output that acknowledges, goes down and comes back, and a FIFO queue that
//! gets everything meanwhile. On a stack of its own: the courier takes every signal from `signals`.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use config::file::File;
use local_stack::{Stack, UpOptions, progress};
use pipeline::standard_webhooks::SigningSecrets;
use serde_json::{Value, json};
use stack_client::http_client;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    harness::{Aws, Checked, MailBox, RESOLVED, SOON, answer, cases, eventually, from_now, holds, shared_stack},
    stub::{Reply, Stub},
    voltus::{dispatch, webhook, with},
};

cases!("outputs": signals_reach_every_output_in_order);

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs="];

/// An output is tried once a minute at the latest; the rest is for a busy machine.
const COMES_BACK: Duration = Duration::from_mins(4);

/// The HTTP output: records what it got, and answers as the test says.
#[derive(Default)]
struct Gateway {
    is_down: bool,
    got: Vec<(HeaderMap, Value)>,
    wrong: Vec<String>,
}

type Shared = Arc<Mutex<Gateway>>;

fn lock(gateway: &Shared) -> MutexGuard<'_, Gateway> {
    gateway.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Checks the signatures of both secrets, as a receiver of Standard Webhooks does with its own.
fn check(headers: &HeaderMap, body: &[u8]) -> Result<Value> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let event: Value = serde_json::from_slice(body)?;
    let id = header("webhook-id");
    ensure!(id == format!("{}@gateway", event["id"].as_str().unwrap_or_default()), "its id is {id}");
    ensure!(header("content-type") == "application/cloudevents+json", "it is {}", header("content-type"));
    let at: i64 = header("webhook-timestamp").parse().context("no timestamp")?;
    let signatures: Vec<&str> = header("webhook-signature").split(' ').collect();
    for secret in SECRETS {
        let expected = SigningSecrets::parse(secret)?.sign(id, at, body);
        ensure!(signatures.contains(&expected.as_str()), "no signature of a secret: {signatures:?}");
    }
    Ok(event)
}

async fn receive(State(gateway): State<Shared>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let mut gateway = lock(&gateway);
    if gateway.is_down {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    match check(&headers, &body) {
        Ok(event) => gateway.got.push((headers, event)),
        Err(error) => gateway.wrong.push(format!("{error:#}")),
    }
    (StatusCode::OK, json!({"state": "accepted", "detail": "by the gateway"}).to_string())
}

async fn serve(gateway: Shared) -> Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/gridbell", listener.local_addr()?);
    let router = Router::new().route("/gridbell", post(receive)).with_state(gateway);
    let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
    Ok((url, task))
}

/// The emulator finds a queue by its name, so the URL may be written before the emulator has a port.
fn options(stub: &str, gateway: &str) -> Result<UpOptions> {
    let text = format!(
        "[sources.voltus-prod]\nprovider = 'voltus'\napi_url = '{stub}'\napi_key = 'ssm:/gridbell/voltus-prod'\npoll = 'off'\n\
         [deadlines]\nlead = '10m'\nimmediate = '10m'\nacknowledge = true\n\
         [contacts]\nemail = ['duty@example.com']\nfrom = 'gridbell@example.com'\ngroup_wait = '1s'\ngroup_interval = '3s'\n\
         [outputs.gateway]\nkind = 'http'\nurl = '{gateway}'\nallow_private = true\n\
         secret = ['ssm:/gridbell/gateway-1', 'ssm:/gridbell/gateway-2']\n\
         [outputs.queue]\nkind = 'sqs'\nqueue_url = 'http://127.0.0.1/000000000000/outputs-flow.fifo'\n\
         types = 'gridbell.dispatch.*'\nrequired = false\n"
    );
    let secrets = BTreeMap::from([
        ("/gridbell/voltus-prod".to_owned(), "key".to_owned()),
        ("/gridbell/gateway-1".to_owned(), SECRETS[0].to_owned()),
        ("/gridbell/gateway-2".to_owned(), SECRETS[1].to_owned()),
    ]);
    Ok(UpOptions { secrets, ..UpOptions::new(File::parse("the flow's configuration", &text)?.config) })
}

/// What stands on the outside of the stack.
struct Outside {
    stub: Stub,
    gateway: Shared,
    aws: Aws,
    hook: String,
    queue: String,
    queued: Mutex<Vec<Value>>,
}

impl Outside {
    /// Stores a dispatch at Voltus and sends its webhook.
    async fn publish(&self, event: &str, dispatch: &Value) -> Result<()> {
        let id = dispatch["id"].as_str().context("a dispatch without an id")?;
        self.stub.answer(id, Reply::listed(dispatch));
        let request = http_client()?.post(&self.hook).header("content-type", "application/json");
        let answer = answer(request.body(webhook(event, id).to_string())).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
        Ok(())
    }

    /// Waits until the gateway has got so many events; returns their types and sequences.
    async fn gateway_got(&self, count: usize, within: Duration) -> Result<Vec<String>> {
        eventually(within, &format!("{count} events at the gateway"), || async {
            let got: Vec<String> = lock(&self.gateway).got.iter().map(|(_, event)| short(event)).collect();
            Ok(if got.len() >= count { Checked::Found(got) } else { Checked::NotYet(format!("{got:?}")) })
        })
        .await
    }

    /// The same for the queue.
    async fn queue_got(&self, count: usize) -> Result<Vec<Value>> {
        eventually(SOON, &format!("{count} messages in the queue"), || async {
            let new = self.aws.take(&self.queue).await?;
            let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
            queued.extend(new);
            Ok(if queued.len() >= count {
                Checked::Found(queued.clone())
            } else {
                Checked::NotYet(format!("{} messages", queued.len()))
            })
        })
        .await
    }

    /// Waits until a dispatch is stored as acknowledged in that version.
    async fn acknowledged(&self, table: &str, subject: &str) -> Result<()> {
        eventually(SOON, "an acknowledgement", || async {
            let items = self.aws.items(table).await?;
            let item = items.iter().find(|item| item["subject"]["S"] == subject);
            let said = item.map(|item| item["acknowledged"]["S"].clone()).unwrap_or_default();
            Ok(if said == "accepted" { Checked::Found(()) } else { Checked::NotYet(said.to_string()) })
        })
        .await
    }
}

/// `dispatch.updated 2` of an event.
fn short(event: &Value) -> String {
    let kind = event["type"].as_str().unwrap_or_default();
    let kind = kind.trim_start_matches("gridbell.").trim_end_matches(".v1");
    format!("{kind} {}", event["sequence"].as_str().unwrap_or_default())
}

async fn signals_reach_every_output_in_order() -> Result<()> {
    // One after the other, because both build the functions.
    shared_stack().await?;
    let (stub, gateway) = (Stub::start().await?, Shared::default());
    let (url, server) = serve(gateway.clone()).await?;
    let stack = Stack::up(options(&stub.base, &url)?, progress::on_stderr().as_ref()).await?;
    let result = Box::pin(deliver(&stack, stub, gateway)).await;
    let down = stack.shutdown().await;
    server.abort();
    result.and(down)
}

async fn deliver(stack: &Stack, stub: Stub, gateway: Shared) -> Result<()> {
    let description = stack.description();
    let aws = Aws::new(http_client()?, &description.endpoint_url);
    let token = stack.tokens().get("voltus-prod").context("no token")?;
    let hook = format!("{}/hooks/voltus-prod/{token}", description.webhook_base);
    let queue = aws.make_fifo("outputs-flow.fifo").await?;
    let table = description.tables.get("dispatches").context("no table")?;
    let mail = MailBox::new(http_client()?, &description.mail);
    let outside = Outside { stub, gateway, aws, hook, queue, queued: Mutex::default() };

    let first = with(dispatch("out", 0), json!({"start_time": from_now(3_600), "end_time": from_now(7_200)}));
    outside.publish("create", &first).await?;
    ensure!(outside.gateway_got(1, SOON).await? == ["dispatch.scheduled 1"]);
    outside.acknowledged(table, "voltus-prod/out").await?;
    let queued = outside.queue_got(1).await?;
    let attributes = &queued[0]["MessageAttributes"];
    ensure!(attributes["type"]["StringValue"] == "gridbell.dispatch.scheduled.v1", "{attributes}");
    ensure!(attributes["test"]["StringValue"] == "false", "{attributes}");
    ensure!(queued[0]["Attributes"]["MessageGroupId"] == "voltus-prod/out", "{}", queued[0]);
    let event: Value = serde_json::from_str(queued[0]["Body"].as_str().unwrap_or_default())?;
    holds("the event in the queue", &event, &json!({"subject": "voltus-prod/out", "sequence": "1"}))?;

    // The gateway is down: the queue gets everything, and the newest version waits for the gateway.
    lock(&outside.gateway).is_down = true;
    for version in 1..=2 {
        let later = json!({"modification_number": version, "end_time": from_now(7_200 + 60 * version)});
        outside.publish("update", &with(first.clone(), later)).await?;
        outside.queue_got(usize::try_from(version)? + 1).await?;
    }
    let told = mail.one(COMES_BACK, &["output-failing", "gateway"]).await?;
    ensure!(told.text.contains("voltus-prod/out") && told.text.contains("503"), "{}", told.text);
    lock(&outside.gateway).is_down = false;
    let got = outside.gateway_got(2, COMES_BACK).await?;
    ensure!(got == ["dispatch.scheduled 1", "dispatch.updated 3"], "{got:?}");
    mail.one(COMES_BACK, &[RESOLVED, "output-failing", "gateway"]).await?;
    outside.acknowledged(table, "voltus-prod/out").await?;

    let cancelled = json!({"modification_number": 3, "authorized": false});
    outside.publish("update", &with(first, cancelled)).await?;
    let ended = with(dispatch("over", 0), json!({"start_time": from_now(-7_200), "end_time": from_now(-3_600)}));
    outside.publish("create", &ended).await?;
    let mut got = outside.gateway_got(4, SOON).await?.split_off(2);
    got.sort();
    ensure!(got == ["dispatch.cancelled 4", "dispatch.ended 1"], "{got:?}");
    let queued = outside.queue_got(5).await?;
    ensure!(queued.len() == 5, "{} messages", queued.len());
    let wrong = std::mem::take(&mut lock(&outside.gateway).wrong);
    ensure!(wrong.is_empty(), "{wrong:?}");
    let [visible, in_flight, delayed] =
        outside.aws.depth(description.queues.get("signals").context("no queue")?).await?;
    ensure!(visible + in_flight + delayed == 0, "the courier has left signals in their queue");
    Ok(())
}
