//! What Prometheus scrapes, as OpenMetrics text: how far the event log's positions are behind, what the store and the listeners had to do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use prometheus_client::encoding::EncodeGaugeValue;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use super::answer::Refused;
use super::answers_in_time;
use crate::model::EventLag;
use crate::node::Node;
use crate::problem::Problem;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label and its value.
type Label = [(&'static str, &'static str); 1];

/// The metrics of this node now. While the store is away they are those that need no store.
pub(super) async fn scrape(State(node): State<Arc<Node>>) -> Result<Response, Refused> {
    let lag = answers_in_time(node.store.lag()).await.ok();
    let mut text = String::new();
    encode(&mut text, &registry(&node, lag)).map_err(|_| {
        Problem::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics could not be written",
        )
    })?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

fn registry(node: &Node, lag: Option<EventLag>) -> Registry {
    let mut registry = Registry::with_prefix("omadm");
    let to = &mut registry;
    let build = Family::<Label, Gauge>::default();
    build
        .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
        .set(1);
    to.register("build_info", "The version of this DM Server", build);
    gauge(
        to,
        "store_up",
        "1 while the store answers a read within 2 seconds, 0 while it does not",
        u32::from(lag.is_some()),
    );
    if let Some(lag) = lag {
        positions(to, node, lag);
    }
    gauge(
        to,
        "store_backlog",
        "Changes that wait on this node to be written; devices are told to come later as it grows",
        node.store.backlog(),
    );
    let commits = node.store.commits();
    counters(
        to,
        "commits",
        "Durable writes of this node: delta, a whole exchange; deferred, marks that left without one; transaction, commits of the database, of which one may carry many",
        "kind",
        [
            ("delta", commits.deltas),
            ("deferred", commits.deferred),
            ("transaction", commits.transactions),
        ],
    );
    let [device, operator] = [&node.traffic.device, &node.traffic.operator];
    counters(
        to,
        "connections",
        "TCP connections that this node accepted",
        "listener",
        [
            ("device", device.connections.load(Ordering::Relaxed)),
            ("operator", operator.connections.load(Ordering::Relaxed)),
        ],
    );
    counters(
        to,
        "exchanges",
        "HTTP requests that reached this node",
        "listener",
        [
            ("device", device.exchanges.load(Ordering::Relaxed)),
            ("operator", operator.exchanges.load(Ordering::Relaxed)),
        ],
    );
    registry
}

fn positions(to: &mut Registry, node: &Node, lag: EventLag) {
    gauge(
        to,
        "event_position",
        "The last position that an event was given; consumers that saw it have seen all before it",
        lag.position,
    );
    gauge(
        to,
        "events_waiting",
        "Events that have no position yet, so that no consumer sees them",
        lag.waiting,
    );
    let age = lag.since.map_or(0, |since| node.now().millis_since(since));
    let age = std::time::Duration::from_millis(u64::try_from(age).unwrap_or(0));
    to.register_with_unit(
        "event_lag",
        "Age of the oldest event without position, 0 while there is none; grows while no node gives positions",
        Unit::Seconds,
        ConstGauge::new(age.as_secs_f64()),
    );
}

fn gauge<N>(to: &mut Registry, name: &str, help: &str, value: N)
where
    N: EncodeGaugeValue + std::fmt::Debug + Send + Sync + 'static,
{
    to.register(name, help, ConstGauge::new(value));
}

fn counters<const N: usize>(
    to: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: [(&'static str, u64); N],
) {
    let family = Family::<Label, Counter>::default();
    for (of, value) in values {
        family.get_or_create(&[(label, of)]).inc_by(value);
    }
    to.register(name, help, family);
}
