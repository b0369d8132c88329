//! Checks of the outputs: the courier, the signing secrets, the targets, and what waits. Nothing is delivered.

use std::time::Duration;

use pipeline::{
    config::{OutputTarget, matches},
    standard_webhooks::SigningSecrets,
};

use super::{Check, CheckResult, Examined, stack};
use crate::{
    console::Place,
    verbs::output::{self, OutputStatus, OutputView},
};

const COURIER: &str = "courier";
const SIGNING: &str = "signing secret";
const TARGET: &str = "output";
const WAITING: &str = "signals waiting";

/// The stack's output with the courier's name.
const COURIER_NAME: &str = "CourierFunctionName";

/// Timeout of an HTTP target: as long as the courier waits.
const ANSWERS: Duration = Duration::from_secs(5);

/// Signals that wait for longer are worth a look, in seconds.
const LONG_S: i64 = 60;

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let mut checks: Vec<(&'static str, Check<'a>)> = vec![(COURIER, Box::pin(courier(examined)))];
    for (name, output) in &examined.config.outputs {
        checks.push((TARGET, Box::pin(target(examined, name, &output.target))));
        if let OutputTarget::Http { .. } = output.target {
            checks.push((SIGNING, Box::pin(secrets(examined, name, &output.target))));
        }
    }
    if !examined.config.outputs.is_empty() && examined.console.outputs().is_some() {
        checks.push((WAITING, Box::pin(waiting(examined))));
    }
    checks
}

/// Whether the courier exists exactly where there are outputs, and reads its queues.
async fn courier(examined: &Examined<'_>) -> Vec<CheckResult> {
    let function = examined.stack.outputs.get(COURIER_NAME);
    let outputs = examined.config.outputs.len();
    vec![match (function, outputs) {
        (None, 0) => return Vec::new(),
        (None, _) => CheckResult::bad(COURIER, format!("there are {outputs} outputs, and the stack has no courier"))
            .mend("deploy the template with Courier=on"),
        (Some(_), 0) => CheckResult::bad(
            COURIER,
            "no output is configured: the courier reads the signals, delivers none and leaves them in their queue",
        )
        .mend("write [outputs.…] and ship them with `gridbell config apply`, or deploy with Courier=off"),
        (Some(function), _) => reads(examined, function).await,
    }]
}

async fn reads(examined: &Examined<'_>, function: &str) -> CheckResult {
    let queues: Vec<&str> =
        ["signals", "outputs"].iter().filter_map(|queue| examined.console.queue_name(queue)).collect();
    let mappings = match examined.console.functions().mappings(&queues).await {
        Ok(mappings) => mappings,
        Err(error) => return CheckResult::unknown(COURIER, examined.console.refusal(error).to_string()),
    };
    let of_courier = |arn: &str| arn.split(':').any(|part| part == function);
    let enabled = |queue: &&&str| {
        let mut mappings = mappings.iter().filter(|mapping| of_courier(&mapping.function_arn));
        mappings.any(|mapping| mapping.queue() == **queue && mapping.state == "Enabled")
    };
    match queues.iter().find(|queue| !enabled(queue)) {
        None => CheckResult::good(COURIER, "it reads signals and outputs"),
        Some(queue) => CheckResult::bad(COURIER, format!("it does not read {queue}: its mapping is not enabled"))
            .mend("enable it: aws lambda update-event-source-mapping --enabled --uuid …, or deploy the template again"),
    }
}

/// Reads the signing secrets of an HTTP output, and never shows them.
async fn secrets(examined: &Examined<'_>, name: &str, target: &OutputTarget) -> Vec<CheckResult> {
    let OutputTarget::Http { secrets, .. } = target else { return Vec::new() };
    let mut texts = Vec::new();
    for reference in secrets {
        match stack::read(examined, reference).await {
            Ok(secret) => texts.push(secret.expose().to_owned()),
            Err(result) => return vec![CheckResult { check: SIGNING, ..result }.about(name)],
        }
    }
    let names = secrets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let result = match SigningSecrets::parse(&texts.join(" ")) {
        Ok(_) => CheckResult::good(SIGNING, format!("{names} can be read")),
        Err(error) => CheckResult::bad(SIGNING, format!("{names}: {error}"))
            .mend("put another one in: printf 'whsec_%s' \"$(openssl rand -base64 32)\""),
    };
    vec![result.about(name)]
}

async fn target(examined: &Examined<'_>, name: &str, target: &OutputTarget) -> Vec<CheckResult> {
    let result = match target {
        OutputTarget::Http { url, .. } => http(examined, name, url).await,
        OutputTarget::Sqs { queue_url } => queue(examined, queue_url).await,
        OutputTarget::Eventbridge { bus } => self::bus(examined, bus).await,
    };
    vec![result.about(name)]
}

/// Whether anything answers at the address. HEAD delivers nothing, so any status is an answer.
async fn http(examined: &Examined<'_>, name: &str, url: &str) -> CheckResult {
    let mend = format!("`gridbell output test {name}` has the courier send a test event");
    match examined.console.http().head(url).timeout(ANSWERS).send().await {
        Ok(answer) if answer.status().is_redirection() => {
            let status = answer.status().as_u16();
            CheckResult::notice(TARGET, format!("it redirects ({status}), and the courier follows no redirect"))
                .mend("write the address that it redirects to")
        }
        Ok(answer) => CheckResult::good(TARGET, format!("it answers ({})", answer.status().as_u16())),
        // The address may contain a token.
        Err(error) => {
            let why = without_address(error);
            match examined.console.place {
                Place::Local { .. } => CheckResult::bad(TARGET, format!("it does not answer: {why}")).mend(mend),
                // This machine's network is not the courier's.
                Place::Deployed { .. } => {
                    CheckResult::unknown(TARGET, format!("it does not answer to this machine: {why}")).mend(mend)
                }
            }
        }
    }
}

fn without_address(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", ANSWERS.as_secs());
    }
    if error.is_connect() {
        return "no connection".to_owned();
    }
    error.without_url().to_string()
}

async fn queue(examined: &Examined<'_>, queue_url: &str) -> CheckResult {
    match examined.console.counting_at(queue_url).counts(queue_url).await {
        Ok(_) => granted(examined, "OutputQueueArns", queue_arn(queue_url)),
        Err(error) => {
            let said = examined.console.refusal(error).to_string();
            if said.contains("NonExistentQueue") || said.contains("does not exist") {
                return CheckResult::bad(TARGET, "there is no such queue").mend("create it, or correct queue_url");
            }
            // A queue of another account may allow the courier and not this person.
            CheckResult::unknown(TARGET, said)
        }
    }
}

async fn bus(examined: &Examined<'_>, bus: &str) -> CheckResult {
    match examined.console.event_buses().exists(bus).await {
        Ok(true) => {
            let arn = if bus.starts_with("arn:") { bus.to_owned() } else { format!("*:event-bus/{bus}") };
            granted(examined, "OutputBusArns", Some(arn))
        }
        Ok(false) => CheckResult::bad(TARGET, "there is no such event bus").mend("create it, or correct bus"),
        Err(error) => CheckResult::unknown(TARGET, examined.console.refusal(error).to_string()),
    }
}

/// Whether the template lets the courier write to that ARN. The local emulator checks no rights.
fn granted(examined: &Examined<'_>, parameter: &str, arn: Option<String>) -> CheckResult {
    let is_local = matches!(examined.console.place, Place::Local { .. });
    let granted = examined.stack.parameters.get(parameter).map_or("", String::as_str);
    match arn {
        Some(arn) if !is_local && !grants(granted, &arn) => {
            let found = format!("it exists, and the courier may not write to it: {parameter} of the stack lacks it");
            CheckResult::bad(TARGET, found).mend(format!("add {arn} to {parameter} and deploy"))
        }
        _ => CheckResult::good(TARGET, "it exists, and the courier may write to it"),
    }
}

/// Whether a list of ARNs contains one; either may contain `*`.
fn grants(list: &str, arn: &str) -> bool {
    list.split(',').map(str::trim).any(|granted| matches(granted, arn) || matches(arn, granted))
}

/// `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME` as an ARN of any partition; none for another form.
fn queue_arn(queue_url: &str) -> Option<String> {
    let region = aws::targets::queue_region(queue_url)?;
    let mut segments = queue_url.rsplit('/');
    let (name, account) = (segments.next()?, segments.next()?);
    Some(format!("arn:*:sqs:{region}:{account}:{name}"))
}

async fn waiting(examined: &Examined<'_>) -> Vec<CheckResult> {
    match output::views(examined.console, examined.config).await {
        Ok(outputs) => outputs.iter().map(|output| judged(output, examined).about(&output.output)).collect(),
        Err(error) => vec![CheckResult::unknown(WAITING, error.to_string())],
    }
}

fn judged(output: &OutputView, examined: &Examined<'_>) -> CheckResult {
    let name = &output.output;
    let reason = output.reason.as_deref().unwrap_or("it gave no reason");
    let waits = |none: &str| match output.waiting.words() {
        words if words.is_empty() => none.to_owned(),
        words => format!("{words} waiting"),
    };
    // What is not required blocks no dispatch.
    let failed = |found: String| {
        if output.required { CheckResult::bad(WAITING, found) } else { CheckResult::notice(WAITING, found) }
    };
    match output.status {
        OutputStatus::Failing => {
            let since = output.failing_since.map(|since| format!(" {}", examined.clock.off(since))).unwrap_or_default();
            failed(format!("it began to fail{since}: {reason}; {}", waits("nothing waiting")))
                .mend(format!("mend it; `gridbell output test {name}` tries it at once"))
        }
        OutputStatus::Refusing if output.kept.signals > 0 => {
            failed(format!("it did not take {}, which the courier keeps: {reason}", output.kept.words()))
                .mend(format!("`gridbell output replay {name} --dry-run` shows them"))
        }
        OutputStatus::Refusing => failed(format!("it refuses some signals: {reason}; {}", waits("nothing waiting")))
            .mend("`gridbell alert list --open` names their dispatches"),
        OutputStatus::Delivering | OutputStatus::Idle => match output.waiting.since {
            Some(since) if examined.clock.now.duration_since(since).as_secs() > LONG_S => {
                CheckResult::notice(WAITING, format!("{}, the oldest came {}", waits(""), examined.clock.off(since)))
                    .mend("look at the courier's errors and throttles")
            }
            _ => CheckResult::good(WAITING, waits("none")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_granted_by_itself_or_by_a_pattern() {
        let arn = queue_arn("https://sqs.eu-west-1.amazonaws.com/123456789012/ems.fifo").expect("an ARN");
        let check = |list: &str, expected: bool| assert_eq!(grants(list, &arn), expected, "{list}");
        check("arn:aws:sqs:eu-west-1:123456789012:ems.fifo", true);
        check("arn:aws:sqs:eu-west-1:123456789012:other, arn:aws:sqs:eu-west-1:123456789012:ems.fifo", true);
        check("arn:*:sqs:eu-west-1:123456789012:*", true);
        check("arn:aws:sqs:eu-west-1:123456789012:ems", false);
        check("", false);
        assert!(grants("arn:aws:events:eu-west-1:1:event-bus/grid", "*:event-bus/grid"));
        assert_eq!(queue_arn("http://127.0.0.1:4566/000000000000/q"), None);
    }
}
