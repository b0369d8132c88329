//! Grants: what each role may do, with every statement written out and nothing that its function does not need.

use serde_json::{Value, json};

use super::model::{Template, listed, strings, target};
use super::{Check, Findings, must, remove, set};

const CONSUME: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
const LOG: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];

/// The path of the providers' API keys, and of the secrets of channels.
pub(super) const API_KEYS: &str =
    "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${SecretsPrefix}*";

/// The topics that alerts may go to.
pub(super) const TOPICS: &str = "arn:${AWS::Partition}:sns:*:${AWS::AccountId}:${AlertTopics}";

/// The resources that SES may check for a mail: the identities of the sender and, in the sandbox, of the recipients,
/// and their configuration sets.
pub(super) const IDENTITIES: &str = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*";
pub(super) const CONFIGURATION_SETS: &str =
    "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/*";

/// The functions of the stack: `CloudFormation` begins their names with the stack's name.
pub(super) const OWN_FUNCTIONS: &str =
    "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-*";

/// A permission: actions, and resources by logical id or, without one, by ARN.
pub(super) type Grant = (&'static [&'static str], &'static [&'static str]);

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
            (&["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"], &["DispatchesTable"]),
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

/// The statements of a policy, including those that a condition adds.
pub(super) fn terms(policy: &Value) -> impl Iterator<Item = &Value> {
    let written = listed(&policy["PolicyDocument"]["Statement"]).iter();
    written.map(|terms| if terms["Fn::If"].is_null() { terms } else { &terms["Fn::If"][1] })
}

/// A statement's actions and resources: logical ids, or literal ARNs.
pub(super) fn grant(terms: &Value) -> (Vec<&str>, Vec<&str>) {
    let resources = listed(&terms["Resource"]).iter();
    let named = |resource| target(resource).or_else(|| resource["Fn::Sub"].as_str()).or_else(|| resource.as_str());
    (strings(&terms["Action"]), resources.filter_map(named).collect())
}
