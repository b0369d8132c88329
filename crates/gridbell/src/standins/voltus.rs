//! Voltus: dispatches by id and listed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{
    server::{Api, Asked, Refusal},
    times,
};

/// The version of the API that stands in every path.
const DISPATCHES: &str = "/2022-04-15/dispatches";

/// The stand-in: dispatches by id, as they are now.
#[derive(Debug, Default)]
pub struct Voltus {
    dispatches: Mutex<BTreeMap<String, Value>>,
}

impl Voltus {
    /// Holds a dispatch under its `id` from now on, in place of what was there. Texts such as `now+10m` are instants anew
    /// with every answer, so that a dispatch can stay in the near future.
    pub fn put(&self, dispatch: Value) {
        let id = dispatch.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.lock().insert(id, dispatch);
    }

    /// Forgets a dispatch.
    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.dispatches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Api for Voltus {
    fn key<'r>(&self, headers: &'r HeaderMap) -> Option<&'r str> {
        headers.get("x-voltus-api-key")?.to_str().ok()
    }

    fn without_key(&self) -> u16 {
        400
    }

    fn about(&self, asked: &Asked) -> Vec<String> {
        let id = asked.path.strip_prefix(DISPATCHES).and_then(|rest| rest.strip_prefix('/'));
        id.map(str::to_owned).into_iter().collect()
    }

    fn answer(&self, asked: &Asked) -> Result<Value, Refusal> {
        if asked.method != Method::GET {
            return Err(Refusal(405, "this stand-in only answers"));
        }
        let rest = asked.path.strip_prefix(DISPATCHES).ok_or(Refusal(404, "no such path"))?;
        let held = self.lock();
        let mut dispatches: Vec<Value> = match rest.strip_prefix('/') {
            Some(id) => vec![held.get(id).ok_or(Refusal(404, "no such dispatch"))?.clone()],
            None if rest.is_empty() => held.values().cloned().collect(),
            None => return Err(Refusal(404, "no such path")),
        };
        let now = times::now();
        for dispatch in &mut dispatches {
            times::resolve(dispatch, now);
        }
        Ok(json!({"dispatches": dispatches, "page": 0, "perPage": 0}))
    }

    fn error(&self, status: u16, message: &str) -> Value {
        let kind = if status == 404 { "not_found" } else { "error" };
        json!({"message": message, "type": kind})
    }
}
