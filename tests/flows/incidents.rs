//! Incidents: acknowledged from the mail, escalated if not acknowledged, and few mails for many failures with one
//! cause.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

use crate::{
    harness::{Answer, Checked, TestStack, answer, cases, config, eventually, listed, shared_stack},
    stub::Reply,
    voltus::webhook,
};

cases!("incidents":
    an_acknowledged_incident_sends_no_more_mails,
    an_outage_is_a_handful_of_mails,
);

/// The source whose incidents escalate soon.
const ESCALATING: &str = "vesc";

/// The source of which twenty dispatches cannot be fetched.
const DOWN: &str = config::POLLED;

/// Five quick failures, plus time for a busy machine.
const FAILING: Duration = Duration::from_mins(3);

/// All are due within half a minute, and lists are at least seven seconds apart; the rest is for a busy machine.
const HANDFUL: usize = 8;

/// The escalation step, plus time for a busy machine.
const ESCALATED: Duration = Duration::from_mins(5);

async fn fail(stack: &TestStack, source: &str, id: &str) -> Result<()> {
    stack.stub.answer(id, Reply::Fail(500, None));
    stack.accepted(source, &webhook("create", id)).await.map(drop)
}

/// The first of gridbell's links in a text.
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
    let stack = shared_stack().await?;
    fail(&stack, ESCALATING, "taken").await?;
    let mail = stack.mail.one(FAILING, &["hydration-failing", "vesc/taken"]).await?;
    ensure!(mail.text.contains("gridbell dispatch timeline vesc/taken"), "{}", mail.text);
    let link = link(&mail.text)?;
    ensure!(link.starts_with(&stack.description.webhook_base), "{link}");
    ensure!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);

    let get = || answer(stack.http.get(&link));
    for _ in 0..2 {
        // A mail scanner opens the link twice.
        let page = get().await?;
        is_page(&page, 200)?;
        ensure!(
            page.text.contains("hydration-failing/vesc/taken") && page.text.contains("value=\"acknowledge\""),
            "{}",
            page.text
        );
    }
    is_page(&answer(stack.http.put(&link)).await?, 405)?;
    is_page(&answer(stack.http.post(&link)).await?, 200)?;
    // It stays readable, and the button works once.
    let read = get().await?;
    is_page(&read, 200)?;
    ensure!(read.text.contains("Acknowledged by ") && !read.text.contains("<button"), "{}", read.text);
    is_page(&answer(stack.http.post(&link)).await?, 410)?;
    let unknown = format!("{}/alerts/nobody-knows", stack.description.webhook_base);
    is_page(&answer(stack.http.post(&unknown)).await?, 404)?;

    // Only now, so that no mail lists both.
    fail(&stack, ESCALATING, "untaken").await?;
    let words = ["escalated, no person acknowledged", "hydration-failing", "vesc/untaken"];
    stack.mail.one(ESCALATED, &words).await?;
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.naming(&[], "vesc/taken").await?;
        ensure!(mail.len() == 1, "the first mail and no more:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}

async fn an_outage_is_a_handful_of_mails() -> Result<()> {
    let stack = shared_stack().await?;
    let ids: Vec<String> = (0..20).map(|n| format!("outage-{n:02}")).collect();
    try_join_all(ids.iter().map(|id| fail(&stack, DOWN, id))).await?;
    eventually(FAILING + ESCALATED, "mail about each of 20 dispatches", || async {
        let mail = stack.mail.about(&["hydration-failing", DOWN]).await?;
        let unnamed = ids.iter().filter(|id| !mail.iter().any(|mail| mail.text.contains(*id))).count();
        Ok(if unnamed == 0 { Checked::Found(()) } else { Checked::NotYet(format!("{unnamed} are not named")) })
    })
    .await?;
    let mail = stack.mail.about(&["hydration-failing", DOWN]).await?;
    ensure!(mail.len() <= HANDFUL, "{} mails about one outage:{}", mail.len(), listed(&mail));
    for id in &ids {
        let naming = stack.mail.naming(&["hydration-failing"], &format!("{DOWN}/{id}")).await?;
        ensure!(naming.len() == 1, "{id} is named by {} mails:{}", naming.len(), listed(&naming));
    }
    Ok(())
}
