//! Versions and aliases. Every caller invokes a function through the alias `live`, so a change of a function has an
//! effect only when a version of it is published and the alias points to that version.

use std::collections::BTreeMap;

use aws::signed::CallError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Functions, ON_FUNCTIONS};

/// The alias through which everything invokes a function.
pub const ALIAS: &str = "live";

/// The properties that a version keeps. A deployment that changes only these publishes no version.
const KEPT: [&str; 10] = [
    "Architectures",
    "Environment",
    "Handler",
    "KMSKeyArn",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
    "TracingConfig",
];

/// The hash of the code. A change of the code is a deployment's matter.
const CODE: &str = "CodeSha256";

/// What the alias points to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Alias {
    /// The version's number.
    #[serde(rename = "FunctionVersion")]
    pub version: String,
    /// Lambda's id of this state of the alias.
    #[serde(default)]
    revision_id: Option<String>,
    #[serde(default)]
    routing_config: Option<Routing>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Routing {
    #[serde(default)]
    additional_version_weights: BTreeMap<String, Value>,
}

impl Alias {
    /// Whether a deployment is moving it: some invocations go to another version.
    pub fn is_moving(&self) -> bool {
        self.routing_config.as_ref().is_some_and(|routing| !routing.additional_version_weights.is_empty())
    }
}

/// How a function differs from the version that its alias points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// Not at all.
    Same,
    /// In these properties, such as `Environment`: a parameter of the stack was changed.
    OtherProperties(Vec<String>),
    /// In its code: a deployment is under way, or was broken off.
    OtherCode,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishedVersion {
    version: String,
}

impl Functions {
    /// The alias `live` of a function; none if the function has none.
    pub async fn alias(&self, function: &str) -> Result<Option<Alias>, CallError> {
        let path = format!("{ON_FUNCTIONS}/{}/aliases/{ALIAS}", unqualified(function));
        match self.read("GetAlias", "GET", &path, String::new()).await {
            Ok(alias) => Ok(Some(alias)),
            Err(CallError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Publishes a version of a function; returns its number. Without a change since the last version, that version's
    /// number.
    pub async fn publish(&self, function: &str, why: &str) -> Result<String, CallError> {
        let path = format!("{ON_FUNCTIONS}/{}/versions", unqualified(function));
        let body = json!({ "Description": why }).to_string();
        let PublishedVersion { version } = self.read("PublishVersion", "POST", &path, body).await?;
        Ok(version)
    }

    /// Makes the alias point to another version, unless it was moved since it was read.
    pub async fn point(&self, function: &str, from: &Alias, version: &str) -> Result<Alias, CallError> {
        let path = format!("{ON_FUNCTIONS}/{}/aliases/{ALIAS}", unqualified(function));
        let mut body = json!({ "FunctionVersion": version });
        if let Some(revision) = &from.revision_id {
            body["RevisionId"] = json!(revision);
        }
        self.read("UpdateAlias", "PUT", &path, body.to_string()).await
    }

    /// Compares a function with the version that its alias points to.
    pub async fn published(&self, function: &str) -> Result<Published, CallError> {
        let function = unqualified(function);
        let path = format!("{ON_FUNCTIONS}/{function}/configuration");
        let newest: Map<String, Value> = self.read("GetFunctionConfiguration", "GET", &path, String::new()).await?;
        let path = format!("{path}?Qualifier={ALIAS}");
        let live: Map<String, Value> = self.read("GetFunctionConfiguration", "GET", &path, String::new()).await?;
        Ok(compared(&newest, &live))
    }
}

fn compared(newest: &Map<String, Value>, live: &Map<String, Value>) -> Published {
    let differs = |name: &&str| newest.get(*name) != live.get(*name);
    if differs(&CODE) {
        return Published::OtherCode;
    }
    let properties: Vec<String> = KEPT.iter().filter(|name| differs(name)).map(|name| (*name).to_owned()).collect();
    if properties.is_empty() { Published::Same } else { Published::OtherProperties(properties) }
}

/// A function's name or ARN without a version or an alias.
pub(super) fn unqualified(function: &str) -> &str {
    // `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`, or `NAME[:QUALIFIER]`.
    let most = if function.starts_with("arn:") { 7 } else { 1 };
    match function.match_indices(':').nth(most - 1) {
        Some((end, _)) => function.get(..end).unwrap_or(function),
        None => function,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qualifier_is_left_out() {
        for (function, expected) in [
            ("receiver", "receiver"),
            ("receiver:live", "receiver"),
            ("arn:aws:lambda:us-east-1:1:function:receiver", "arn:aws:lambda:us-east-1:1:function:receiver"),
            ("arn:aws:lambda:us-east-1:1:function:receiver:live", "arn:aws:lambda:us-east-1:1:function:receiver"),
        ] {
            assert_eq!(unqualified(function), expected);
        }
    }

    #[test]
    fn a_moving_alias_is_told_from_one_that_stays() {
        let alias = |text: &str| serde_json::from_str::<Alias>(text).expect("an alias");
        let stays = alias(r#"{"Name":"live","FunctionVersion":"3","RevisionId":"r","Description":""}"#);
        assert_eq!((stays.version.as_str(), stays.is_moving()), ("3", false));
        assert!(!alias(r#"{"FunctionVersion":"3","RoutingConfig":{"AdditionalVersionWeights":{}}}"#).is_moving());
        assert!(alias(r#"{"FunctionVersion":"3","RoutingConfig":{"AdditionalVersionWeights":{"4":0.1}}}"#).is_moving());
    }

    #[test]
    fn a_changed_parameter_is_told_from_changed_code() {
        let configuration = |code: &str, log: &str, version: &str| {
            let value = json!({
                "CodeSha256": code, "Version": version, "RevisionId": version, "Description": version,
                "Environment": { "Variables": { "GRIDBELL_LOG": log } }, "MemorySize": 256,
            });
            value.as_object().cloned().expect("an object")
        };
        let live = configuration("a", "info", "3");
        assert_eq!(compared(&configuration("a", "info", "$LATEST"), &live), Published::Same);
        let other = Published::OtherProperties(vec!["Environment".to_owned()]);
        assert_eq!(compared(&configuration("a", "debug", "$LATEST"), &live), other);
        assert_eq!(compared(&configuration("b", "debug", "$LATEST"), &live), Published::OtherCode);
    }
}
