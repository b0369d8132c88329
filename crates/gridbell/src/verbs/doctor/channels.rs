//! Checks the channels that ring besides mail: their secret, their address, the topic. It sends nothing to people.

use std::time::Duration;

use aws::{
    channels::reach_topic,
    http::{Outgoing, Post, PostError, Reachable},
    secrets::{AwsKeys, KeySource},
    signed::CallError,
};
use pipeline::{
    config::{Channel, Reference},
    standard_webhooks::SigningSecrets,
};

use super::{Check, CheckResult, Examined};

const CHANNEL: &str = "alert channel";

/// Timeout of one post.
const WITHIN: Duration = Duration::from_secs(5);

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let all = examined.config.all_channels();
    all.map(|(source, channel)| -> (&'static str, Check<'a>) { (CHANNEL, Box::pin(check(examined, source, channel))) })
        .collect()
}

async fn check(examined: &Examined<'_>, source: Option<&str>, channel: &Channel) -> Vec<CheckResult> {
    let result = match channel {
        Channel::Sns { topic } => topic_check(examined, channel, topic).await,
        Channel::PagerDuty { key, url } => match secret(examined, channel, key).await {
            // An event without a routing key is refused, so nothing rings.
            Ok(_) => answers(channel, url, "{}").await,
            Err(result) => result,
        },
        Channel::Webhook { url, secret: reference } => match secret(examined, channel, reference).await {
            Ok(text) => match SigningSecrets::parse(&text) {
                Ok(_) => match Reachable::PublicOrHere.url(url) {
                    Ok(_) => CheckResult::good(CHANNEL, format!("{channel}: its secret can sign")),
                    Err(reason) => CheckResult::bad(CHANNEL, format!("{channel}: {reason}")),
                },
                Err(error) => CheckResult::bad(CHANNEL, format!("{channel}: {error}"))
                    .mend("put a new one into the parameter: echo whsec_$(openssl rand -base64 32)"),
            },
            Err(result) => result,
        },
    };
    vec![match source {
        Some(source) => result.about(source),
        None => result,
    }]
}

async fn topic_check(examined: &Examined<'_>, channel: &Channel, topic: &str) -> CheckResult {
    match reach_topic(&examined.console.aws, examined.console.http(), topic).await {
        Ok(()) => CheckResult::good(CHANNEL, format!("{channel} is there")),
        Err(error @ CallError::Refused { status: 404, .. }) => {
            CheckResult::bad(CHANNEL, format!("{channel} is not there: {}", examined.console.refusal(&error)))
                .mend("aws sns create-topic --name NAME, then subscribe telephones or chat to it")
        }
        // This identity may lack a permission that the functions have.
        Err(error) => CheckResult::unknown(CHANNEL, format!("{channel}: {}", examined.console.refusal(&error)))
            .mend("the user who runs doctor needs sns:GetTopicAttributes on the topic"),
    }
}

/// The secret's text, or why it cannot be used.
async fn secret(examined: &Examined<'_>, channel: &Channel, reference: &Reference) -> Result<String, CheckResult> {
    if matches!(reference, Reference::Env(_)) {
        let why = format!("{channel}: {reference} lies in the functions' environment, which cannot be read from here");
        return Err(CheckResult::unknown(CHANNEL, why));
    }
    let read = AwsKeys::new(&examined.console.aws, examined.console.http().clone()).read(reference).await;
    read.map(|secret| secret.expose().to_owned()).map_err(|said| {
        let found = format!("{channel}: {reference} cannot be read: {}", examined.console.refusal(&said));
        if said.contains("ParameterNotFound") {
            let path = reference.to_string().replacen("ssm:", "", 1);
            CheckResult::bad(CHANNEL, found)
                .mend(format!("aws ssm put-parameter --type SecureString --name {path} --value \"$SECRET\""))
        } else {
            CheckResult::unknown(CHANNEL, found)
        }
    })
}

/// Whether the address answers at all, from this machine.
async fn answers(channel: &Channel, url: &str, body: &str) -> CheckResult {
    let Ok(outgoing) = Outgoing::new(None) else {
        return CheckResult::unknown(CHANNEL, format!("{channel}: TLS cannot be set up"));
    };
    let post = Post { url, headers: &[], body: body.to_owned(), within: WITHIN };
    match outgoing.post(&post).await {
        Ok(answer) if answer.status < 500 => {
            CheckResult::good(CHANNEL, format!("{channel}: its key can be read, and its address answers"))
        }
        Ok(answer) => CheckResult::notice(CHANNEL, format!("{channel}: its address answers {}", answer.status)),
        Err(PostError::NotSent(reason) | PostError::Unanswered(reason)) => {
            CheckResult::unknown(CHANNEL, format!("{channel}: its address does not answer from this machine: {reason}"))
        }
    }
}
