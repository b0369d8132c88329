//! The domain: a rebuilt stack keeps its URLs, with or without a certificate and a hosted zone of the operator's.

use serde_json::{Value, json};

use super::model::Template;
use super::{Check, Findings, must, remove, set};

/// Each resource, its type and the condition under which it is made.
const RESOURCES: [(&str, &str, &str); 4] = [
    ("CustomDomain", "AWS::ApiGatewayV2::DomainName", "OwnDomain"),
    ("DomainMapping", "AWS::ApiGatewayV2::ApiMapping", "OwnDomain"),
    ("Certificate", "AWS::CertificateManager::Certificate", "MakesCertificate"),
    ("DomainRecord", "AWS::Route53::RecordSet", "InZone"),
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "a domain leads to the API, and is made only where one is named",
        run: domain,
        saboteurs: || {
            vec![
                remove("a domain of nobody's", "/Resources/CustomDomain/Condition"),
                remove("a domain that leads nowhere", "/Resources/DomainMapping"),
                set(
                    "a second certificate",
                    "/Resources/CustomDomain/Properties/DomainNameConfigurations/0/CertificateArn",
                    json!({ "Ref": "Certificate" }),
                ),
                set("a record in the operator's other zones", "/Resources/DomainRecord/Condition", json!("OwnDomain")),
                set(
                    "old TLS",
                    "/Resources/CustomDomain/Properties/DomainNameConfigurations/0/SecurityPolicy",
                    json!("TLS_1_0"),
                ),
                set("one that needs a domain", "/Parameters/DomainName/Default", json!("hooks.example.com")),
            ]
        },
    },
    Check {
        name: "providers and people are given the domain, where there is one",
        run: |template| {
            let mut diagnostics = Findings::new();
            let expected = json!({ "Fn::If": [
                "OwnDomain",
                { "Fn::Sub": "https://${DomainName}" },
                { "Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}" },
            ] });
            let given = template.at("/Outputs/WebhookUrl/Value");
            must(&mut diagnostics, *given == expected, || format!("WebhookUrl is {given}"));
            let target = template.at("/Outputs/DomainTarget/Value");
            let holds = *target == json!({ "Fn::GetAtt": ["CustomDomain", "RegionalDomainName"] });
            must(&mut diagnostics, holds, || format!("DomainTarget is {target}"));
            diagnostics
        },
        saboteurs: || {
            vec![
                set(
                    "the address that changes",
                    "/Outputs/WebhookUrl/Value",
                    json!({ "Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}" }),
                ),
                set("a record to oneself", "/Outputs/DomainTarget/Value", json!({ "Ref": "DomainName" })),
            ]
        },
    },
];

fn domain(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for (id, kind, condition) in RESOURCES {
        must(&mut diagnostics, template.is(id, kind), || format!("{id}: no {kind}"));
        let made = template.at(&format!("/Resources/{id}/Condition"));
        must(&mut diagnostics, made == condition, || format!("{id}: made if {made}"));
    }
    let mut is = |resource: &str, pointer: &str, expected: Value| {
        let found = template.property(resource, pointer);
        must(&mut diagnostics, *found == expected, || format!("{resource}: {pointer} is {found}"));
    };
    let own = "DomainNameConfigurations/0";
    is("CustomDomain", &format!("{own}/SecurityPolicy"), json!("TLS_1_2"));
    let certificate = json!({ "Fn::If": ["OwnCertificate", { "Ref": "CertificateArn" }, { "Ref": "Certificate" }] });
    is("CustomDomain", &format!("{own}/CertificateArn"), certificate);
    is("DomainMapping", "ApiId", json!({ "Ref": "Api" }));
    is("DomainMapping", "DomainName", json!({ "Ref": "CustomDomain" }));
    is("DomainMapping", "Stage", json!({ "Ref": "Stage" }));
    for parameter in ["DomainName", "CertificateArn", "HostedZoneId"] {
        let usual = template.at(&format!("/Parameters/{parameter}/Default"));
        must(&mut diagnostics, usual == "", || format!("{parameter}: {usual} by default"));
    }
    diagnostics
}
