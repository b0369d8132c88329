//! The JSON Schemas of the published data, generated from the published types.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use serde_json::Value;

use crate::{AccountSignal, Acknowledgement, DispatchSignal, Envelope, HeartbeatSignal, MeterSignal, PowerSignal};

/// `data` of `gridbell.dispatch.scheduled.v1`, `…updated.v1`, `…cancelled.v1` and `…ended.v1`.
#[derive(JsonSchema)]
#[schemars(rename = "DispatchData")]
#[expect(dead_code, reason = "only its schema is used: `data` is made by hand around one borrowed signal")]
struct Dispatch {
    dispatch: DispatchSignal,
}

/// `data` of `gridbell.power.start_ramp_down.v1`, `…end_ramp_down.v1`, `…start_ramp_up.v1` and `…end_ramp_up.v1`.
#[derive(JsonSchema)]
#[schemars(rename = "PowerData")]
#[expect(dead_code, reason = "only its schema is used")]
struct Power {
    power: PowerSignal,
}

/// `data` of `gridbell.meter.data.v1`.
#[derive(JsonSchema)]
#[schemars(rename = "MeterData")]
#[expect(dead_code, reason = "only its schema is used")]
struct Meter {
    meter: MeterSignal,
}

/// `data` of `gridbell.account.<event>.v1`.
#[derive(JsonSchema)]
#[schemars(rename = "AccountData")]
#[expect(dead_code, reason = "only its schema is used")]
struct Account {
    account: AccountSignal,
}

/// `data` of `gridbell.heartbeat.v1`.
#[derive(JsonSchema)]
#[schemars(rename = "HeartbeatData")]
#[expect(dead_code, reason = "only its schema is used")]
struct Heartbeat {
    heartbeat: HeartbeatSignal,
}

/// The schema of each kind of `data`, by the name of its one member.
pub fn schemas() -> [(&'static str, Schema); 5] {
    [
        ("dispatch", schema::<Dispatch>()),
        ("power", schema::<Power>()),
        ("meter", schema::<Meter>()),
        ("account", schema::<Account>()),
        ("heartbeat", schema::<Heartbeat>()),
    ]
}

/// The schema of the envelope, whose `data` keeps to one of [`schemas`].
pub fn envelope_schema() -> Schema {
    schema::<Envelope<Value>>()
}

/// The schema of the body of `POST /acks/{token}`.
pub fn acknowledgement_schema() -> Schema {
    schema::<Acknowledgement>()
}

fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}
