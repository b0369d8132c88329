//! Functions: their code, their variables, their logs.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::model::{Template, listed, target};
use super::{Check, Findings, must, remove, set};

/// Lambda's limit of all variables of a function, names and values, in bytes.
const ENVIRONMENT_LIMIT: usize = 4096;
/// The longest queue URL, table name, log filter and API URL, for a stack name of up to 32 letters in a region of 14,
/// in bytes.
const LONGEST_QUEUE_URL: usize = 122;
const LONGEST_TABLE_NAME: usize = 64;
const LONGEST_LOG_FILTER: usize = 64;
const LONGEST_API_URL: usize = 80;

/// A variable, and the resource that it names.
type Variable = (&'static str, &'static str);

/// The URL before the links in mails.
const PUBLIC_URL: &str = "GRIDBELL_PUBLIC_URL";
/// The number of processes that share a provider's rate limit.
const HYDRATORS: &str = "GRIDBELL_HYDRATORS";

/// The variables that every function reads.
const SHARED: [Variable; 4] = [
    ("GRIDBELL_CONFIG_TABLE", "ConfigTable"),
    ("GRIDBELL_LOG", "LogFilter"),
    ("GRIDBELL_METRICS", "Metrics"),
    ("GRIDBELL_STACK", "AWS::StackName"),
];

/// What has "config" in its name and is not gridbell's configuration: AWS's name for how SES sends.
const OF_SES: [&str; 2] = ["MailConfigurationSet", "GRIDBELL_MAIL_CONFIGURATION_SET"];

const DELIVERIES_QUEUE: Variable = ("GRIDBELL_DELIVERIES_QUEUE_URL", "DeliveriesQueue");
const RETRIES_QUEUE: Variable = ("GRIDBELL_RETRIES_QUEUE_URL", "RetriesQueue");
const ALERTS_QUEUE: Variable = ("GRIDBELL_ALERTS_QUEUE_URL", "AlertsQueue");
const REVIEWS_QUEUE: Variable = ("GRIDBELL_REVIEWS_QUEUE_URL", "ReviewsQueue");
const SIGNALS_QUEUE: Variable = ("GRIDBELL_SIGNALS_QUEUE_URL", "SignalsQueue");
const RETRIES_DEAD_QUEUE: Variable = ("GRIDBELL_RETRIES_DEAD_QUEUE_URL", "RetriesDeadQueue");
const ALERTS_DEAD_QUEUE: Variable = ("GRIDBELL_ALERTS_DEAD_QUEUE_URL", "AlertsDeadQueue");
const DISPATCHES_TABLE: Variable = ("GRIDBELL_DISPATCHES_TABLE", "DispatchesTable");
const DELIVERIES_TABLE: Variable = ("GRIDBELL_DELIVERIES_TABLE", "DeliveriesTable");
const OUTPUTS_QUEUE: Variable = ("GRIDBELL_OUTPUTS_QUEUE_URL", "OutputsQueue");
const OUTPUTS_DEAD_QUEUE: Variable = ("GRIDBELL_OUTPUTS_DEAD_QUEUE_URL", "OutputsDeadQueue");
const OUTPUTS_TABLE: Variable = ("GRIDBELL_OUTPUTS_TABLE", "OutputsTable");
const ALERTS_TABLE: Variable = ("GRIDBELL_ALERTS_TABLE", "AlertsTable");
const MAIL_CONFIGURATION_SET: Variable = ("GRIDBELL_MAIL_CONFIGURATION_SET", "MailConfigurationSet");

/// Each function, its crate, and the queues and tables in its variables.
const FUNCTIONS: [(&str, &str, &[Variable]); 5] = [
    ("ReceiverFunction", "receiver", &[DELIVERIES_QUEUE]),
    (
        "HydratorFunction",
        "hydrator",
        &[
            DELIVERIES_QUEUE,
            RETRIES_QUEUE,
            ALERTS_QUEUE,
            REVIEWS_QUEUE,
            SIGNALS_QUEUE,
            DISPATCHES_TABLE,
            DELIVERIES_TABLE,
        ],
    ),
    (
        "RetrierFunction",
        "retrier",
        &[
            DELIVERIES_QUEUE,
            RETRIES_QUEUE,
            ALERTS_QUEUE,
            REVIEWS_QUEUE,
            SIGNALS_QUEUE,
            RETRIES_DEAD_QUEUE,
            ALERTS_DEAD_QUEUE,
            DISPATCHES_TABLE,
            DELIVERIES_TABLE,
            ALERTS_TABLE,
            OUTPUTS_TABLE,
            OUTPUTS_QUEUE,
            OUTPUTS_DEAD_QUEUE,
        ],
    ),
    (
        "AlerterFunction",
        "alerter",
        &[
            ALERTS_QUEUE,
            REVIEWS_QUEUE,
            DELIVERIES_QUEUE,
            SIGNALS_QUEUE,
            RETRIES_DEAD_QUEUE,
            ALERTS_DEAD_QUEUE,
            RETRIES_QUEUE,
            MAIL_CONFIGURATION_SET,
            ALERTS_TABLE,
            DISPATCHES_TABLE,
            DELIVERIES_TABLE,
            OUTPUTS_TABLE,
            OUTPUTS_DEAD_QUEUE,
        ],
    ),
    ("CourierFunction", "courier", &[RETRIES_QUEUE, ALERTS_QUEUE, REVIEWS_QUEUE, OUTPUTS_QUEUE, OUTPUTS_TABLE]),
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "each function has the variables that it reads, and no others",
        run: environment,
        saboteurs: || {
            vec![
                remove(
                    "no signals",
                    "/Resources/HydratorFunction/Properties/Environment/Variables/GRIDBELL_SIGNALS_QUEUE_URL",
                ),
                set(
                    "the wrong table",
                    "/Resources/AlerterFunction/Properties/Environment/Variables/GRIDBELL_ALERTS_TABLE",
                    json!({ "Ref": "DispatchesTable" }),
                ),
                set(
                    "an ARN for a URL",
                    "/Resources/ReceiverFunction/Properties/Environment/Variables/GRIDBELL_DELIVERIES_QUEUE_URL",
                    json!({ "Fn::GetAtt": ["DeliveriesQueue", "Arn"] }),
                ),
                set(
                    "a table for the receiver",
                    "/Resources/ReceiverFunction/Properties/Environment/Variables/GRIDBELL_DISPATCHES_TABLE",
                    json!({ "Ref": "DispatchesTable" }),
                ),
                remove(
                    "processes that do not know of each other",
                    "/Resources/HydratorFunction/Properties/Environment/Variables/GRIDBELL_HYDRATORS",
                ),
                remove("no links", "/Resources/AlerterFunction/Properties/Environment/Variables/GRIDBELL_PUBLIC_URL"),
                remove("no configuration", "/Globals/Function/Environment/Variables/GRIDBELL_CONFIG_TABLE"),
                remove("a function less", "/Resources/AlerterFunction"),
            ]
        },
    },
    Check {
        name: "no chain of retries is stopped as a recursive loop",
        run: |template| {
            let mut diagnostics = Findings::new();
            for function in template.functions() {
                let loops = template.function(function, "RecursiveLoop");
                must(&mut diagnostics, loops == "Allow", || format!("{function}: recursive loops: {loops}"));
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                remove("Lambda's default", "/Globals/Function/RecursiveLoop"),
                set("one function's own", "/Resources/RetrierFunction/Properties/RecursiveLoop", json!("Terminate")),
            ]
        },
    },
    Check {
        name: "the variables are those that the code knows",
        run: known_variables,
        saboteurs: || {
            vec![
                remove("one that is not set", "/Globals/Function/Environment/Variables/GRIDBELL_LOG"),
                set("one that is not read", "/Globals/Function/Environment/Variables/GRIDBELL_LOGS", json!("info")),
            ]
        },
    },
    Check {
        name: "the variables fit into what Lambda takes",
        run: |template| {
            let longest = |name: &str| match name {
                "GRIDBELL_LOG" => LONGEST_LOG_FILTER,
                "GRIDBELL_PUBLIC_URL" => LONGEST_API_URL,
                name if name.ends_with("_QUEUE_URL") => LONGEST_QUEUE_URL,
                _ => LONGEST_TABLE_NAME,
            };
            let mut diagnostics = Findings::new();
            for function in template.functions() {
                let value = |name: &str, value: &Value| value.as_str().map_or_else(|| longest(name), str::len);
                let variables = template.environment(function);
                let size: usize = variables.iter().map(|(name, content)| name.len() + value(name, content)).sum();
                must(&mut diagnostics, size <= ENVIRONMENT_LIMIT, || {
                    format!("{function}: up to {size} bytes of variables")
                });
            }
            diagnostics
        },
        saboteurs: || {
            vec![set(
                "four kilobytes of text",
                "/Globals/Function/Environment/Variables/GRIDBELL_LOG",
                json!("x".repeat(ENVIRONMENT_LIMIT)),
            )]
        },
    },
    Check {
        name: "the configuration has one source of truth, which no deployment touches",
        run: |template| {
            let mut diagnostics = Findings::new();
            let parameters = template.at("/Parameters").as_object().into_iter().flatten();
            let is_second = |name: &str| name.to_ascii_lowercase().contains("config") && !OF_SES.contains(&name);
            for (name, _) in parameters.filter(|(name, _)| is_second(name)) {
                diagnostics.push(format!("{name} is a second one: the next deployment reverts `config apply`"));
            }
            for function in template.functions() {
                for name in template.environment(function).keys() {
                    let holds = name == "GRIDBELL_CONFIG_TABLE" || !is_second(name);
                    must(&mut diagnostics, holds, || format!("{function}: {name} is a second one"));
                }
                // `config apply` restarts a function by changing its description; a deployment would reset one that the
                // template sets.
                let described = template.property(function, "Description");
                must(&mut diagnostics, described.is_null(), || format!("{function}: described as {described}"));
            }
            let globally = template.at("/Globals/Function/Description");
            must(&mut diagnostics, globally.is_null(), || format!("all functions: described as {globally}"));
            diagnostics
        },
        saboteurs: || {
            vec![
                set("a parameter once more", "/Parameters/Config", json!({ "Type": "String" })),
                set("a variable", "/Globals/Function/Environment/Variables/GRIDBELL_CONFIG", json!("{}")),
                set("what a restart changes", "/Resources/RetrierFunction/Properties/Description", json!("Retries.")),
            ]
        },
    },
    Check {
        name: "each function is a Rust binary of this workspace, with a role of its own",
        run: code,
        saboteurs: || {
            vec![
                set("no such crate", "/Resources/RetrierFunction/Metadata/BuildProperties/Binary", json!("retry")),
                set("another's code", "/Resources/AlerterFunction/Metadata/BuildProperties/Binary", json!("hydrator")),
                set("the old system", "/Globals/Function/Runtime", json!("provided.al2")),
                set(
                    "a shared role",
                    "/Resources/ReceiverFunction/Properties/Role",
                    json!({ "Fn::GetAtt": ["HydratorRole", "Arn"] }),
                ),
                remove("a role that SAM makes up", "/Resources/HydratorFunction/Properties/Role"),
            ]
        },
    },
    Check {
        name: "logs hold our lines, for a stated time",
        run: logs,
        saboteurs: || {
            vec![
                remove("for ever", "/Resources/HydratorLogGroup/Properties/RetentionInDays"),
                remove("a group that Lambda makes up", "/Resources/RetrierFunction/Properties/LoggingConfig"),
                set(
                    "another's group",
                    "/Resources/AlerterFunction/Properties/LoggingConfig/LogGroup",
                    json!({ "Ref": "HydratorLogGroup" }),
                ),
                remove("access logs for ever", "/Resources/ApiLogGroup/Properties/RetentionInDays"),
                set("Lambda's own lines", "/Globals/Function/LoggingConfig/SystemLogLevel", json!("INFO")),
                remove("a filter behind ours", "/Globals/Function/LoggingConfig/ApplicationLogLevel"),
                set("as text", "/Resources/ReceiverFunction/Properties/LoggingConfig/LogFormat", json!("Text")),
            ]
        },
    },
    Check {
        name: "each linter's rule that is skipped says why",
        run: skips,
        saboteurs: || {
            vec![
                remove("no reason", "/Resources/ApiLogGroup/Metadata/checkov/skip/0/comment"),
                set("a lame one", "/Resources/ReceiverFunction/Metadata/checkov/skip/1/comment", json!("not needed")),
            ]
        },
    },
];

fn environment(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let ids = template.functions();
    let expected = FUNCTIONS.map(|(id, ..)| id);
    must(&mut diagnostics, ids == expected, || format!("the functions are {ids:?}"));
    for (function, _, own) in FUNCTIONS {
        let mut variables = template.environment(function);
        for (name, resource) in SHARED.iter().chain(own) {
            let found = variables.remove(*name).unwrap_or_default();
            let holds = found == json!({ "Ref": resource });
            must(&mut diagnostics, holds, || format!("{function}: {name} is {found}, not {resource}"));
        }
        let other = match function {
            // The same as what providers and people are given.
            "AlerterFunction" => Some((PUBLIC_URL, template.at("/Outputs/WebhookUrl/Value").clone())),
            "HydratorFunction" => Some((HYDRATORS, json!({ "Fn::Sub": "${HydratorConcurrency}" }))),
            _ => None,
        };
        if let Some((name, expected)) = other {
            let found = variables.remove(name).unwrap_or_default();
            let holds = found == expected && !found.is_null();
            must(&mut diagnostics, holds, || format!("{function}: {name} is {found}, not {expected}"));
        }
        let rest: Vec<_> = variables.keys().collect();
        must(&mut diagnostics, rest.is_empty(), || {
            format!("{function}: has the variables {rest:?} and reads none of them")
        });
    }
    diagnostics
}

fn known_variables(template: &Template) -> Findings {
    let functions = template.functions();
    let set: BTreeSet<String> =
        functions.into_iter().flat_map(|id| template.environment(id)).map(|(name, _)| name).collect();
    let read = variables_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/aws/src"));
    // `gridbell up --otlp` sets it on the local stack alone.
    let unset = read
        .difference(&set)
        .filter(|name| *name != "GRIDBELL_OTLP")
        .map(|name| format!("`aws` reads {name}, which no function is given"));
    let unread = set.difference(&read).map(|name| format!("{name} is given, and `aws` does not read it"));
    unset.chain(unread).collect()
}

/// The string literals in the Rust files below a folder that are names of gridbell's variables.
fn variables_in(folder: &Path) -> BTreeSet<String> {
    let is_ours = |text: &&str| {
        text.starts_with("GRIDBELL_") && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.append(&mut variables_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(path).unwrap();
            names.extend(source.split('"').filter(is_ours).map(str::to_owned));
        }
    }
    names
}

fn code(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for (function, binary, _) in FUNCTIONS {
        let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(binary).join("src/main.rs");
        must(&mut diagnostics, main.is_file(), || format!("{function}: there is no {}", main.display()));
        let mut is = |what: &str, found: &Value, expected: Value| {
            must(&mut diagnostics, *found == expected, || format!("{function}: {what} is {found}, not {expected}"));
        };
        let metadata = |key: &str| template.at(&format!("/Resources/{function}/Metadata/{key}"));
        is("Binary", metadata("BuildProperties/Binary"), json!(binary));
        is("BuildMethod", metadata("BuildMethod"), json!("rust-cargolambda"));
        is("Runtime", template.function(function, "Runtime"), json!("provided.al2023"));
        is("Handler", template.function(function, "Handler"), json!("bootstrap"));
        is("Architectures", template.function(function, "Architectures"), json!([{ "Ref": "Architecture" }]));
        let role = function.replace("Function", "Role");
        is("Role", template.property(function, "Role"), json!({ "Fn::GetAtt": [role, "Arn"] }));
    }
    diagnostics
}

fn logs(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for group in template.resources(Some("AWS::Logs::LogGroup")) {
        let kept = target(template.property(group, "RetentionInDays"));
        must(&mut diagnostics, kept == Some("LogRetentionDays"), || format!("{group}: kept for {kept:?}"));
    }
    for function in template.functions() {
        let group = target(template.property(function, "LoggingConfig/LogGroup")).unwrap_or_default();
        let own = function.replace("Function", "LogGroup");
        let holds = group == own && template.is(group, "AWS::Logs::LogGroup");
        must(&mut diagnostics, holds, || format!("{function}: logs into {group:?}, not {own}"));
        // `gridbell cost` relies on it, and a filter of Lambda's must not apply after ours: it would drop `LogFilter:
        // debug`.
        for (key, expected) in [("LogFormat", "JSON"), ("ApplicationLogLevel", "TRACE"), ("SystemLogLevel", "WARN")] {
            let found = template.function(function, &format!("LoggingConfig/{key}"));
            must(&mut diagnostics, found == expected, || format!("{function}: {key} is {found}, not {expected}"));
        }
    }
    diagnostics
}

fn skips(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for resource in template.resources(None) {
        for skip in listed(template.at(&format!("/Resources/{resource}/Metadata/checkov/skip"))) {
            let words = skip["comment"].as_str().unwrap_or_default().split_whitespace().count();
            must(&mut diagnostics, words >= 6, || format!("{resource}: {} is skipped without a reason", skip["id"]));
        }
    }
    diagnostics
}
