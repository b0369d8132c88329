//! `config check` of `[outputs]`: what can be said without a stack.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use config::{Config, OutputTarget, Reference};
use pipeline::standard_webhooks::SigningSecrets;

use crate::{
    show::Paint,
    verbs::output::{target, wants},
};

/// Checks the form of each signing secret that is in this environment.
pub(super) fn check_secrets(config: &Config, variables: impl Fn(&str) -> Option<String>) -> Result<()> {
    for (name, output) in &config.outputs {
        let OutputTarget::Http { secrets, .. } = &output.target else { continue };
        for reference in secrets {
            let Reference::Env(variable) = reference else { continue };
            let Some(value) = variables(variable) else { continue };
            if let Err(error) = SigningSecrets::parse(&value) {
                bail!("outputs.{name}.secret: {reference}: {error}");
            }
        }
    }
    Ok(())
}

/// Describes the outputs, and what their deployment needs.
pub(super) fn describe(out: &mut String, config: &Config) {
    // Writing to memory does not fail.
    if config.outputs.is_empty() {
        out.push_str("  no outputs: a controller reads the queue signals itself\n");
        return;
    }
    let paint = Paint::stdout();
    for (name, output) in &config.outputs {
        let required = if output.required { "required" } else { "not required" };
        let gets = wants(output.sources.as_ref(), output.types.as_ref(), output.tests);
        let signed = match &output.target {
            OutputTarget::Http { secrets, .. } => {
                format!(", signed with {}", secrets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "))
            }
            OutputTarget::Sqs { .. } | OutputTarget::Eventbridge { .. } => String::new(),
        };
        let (kind, target) = (output.target.kind(), target(&output.target));
        let _ = writeln!(out, "  output {}  {kind} {target}, {required}, gets {gets}{signed}", paint.bold(name));
    }
    let granted = |parameter: &str, is_it: fn(&OutputTarget) -> bool| {
        let any = config.outputs.values().any(|output| is_it(&output.target));
        if any { format!(", {parameter} with the ARN of each") } else { String::new() }
    };
    let queues = granted("OutputQueueArns", |target| matches!(target, OutputTarget::Sqs { .. }));
    let buses = granted("OutputBusArns", |target| matches!(target, OutputTarget::Eventbridge { .. }));
    let _ = writeln!(out, "    a deployment needs Courier=on{queues}{buses}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[sources.v]\nprovider = 'nvgrid'\n\
        [outputs.gateway]\nkind = 'http'\nurl = 'https://ems.example.com/in'\nsecret = 'env:GATEWAY'\n\
        [outputs.history]\nkind = 'sqs'\nqueue_url = 'https://sqs.eu-west-1.amazonaws.com/123456789012/history'\n\
        tests = false\nrequired = false\n";

    fn config() -> Config {
        config::file::File::parse("gridbell.toml", FILE).expect("good").config
    }

    #[test]
    fn outputs_are_described_with_what_they_need() {
        let mut out = String::new();
        describe(&mut out, &config());
        insta::assert_snapshot!(out, @"
          output gateway  http https://ems.example.com/in, required, gets all signals, signed with env:GATEWAY
          output history  sqs https://sqs.eu-west-1.amazonaws.com/123456789012/history, not required, gets all signals; no tests
            a deployment needs Courier=on, OutputQueueArns with the ARN of each
        ");
    }

    #[test]
    fn a_secret_of_another_form_is_refused_and_not_repeated() {
        let check = |value: Option<&str>| check_secrets(&config(), |_| value.map(str::to_owned));
        assert!(check(None).is_ok());
        assert!(check(Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).is_ok());
        let said = check(Some("s3cr3t")).expect_err("refused").to_string();
        assert_eq!(said, "outputs.gateway.secret: env:GATEWAY: the signing secret does not begin with whsec_");
    }
}
