//! A stand-in for Voltus. It knows every dispatch, with the modification number that the test set. A dispatch named
//! `soon…` starts in ten minutes, any other in the year 2099. Its list is empty.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::clock;

/// The provider.
#[derive(Debug, Clone)]
pub(crate) struct Voltus {
    numbers: Arc<Mutex<BTreeMap<String, u32>>>,
    /// The start of `soon…` dispatches; constant, so that an unchanged dispatch stays unchanged.
    soon: Timestamp,
}

impl Voltus {
    pub(crate) fn new() -> Self {
        let soon = Timestamp::UNIX_EPOCH + clock::since_epoch() + SignedDuration::from_mins(10);
        Self { numbers: Arc::default(), soon }
    }

    /// The HTTP routes.
    pub(crate) fn routes(&self) -> Router {
        let nothing = async || Json(json!({ "dispatches": [], "page": 0, "perPage": 0 }));
        Router::new()
            .route("/{version}/dispatches", get(nothing))
            .route("/2022-04-15/dispatches/{id}", get(dispatch))
            .with_state(self.clone())
    }

    /// Modifies a dispatch: moves its end and increments its number.
    pub(crate) fn modify(&self, id: &str) {
        *self.numbers.lock().unwrap_or_else(PoisonError::into_inner).entry(id.to_owned()).or_default() += 1;
    }

    fn number(&self, id: &str) -> u32 {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied().unwrap_or_default()
    }
}

/// A dispatch with two sites of its own. Only dispatches named `same…` share their sites.
async fn dispatch(State(voltus): State<Voltus>, Path(id): Path<String>) -> Json<Value> {
    let number = voltus.number(&id);
    let later: Timestamp = Timestamp::from_second(4_099_913_400).unwrap_or(Timestamp::MAX);
    let start = if id.starts_with("soon") { voltus.soon } else { later };
    let sites = if id.starts_with("same") { "same" } else { &id };
    let end = start + SignedDuration::from_mins(10) + SignedDuration::from_secs(number.into());
    Json(json!({
        "id": id,
        "authorized": true,
        "test": false,
        "creation_time": (start - SignedDuration::from_mins(10)).to_string(),
        "modification_number": number,
        "start_time": start.to_string(),
        "end_time": end.to_string(),
        "metadata": {},
        "program": {
            "id": 42, "name": "A Program", "market": "CAISO", "program_type": "ancillary_services", "timezone": "PST"
        },
        "sites": [
            { "name": "Cold store", "id": format!("{sites}-1"), "customer_location_id": "kx93-1", "drop_by": 5, "commitment": 5 },
            { "name": "Bakery", "id": format!("{sites}-2"), "customer_location_id": "kx93-2", "drop_by": 50, "commitment": 50 }
        ]
    }))
}
