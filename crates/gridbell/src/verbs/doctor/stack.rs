//! The configuration that runs, and the secrets that it names.

use std::path::Path;

use aws::secrets::{AwsKeys, KeySource, Reference};

use super::{Check, Finding, Patient};
use crate::{console::Place, verbs::config::differences};

const CONFIG: &str = "configuration";
const SECRET: &str = "secret";

pub(super) fn checks<'a>(patient: &'a Patient<'a>) -> Vec<(&'static str, Check<'a>)> {
    let mut checks: Vec<(&'static str, Check<'a>)> =
        vec![(CONFIG, Box::pin(std::future::ready(configuration(patient))))];
    for (name, source) in &patient.config.sources {
        if let Some(key) = &source.api_key {
            checks.push((SECRET, Box::pin(secret(patient, name, key))));
        }
    }
    checks
}

fn configuration(patient: &Patient<'_>) -> Vec<Finding> {
    let config = patient.config;
    if patient.version.is_none() {
        return vec![Finding::bad(CONFIG, "no configuration is applied").mend("run `gridbell config apply`")];
    }
    let mut findings = Vec::new();
    if config.sources.is_empty() {
        let mend = "write [sources.…] into gridbell.toml and ship it with `gridbell config apply`";
        findings.push(Finding::bad(CONFIG, "there is no source, so no webhook is accepted").mend(mend));
    }
    for (name, source) in config.sources.iter().filter(|(_, source)| source.tokens.is_empty()) {
        let found = format!("the source has no token, so each of its {} webhooks gets a 404", source.provider);
        let mend = "give it a token in gridbell.toml and ship it with `gridbell config apply`";
        findings.push(Finding::bad(CONFIG, found).about(name).mend(mend));
    }
    if config.contacts.email.is_empty() {
        let mend = "write [contacts] into gridbell.toml and ship it with `gridbell config apply`";
        findings.push(Finding::bad(CONFIG, "there are no contacts, so no person is notified of anything").mend(mend));
    }
    if config.deadlines.acknowledge && config.acks.tokens.is_empty() {
        let mend = "give [acks] a token in gridbell.toml and ship it with `gridbell config apply`";
        findings.push(Finding::bad(CONFIG, "controllers must acknowledge, and no token lets them").mend(mend));
    }
    if findings.is_empty() {
        let awaited = if config.deadlines.acknowledge { "an acknowledgement" } else { "the queue being read" };
        let found = format!("{} sources, {awaited} is awaited", config.sources.len());
        findings.push(Finding::good(CONFIG, found));
    }
    findings.extend(patient.file.and_then(|file| compared(patient, file)));
    findings
}

/// Whether what runs is what the file says; none where it is.
fn compared(patient: &Patient<'_>, file: &Path) -> Option<Finding> {
    let local = matches!(patient.console.place, Place::Local { .. });
    match differences(file, patient.config, patient.stack, local) {
        Ok(0) => None,
        Ok(keys) => Some(
            Finding::notice(CONFIG, format!("{} says otherwise: {keys} keys differ", file.display()))
                .mend("`gridbell config apply --dry-run` shows them"),
        ),
        Err(error) => Some(Finding::unknown(CONFIG, format!("it cannot be compared with the file: {error}"))),
    }
}

/// Read, never shown.
async fn secret(patient: &Patient<'_>, name: &str, key: &str) -> Vec<Finding> {
    let Some(reference) = Reference::parse(key) else {
        let mend = "write ssm:/… there and ship it with `gridbell config apply`";
        return vec![Finding::bad(SECRET, "api_key is no reference").about(name).mend(mend)];
    };
    if matches!(reference, Reference::Env(_)) {
        let why = format!("{reference} lies in the functions' environment, which cannot be read from here");
        return vec![Finding::unknown(SECRET, why).about(name)];
    }
    let finding = match AwsKeys::new(&patient.console.aws, patient.console.http().clone()).read(&reference).await {
        Ok(_) => Finding::good(SECRET, format!("{reference} can be read")),
        Err(said) => {
            let found = format!("{reference} cannot be read: {}", patient.console.refusal(&said));
            let path = reference.to_string().replacen("ssm:", "", 1);
            let mend = match (&patient.console.place, said.contains("ParameterNotFound")) {
                (Place::Deployed { .. }, true) => {
                    format!("aws ssm put-parameter --type SecureString --name {path} --value \"$KEY\"")
                }
                (Place::Local { .. }, true) => "start `gridbell up` anew: it puts the keys in".to_owned(),
                (_, false) => format!("the functions read {path}; whoever runs doctor needs ssm:GetParameter on it"),
            };
            // What this identity may not read, the functions may.
            let found = if said.contains("ParameterNotFound") {
                Finding::bad(SECRET, found)
            } else {
                Finding::unknown(SECRET, found)
            };
            found.mend(mend)
        }
    };
    vec![finding.about(name)]
}
