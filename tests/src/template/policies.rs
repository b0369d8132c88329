//! The policies in `infra/policies`, which people attach to what they deploy and read with.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::model::{Template, listed, strings};

/// The services of the types in the template: `CloudFormation`'s name and that in IAM.
const SERVICES: [(&str, &str); 15] = [
    ("ApiGatewayV2", "apigateway"),
    ("CertificateManager", "acm"),
    ("CloudWatch", "cloudwatch"),
    ("DynamoDB", "dynamodb"),
    ("Events", "events"),
    ("IAM", "iam"),
    ("KMS", "kms"),
    ("Lambda", "lambda"),
    ("Logs", "logs"),
    ("Route53", "route53"),
    ("SNS", "sns"),
    ("SQS", "sqs"),
    // SAM makes functions, and for their deployments CodeDeploy's applications and groups.
    ("Serverless", "lambda"),
    ("Serverless", "codedeploy"),
    ("Serverless", "cloudformation"),
];

fn policy(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/policies").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The statements, each checked for what IAM requires.
fn terms(name: &str) -> Vec<Value> {
    let policy = policy(name);
    assert_eq!(policy["Version"], "2012-10-17", "{name}");
    let terms = listed(&policy["Statement"]).to_vec();
    let sids: BTreeSet<_> = terms.iter().filter_map(|one| one["Sid"].as_str()).collect();
    assert_eq!(sids.len(), terms.len(), "{name}: each statement has an id of its own");
    for one in &terms {
        assert_eq!(one["Effect"], "Allow", "{name}: {one}");
        assert!(!strings(&one["Action"]).is_empty() && !strings(&one["Resource"]).is_empty(), "{name}: {one}");
    }
    terms
}

#[test]
fn the_deployer_may_make_every_type_of_resource_and_nothing_by_wildcard() {
    let terms = terms("deployer.json");
    let actions: BTreeSet<&str> = terms.iter().flat_map(|one| strings(&one["Action"])).collect();
    for action in &actions {
        assert!(!action.contains('*'), "{action}");
    }
    let template = Template::load();
    for resource in template.resources(None) {
        let kind = template.at(&format!("/Resources/{resource}/Type")).as_str().unwrap();
        let service = kind.split("::").nth(1).unwrap();
        let named: Vec<_> = SERVICES.iter().filter(|(name, _)| *name == service).collect();
        assert!(!named.is_empty(), "{kind}: its service has no line here");
        for (_, iam) in named {
            let may = actions.iter().any(|action| action.split(':').next() == Some(iam));
            assert!(may, "deployer.json allows nothing of {iam}, and {resource} is a {kind}");
        }
    }
    // What a role may be passed to is what the template's roles are for.
    let pass = terms.iter().find(|one| one["Sid"] == "PassRoles").unwrap();
    let services = &pass["Condition"]["StringEquals"]["iam:PassedToService"];
    assert_eq!(*services, json!(["lambda.amazonaws.com", "codedeploy.amazonaws.com"]));
}

#[test]
fn a_consumer_may_do_what_the_stacks_own_reader_may() {
    let template = Template::load();
    let reader = template.property("SignalsReaderPolicy", "PolicyDocument/Statement");
    let terms = terms("consumer.json");
    assert_eq!(terms[0]["Action"], reader[0]["Action"]);
    assert_eq!(terms[1]["Action"], reader[1]["Fn::If"][1]["Action"]);
    assert!(terms.iter().all(|one| one["Resource"] != "*"), "{terms:?}");
}

#[test]
fn the_key_admits_the_account_the_logs_and_readers_elsewhere() {
    let terms = terms("key.json");
    assert!(terms.iter().all(|one| one["Principal"].is_object()), "a key's statements name who");
    let groups = &terms[1]["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"];
    let template = Template::load();
    for group in template.resources(Some("AWS::Logs::LogGroup")) {
        let name = template.property(group, "LogGroupName/Fn::Sub").as_str().unwrap();
        let (path, _) = name.rsplit_once('/').unwrap();
        let path = path.replace("${AWS::StackName}", "gridbell");
        let admitted = strings(groups).iter().any(|arn| arn.ends_with(&format!("log-group:{path}/*")));
        assert!(admitted, "{group}: {name} is not among {groups}");
    }
}
