//! The bodies that providers post: for curl, and inside the functions' events.

use providers::fixtures;

/// A webhook's body.
pub(crate) struct Body {
    pub(crate) provider: &'static str,
    pub(crate) name: &'static str,
    fixture: &'static str,
}

impl Body {
    pub(crate) fn text(&self) -> &'static str {
        fixtures::named(self.fixture).expect("a fixture")
    }

    /// The source's name in `events/gridbell.toml` and in the demo.
    pub(crate) fn source(&self) -> String {
        format!("{}-demo", self.provider)
    }
}

const fn body(provider: &'static str, name: &'static str, fixture: &'static str) -> Body {
    Body { provider, name, fixture }
}

pub(crate) const PING: &Body = &ALL[0];
pub(crate) const CREATE: &Body = &ALL[1];

pub(crate) const ALL: &[Body] = &[
    body("voltus", "ping", "voltus/webhook_ping.json"),
    body("voltus", "create", "voltus/webhook_create.json"),
    body("voltus", "update", "voltus/webhook_update.json"),
    body("voltus", "forged", "voltus/webhook_foreign_host.json"),
    body("leap", "meter", "leap/notification_meter.json"),
    body("leap", "meter-cancelled", "leap/notification_meter_cancelled.json"),
    body("leap", "group", "leap/notification_group.json"),
    body("nvgrid", "start-ramp-down", "nvgrid/start_ramp_down.json"),
    body("nvgrid", "end-ramp-down", "nvgrid/end_ramp_down.json"),
    body("nvgrid", "start-ramp-up", "nvgrid/start_ramp_up.json"),
    body("nvgrid", "end-ramp-up", "nvgrid/end_ramp_up.json"),
    body("openvolt", "meter-data", "openvolt/webhook_meter_data.json"),
    body("openvolt", "customer-created", "openvolt/webhook_customer_created.json"),
    body("openvolt", "api-keys-rotated", "openvolt/webhook_api_keys_rotated.json"),
];
