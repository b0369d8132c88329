//! Tables: their keys, and what protects their contents.

use serde_json::{Value, json};

use super::model::Template;
use super::{Check, Findings, must, remove, set};

struct Table {
    id: &'static str,
    key: &'static str,
    /// Name, hash key, range key and further attributes of each sparse index.
    indexes: &'static [(&'static str, &'static str, &'static str, &'static [&'static str])],
}

const TABLES: [Table; 5] = [
    Table {
        id: "DispatchesTable",
        key: "subject",
        indexes: &[
            ("unsent", "unsent", "changed_at", &[]),
            ("due", "due", "due_at", &[]),
            ("active", "active", "until", &["full_key", "summary", "summary_of", "summary_set"]),
            (
                "changes",
                "changed_in",
                "changed_at",
                &["full_key", "version", "active", "summary", "summary_of", "summary_set"],
            ),
        ],
    },
    Table {
        id: "DeliveriesTable",
        key: "delivery",
        indexes: &[
            ("watched", "watched", "watched_at", &["condition", "next_at"]),
            ("events", "incident", "watched_at", &["news"]),
        ],
    },
    Table {
        id: "AlertsTable",
        key: "incident",
        indexes: &[("open", "open", "opened_at", &[]), ("waiting", "waiting_in", "sorts_by", &[])],
    },
    Table { id: "ConfigTable", key: "version", indexes: &[] },
    Table { id: "OutputsTable", key: "lane_key", indexes: &[("waiting", "waiting_for", "next_at", &["summary"])] },
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "tables are encrypted, recoverable and retained, and their items expire",
        run: |template| {
            let mut diagnostics = Findings::new();
            for table in template.resources(Some("AWS::DynamoDB::Table")) {
                let mut property = |pointer: &str, expected: Value| {
                    let found = template.property(table, pointer);
                    must(&mut diagnostics, *found == expected, || {
                        format!("{table}: {pointer} is {found}, not {expected}")
                    });
                };
                // A version of the configuration never expires: an operator may return to it.
                let expires = if table == "ConfigTable" {
                    Value::Null
                } else {
                    json!({ "AttributeName": "expires_at", "Enabled": true })
                };
                property("TimeToLiveSpecification", expires);
                property("PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", json!(true));
                property("SSESpecification/Fn::If/0", json!("OwnKey"));
                for either in [1, 2] {
                    property(&format!("SSESpecification/Fn::If/{either}/SSEEnabled"), json!(true));
                }
                property("SSESpecification/Fn::If/1/KMSMasterKeyId", json!({ "Ref": "KmsKeyArn" }));
                property("DeletionProtectionEnabled", json!({ "Fn::If": ["Protected", true, false] }));
                property("BillingMode", json!("PAY_PER_REQUEST"));
                for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
                    let kept = template.at(&format!("/Resources/{table}/{policy}")) == "Retain";
                    must(&mut diagnostics, kept, || format!("{table}: {policy} is not Retain"));
                }
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                remove("for ever", "/Resources/DeliveriesTable/Properties/TimeToLiveSpecification"),
                set("by what", "/Resources/AlertsTable/Properties/TimeToLiveSpecification/AttributeName", json!("ttl")),
                set(
                    "a configuration that goes by itself",
                    "/Resources/ConfigTable/Properties/TimeToLiveSpecification",
                    json!({ "AttributeName": "expires_at", "Enabled": true }),
                ),
                remove("no way back", "/Resources/DispatchesTable/Properties/PointInTimeRecoverySpecification"),
                set(
                    "in the clear",
                    "/Resources/AlertsTable/Properties/SSESpecification/Fn::If/2/SSEEnabled",
                    json!(false),
                ),
                set(
                    "another key",
                    "/Resources/AlertsTable/Properties/SSESpecification/Fn::If/1/KMSMasterKeyId",
                    json!("alias/aws/dynamodb"),
                ),
                remove("deleted by one call", "/Resources/ConfigTable/Properties/DeletionProtectionEnabled"),
                remove("gone with the stack", "/Resources/DispatchesTable/DeletionPolicy"),
                set("gone when replaced", "/Resources/DeliveriesTable/UpdateReplacePolicy", json!("Delete")),
            ]
        },
    },
    Check {
        name: "tables have the keys and sparse indexes that the code asks for",
        run: keys,
        saboteurs: || {
            vec![
                remove("no sweep", "/Resources/DispatchesTable/Properties/GlobalSecondaryIndexes/0"),
                set(
                    "an index by another name",
                    "/Resources/DispatchesTable/Properties/GlobalSecondaryIndexes/1/IndexName",
                    json!("deadline"),
                ),
                set(
                    "the whole item in an index",
                    "/Resources/DispatchesTable/Properties/GlobalSecondaryIndexes/0/Projection/ProjectionType",
                    json!("ALL"),
                ),
                remove(
                    "active without a plan",
                    "/Resources/DispatchesTable/Properties/GlobalSecondaryIndexes/2/Projection/NonKeyAttributes",
                ),
                remove("open incidents without an index", "/Resources/AlertsTable/Properties/GlobalSecondaryIndexes/0"),
                set(
                    "waiting mails in no order",
                    "/Resources/AlertsTable/Properties/GlobalSecondaryIndexes/1/KeySchema/1/AttributeName",
                    json!("opened_at"),
                ),
                remove(
                    "an event without its words",
                    "/Resources/DeliveriesTable/Properties/GlobalSecondaryIndexes/1/Projection/NonKeyAttributes",
                ),
                set("another key", "/Resources/AlertsTable/Properties/KeySchema/0/AttributeName", json!("id")),
                remove("a key without a type", "/Resources/DeliveriesTable/Properties/AttributeDefinitions/0"),
                remove("a table less", "/Resources/DeliveriesTable"),
            ]
        },
    },
];

fn keys(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let ids = template.resources(Some("AWS::DynamoDB::Table"));
    let expected = TABLES.map(|table| table.id);
    must(&mut diagnostics, ids == expected, || format!("the tables are {ids:?}"));
    for Table { id, key, indexes } in &TABLES {
        let mut names = vec![*key];
        for name in indexes.iter().flat_map(|(_, hash, range, _)| [*hash, *range]) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let typed: Vec<_> = names.iter().map(|name| json!({ "AttributeName": name, "AttributeType": "S" })).collect();
        let described: Vec<_> = indexes
            .iter()
            .map(|(name, hash, range, further)| {
                let projection = if further.is_empty() {
                    json!({ "ProjectionType": "KEYS_ONLY" })
                } else {
                    json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": further })
                };
                json!({
                    "IndexName": name,
                    "KeySchema": [{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }],
                    "Projection": projection,
                })
            })
            .collect();
        let mut property = |pointer: &str, expected: Value| {
            let found = template.property(id, pointer);
            must(&mut diagnostics, *found == expected, || format!("{id}: {pointer} is {found}"));
        };
        property("KeySchema", json!([{ "AttributeName": key, "KeyType": "HASH" }]));
        property("AttributeDefinitions", typed.into());
        property("GlobalSecondaryIndexes", if described.is_empty() { Value::Null } else { described.into() });
    }
    diagnostics
}
