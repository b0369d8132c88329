//! The sent mails, as the emulator returns them.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::Value;

use super::{Checked, eventually};

/// The words in the subject of a mail about a resolved incident.
pub(crate) const RESOLVED: &str = "Resolved: ";

/// A mail.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Several mails, for an error message.
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

    /// All mails with each of the words in their subject, oldest first.
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

    /// All mails with each of the words in their subject that name `about`: a dispatch's key, a source, or a source and
    /// an event. Mails about a resolved incident count only if the words include [`RESOLVED`].
    pub(crate) async fn naming(&self, words: &[&str], about: &str) -> Result<Vec<Mail>> {
        let mut mail = self.about(words).await?;
        let resolved = words.contains(&RESOLVED);
        mail.retain(|mail| mail.names(about) && (resolved || !mail.subject.contains(RESOLVED)));
        Ok(mail)
    }

    /// Waits for one such mail, and fails if there are more.
    pub(crate) async fn one_naming(&self, within: Duration, words: &[&str], about: &str) -> Result<Mail> {
        let what = format!("mail about {words:?} that names {about}");
        only(within, &what, || self.naming(words, about)).await
    }

    /// Waits for the one mail with each of the words in its subject, and fails if there are more.
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
            Some(mail) => Checked::Found(mail),
            None => Checked::NotYet("none".to_owned()),
        })
    });
    let mail = mail.await?;
    ensure!(mail.subject.starts_with("[gridbell] "), "the subject is {:?}", mail.subject);
    ensure!(!mail.text.is_empty() && !mail.html.is_empty(), "{:?} has no text or no HTML", mail.subject);
    Ok(mail)
}

impl Mail {
    /// Whether the mail is about this: in the bracket that ends its subject, or in a line of a list.
    fn names(&self, about: &str) -> bool {
        let alone = format!(", {about})");
        let with_more = format!(", {about} (and ");
        let listed = [format!(" ({about})"), format!(" ({about}, acknowledged meanwhile)")];
        let is_line = |line: &str| line.starts_with("- ") && listed.iter().any(|listed| line.ends_with(listed));
        self.subject.ends_with(&alone) || self.subject.contains(&with_more) || self.text.lines().any(is_line)
    }
}
