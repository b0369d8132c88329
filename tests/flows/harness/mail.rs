//! The mail sent, as the read-back shows it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::Value;

use super::{Looked, eventually};

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

    /// Mails about what cannot be read of a source's bodies. What is about one of its dispatches or meters has mails of its own.
    pub(crate) async fn about_bodies(&self, source: &str) -> Result<Vec<Mail>> {
        let mut mail = self.about(&["quarantined", source]).await?;
        mail.retain(|mail| mail.subject.ends_with(&format!(": {source}")));
        Ok(mail)
    }

    /// Waits for one of those.
    pub(crate) async fn one_about_bodies(&self, within: Duration, source: &str) -> Result<Mail> {
        eventually(within, &format!("a mail about bodies of {source}"), || async {
            let mail = self.about_bodies(source).await?.pop();
            Ok(mail.map_or_else(|| Looked::NotYet("none".to_owned()), Looked::There))
        })
        .await
    }

    /// Waits for one such mail, and fails where there are more.
    pub(crate) async fn one(&self, within: Duration, words: &[&str]) -> Result<Mail> {
        let what = format!("mail about {words:?}");
        let mail = eventually(within, &what, || async {
            let mut mail = self.about(words).await?;
            ensure!(mail.len() <= 1, "more than one mail:{}", listed(&mail));
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
}
