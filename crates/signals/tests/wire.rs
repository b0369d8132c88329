//! Which signals a consumer can read, and which deviations it tolerates.

use serde_json::{Value, json};
use signals::{Data, DispatchChange, Envelope, SignalType, Status, TargetEntry};

fn dispatch() -> Value {
    json!({
        "specversion": "1.0", "id": "leap-prod/11cf#1764432000000.10", "source": "/gridbell/leap-prod",
        "type": "gridbell.dispatch.updated.v1", "subject": "leap-prod/11cf", "time": "2025-12-01T16:40:03.12Z",
        "epoch": "1764432000000", "sequence": "10",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "datacontenttype": "application/json",
        "data": {"dispatch": {
            "key": "leap-prod/11cf", "provider": "leap", "source": "leap-prod", "id": "11cf", "version": 10,
            "status": "scheduled", "test": false, "test_reason": null, "voluntary": false, "priority": 1,
            "start": "2025-12-01T16:50:00Z", "end": null, "request": {"kind": "reduce_max"},
            "targets": [
                {"id": "a", "name": "A", "external_id": null, "request": {"kind": "reduce", "watts": 18_446_744_073_709_551_615_u64},
                 "effective": {"until": null, "governed_by": "leap-prod/b", "with": ["leap-prod/b"], "others": 1}},
                {"ids": ["b", "c"], "request": null},
            ],
            "programs": [{"name": "P", "market": null, "type": null, "timezone": null}],
            "details": {"nomination_kw": [10.5], "more": {"x": 1}},
        }},
    })
}

fn read(event: &Value) -> Result<Envelope, String> {
    Envelope::parse(&event.to_string()).map_err(|error| error.to_string())
}

#[test]
fn a_dispatch_is_read_whole_and_written_the_same() {
    let event = dispatch();
    let signal = read(&event).unwrap();
    assert_eq!((signal.epoch, signal.sequence), (1_764_432_000_000, 10));
    assert_eq!(signal.traceparent.as_deref(), Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    assert_eq!(signal.kind, SignalType::Dispatch(DispatchChange::Updated));
    assert_eq!(serde_json::to_value(&signal).unwrap(), event);
    let from_value: Envelope = serde_json::from_value(event).unwrap();
    assert_eq!(from_value, signal);
    let Data::Dispatch(dispatch) = signal.data else { panic!("{signal:?}") };
    assert_eq!(dispatch.status, Status::Scheduled);
    let ids: Vec<&str> = dispatch.targets.iter().flat_map(TargetEntry::ids).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(dispatch.targets[0].effective().is_some() && dispatch.targets[1].request().is_none());
}

#[test]
fn unknown_fields_are_ignored() {
    let expected = read(&dispatch()).unwrap();
    let mut event = dispatch();
    event["tracestate"] = json!("gridbell=1");
    event["data"]["more"] = json!([1.5]);
    for pointer in ["/data/dispatch", "/data/dispatch/request", "/data/dispatch/targets/0", "/data/dispatch/targets/1"]
    {
        event.pointer_mut(pointer).unwrap()["later"] = json!({"a": [1, 2.5]});
    }
    assert_eq!(read(&event).unwrap(), expected);
}

#[test]
fn an_unknown_type_is_kept_as_it_came() {
    for kind in ["gridbell.weather.v1", "gridbell.dispatch.updated.v2"] {
        let mut event = dispatch();
        event["type"] = json!(kind);
        event["data"] = json!({"weather": {"more": 0, "share": 0.5}});
        let signal = read(&event).unwrap();
        assert_eq!(signal.kind, SignalType::Other(kind.to_owned()));
        assert_eq!(signal.data, Data::Other(event["data"].clone()));
        assert_eq!(serde_json::to_value(&signal).unwrap(), event);
    }
}

#[test]
fn a_heartbeat_is_read_whole_and_written_the_same() {
    let mut event = dispatch();
    event["id"] = json!("heartbeat#1764432000000.10");
    (event["source"], event["subject"]) = (json!("/gridbell"), json!("heartbeat"));
    event["type"] = json!("gridbell.heartbeat.v1");
    event["data"] = json!({"heartbeat": {
        "at": "2025-12-01T16:40:03Z", "next_by": "2025-12-01T16:47:03Z",
        "active": [
            {"subject": "leap-prod/11cf", "sequence": "10", "start": "2025-12-01T16:50:00Z", "end": null},
            {"subject": "dc-1/-/c-1", "sequence": "2", "start": "2025-12-01T17:00:00Z", "end": "2025-12-01T18:00:00Z"},
        ],
        "more": 3,
    }});
    let signal = read(&event).unwrap();
    assert_eq!(signal.kind, SignalType::Heartbeat);
    assert!(signal.subject.is_heartbeat() && !signal.is_test());
    assert_eq!(serde_json::to_value(&signal).unwrap(), event);
    let Data::Heartbeat(heartbeat) = signal.data else { panic!("{signal:?}") };
    assert_eq!((heartbeat.active[0].sequence, heartbeat.active[1].subject.as_str()), (10, "dc-1/-/c-1"));
    event["data"]["heartbeat"]["active"][0]["sequence"] = json!(10);
    assert!(read(&event).unwrap_err().contains("`data.heartbeat`"));
}

#[test]
fn an_error_names_the_signal_and_the_field() {
    let spoilt = |pointer: &str, value: Value| {
        let mut event = dispatch();
        *event.pointer_mut(pointer).unwrap() = value;
        read(&event).unwrap_err()
    };
    let error = spoilt("/data/dispatch/status", json!("paused"));
    assert!(
        error.contains("leap-prod/11cf#1764432000000.10")
            && error.contains("`data.dispatch`: unknown variant `paused`"),
        "{error}"
    );
    let error = spoilt("/data", json!({"meter": {}}));
    assert!(error.contains("`data.dispatch` is missing"), "{error}");
    let error = spoilt("/sequence", json!("ten"));
    assert!(error.contains("\"ten\" is no decimal number"), "{error}");
    let error = spoilt("/data/dispatch/targets/1", json!({"id": "a", "ids": ["b"], "request": null}));
    assert!(error.contains("either `id` or `ids`"), "{error}");
}
