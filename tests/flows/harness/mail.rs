//! The mail sent, as the read-back shows it.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::Value;

use super::{Looked, eventually};

/// What the subject of a mail holds that says that an incident is resolved.
pub(crate) const RESOLVED: &str = "Resolved: ";

/// One mail.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Several mails in an error message.
pub(crate) fn listed(mail: &[Mail]) -> String {
    mail.iter().fold(String::new(), |text, mail| format!("{text}\n\n{}\n{}", mail.subject, mail.text))
}

/// The mailbox.
#[derive(Debug, Clone)]
pub(crate) struct MailBox {
    http: Client,
    url: String,
}

impl MailBox {
    pub(crate) fn new(http: Client, url: &str) -> Self {
        Self { http, url: url.to_owned() }
    }

    /// All mail whose subject holds each of the words, the oldest first.
    pub(crate) async fn about(&self, words: &[&str]) -> Result<Vec<Mail>> {
        let answer: Value =
            self.http.get(&self.url).timeout(super::SOON).send().await?.error_for_status()?.json().await?;
        let sent = answer.as_array().context("the mail's read-back is no list")?;
        let text = |mail: &Value, field: &str| mail[field].as_str().unwrap_or_default().to_owned();
        let mail = sent.iter().map(|mail| Mail {
            subject: text(mail, "subject"),
            text: text(mail, "text"),
            html: text(mail, "html"),
        });
        Ok(mail.filter(|mail| words.iter().all(|word| mail.subject.contains(word))).collect())
    }

    /// All mail whose subject holds each of the words and that names this: a dispatch's key, a source, a source and an event. A mail
    /// that says that an incident is resolved counts only where the words ask for it.
    pub(crate) async fn naming(&self, words: &[&str], about: &str) -> Result<Vec<Mail>> {
        let mut mail = self.about(words).await?;
        let resolved = words.contains(&RESOLVED);
        mail.retain(|mail| mail.names(about) && (resolved || !mail.subject.contains(RESOLVED)));
        Ok(mail)
    }

    /// Waits for one of those, and fails where there are more.
    pub(crate) async fn one_naming(&self, within: Duration, words: &[&str], about: &str) -> Result<Mail> {
        let what = format!("mail about {words:?} that names {about}");
        only(within, &what, || self.naming(words, about)).await
    }

    /// Waits for the one mail whose subject holds each of the words, and fails where there are more.
    pub(crate) async fn one(&self, within: Duration, words: &[&str]) -> Result<Mail> {
        only(within, &format!("mail about {words:?}"), || self.about(words)).await
    }
}

async fn only<F: Future<Output = Result<Vec<Mail>>>>(
    within: Duration,
    what: &str,
    find: impl Fn() -> F,
) -> Result<Mail> {
    let mail = eventually(within, what, || async {
        let mut mail = find().await?;
        ensure!(mail.len() <= 1, "more than one {what}:{}", listed(&mail));
        Ok(match mail.pop() {
            Some(mail) => Looked::There(mail),
            None => Looked::NotYet("none".to_owned()),
        })
    });
    let mail = mail.await?;
    ensure!(mail.subject.starts_with("[gridbell] "), "the subject is {:?}", mail.subject);
    ensure!(!mail.text.is_empty() && !mail.html.is_empty(), "{:?} has no text or no HTML", mail.subject);
    Ok(mail)
}

impl Mail {
    /// Whether it is about this: alone, in the bracket that ends its subject, or as a line of a list.
    fn names(&self, about: &str) -> bool {
        let alone = format!(", {about})");
        let with_more = format!(", {about} (and ");
        let listed = [format!(" ({about})"), format!(" ({about}, acknowledged meanwhile)")];
        let is_line = |line: &str| line.starts_with("- ") && listed.iter().any(|listed| line.ends_with(listed));
        self.subject.ends_with(&alone) || self.subject.contains(&with_more) || self.text.lines().any(is_line)
    }
}
