//! A stand-in for Voltus: it knows every dispatch that it is asked for, and each as often modified as it was told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::{Value, json};

/// The provider.
#[derive(Debug, Clone, Default)]
pub(crate) struct Voltus(Arc<Mutex<BTreeMap<String, u32>>>);

impl Voltus {
    /// What serves it.
    pub(crate) fn routes(&self) -> Router {
        Router::new().route("/2022-04-15/dispatches/{id}", get(dispatch)).with_state(self.clone())
    }

    /// Modifies a dispatch: its end moves, and its number goes up.
    pub(crate) fn modify(&self, id: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id.to_owned()).or_default() += 1;
    }

    fn number(&self, id: &str) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied().unwrap_or_default()
    }
}

/// The seed's dispatch, in a year that is still to come.
async fn dispatch(State(voltus): State<Voltus>, Path(id): Path<String>) -> Json<Value> {
    let number = voltus.number(&id);
    Json(json!({
        "id": id,
        "authorized": true,
        "test": false,
        "creation_time": "2099-12-01T16:40:00Z",
        "modification_number": number,
        "start_time": "2099-12-01T16:50:00Z",
        "end_time": format!("2099-12-01T17:00:{:02}Z", number % 60),
        "metadata": {},
        "program": {
            "id": 42, "name": "A Program", "market": "CAISO", "program_type": "ancillary_services", "timezone": "PST"
        },
        "sites": [
            { "name": "My Site", "id": "d4z9", "customer_location_id": "democustomerlocationid", "drop_by": 5, "commitment": 5 },
            { "name": "Another Site", "id": "9jeq", "customer_location_id": "democustomerlocationid2", "drop_by": 50, "commitment": 50 }
        ]
    }))
}
