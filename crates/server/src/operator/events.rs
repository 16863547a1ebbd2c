//! The event log: resumable by position, or a device's own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::answer::{Parameters, Refused};
use super::devices::dev_id;
use super::types::{EventBody, EventPage};
use crate::model::StoredEvent;
use crate::node::Node;
use crate::problem::ProblemBody;

/// Most events of a page.
const PAGE: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<u64>,
    limit: Option<usize>,
    device: Option<String>,
}

/// Lists events after a position, or, of one device, after a number of its own.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(("after" = Option<u64>, Query, description = "position, or with `device` the device's number"),
        ("limit" = Option<usize>, Query, description = "1 to 500"), ("device" = Option<String>, Query, description = "a DevID")),
    responses((status = 200, body = EventPage), (status = "default", body = ProblemBody)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<EventPage>, Refused> {
    let (after, limit) = (
        query.after.unwrap_or(0),
        query.limit.unwrap_or(PAGE).clamp(1, PAGE),
    );
    let (found, next) = match &query.device {
        Some(device) => {
            let found = node.store.events_of(&dev_id(device)?, after, limit).await?;
            let next = found.last().map(|event| event.seq);
            (found, next)
        }
        None => {
            let found = node.store.events_after(after, limit).await?;
            let next = found.last().and_then(|event| event.position);
            (found, next)
        }
    };
    Ok(Json(EventPage {
        events: found.iter().map(body).collect(),
        next: next.unwrap_or(after),
    }))
}

pub(super) fn body(stored: &StoredEvent) -> EventBody {
    EventBody {
        position: stored.position,
        device: stored.dev_id.as_ref().map(ToString::to_string),
        seq: stored.seq,
        at: stored.at.to_string(),
        correlation: stored.event.correlation.clone(),
        what: serde_json::to_value(&stored.event.kind).unwrap_or_default(),
    }
}
