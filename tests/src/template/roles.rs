//! Roles: one for each function, with every statement written out and nothing that the function does not need.

use serde_json::{Value, json};

use super::model::{Template, listed, strings, target};
use super::{Check, Findings, must, remove, set};

const CONSUME: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
const LOG: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];

/// The path of the providers' API keys, and of the secrets of channels.
const API_KEYS: &str = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${SecretsPrefix}*";

/// The topics that alerts may go to.
const TOPICS: &str = "arn:${AWS::Partition}:sns:*:${AWS::AccountId}:${AlertTopics}";

/// The resources that SES may check for a mail: the identities of the sender and, in the sandbox, of the recipients,
/// and their configuration sets.
const IDENTITIES: &str = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*";
const CONFIGURATION_SETS: &str = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/*";

/// The functions of the stack: `CloudFormation` begins their names with the stack's name.
const OWN_FUNCTIONS: &str =
    "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-*";
const OF_THIS_STACK: &str = "the names of the stack's functions begin with its name";

/// The roles of the functions.
const OF_FUNCTIONS: [&str; 5] = ["ReceiverRole", "HydratorRole", "RetrierRole", "AlerterRole", "CourierRole"];

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

/// A permission: actions, and resources by logical id or, without one, by ARN.
type Grant = (&'static [&'static str], &'static [&'static str]);

/// Every function reads this at its cold start.
const CONFIGURATION: Grant = (&["dynamodb:GetItem"], &["ConfigTable"]);

/// Every role, in full. The receiver can read only the configuration.
const ROLES: [(&str, &[Grant]); 6] = [
    ("ReceiverRole", &[(&LOG, &["ReceiverLogGroup"]), CONFIGURATION, (&["sqs:SendMessage"], &["DeliveriesQueue"])]),
    (
        "HydratorRole",
        &[
            (&LOG, &["HydratorLogGroup"]),
            CONFIGURATION,
            (&CONSUME, &["DeliveriesQueue"]),
            (&["sqs:SendMessage"], &["DeliveriesQueue", "RetriesQueue", "AlertsQueue", "ReviewsQueue", "SignalsQueue"]),
            (
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
                &["DispatchesTable"],
            ),
            (&["dynamodb:PartiQLUpdate"], &["DispatchesTable"]),
            (&["dynamodb:Query"], &["${DispatchesTable.Arn}/index/active", "${DispatchesTable.Arn}/index/changes"]),
            (
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
                &["DeliveriesTable"],
            ),
            (&["ssm:GetParameter"], &[API_KEYS]),
        ],
    ),
    (
        "RetrierRole",
        &[
            (&LOG, &["RetrierLogGroup"]),
            CONFIGURATION,
            (&CONSUME, &["RetriesQueue"]),
            (&["sqs:SendMessage"], &["DeliveriesQueue", "RetriesQueue", "AlertsQueue", "ReviewsQueue", "SignalsQueue"]),
            (
                &["sqs:GetQueueAttributes"],
                &["DeliveriesQueue", "SignalsQueue", "ReviewsQueue", "RetriesDeadQueue", "AlertsDeadQueue"],
            ),
            (
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
                &["DispatchesTable"],
            ),
            (&["dynamodb:PartiQLUpdate"], &["DispatchesTable"]),
            (
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
                &["DeliveriesTable"],
            ),
            (
                &["dynamodb:Query"],
                &[
                    "${DispatchesTable.Arn}/index/unsent",
                    "${DispatchesTable.Arn}/index/due",
                    "${DispatchesTable.Arn}/index/active",
                    "${DeliveriesTable.Arn}/index/watched",
                    "${AlertsTable.Arn}/index/open",
                ],
            ),
        ],
    ),
    (
        "AlerterRole",
        &[
            (&LOG, &["AlerterLogGroup"]),
            CONFIGURATION,
            (&CONSUME, &["AlertsQueue", "ReviewsQueue"]),
            (&["sqs:SendMessage"], &["AlertsQueue", "ReviewsQueue", "RetriesQueue"]),
            (&["sqs:GetQueueAttributes"], &["DeliveriesQueue", "SignalsQueue", "RetriesDeadQueue", "AlertsDeadQueue"]),
            (&["dynamodb:GetItem", "dynamodb:PutItem"], &["AlertsTable"]),
            (&["dynamodb:GetItem"], &["DispatchesTable", "DeliveriesTable"]),
            (&["dynamodb:Query"], &["${AlertsTable.Arn}/index/waiting", "${DeliveriesTable.Arn}/index/events"]),
            (&["ses:SendEmail", "ses:SendRawEmail"], &[IDENTITIES, CONFIGURATION_SETS]),
            (&["ses:GetAccount"], &["*"]),
            (&["sns:Publish"], &[TOPICS]),
            (&["ssm:GetParameter"], &[API_KEYS]),
        ],
    ),
    (
        "CourierRole",
        &[
            (&LOG, &["CourierLogGroup"]),
            CONFIGURATION,
            (&CONSUME, &["SignalsQueue", "OutputsQueue"]),
            (&["sqs:SendMessage"], &["OutputsQueue", "RetriesQueue", "AlertsQueue", "ReviewsQueue"]),
            (&["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"], &["OutputsTable"]),
            (&["dynamodb:Query"], &["${OutputsTable.Arn}/index/waiting"]),
            (&["ssm:GetParameter"], &[API_KEYS]),
        ],
    ),
    (
        "DeploymentRole",
        &[
            (&["lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"], &[OWN_FUNCTIONS]),
            (&["cloudwatch:DescribeAlarms"], &["*"]),
        ],
    ),
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

/// The policies that exist only with a courier, the condition and the role of each.
const POLICIES: [(&str, &str, &str, &[Grant]); 4] = [
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

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "each role grants exactly what its function does",
        run: grants,
        saboteurs: || {
            vec![
                set(
                    "a receiver that reads",
                    "/Resources/ReceiverRole/Properties/Policies/0/PolicyDocument/Statement/2/Action/-",
                    json!("sqs:ReceiveMessage"),
                ),
                set(
                    "a receiver that sends anywhere",
                    "/Resources/ReceiverRole/Properties/Policies/0/PolicyDocument/Statement/2/Resource",
                    json!("*"),
                ),
                set(
                    "a receiver with a table",
                    "/Resources/ReceiverRole/Properties/Policies/0/PolicyDocument/Statement/-",
                    json!({ "Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": { "Fn::GetAtt": ["DispatchesTable", "Arn"] } }),
                ),
                set(
                    "a receiver that writes its configuration",
                    "/Resources/ReceiverRole/Properties/Policies/0/PolicyDocument/Statement/1/Action/-",
                    json!("dynamodb:PutItem"),
                ),
                remove(
                    "a retrier without a configuration",
                    "/Resources/RetrierRole/Properties/Policies/0/PolicyDocument/Statement/1",
                ),
                set(
                    "a second policy",
                    "/Resources/ReceiverRole/Properties/Policies/-",
                    json!({ "PolicyName": "more", "PolicyDocument": { "Statement": [] } }),
                ),
                set(
                    "a managed policy",
                    "/Resources/AlerterRole/Properties/ManagedPolicyArns",
                    json!(["arn:aws:iam::aws:policy/AmazonSESFullAccess"]),
                ),
                set(
                    "a hydrator that marks anything",
                    "/Resources/HydratorRole/Properties/Policies/0/PolicyDocument/Statement/5/Resource",
                    json!("*"),
                ),
                remove(
                    "a hydrator that cannot consume",
                    "/Resources/HydratorRole/Properties/Policies/0/PolicyDocument/Statement/2",
                ),
                set(
                    "an alerter that writes evidence",
                    "/Resources/AlerterRole/Properties/Policies/0/PolicyDocument/Statement/6/Action/-",
                    json!("dynamodb:UpdateItem"),
                ),
                set("a role more", "/Resources/OtherRole", json!({ "Type": "AWS::IAM::Role" })),
            ]
        },
    },
    Check {
        name: "without a courier nothing of it exists, and nobody may use it",
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
    },
    Check {
        name: "mail goes out in the name of MailFrom alone, whatever else SES checks",
        run: |template| {
            let mut diagnostics = Findings::new();
            let roles = template.resources(Some("AWS::IAM::Role")).into_iter();
            let policies = roles.flat_map(|role| listed(template.property(role, "Policies")));
            let from =
                json!({ "StringLike": { "ses:FromAddress": [{ "Ref": "MailFrom" }, { "Fn::Sub": "*@${MailFrom}" }] } });
            for terms in policies.flat_map(terms) {
                let (actions, resources) = grant(terms);
                if !actions.iter().any(|action| action.starts_with("ses:Send")) {
                    must(&mut diagnostics, terms["Condition"].is_null(), || format!("{actions:?}: a condition"));
                    continue;
                }
                must(&mut diagnostics, terms["Condition"] == from, || format!("from {}", terms["Condition"]));
                for needed in [IDENTITIES, CONFIGURATION_SETS] {
                    must(&mut diagnostics, resources.contains(&needed), || format!("SES checks {needed} as well"));
                }
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                remove(
                    "in anybody's name",
                    "/Resources/AlerterRole/Properties/Policies/0/PolicyDocument/Statement/8/Condition",
                ),
                set(
                    "in the name of an address alone",
                    "/Resources/AlerterRole/Properties/Policies/0/PolicyDocument/Statement/8/Condition",
                    json!({ "StringEquals": { "ses:FromAddress": { "Ref": "MailFrom" } } }),
                ),
                remove(
                    "no configuration set",
                    "/Resources/AlerterRole/Properties/Policies/0/PolicyDocument/Statement/8/Resource/1",
                ),
                set(
                    "no recipient of the sandbox",
                    "/Resources/AlerterRole/Properties/Policies/0/PolicyDocument/Statement/8/Resource/0",
                    json!({ "Fn::Sub": "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${MailFrom}" }),
                ),
            ]
        },
    },
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

fn grants(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let roles = template.resources(Some("AWS::IAM::Role"));
    let expected = ROLES.map(|(role, _)| role);
    must(&mut diagnostics, roles == expected, || format!("the roles are {roles:?}"));
    for (role, expected) in ROLES {
        let managed = template.property(role, "ManagedPolicyArns");
        must(&mut diagnostics, managed.is_null(), || format!("{role}: more stands in {managed}"));
        let policies = listed(template.property(role, "Policies"));
        must(&mut diagnostics, policies.len() == 1, || format!("{role}: {} policies", policies.len()));
        let found: Vec<_> = policies.iter().flat_map(terms).map(grant).collect();
        let expected: Vec<_> =
            expected.iter().map(|(actions, resources)| (actions.to_vec(), resources.to_vec())).collect();
        for grant in found.iter().filter(|grant| !expected.contains(grant)) {
            diagnostics.push(format!("{role}: more than its function needs: {grant:?}"));
        }
        for grant in expected.iter().filter(|grant| !found.contains(grant)) {
            diagnostics.push(format!("{role}: its function needs {grant:?}"));
        }
    }
    diagnostics
}

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

/// The statements of a policy, including those that a condition adds.
fn terms(policy: &Value) -> impl Iterator<Item = &Value> {
    let written = listed(&policy["PolicyDocument"]["Statement"]).iter();
    written.map(|terms| if terms["Fn::If"].is_null() { terms } else { &terms["Fn::If"][1] })
}

/// A statement's actions and resources: logical ids, or literal ARNs.
fn grant(terms: &Value) -> (Vec<&str>, Vec<&str>) {
    let resources = listed(&terms["Resource"]).iter();
    let named = |resource| target(resource).or_else(|| resource["Fn::Sub"].as_str()).or_else(|| resource.as_str());
    (strings(&terms["Action"]), resources.filter_map(named).collect())
}
