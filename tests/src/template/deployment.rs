//! Deployments: a new version takes over in steps, and goes back if an alarm is raised.

use serde_json::{Value, json};

use super::model::{Template, listed, strings, target};
use super::{Check, Findings, must, remove, set};

/// `CodeDeploy`'s limit of alarms in a deployment group.
const MOST_ALARMS: usize = 10;

/// Longer than a step of the slowest deployment: an alarm that needs more minutes says nothing about a new version.
const SLOWEST_ALARM_S: u64 = 300;

/// The parameter's value that needs no `CodeDeploy`.
const AT_ONCE: &str = "off";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "every function publishes versions and is invoked through the alias `live`",
        run: |template| {
            let mut diagnostics = Findings::new();
            for function in template.functions() {
                let alias = template.function(function, "AutoPublishAlias");
                must(&mut diagnostics, alias == stack_client::ALIAS, || format!("{function}: its alias is {alias}"));
                let own = template.property(function, "DeploymentPreference");
                must(&mut diagnostics, own.is_null(), || format!("{function}: is deployed apart from the others"));
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                remove("no alias", "/Globals/Function/AutoPublishAlias"),
                set("another's name", "/Resources/AlerterFunction/Properties/AutoPublishAlias", json!("current")),
                set(
                    "one function at once",
                    "/Resources/AlerterFunction/Properties/DeploymentPreference",
                    json!({ "Enabled": false }),
                ),
            ]
        },
    },
    Check {
        name: "a new version takes over in steps, except where the parameter says `off`",
        run: steps,
        saboteurs: || {
            vec![
                set("all at once by default", "/Parameters/Deployment/Default", json!("off")),
                set("a way that no mapping knows", "/Parameters/Deployment/AllowedValues/-", json!("AllAtOnce")),
                set("off, with CodeDeploy", "/Mappings/Deployments/off/Gradual", json!("true")),
                set("a canary at once", "/Mappings/Deployments/Canary10Percent5Minutes/Gradual", json!("false")),
                set("always on", "/Globals/Function/DeploymentPreference/Enabled", json!(true)),
                remove("a role that SAM makes up", "/Globals/Function/DeploymentPreference/Role"),
            ]
        },
    },
    Check {
        name: "a release that fails goes back by itself",
        run: rollback,
        saboteurs: || {
            vec![
                remove("no alarms", "/Globals/Function/DeploymentPreference/Alarms"),
                remove("a function that fails unseen", "/Globals/Function/DeploymentPreference/Alarms/Fn::If/1/1"),
                set(
                    "an alarm on what lay there before",
                    "/Globals/Function/DeploymentPreference/Alarms/Fn::If/1/-",
                    json!({ "Ref": "AlertsDeadAlarm" }),
                ),
                set(
                    "a circle of resources",
                    "/Globals/Function/DeploymentPreference/Alarms/Fn::If/1/-",
                    json!({ "Ref": "SweepSilentAlarm" }),
                ),
                set("a slow alarm", "/Resources/HydratorFailingAlarm/Properties/Period", json!(300)),
            ]
        },
    },
];

fn steps(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let values = strings(template.at("/Parameters/Deployment/AllowedValues"));
    let known = template.at("/Mappings/Deployments").as_object().cloned().unwrap_or_default();
    let names: Vec<_> = known.keys().map(String::as_str).collect();
    must(&mut diagnostics, values == names, || format!("Deployment: {values:?}, the mapping knows {names:?}"));
    for (name, entry) in &known {
        // Text, as SAM compares it.
        let expected = if name == AT_ONCE { "false" } else { "true" };
        must(&mut diagnostics, entry["Gradual"] == expected, || format!("{name}: gradual is {}", entry["Gradual"]));
    }
    let usual = template.at("/Parameters/Deployment/Default");
    must(&mut diagnostics, usual != AT_ONCE, || "a new version takes over at once".to_owned());
    for (name, expected) in [
        ("Enabled", json!({ "Fn::FindInMap": ["Deployments", { "Ref": "Deployment" }, "Gradual"] })),
        ("Type", json!({ "Ref": "Deployment" })),
        ("Role", json!({ "Fn::GetAtt": ["DeploymentRole", "Arn"] })),
    ] {
        let found = template.at(&format!("/Globals/Function/DeploymentPreference/{name}"));
        must(&mut diagnostics, *found == expected, || format!("DeploymentPreference: {name} is {found}"));
    }
    diagnostics
}

fn rollback(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let condition = template.at("/Globals/Function/DeploymentPreference/Alarms/Fn::If");
    must(&mut diagnostics, condition[0] == "Watching", || format!("alarms if {}", condition[0]));
    let alarms: Vec<_> = listed(&condition[1]).iter().filter_map(alarm).collect();
    must(&mut diagnostics, alarms.len() <= MOST_ALARMS, || format!("{} alarms", alarms.len()));
    for function in template.functions() {
        let own = function.replace("Function", "FailingAlarm");
        must(&mut diagnostics, alarms.contains(&own.as_str()), || format!("{own} stops no deployment"));
    }
    for alarm in alarms {
        let number = |name: &str| template.property(alarm, name).as_u64().unwrap_or(0);
        let within = number("Period") * number("EvaluationPeriods");
        must(&mut diagnostics, (1..=SLOWEST_ALARM_S).contains(&within), || format!("{alarm}: needs {within} s"));
        // What lies in a dead-letter queue was there before the deployment, and would stop the one that repairs it.
        let is_old = template.property(alarm, "Namespace") == "AWS/SQS";
        must(&mut diagnostics, !is_old, || format!("{alarm}: counts what lay there before"));
        let follows = depends_on_an_alias(template, alarm);
        must(&mut diagnostics, !follows, || format!("{alarm}: depends on an alias, which depends on it"));
    }
    diagnostics
}

/// The alarm of an entry. The courier's counts only where there is one.
fn alarm(entry: &Value) -> Option<&str> {
    target(entry).or_else(|| target(entry.pointer("/Fn::If/1")?))
}

/// Whether a resource, or one that it refers to, refers to a function's alias.
fn depends_on_an_alias(template: &Template, resource: &str) -> bool {
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(map) => {
                found.extend(target(value));
                map.values().for_each(|inner| references(inner, found));
            }
            Value::Array(list) => list.iter().for_each(|inner| references(inner, found)),
            _ => {}
        }
    }
    let mut seen = Vec::new();
    let mut left = vec![resource];
    while let Some(next) = left.pop() {
        if next.ends_with(".Alias") {
            return true;
        }
        if !seen.contains(&next) {
            seen.push(next);
            references(template.at(&format!("/Resources/{next}/Properties")), &mut left);
        }
    }
    false
}
