//! Checks the adapters. They run over AWS itself only if the variable names the account of the credentials. The checks
//! delete what they create there, even if they fail.

use std::{io::Write, panic::AssertUnwindSafe};

use aws::{
    client::{self, Access},
    configuration::{ConfigTable, Current},
    contract::{self, Resources, SqsReader},
    dynamo::{DeliveriesTable, DispatchesTable, IncidentsTable, OutputsTable},
    host::Host,
    ses::Ses,
    sqs::{DeliveriesQueue, InnerQueues, SignalsQueue, WatchedQueues, WatchedUrls},
};
use aws_credential_types::Credentials;
use aws_types::SdkConfig;
use futures_util::FutureExt;
use pipeline::ports::{Clock, Random};

/// The endpoint of the checks, and what is allowed there.
struct Place {
    access: Access,
    /// On an emulator every address can be a verified sender; in AWS the operator names one.
    sender: Option<String>,
    is_emulator: bool,
    /// The account in which everything must be created.
    account: Option<String>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn place() -> Option<Place> {
    if let Some(endpoint) = variable("GRIDBELL_TEST_ENDPOINT_URL") {
        let access = Access::new(Some(&endpoint), "us-east-1", "test", "test");
        let sender = Some("gridbell@example.com".to_owned());
        return Some(Place { access, sender, is_emulator: true, account: None });
    }
    let account = variable("GRIDBELL_TEST_AWS_ACCOUNT")?;
    let needed = |name| variable(name).unwrap_or_else(|| panic!("{name} is not set"));
    let [region, key_id, secret] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(needed);
    let mut access = Access::new(None, &region, &key_id, &secret);
    if let Some(token) = variable("AWS_SESSION_TOKEN") {
        access.credentials = Credentials::new(&key_id, &secret, Some(token), None, "given");
    }
    Some(Place { access, sender: variable("GRIDBELL_TEST_MAIL_FROM"), is_emulator: false, account: Some(account) })
}

/// Prints directly, since the test runner would hide the line.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[tokio::test]
async fn the_adapters_keep_the_contract_of_the_ports() {
    let Some(place) = place() else {
        return say("SKIPPED: set GRIDBELL_TEST_ENDPOINT_URL or GRIDBELL_TEST_AWS_ACCOUNT to check the adapters");
    };
    let aws = client::shared(place.access.clone());
    let name = || format!("gridbell-contract-{}", Host.unique());
    let account = Resources::account(&aws, &name()).await;
    assert!(
        place.account.as_ref().is_none_or(|named| *named == account),
        "the credentials are of another account than GRIDBELL_TEST_AWS_ACCOUNT: nothing was left there"
    );
    // Checks that count messages need their own queues: the others contain delayed messages of other checks.
    let (resources, fresh) = (Resources::create(&aws, &name()).await, Resources::create(&aws, &name()).await);
    let checked = AssertUnwindSafe(check(&aws, &resources, &fresh, &place)).catch_unwind().await;
    let mut left = resources.delete(&aws).await;
    left.extend(fresh.delete(&aws).await);
    if let Err(panic) = checked {
        say(&format!("left behind: {left:?}"));
        std::panic::resume_unwind(panic);
    }
    assert!(left.is_empty(), "{left:?}");
}

async fn check(aws: &SdkConfig, resources: &Resources, fresh: &Resources, place: &Place) {
    let dispatches = DispatchesTable::new(aws, &resources.dispatches);
    contract::epoch(&dispatches, &DispatchesTable::new(aws, &resources.dispatches)).await;
    contract::records(&dispatches).await;
    contract::pages(&dispatches).await;
    contract::large(&dispatches).await;
    let deliveries = DeliveriesTable::new(aws, &resources.deliveries);
    contract::bookings(&deliveries).await;
    contract::refusals(&deliveries).await;
    contract::bodies(&deliveries).await;
    let quarantined = async |id: &str| {
        let job = deliveries.quarantined(id).await.unwrap()?;
        Some((job.job, job.reason))
    };
    contract::quarantine(&deliveries, quarantined).await;
    let replayed = async |id: &str| {
        let is_quarantined = deliveries.quarantined(id).await.unwrap().is_some();
        let marked = deliveries.replayed(id, "d-again", Host.now()).await;
        assert_eq!(marked.is_ok(), is_quarantined, "{marked:?}");
    };
    contract::events(&deliveries, replayed).await;
    contract::many_events(&deliveries, replayed).await;
    contract::health(&deliveries).await;
    let source = contract::polls(&deliveries).await;
    assert_eq!(deliveries.quarantined(&format!("poll#{source}")).await.unwrap(), None, "nothing that was quarantined");
    let alerts = IncidentsTable::new(aws, &resources.alerts);
    contract::incidents(&alerts).await;
    contract::waiting(&alerts).await;
    contract::open_pages(&alerts).await;
    contract::groups_and_links(&alerts).await;
    let outputs = OutputsTable::new(aws, &resources.outputs);
    contract::outputs(&outputs).await;
    contract::event_texts(&outputs).await;
    contract::configurations(&ConfigTable::new(aws, &resources.config), &Current::new(aws, &resources.config)).await;

    let url = |url: &Option<String>| url.clone().expect("a queue");
    let (job_queue, reader) = (InnerQueues::new(aws, resources.inner.clone()), SqsReader::new(aws, resources));
    contract::messages(&DeliveriesQueue::new(aws, url(&resources.inner.deliveries)), &job_queue, &reader).await;
    contract::visibility(&job_queue, &reader).await;
    contract::redrive(&job_queue, &reader).await;
    contract::delays(&job_queue, &reader).await;
    contract::shortened(&job_queue, &reader).await;
    contract::fifo(&SignalsQueue::new(aws, &resources.signals), &reader).await;
    let watched = WatchedUrls {
        deliveries: fresh.inner.deliveries.clone(),
        signals: Some(fresh.signals.clone()),
        reviews: fresh.inner.reviews.clone(),
        retries_dead: fresh.inner.retries.clone(),
        alerts_dead: fresh.inner.alerts.clone(),
        outputs_dead: None,
    };
    let watched = WatchedQueues::new(aws, watched);
    contract::depths(&watched, &InnerQueues::new(aws, fresh.inner.clone()), &SqsReader::new(aws, fresh)).await;

    let to = if place.is_emulator { "grid-duty@example.com" } else { "success@simulator.amazonses.com" };
    let Some(from) = &place.sender else {
        return say("SKIPPED: mail; GRIDBELL_TEST_MAIL_FROM names no verified sender");
    };
    if place.is_emulator {
        contract::verify_sender(aws, from).await;
    }
    contract::mail(&Ses::new(aws), from, to).await;
    contract::unverified(&Ses::new(aws), to).await;
}
