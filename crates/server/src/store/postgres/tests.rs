mod consumers;
mod given_up;
mod proxy;
mod refusals;
mod trouble;
mod upgrade;
mod writers;

use std::sync::Arc;
use std::time::Duration;

use omadm_lab::postgres::Database;

use super::{PostgresOptions, PostgresStore};
use crate::store::Store;
use crate::store::battery::{BackEnd, Settings, battery};

/// A database of its own, with the schema.
struct Place(Database);

impl Place {
    async fn new() -> Self {
        let place = Self(Database::fresh().unwrap());
        super::migrate(&place.0.url().parse().unwrap())
            .await
            .unwrap();
        place
    }
}

impl BackEnd for Place {
    async fn open(&self, settings: Settings) -> Arc<dyn Store> {
        let options = PostgresOptions {
            queue: settings.queue,
            defer_interval: settings.defer_interval,
            ..PostgresOptions::default()
        };
        Arc::new(open(&self.0.url(), &options).await)
    }
}

battery!(super::Place::new().await);

async fn open(url: &str, options: &PostgresOptions) -> PostgresStore {
    let opened = PostgresStore::open(&url.parse().unwrap(), options).await;
    opened.unwrap_or_else(|err| panic!("{err}"))
}

/// A node that loses patience soon, so that a test need not wait for it.
fn impatient() -> PostgresOptions {
    PostgresOptions {
        connections: 8,
        defer_interval: Duration::from_millis(200),
        patience: Duration::from_secs(1),
        lease: Duration::from_millis(500),
        look: Duration::from_millis(20),
        ..PostgresOptions::default()
    }
}
