//! The configuration of a seed's stack.

use pipeline::config::{Config, TokenHash};
use serde_json::json;

use super::{
    model::{ACK_TOKEN, TOKEN},
    outputs,
    scenario::Scenario,
};

/// The kinds of channels that ring besides mail.
pub(super) const CHANNELS: [&str; 3] = ["sns", "pagerduty", "webhook"];

fn channels(scenario: &Scenario) -> serde_json::Value {
    let channel = |kind: &str| match kind {
        "sns" => json!({ "kind": kind, "topic": "arn:aws:sns:us-east-1:123456789012:grid-duty" }),
        "pagerduty" => {
            json!({ "kind": kind, "key": "ssm:/gridbell/pagerduty", "url": "https://events.pagerduty.com/v2/enqueue" })
        }
        _ => json!({ "kind": kind, "url": "https://chat.example.com/gridbell", "secret": "ssm:/gridbell/chat" }),
    };
    let to = CHANNELS.into_iter().filter(|_| scenario.rings.on).map(channel).collect::<Vec<_>>();
    json!({ "to": to, "ring_tests": scenario.rings.tests })
}

/// A configuration with every provider, in production and sandbox.
pub(super) fn config(scenario: &Scenario) -> Config {
    let tokens = [TokenHash::of("the-token-of-yesterday"), TokenHash::of(TOKEN)];
    let source = |provider: &str, environment: &str| json!({ "provider": provider, "environment": environment, "api_key": "env:KEY", "tokens": tokens, "poll_s": scenario.poll_s });
    let mut voltus = source("voltus", "production");
    if scenario.storm > 0 && scenario.poll_s > 0 {
        // Far fewer requests than dispatches in the storm, so the list is needed.
        voltus["requests_a_minute"] = json!(100);
    }
    let mut config = json!({
        "sources": {
            "voltus-prod": voltus,
            "voltus-sandbox": source("voltus", "sandbox"),
            "leap-prod": source("leap", "production"),
            "dc-1": source("nvgrid", "production"),
            "openvolt-prod": source("openvolt", "production"),
        },
        "deadlines": { "lead_s": 600, "immediate_s": 60, "acknowledge": scenario.acknowledge },
        "contacts": {
            "email": ["grid-duty@example.com"], "from": "gridbell@example.com",
            "escalate": [{ "after_s": 1_800, "email": ["head-of-grid@example.com"] }],
            "channels": channels(scenario),
        },
        "acks": { "tokens": [TokenHash::of(ACK_TOKEN)] },
        "signals": { "heartbeat_s": scenario.heartbeat_s },
    });
    if scenario.has_outputs {
        config["outputs"] = outputs::configured();
    }
    #[expect(
        clippy::expect_used,
        reason = "a constant that does not parse is a bug of the simulator, to be shown at once"
    )]
    Config::parse(&config.to_string()).expect("a configuration")
}
