//! Roles: who takes them, what bounds them, what parameters add to them, and the reason of each wildcard.

use serde_json::{Value, json};

use super::{
    Check, Findings,
    courier::POLICIES,
    grants::{API_KEYS, CONFIGURATION_SETS, IDENTITIES, OWN_FUNCTIONS, TOPICS, grant, terms},
    model::{Template, listed, strings, target},
    must, remove, set,
};

/// The roles of the functions.
const OF_FUNCTIONS: [&str; 5] = ["ReceiverRole", "HydratorRole", "RetrierRole", "AlerterRole", "CourierRole"];

const OF_THIS_STACK: &str = "the names of the stack's functions begin with its name";

/// The template cannot know which of them an account has.
const SES_CHECKS: &str =
    "SES checks identities and configuration sets that the account chooses; the sender's address bounds it";

/// The actions on resources with a wildcard at the end, and the reason.
const WILDCARDS: [(&str, &str, &str); 13] = [
    ("lambda:GetAlias", OWN_FUNCTIONS, OF_THIS_STACK),
    ("lambda:UpdateAlias", OWN_FUNCTIONS, OF_THIS_STACK),
    ("lambda:GetProvisionedConcurrencyConfig", OWN_FUNCTIONS, OF_THIS_STACK),
    ("cloudwatch:DescribeAlarms", "*", "it reads alarms by name, and has no resource"),
    ("xray:PutTraceSegments", "*", "traces belong to no resource"),
    ("xray:PutTelemetryRecords", "*", "traces belong to no resource"),
    ("ses:SendEmail", IDENTITIES, SES_CHECKS),
    ("ses:SendRawEmail", IDENTITIES, SES_CHECKS),
    ("ses:SendEmail", CONFIGURATION_SETS, SES_CHECKS),
    ("ses:SendRawEmail", CONFIGURATION_SETS, SES_CHECKS),
    ("ssm:GetParameter", API_KEYS, "the names of the keys stand in the configuration, their path in a parameter"),
    ("ses:GetAccount", "*", "the account's quota of mails belongs to no resource"),
    ("sns:Publish", TOPICS, "the topic stands in the configuration, its name in a parameter; it may lie in any region"),
];

/// What parameters add to the roles of the functions: the policy, its condition and its actions.
const ADDED: [(&str, &str, &[&str]); 2] = [
    (
        "KeyPolicy",
        "OwnKey",
        &[
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
    ),
    ("TracingPolicy", "Traced", &["xray:PutTraceSegments", "xray:PutTelemetryRecords"]),
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "what parameters add is for the functions' roles alone, and only then",
        run: added,
        saboteurs: || {
            vec![
                remove("traces without the parameter", "/Resources/TracingPolicy/Condition"),
                remove("a role that cannot read its queue", "/Resources/KeyPolicy/Properties/Roles/3"),
                set("every key", "/Resources/KeyPolicy/Properties/PolicyDocument/Statement/0/Resource", json!("*")),
                remove("a key for everything", "/Resources/KeyPolicy/Properties/PolicyDocument/Statement/0/Condition"),
                set("a policy more", "/Resources/OtherPolicy", json!({ "Type": "AWS::IAM::Policy" })),
            ]
        },
    },
    Check {
        name: "every role has the parameters' path and boundary",
        run: |template| {
            let mut diagnostics = Findings::new();
            let bounded = json!({ "Fn::If": ["Bounded", { "Ref": "PermissionsBoundary" }, { "Ref": "AWS::NoValue" }] });
            for role in template.resources(Some("AWS::IAM::Role")) {
                for (name, expected) in
                    [("Path", json!({ "Ref": "RolePath" })), ("PermissionsBoundary", bounded.clone())]
                {
                    let found = template.property(role, name);
                    must(&mut diagnostics, *found == expected, || format!("{role}: {name} is {found}"));
                }
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                remove("an unbounded role", "/Resources/DeploymentRole/Properties/PermissionsBoundary"),
                set("a path of its own", "/Resources/AlerterRole/Properties/Path", json!("/")),
            ]
        },
    },
    Check {
        name: "only Lambda takes a function's role, and only CodeDeploy that of deployments",
        run: |template| {
            let mut diagnostics = Findings::new();
            for role in template.resources(Some("AWS::IAM::Role")) {
                let service =
                    if role == "DeploymentRole" { "codedeploy.amazonaws.com" } else { "lambda.amazonaws.com" };
                let expected = json!([{
                    "Effect": "Allow",
                    "Principal": { "Service": service },
                    "Action": "sts:AssumeRole",
                }]);
                let trusted = template.property(role, "AssumeRolePolicyDocument/Statement");
                must(&mut diagnostics, *trusted == expected, || format!("{role}: taken by {trusted}"));
            }
            diagnostics
        },
        saboteurs: || {
            vec![set(
                "anybody",
                "/Resources/AlerterRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal",
                json!("*"),
            )]
        },
    },
    Check {
        name: "a wildcard has a reason",
        run: wildcards,
        saboteurs: || {
            vec![
                set(
                    "every resource",
                    "/Resources/AlerterRole/Properties/Policies/0/PolicyDocument/Statement/8/Resource",
                    json!("*"),
                ),
                set(
                    "more of the account",
                    "/Resources/AlerterRole/Properties/Policies/0/PolicyDocument/Statement/9/Action/-",
                    json!("ses:SendEmail"),
                ),
                set(
                    "every action",
                    "/Resources/HydratorRole/Properties/Policies/0/PolicyDocument/Statement/4/Action",
                    json!(["dynamodb:*"]),
                ),
                set(
                    "every queue",
                    "/Resources/SignalsReaderPolicy/Properties/PolicyDocument/Statement/0/Resource",
                    json!("*"),
                ),
                set(
                    "every key for the reader",
                    "/Resources/SignalsReaderPolicy/Properties/PolicyDocument/Statement/1/Fn::If/1/Resource",
                    json!("*"),
                ),
                set(
                    "more without a resource",
                    "/Resources/TracingPolicy/Properties/PolicyDocument/Statement/0/Action/-",
                    json!("xray:GetTraceSummaries"),
                ),
            ]
        },
    },
];

fn wildcards(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let roles = template.resources(Some("AWS::IAM::Role"));
    let inline = roles.into_iter().flat_map(|role| listed(template.property(role, "Policies")));
    let managed = ["AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"].map(|kind| template.resources(Some(kind))).concat();
    let managed = managed.into_iter().map(|policy| template.at(&format!("/Resources/{policy}/Properties")));
    for terms in inline.chain(managed).flat_map(terms) {
        let (actions, resources) = grant(terms);
        for action in &actions {
            must(&mut diagnostics, !action.contains('*'), || format!("an action with a wildcard: {action}"));
        }
        for resource in resources {
            let is_listed = |action: &&str| WILDCARDS.iter().any(|(of, arn, _)| of == action && *arn == resource);
            let reasoned = actions.iter().all(is_listed);
            must(&mut diagnostics, reasoned || !resource.contains('*'), || {
                format!("a resource with a wildcard: {resource}")
            });
        }
    }
    diagnostics
}

fn added(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let found = template.resources(Some("AWS::IAM::Policy"));
    let expected: Vec<_> = POLICIES.map(|(id, ..)| id).into_iter().chain(ADDED.map(|(id, ..)| id)).collect();
    must(&mut diagnostics, found == expected, || format!("the policies are {found:?}"));
    for (id, condition, actions) in ADDED {
        let made = template.at(&format!("/Resources/{id}/Condition"));
        must(&mut diagnostics, made == condition, || format!("{id}: made if {made}"));
        let roles: Vec<_> = listed(template.property(id, "Roles")).iter().filter_map(role).collect();
        must(&mut diagnostics, roles == OF_FUNCTIONS, || format!("{id}: for {roles:?}"));
        let found = strings(template.property(id, "PolicyDocument/Statement/0/Action"));
        must(&mut diagnostics, found == actions, || format!("{id}: allows {found:?}"));
        let further = template.property(id, "PolicyDocument/Statement/1");
        must(&mut diagnostics, further.is_null(), || format!("{id}: allows {further}"));
    }
    let key = template.property("KeyPolicy", "PolicyDocument/Statement/0");
    must(&mut diagnostics, target(&key["Resource"]) == Some("KmsKeyArn"), || format!("KeyPolicy: of {key}"));
    let via = listed(&key["Condition"]["StringEquals"]["kms:ViaService"]);
    must(&mut diagnostics, via.len() == 3, || format!("KeyPolicy: through {via:?}"));
    diagnostics
}

/// The role that a policy names, perhaps under a condition.
fn role(named: &Value) -> Option<&str> {
    if named["Fn::If"].is_null() { target(named) } else { target(&named["Fn::If"][1]) }
}
