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
use provider_sims::bodies::{Window, voltus as bodies};
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
        let nothing = async || Json(bodies::answer(&[]));
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
    let sites = [
        bodies::site(&format!("{sites}-1"), "Cold store", "kx93-1", 5),
        bodies::site(&format!("{sites}-2"), "Bakery", "kx93-2", 50),
    ];
    let mut dispatch = bodies::dispatch(&id, Some(number.into()), &Window::new(start, end), &sites);
    dispatch["creation_time"] = json!(start - SignedDuration::from_mins(10));
    dispatch["metadata"] = json!({});
    Json(dispatch)
}
