//! The sandbox's scenarios, in the tutorial's and the custom form: states and their times of publication.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    bodies::voltus::{program, webhook},
    ids::Ids,
    plan::Act,
};

/// The acts of a scenario, in order of publication.
pub(super) fn acts(scenario: &Value, now: Timestamp, ids: &mut Ids) -> Result<Vec<Act>, &'static str> {
    let mut acts = match scenario["scenario_type"].as_str() {
        Some("basic") => tutorial(scenario, ids)?,
        Some("custom") => custom(scenario, ids)?,
        _ => return Err("scenario_type is \"basic\" or \"custom\""),
    };
    acts.sort_by_key(|act| act.at);
    // A state due before the scenario was posted is published now.
    for act in &mut acts {
        act.at = act.at.max(now);
    }
    Ok(acts)
}

fn instant(value: &Value, name: &str) -> Option<Timestamp> {
    value[name].as_str()?.parse().ok()
}

fn tutorial(scenario: &Value, ids: &mut Ids) -> Result<Vec<Act>, &'static str> {
    let at = instant(scenario, "notification_time").ok_or("notification_time is no instant")?;
    instant(scenario, "start_time").ok_or("start_time is no instant")?;
    let mut dispatch = json!({
        "authorized": true, "start_time": scenario["start_time"], "end_time": scenario["end_time"],
        "sites": scenario["sites"], "program": scenario["program"],
    });
    if dispatch["end_time"].is_null() {
        dispatch.as_object_mut().map(|fields| fields.shift_remove("end_time"));
    }
    Ok(states(&[(at, dispatch)], "", &mut Sites::new(), ids))
}

fn custom(scenario: &Value, ids: &mut Ids) -> Result<Vec<Act>, &'static str> {
    let dispatches = scenario["dispatches"].as_object().ok_or("dispatches is an object of dispatches by label")?;
    let (mut acts, mut sites) = (Vec::new(), Sites::new());
    for (label, dispatch) in dispatches {
        let listed = dispatch["states"].as_array().ok_or("states is a list")?;
        let mut read = Vec::new();
        for state in listed {
            let at = instant(state, "published_time").ok_or("published_time is no instant")?;
            if !state["dispatch"].is_object() {
                return Err("dispatch is an object");
            }
            read.push((at, state["dispatch"].clone()));
        }
        read.sort_by_key(|(at, _)| *at);
        acts.extend(states(&read, label, &mut sites, ids));
    }
    Ok(acts)
}

/// The ids of a scenario's sites, by the operator's id of the location: its dispatches may share a site.
pub(super) type Sites = BTreeMap<String, String>;

/// The states of one dispatch: the first creates it, the others update it. Sites keep their ids.
fn states(states: &[(Timestamp, Value)], label: &str, sites: &mut Sites, ids: &mut Ids) -> Vec<Act> {
    let id = ids.short();
    let mut site_ids: Option<Value> = None;
    let mut acts = Vec::new();
    for (number, (at, state)) in states.iter().enumerate() {
        let created = states.first().map_or(*at, |(at, _)| *at);
        let mut dispatch = json!({
            "id": id, "authorized": true, "test": false,
            "creation_time": created.to_string(), "modification_number": number, "metadata": {},
        });
        for (name, value) in state.as_object().into_iter().flatten() {
            dispatch[name] = value.clone();
        }
        if let (Some(sites), true) = (&site_ids, dispatch["sites"].is_null()) {
            dispatch["sites"] = sites.clone();
        }
        complete(&mut dispatch, sites, ids);
        let known = site_ids.get_or_insert_with(|| dispatch["sites"].clone());
        for (site, known) in
            dispatch["sites"].as_array_mut().into_iter().flatten().zip(known.as_array().into_iter().flatten())
        {
            site["id"] = known["id"].clone();
        }
        let event = if number == 0 { "dispatch.create" } else { "dispatch.update" };
        let label = if label.is_empty() { String::new() } else { format!("{label}, ") };
        let says = format!("{event}: {label}{}", in_words(&dispatch));
        acts.push(Act { at: *at, says, holds: Some(dispatch), sends: Some(webhook(event, &id)) });
    }
    acts
}

/// Describes a state without its times, which depend on the clock's speed.
fn in_words(dispatch: &Value) -> String {
    let id = dispatch["id"].as_str().unwrap_or_default();
    let what = match (&dispatch["authorized"], &dispatch["end_time"]) {
        (Value::Bool(false), _) => "withdrawn",
        (_, Value::Null) => "without an end",
        _ => "with its start and end",
    };
    format!("{id} {what}")
}

/// Adds what is missing: a program, sites, the sites' ids and the deprecated `drop_by`.
pub(super) fn complete(dispatch: &mut Value, sites: &mut Sites, ids: &mut Ids) {
    if dispatch["program"].is_null() {
        dispatch["program"] = program();
    }
    if dispatch["sites"].is_null() {
        dispatch["sites"] = json!([
            {"name": "My Site", "customer_location_id": "democustomerlocationid", "commitment": 5},
            {"name": "Another Site", "customer_location_id": "democustomerlocationid2", "commitment": 50},
        ]);
    }
    for site in dispatch["sites"].as_array_mut().into_iter().flatten() {
        if site["id"].is_null() {
            let location = site["customer_location_id"].as_str();
            let known = location.and_then(|location| sites.get(location)).cloned();
            let id = known.unwrap_or_else(|| ids.short());
            if let Some(location) = location {
                sites.insert(location.to_owned(), id.clone());
            }
            site["id"] = json!(id);
        }
        site["drop_by"] = site["commitment"].clone();
    }
}
