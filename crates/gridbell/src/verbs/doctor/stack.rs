//! Checks the running configuration, and the secrets that it refers to.

use std::path::Path;

use aws::secrets::{AwsKeys, KeySource, Reference, Secret};

use super::{Check, CheckResult, Examined};
use crate::{console::Place, verbs::config::differences};

const CONFIG: &str = "configuration";
const SECRET: &str = "secret";

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let mut checks: Vec<(&'static str, Check<'a>)> =
        vec![(CONFIG, Box::pin(std::future::ready(configuration(examined))))];
    for (name, source) in &examined.config.sources {
        if let Some(key) = &source.api_key {
            checks.push((SECRET, Box::pin(secret(examined, name, key))));
        }
    }
    checks
}

fn configuration(examined: &Examined<'_>) -> Vec<CheckResult> {
    let config = examined.config;
    if examined.version.is_none() {
        return vec![CheckResult::bad(CONFIG, "no configuration is applied").mend("run `gridbell config apply`")];
    }
    let mut results = Vec::new();
    if config.sources.is_empty() {
        let mend = "write [sources.…] into gridbell.toml and ship it with `gridbell config apply`";
        results.push(CheckResult::bad(CONFIG, "there is no source, so no webhook is accepted").mend(mend));
    }
    for (name, source) in config.sources.iter().filter(|(_, source)| source.tokens.is_empty()) {
        let found = format!("the source has no token, so each of its {} webhooks gets a 404", source.provider);
        let mend = "give it a token in gridbell.toml and ship it with `gridbell config apply`";
        results.push(CheckResult::bad(CONFIG, found).about(name).mend(mend));
    }
    if config.contacts.email.is_empty() {
        let mend = "write [contacts] into gridbell.toml and ship it with `gridbell config apply`";
        results
            .push(CheckResult::bad(CONFIG, "there are no contacts, so no person is notified of anything").mend(mend));
    }
    if config.deadlines.acknowledge && config.acks.tokens.is_empty() {
        let mend = "give [acks] a token in gridbell.toml and ship it with `gridbell config apply`";
        results.push(CheckResult::bad(CONFIG, "controllers must acknowledge, and no token lets them").mend(mend));
    }
    if results.is_empty() {
        let awaited = match (config.deadlines.acknowledge, config.outputs.is_empty()) {
            (true, _) => "an acknowledgement",
            (false, true) => "the queue being read",
            (false, false) => "every required output",
        };
        let found = format!("{} sources, {awaited} is awaited", config.sources.len());
        results.push(CheckResult::good(CONFIG, found));
    }
    results.extend(examined.file.and_then(|file| compared(examined, file)));
    results
}

/// Whether the running configuration differs from the file; none if it does not.
fn compared(examined: &Examined<'_>, file: &Path) -> Option<CheckResult> {
    let local = matches!(examined.console.place, Place::Local { .. });
    match differences(file, examined.config, examined.stack, local) {
        Ok(0) => None,
        Ok(keys) => Some(
            CheckResult::notice(CONFIG, format!("{} says otherwise: {keys} keys differ", file.display()))
                .mend("`gridbell config apply --dry-run` shows them"),
        ),
        Err(error) => Some(CheckResult::unknown(CONFIG, format!("it cannot be compared with the file: {error}"))),
    }
}

async fn secret(examined: &Examined<'_>, name: &str, reference: &Reference) -> Vec<CheckResult> {
    let result = match read(examined, reference).await {
        Ok(_) => CheckResult::good(SECRET, format!("{reference} can be read")),
        Err(result) => result,
    };
    vec![result.about(name)]
}

/// Reads a secret, which is never shown.
pub(super) async fn read(examined: &Examined<'_>, reference: &Reference) -> Result<Secret, CheckResult> {
    if matches!(reference, Reference::Env(_)) {
        let why = format!("{reference} lies in the functions' environment, which cannot be read from here");
        return Err(CheckResult::unknown(SECRET, why));
    }
    match AwsKeys::new(&examined.console.aws, examined.console.http().clone()).read(reference).await {
        Ok(secret) => Ok(secret),
        Err(said) => {
            let found = format!("{reference} cannot be read: {}", examined.console.refusal(&said));
            let path = reference.to_string().replacen("ssm:", "", 1);
            let mend = match (&examined.console.place, said.contains("ParameterNotFound")) {
                (Place::Deployed { .. }, true) => {
                    format!("aws ssm put-parameter --type SecureString --name {path} --value \"$KEY\"")
                }
                (Place::Local { .. }, true) => "start `gridbell up` anew: it puts the keys in".to_owned(),
                (_, false) => {
                    format!("the functions read {path}; the user who runs doctor needs ssm:GetParameter on it")
                }
            };
            // This identity may lack a permission that the functions have.
            let found = if said.contains("ParameterNotFound") {
                CheckResult::bad(SECRET, found)
            } else {
                CheckResult::unknown(SECRET, found)
            };
            Err(found.mend(mend))
        }
    }
}
