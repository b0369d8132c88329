//! Incidents: acknowledged from the mail, escalated where no person does, and few mails for many of one cause.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

use crate::{
    harness::{Answer, Looked, TestStack, answer, cases, config, eventually, listed, world},
    stub::Reply,
    voltus::webhook,
};

cases!("incidents":
    an_acknowledged_incident_sends_no_more_mails,
    an_outage_is_a_handful_of_mails,
);

/// Other people are notified of its incidents soon.
const ESCALATING: &str = "vesc";

/// Twenty of its dispatches cannot be fetched.
const DOWN: &str = config::POLLED;

/// Five quick failures, and what a busy machine adds.
const FAILING: Duration = Duration::from_mins(3);

/// All of them are due within half a minute, and lists follow each other by seven seconds or more; the rest is for a busy machine.
const HANDFUL: usize = 8;

/// The step of the escalation, and what a busy machine adds.
const ESCALATED: Duration = Duration::from_mins(5);

async fn fail(world: &TestStack, source: &str, id: &str) -> Result<()> {
    world.stub.answer(id, Reply::Fail(500, None));
    world.accepted(source, &webhook("create", id)).await.map(drop)
}

/// The first address of our own in a text.
fn link(text: &str) -> Result<String> {
    let at = text.find("http://").context("no link in the mail")?;
    Ok(text[at..].chars().take_while(|c| !c.is_whitespace()).collect())
}

fn is_page(page: &Answer, status: u16) -> Result<()> {
    ensure!(page.status == status, "{} {}", page.status, page.text);
    let header = |name: &str| page.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (name, value) in [
        ("content-type", "text/html"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
    ] {
        ensure!(header(name).contains(value), "{name} is {:?}", header(name));
    }
    Ok(())
}

async fn an_acknowledged_incident_sends_no_more_mails() -> Result<()> {
    let world = world().await?;
    fail(&world, ESCALATING, "taken").await?;
    let mail = world.mail.one(FAILING, &["hydration-failing", "vesc/taken"]).await?;
    ensure!(mail.text.contains("gridbell dispatch timeline vesc/taken"), "{}", mail.text);
    let link = link(&mail.text)?;
    ensure!(link.starts_with(&world.description.webhook_base), "{link}");
    ensure!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);

    let get = || answer(world.http.get(&link));
    for _ in 0..2 {
        // A scanner reads it, and reads it again.
        let page = get().await?;
        is_page(&page, 200)?;
        ensure!(
            page.text.contains("hydration-failing/vesc/taken") && page.text.contains("value=\"acknowledge\""),
            "{}",
            page.text
        );
    }
    is_page(&answer(world.http.put(&link)).await?, 405)?;
    is_page(&answer(world.http.post(&link)).await?, 200)?;
    // It stays readable, and the button works once.
    let read = get().await?;
    is_page(&read, 200)?;
    ensure!(read.text.contains("Acknowledged by ") && !read.text.contains("<button"), "{}", read.text);
    is_page(&answer(world.http.post(&link)).await?, 410)?;
    let unknown = format!("{}/alerts/nobody-knows", world.description.webhook_base);
    is_page(&answer(world.http.post(&unknown)).await?, 404)?;

    // Only now, so that no mail lists both.
    fail(&world, ESCALATING, "untaken").await?;
    let words = ["escalated, no person acknowledged", "hydration-failing", "vesc/untaken"];
    world.mail.one(ESCALATED, &words).await?;
    world.at_the_end(|world| async move {
        let mail = world.mail.naming(&[], "vesc/taken").await?;
        ensure!(mail.len() == 1, "the first mail and no more:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}

async fn an_outage_is_a_handful_of_mails() -> Result<()> {
    let world = world().await?;
    let ids: Vec<String> = (0..20).map(|n| format!("outage-{n:02}")).collect();
    try_join_all(ids.iter().map(|id| fail(&world, DOWN, id))).await?;
    eventually(FAILING + ESCALATED, "mail about each of 20 dispatches", || async {
        let mail = world.mail.about(&["hydration-failing", DOWN]).await?;
        let unnamed = ids.iter().filter(|id| !mail.iter().any(|mail| mail.text.contains(*id))).count();
        Ok(if unnamed == 0 { Looked::There(()) } else { Looked::NotYet(format!("{unnamed} are not named")) })
    })
    .await?;
    let mail = world.mail.about(&["hydration-failing", DOWN]).await?;
    ensure!(mail.len() <= HANDFUL, "{} mails about one outage:{}", mail.len(), listed(&mail));
    for id in &ids {
        let naming = world.mail.naming(&["hydration-failing"], &format!("{DOWN}/{id}")).await?;
        ensure!(naming.len() == 1, "{id} is named by {} mails:{}", naming.len(), listed(&naming));
    }
    Ok(())
}
