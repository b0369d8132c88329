//! Controls a running simulator: `/_simulator`. Accepts only JSON, so that a page in a browser cannot post to it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use provider_sims::{Fault, Hook, LogEntry, PlayError, PlayId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{server::Served, times};

/// A request to begin an exercise.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Play {
    pub(crate) exercise: String,
    /// None: the registered hooks.
    pub(crate) hook: Option<Hook>,
    /// None: the simulator's own.
    pub(crate) speed: Option<u32>,
    #[serde(default)]
    pub(crate) misbehave: Vec<Fault>,
}

/// A running exercise.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Playing {
    pub(crate) play: PlayId,
}

/// A simulator's description of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) simulates: String,
    pub(crate) speed: u32,
}

pub(crate) fn routes() -> Router<Arc<Served>> {
    Router::new()
        .route("/", get(about))
        .route("/plays", post(play))
        .route("/log/{after}", get(log))
        .route("/faults", post(misbehave).delete(mend))
        .route("/hooks", post(register))
        .route("/resources", post(hold))
}

async fn about(State(served): State<Arc<Served>>) -> Json<About> {
    Json(About { simulates: served.whom.name.to_owned(), speed: served.speed })
}

async fn play(
    State(served): State<Arc<Served>>,
    Json(play): Json<Play>,
) -> Result<Json<Playing>, (StatusCode, Json<Value>)> {
    let begun = served.with(|simulator| {
        let begun = simulator.play(&play.exercise, play.hook.as_ref(), play.speed, times::now());
        if begun.is_ok() {
            play.misbehave.into_iter().for_each(|fault| simulator.misbehave(fault));
        }
        begun
    });
    let refused = |message: String| (StatusCode::BAD_REQUEST, Json(json!({"message": message})));
    match begun {
        Ok(play) => Ok(Json(Playing { play })),
        Err(PlayError::NoHook) => Err(refused("no webhook is registered here, and none is named".to_owned())),
        Err(PlayError::Unknown) => {
            let known: Vec<&str> = served.whom.exercises.iter().map(|known| known.name).collect();
            Err(refused(format!("no such scenario; {} has {}", served.whom.name, known.join(", "))))
        }
    }
}

async fn log(State(served): State<Arc<Served>>, Path(after): Path<u64>) -> Json<Vec<LogEntry>> {
    Json(served.look(|simulator| simulator.log(after)))
}

async fn misbehave(State(served): State<Arc<Served>>, Json(fault): Json<Fault>) -> StatusCode {
    served.with(|simulator| simulator.misbehave(fault));
    StatusCode::NO_CONTENT
}

async fn mend(State(served): State<Arc<Served>>) -> StatusCode {
    served.with(provider_sims::Simulator::mend);
    StatusCode::NO_CONTENT
}

async fn register(State(served): State<Arc<Served>>, Json(hook): Json<Hook>) -> StatusCode {
    served.with(|simulator| simulator.register(hook));
    StatusCode::NO_CONTENT
}

async fn hold(State(served): State<Arc<Served>>, Json(content): Json<Value>) -> StatusCode {
    served.with(|simulator| simulator.hold(&content));
    StatusCode::NO_CONTENT
}
