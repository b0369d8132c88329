//! The dashboard: it is JSON that `CloudWatch` accepts, and its graphs are of resources and metrics that exist.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::model::Template;
use super::{Check, Findings, must, remove, set};

/// Where the body of the dashboard stands, and the row that a stack with a courier adds.
const BODY: &str = "DashboardBody/Fn::Sub/0";
const COURIER_ROW: &str = "DashboardBody/Fn::Sub/1/CourierRow/Fn::If/1/Fn::Sub";

/// The metrics of the functions, in their namespace, and the dimension beside `Stack`.
const OWN_METRICS: [(&str, Option<&str>); 8] = [
    ("Accepted", None),
    ("WebhookToSignal", None),
    ("DeadlineMargin", None),
    ("Retries", Some("Reason")),
    ("ProviderLatency", Some("Source")),
    ("ProviderErrors", Some("Source")),
    ("Notifications", None),
    ("HeartbeatAge", None),
];
const NAMESPACE: &str = "gridbell";

/// `CloudWatch` draws this many columns.
const COLUMNS: u64 = 24;

pub(super) const CHECKS: &[Check] = &[Check {
    name: "the dashboard is drawn, and shows every alarm, queue, function and metric",
    run: dashboard,
    saboteurs: || {
        vec![
            remove("no dashboard", "/Resources/Dashboard"),
            set("no JSON", "/Resources/Dashboard/Properties/DashboardBody/Fn::Sub/0", json!("{\"widgets\":[")),
            set("nothing to see", "/Resources/Dashboard/Properties/DashboardBody/Fn::Sub/0", json!("{\"widgets\":[]}")),
            remove("no courier", "/Resources/Dashboard/Properties/DashboardBody/Fn::Sub/1/CourierRow/Fn::If/1"),
            set("an alarm more", "/Resources/OtherAlarm", json!({ "Type": "AWS::CloudWatch::Alarm" })),
            set("a queue more", "/Resources/OtherQueue", json!({ "Type": "AWS::SQS::Queue" })),
            set("a function more", "/Resources/OtherFunction", json!({ "Type": "AWS::Serverless::Function" })),
        ]
    },
}];

fn dashboard(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let text = |property| template.property("Dashboard", property).as_str().unwrap_or_default();
    let row = text(COURIER_ROW);
    must(&mut diagnostics, row.contains("${CourierFunction}") && row.contains("${OutputsQueue.QueueName}"), || {
        "Dashboard: no courier".to_owned()
    });
    let text = text(BODY).replace("${CourierRow}", row);
    let Ok(body) = serde_json::from_str::<Value>(&text) else {
        return vec!["Dashboard: its body is no JSON".to_owned()];
    };
    let Some(widgets) = body["widgets"].as_array() else { return vec!["Dashboard: no widgets".to_owned()] };
    must(&mut diagnostics, (12..=20).contains(&widgets.len()), || format!("{} graphs", widgets.len()));
    for widget in widgets {
        let title = &widget["properties"]["title"];
        must(&mut diagnostics, title.is_string(), || format!("a graph without a title: {widget}"));
        let right = widget["x"].as_u64().unwrap_or(COLUMNS) + widget["width"].as_u64().unwrap_or(COLUMNS);
        must(&mut diagnostics, right <= COLUMNS, || format!("{title}: ends at column {right}"));
    }
    for (name, references) in [
        ("AWS::CloudWatch::Alarm", "${ID.Arn}"),
        ("AWS::SQS::Queue", "${ID.QueueName}"),
        ("AWS::Serverless::Function", "${ID}"),
    ] {
        for resource in template.resources(Some(name)).into_iter().filter(|id| template.is_everywhere(id)) {
            let shown = text.contains(&references.replace("ID", resource));
            must(&mut diagnostics, shown, || format!("{resource} is in no graph"));
        }
    }
    let (own, searched) = metrics(widgets);
    let expected: BTreeSet<_> = OWN_METRICS.iter().filter(|(_, by)| by.is_none()).map(|(name, _)| *name).collect();
    must(&mut diagnostics, own == expected, || format!("the metrics are {own:?}, not {expected:?}"));
    for (name, dimension) in OWN_METRICS.iter().filter_map(|(name, by)| Some((name, (*by)?))) {
        let of = format!("{{{NAMESPACE},Stack,{dimension}}} MetricName=\"{name}\" Stack=\"${{AWS::StackName}}\"");
        let found = searched.iter().any(|expression| expression.contains(&of));
        must(&mut diagnostics, found, || format!("no graph of {name} by {dimension}"));
    }
    diagnostics
}

/// The names of the functions' own metrics in the graphs, and the expressions that search for others.
fn metrics(widgets: &[Value]) -> (BTreeSet<&str>, Vec<&str>) {
    let listed = widgets.iter().filter_map(|widget| widget["properties"]["metrics"].as_array()).flatten();
    let (mut own, mut searched) = (BTreeSet::new(), Vec::new());
    for metric in listed {
        searched.extend(metric[0]["expression"].as_str());
        if metric[0] == NAMESPACE && metric[2] == "Stack" && metric[3] == "${AWS::StackName}" {
            own.extend(metric[1].as_str());
        }
    }
    (own, searched)
}
