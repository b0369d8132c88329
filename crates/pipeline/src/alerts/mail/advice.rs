//! What a person must do now, step by step.

use super::{
    Circumstances,
    case::{Case, Need, Phase, Place},
    content::{Link, Step},
    times,
    words::{command, tame},
};
use crate::{
    alerts::{
        condition::{Condition, GRIDBELL},
        occasion::Occasion,
    },
    job::clip,
};

/// The number of sites whose instructions are shown; the configuration has the others.
const INSTRUCTED: usize = 5;

/// The longest instructions of a site that are shown, in characters.
const MAX_INSTRUCTIONS: usize = 2_000;

/// The steps to take. For a resolved incident there are mostly none.
pub(super) fn steps(case: &Case<'_>, occasion: Occasion, circumstances: &Circumstances) -> Vec<Step> {
    let need = case.need();
    if occasion == Occasion::Resolved {
        return resolved(case, need.as_ref());
    }
    let mut steps: Vec<Step> = acknowledging(circumstances, &case.incident.incident).into_iter().collect();
    if case.is_test() {
        steps.push(Step::new("Curtail nothing: this is a test. Find out why it failed."));
    } else if case.must_curtail() {
        steps.push(need.as_ref().map_or_else(
            || {
                Step::new(format!(
                    "Look this dispatch up in {}'s portal, and curtail by hand what is near.",
                    case.provider()
                ))
            },
            |need| by_hand(case, need),
        ));
    }
    steps.extend(cause(case, need.as_ref(), circumstances.stack.as_deref()));
    steps
}

pub(super) fn of_list(first: Option<&Case<'_>>, occasion: Occasion, circumstances: &Circumstances) -> Vec<Step> {
    let Some(case) = first.filter(|_| occasion != Occasion::Resolved) else { return vec![Step::new("Nothing.")] };
    let mut steps = Vec::new();
    if circumstances.awaited {
        let step =
            Step::new("Acknowledge them, so that others know that you take care: reminders and escalation stop.");
        steps.push(match &circumstances.link {
            Some(address) => Step { link: Some(button(address)), ..step },
            None => step
                .by(command(&["alert", "list", "--open"], "", circumstances.stack.as_deref()))
                .noting(["Then acknowledge each with gridbell alert ack.".to_owned()]),
        });
    }
    if case.is_test() {
        steps.push(Step::new("Curtail nothing: these are tests. Find out why they failed."));
    } else if case.must_curtail() {
        steps.push(Step::new("Curtail by hand what is listed first, then the rest in this order."));
    }
    if case.announces_dispatches()
        && matches!(case.incident.condition, Condition::Failing { .. } | Condition::GivenUp { .. })
    {
        let hand = if case.is_test() { "" } else { ", and curtail by hand what is near" };
        steps.push(Step::new(format!("Look in {}'s portal for what is listed above{hand}.", case.provider())));
        steps.push(Step::new("Wait for the next mail: gridbell tries again, and says when it worked."));
    } else {
        steps.extend(cause(case, case.need().as_ref(), circumstances.stack.as_deref()));
    }
    steps
}

/// How to acknowledge the incident, if a person must.
pub(super) fn acknowledging(circumstances: &Circumstances, incident: &str) -> Option<Step> {
    if !circumstances.awaited {
        return None;
    }
    let why = "Acknowledge it, so that others know that you take care: reminders and escalation stop.";
    let step = Step::new(why);
    Some(match &circumstances.link {
        Some(address) => Step { link: Some(button(address)), ..step },
        None => step.by(command(&["alert", "ack"], incident, circumstances.stack.as_deref())),
    })
}

pub(super) fn button(address: &str) -> Link {
    Link { label: "Open and acknowledge", address: address.to_owned(), is_button: true }
}

fn by_hand(case: &Case<'_>, need: &Need<'_>) -> Step {
    let provider = case.provider();
    let sites = need.names();
    let until = need.end.map(|end| format!(", until {}", times::brief(end, &need.zone, case.now))).unwrap_or_default();
    let text = match need.phase {
        Phase::Ahead => format!("Curtail {sites} by hand, {}.", need.when()),
        Phase::Running => format!("Curtail {sites} by hand now{until}."),
        Phase::Over => format!("Find out whether {sites} curtailed. If not, tell {provider}."),
        Phase::Withdrawn => format!("Curtail nothing: {provider} has withdrawn it."),
    };
    Step::new(text).noting(if need.is_active() { instructions(need) } else { Vec::new() })
}

fn instructions(need: &Need<'_>) -> Vec<String> {
    let said = need.sites.iter().filter_map(|place| Some((place, place.site?))).take(INSTRUCTED);
    said.flat_map(|(Place { name, .. }, site)| {
        let instructions = site.instructions.iter().flat_map(|text| lines_of(text)).enumerate();
        let instructions = instructions.map(move |(n, line)| if n == 0 { format!("{name}: {line}") } else { line });
        let phone = site.phone.iter().map(move |phone| format!("{name}, phone: {}", tame(phone)));
        let runbook = site.runbook_url.iter().map(move |url| format!("{name}, runbook: {}", tame(url)));
        instructions.chain(phone).chain(runbook).collect::<Vec<_>>()
    })
    .collect()
}

fn lines_of(text: &str) -> Vec<String> {
    clip(text, MAX_INSTRUCTIONS).lines().map(tame).filter(|line| !line.trim().is_empty()).collect()
}

/// How to remove the cause.
fn cause(case: &Case<'_>, need: Option<&Need<'_>>, stack: Option<&str>) -> Vec<Step> {
    let (provider, source) = (case.provider(), tame(case.incident.source()));
    let is_unsent = case.record.is_some_and(|record| !record.outbox.is_empty());
    let whose = if case.incident.source() == GRIDBELL { "each provider".to_owned() } else { provider.clone() };
    let portal = || Step::new(format!("Look in {whose}'s portal for what is on at your sites."));
    let doctor = || command(&["doctor"], "", stack);
    let deliveries = || command(&["delivery", "list"], "", stack);
    match &case.incident.condition {
        Condition::NotAcknowledged { .. } | Condition::PartsUnsent { .. } if is_unsent => {
            vec![Step::new("See whether AWS has an outage; gridbell tries again each minute.").by(doctor())]
        }
        Condition::NotAcknowledged { .. } if case.has_acknowledgements() => {
            vec![Step::new("Find out why the controller does not answer.").by(doctor())]
        }
        Condition::NotAcknowledged { .. } => {
            vec![Step::new("Start the controller: it does not read the queue of signals.").by(doctor())]
        }
        Condition::ControllerFailed { .. } => vec![Step::new(
            "Mend what the controller reported. It has read the dispatch; once it can act, it answers \"accepted\".",
        )],
        Condition::NoEnd { .. } => vec![
            Step::new(format!("Ask {provider} whether this dispatch is still on.")),
            Step::new(format!(
                "If it is over, have {provider} state an end or withdraw it. Until then this mail comes once a day."
            )),
        ],
        Condition::PartsUnsent { .. } => Vec::new(),
        Condition::NotCompliant { .. } => vec![Step::new("Tell the grid operator if the target cannot be met.")],
        Condition::Failing { .. } if !case.announces_dispatches() => {
            vec![Step::new("Nothing at a site: it is about data. gridbell tries again and says when it worked.")]
        }
        Condition::Failing { .. } | Condition::GivenUp { .. } => failing(case, need, &provider, deliveries()),
        Condition::DeliveriesUnread => vec![
            portal(),
            Step::new("See why the function \"hydrator\" does not run: infra/README.md, \"Alarm hydrator-silent\".")
                .by(doctor()),
        ],
        Condition::KeyRefused { .. } | Condition::KeysRotated { .. } => vec![
            Step::new(format!(
                "Put a valid API key into the parameter that the source {source} names. gridbell reads it within minutes."
            )),
            Step::new(format!("Until then look in {provider}'s portal: gridbell cannot fetch its dispatches.")),
        ],
        Condition::MissedDelivery { .. } => vec![
            Step::new("Nothing at the sites: the controller has its signal."),
            Step::new(format!("Check that the webhook is registered with {provider}.")).by(command(
                &["webhook", "list"],
                &source,
                stack,
            )),
        ],
        Condition::SourceDown { .. } => {
            vec![portal().noting(["gridbell goes on asking, and webhooks still arrive.".to_owned()])]
        }
        Condition::Quarantined { .. } => {
            vec![portal(), Step::new("See what could not be read, and replay it after a mend.").by(deliveries())]
        }
        Condition::UnknownEvent { .. } => {
            vec![portal(), Step::new(format!("Ask {provider} what this event means."))]
        }
        Condition::OutputFailing { output } => output_failing(output, stack),
        Condition::DeadLetters { .. } => {
            vec![portal(), Step::new("Read the dead letters, and send them back after a mend.").by(deliveries())]
        }
        Condition::ChannelFailing { .. } => vec![
            Step::new("Tell the people who rely on it that they get no alerts there now.")
                .noting(["gridbell goes on trying, and sends what still counts when it works again.".to_owned()]),
            Step::new("Find out why it takes no alerts: see \"Reported\" below.").by(doctor()),
        ],
    }
}

fn output_failing(output: &str, stack: Option<&str>) -> Vec<Step> {
    let list = command(&["output", "list"], "", stack);
    vec![
        Step::new(format!("See why the output {} does not take signals.", tame(output))).by(list),
        Step::new("Until it works again, act by hand on the dispatches that wait for it."),
    ]
}

/// The steps if an announced change could not be fetched.
fn failing(case: &Case<'_>, need: Option<&Need<'_>>, provider: &str, deliveries: String) -> Vec<Step> {
    let what = match need {
        Some(need) if need.is_active() => "Look in the portal whether the dispatch is still as it stands above",
        Some(_) => "Look in the portal whether the dispatch is called again",
        None if case.incident.subject().is_some() => "Look this dispatch up in the portal",
        None => "Look in the portal for what is on at your sites",
    };
    let hand = if case.is_test() { "" } else { ", and curtail by hand what is near" };
    let goes_on = match case.incident.condition {
        Condition::GivenUp { .. } => Step::new("After a mend, replay what is kept.").by(deliveries),
        _ => Step::new("Wait for the next mail: gridbell tries again, and says when it worked."),
    };
    vec![Step::new(format!("{}{hand}.", what.replacen("the portal", &format!("{provider}'s portal"), 1))), goes_on]
}

fn resolved(case: &Case<'_>, need: Option<&Need<'_>>) -> Vec<Step> {
    if case.is_test() {
        return vec![Step::new("Nothing: it was a test.")];
    }
    match need {
        Some(need) if need.is_active() && case.must_curtail() => {
            vec![Step::new("Nothing. If you curtailed by hand, restore nothing before the end.")]
        }
        Some(need) if need.phase == Phase::Over && case.must_curtail() => {
            vec![Step::new("Restore what was curtailed by hand, if it still is.")]
        }
        Some(need) if need.phase == Phase::Withdrawn => {
            vec![Step::new("Restore what was curtailed by hand: the dispatch is withdrawn.")]
        }
        _ => vec![Step::new("Nothing.")],
    }
}
