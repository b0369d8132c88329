//! The pages, each made from the stack's current state.

mod axis;
mod deliveries;
mod dispatch;
mod doctor;
mod incidents;
mod now;
mod outputs;
mod replay;
mod sites;
mod sources;
mod tests_of;
mod timeline;
mod versions;

use std::sync::Arc;

use axum::http::StatusCode;

use super::{app::App, fields::Fields, page::Page};

/// The page at a path.
pub(super) async fn page(app: &Arc<App>, path: &str, fields: &Fields) -> Page {
    let page = match path {
        "/now" => now::page(app, fields).await,
        "/dispatch" => dispatch::page(app, fields).await,
        "/sites" => sites::list(app, fields).await,
        "/site" => sites::one(app, fields).await,
        "/deliveries" => deliveries::list(app, fields).await,
        "/delivery" => deliveries::one(app, fields).await,
        "/replay" => replay::page(app, fields).await,
        "/incidents" => incidents::list(app, fields).await,
        "/incident" => incidents::one(app, fields).await,
        "/sources" => sources::list(app).await,
        "/source" => sources::one(app, fields).await,
        "/outputs" => outputs::list(app).await,
        "/output" => outputs::one(app, fields).await,
        "/output/replay" => outputs::replay(app, fields).await,
        "/doctor" => Ok(doctor::page(app)),
        _ => Ok(Page::failed(StatusCode::NOT_FOUND, "There is no such page.")),
    };
    // The stack may answer the next request.
    page.unwrap_or_else(|error| Page::failed(StatusCode::BAD_GATEWAY, &format!("{error:#}")))
}

/// The page for something that does not exist.
fn not_there(what: &str) -> Page {
    Page::failed(StatusCode::NOT_FOUND, what)
}
