use std::sync::Arc;

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
        let address = self.0.url().parse().unwrap();
        Arc::new(PostgresStore::open(&address, &options).await.unwrap())
    }
}

battery!(super::Place::new().await);
