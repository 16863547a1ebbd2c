//! The bootstrap profiles the server was started with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::types::ProfileBody;
use crate::node::Node;
use crate::problem::ProblemBody;

/// Lists the profiles by name.
#[utoipa::path(get, path = "/api/v1/profiles", tag = "profiles", responses((status = 200, body = [ProfileBody]), (status = "default", body = ProblemBody)))]
pub(super) async fn list(State(node): State<Arc<Node>>) -> Json<Vec<ProfileBody>> {
    let all = node.profiles.all();
    Json(
        all.map(|profile| ProfileBody {
            name: profile.name.clone(),
            srv_id: profile.srv_id(),
            has_trsp: profile.has_trsp(),
        })
        .collect(),
    )
}
