//! Incidents: acknowledged from the mail, and escalated if not acknowledged.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{
    harness::{Answer, TestStack, answer, cases, listed, shared_stack},
    stub::Reply,
    voltus::webhook,
};

cases!("incidents": an_acknowledged_incident_sends_no_more_mails);

/// The source whose incidents escalate soon.
const ESCALATING: &str = "vesc";

/// Five quick failures, plus time for a busy machine.
const FAILING: Duration = Duration::from_mins(3);

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
