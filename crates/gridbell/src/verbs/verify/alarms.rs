//! The state of the stack's alarms.

use std::time::Duration;

use stack_client::{Alarm, AlarmState};

use super::report::{Failed, Found, Step};
use crate::console::Console;

pub(super) const STEP: Step = Step {
    name: "alarms",
    within: Duration::from_secs(20),
    late: "`aws cloudwatch describe-alarms --state-value ALARM` lists what is raised",
};

/// The type of an alarm in the template.
const ALARM: &str = "AWS::CloudWatch::Alarm";

/// Whether no alarm of the stack is raised.
pub(super) async fn state(console: &Console) -> Result<Found, Failed> {
    let refused = |error: String| Failed::new(console.refusal(error).to_string());
    let cloudformation = console.cloudformation();
    let stack = cloudformation.describe(&console.name).await.map_err(|error| refused(error.to_string()))?;
    if stack.parameters.get("Watch").is_some_and(|watch| watch == "off") {
        return Ok(Found::Skipped("the stack has none (Watch is off)".to_owned()));
    }
    let names = cloudformation.resources(&console.name, ALARM).await.map_err(|error| refused(error.to_string()))?;
    let alarms = console.cloudwatch().alarms(&names).await.map_err(|error| refused(error.to_string()))?;
    judged(&names, &alarms)
}

fn judged(names: &[String], alarms: &[Alarm]) -> Result<Found, Failed> {
    let missing = names.iter().filter(|name| !alarms.iter().any(|alarm| alarm.name == **name));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    let of = |state| alarms.iter().filter(move |alarm| alarm.state == state);
    let raised: Vec<String> =
        of(AlarmState::Raised).map(|alarm| format!("{} ({})", alarm.name, alarm.reason)).collect();
    if !raised.is_empty() {
        return Err(Failed::new(format!("{} of {} are raised: {}", raised.len(), names.len(), raised.join("; ")))
            .mend("infra/README.md says under its name what to do about each"));
    }
    if !missing.is_empty() {
        return Err(Failed::new(format!("CloudWatch does not know {}", missing.join(", ")))
            .mend("deploy the stack again: it was changed by hand"));
    }
    let (ok, no_data) = (of(AlarmState::Ok).count(), of(AlarmState::NoData).count());
    Ok(Found::Good(match no_data {
        0 => format!("none of {ok} is raised"),
        no_data => format!("none of {} is raised; {no_data} have no data yet", ok + no_data),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_or_missing_alarm_fails_the_step() {
        let names = ["g-a".to_owned(), "g-b".to_owned()];
        let alarm = |name: &str, state| Alarm { name: name.to_owned(), state, reason: "why".to_owned() };
        let check = |states: [AlarmState; 2], expected: &str| {
            let alarms = [alarm("g-a", states[0]), alarm("g-b", states[1])];
            let said = format!("{:?}", judged(&names, &alarms));
            assert!(said.contains(expected), "{said}");
        };
        check([AlarmState::Ok, AlarmState::Ok], "Good(\"none of 2 is raised\")");
        check([AlarmState::Ok, AlarmState::NoData], "Good(\"none of 2 is raised; 1 have no data yet\")");
        check([AlarmState::Raised, AlarmState::NoData], "1 of 2 are raised: g-a (why)");
        let one = [alarm("g-a", AlarmState::Ok)];
        assert!(format!("{:?}", judged(&names, &one)).contains("CloudWatch does not know g-b"));
    }
}
