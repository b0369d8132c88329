//! The courier: without one nothing of it exists, and no role may use it.

use serde_json::json;

use super::{
    Check, Findings,
    grants::{Grant, grant, terms},
    model::Template,
    must, remove, set,
};

/// The policies that exist only with a courier, the condition and the role of each.
pub(super) const POLICIES: [(&str, &str, &str, &[Grant]); 4] = [
    ("OutputQueuesPolicy", "HasOutputQueues", "CourierRole", &[(&["sqs:SendMessage"], &["OutputQueueArns"])]),
    ("OutputBusesPolicy", "HasOutputBuses", "CourierRole", &[(&["events:PutEvents"], &["OutputBusArns"])]),
    (
        "RetrierOutputsPolicy",
        "HasCourier",
        "RetrierRole",
        &[
            (&["dynamodb:GetItem"], &["OutputsTable"]),
            (&["dynamodb:Query"], &["${OutputsTable.Arn}/index/waiting"]),
            (&["sqs:SendMessage"], &["OutputsQueue"]),
            (&["sqs:GetQueueAttributes"], &["OutputsDeadQueue"]),
        ],
    ),
    (
        "AlerterOutputsPolicy",
        "HasCourier",
        "AlerterRole",
        &[
            (&["dynamodb:GetItem"], &["OutputsTable"]),
            (&["dynamodb:Query"], &["${OutputsTable.Arn}/index/waiting"]),
            (&["sqs:GetQueueAttributes"], &["OutputsDeadQueue"]),
        ],
    ),
];

/// What does not exist without a courier, so that it costs nothing; its alarms have a condition of their own.
const OF_COURIER: [&str; 9] = [
    "CourierFunction",
    "CourierRole",
    "CourierLogGroup",
    "CourierMapping",
    "OutputsMapping",
    "OutputsQueue",
    "OutputsDeadQueue",
    "OutputsTable",
    "RetrierOutputsPolicy",
];

pub(super) const CHECKS: &[Check] = &[Check {
    name: "without a courier nothing of it exists, and no role may use it",
    run: courier,
    saboteurs: || {
        vec![
            remove("a function that always is", "/Resources/CourierFunction/Condition"),
            remove("a table that always is", "/Resources/OutputsTable/Condition"),
            remove("signals that the courier always takes", "/Resources/CourierMapping/Condition"),
            set("on by default", "/Parameters/Courier/Default", json!("on")),
            set(
                "an alerter that writes lanes",
                "/Resources/AlerterOutputsPolicy/Properties/PolicyDocument/Statement/0/Action/-",
                json!("dynamodb:PutItem"),
            ),
            set(
                "a courier that sends anywhere",
                "/Resources/OutputQueuesPolicy/Properties/PolicyDocument/Statement/0/Resource",
                json!("*"),
            ),
            remove("a retrier that finds no lane", "/Resources/RetrierOutputsPolicy"),
        ]
    },
}];

fn courier(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let condition = |resource: &str| template.at(&format!("/Resources/{resource}/Condition"));
    for resource in OF_COURIER {
        let found = condition(resource);
        must(&mut diagnostics, found == "HasCourier", || format!("{resource}: made if {found}"));
    }
    let usual = template.at("/Parameters/Courier/Default");
    must(&mut diagnostics, usual == "off", || format!("Courier: {usual} by default"));
    for (policy, when, role, grants) in POLICIES {
        let found = condition(policy);
        must(&mut diagnostics, found == when, || format!("{policy}: made if {found}"));
        let roles = template.property(policy, "Roles");
        must(&mut diagnostics, *roles == json!([{ "Ref": role }]), || format!("{policy}: for {roles}"));
        let properties = template.at(&format!("/Resources/{policy}/Properties"));
        let found: Vec<_> = terms(properties).map(grant).collect();
        let expected: Vec<_> =
            grants.iter().map(|(actions, resources)| (actions.to_vec(), resources.to_vec())).collect();
        must(&mut diagnostics, found == expected, || format!("{policy}: grants {found:?}"));
    }
    diagnostics
}
