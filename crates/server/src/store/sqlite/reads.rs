use async_trait::async_trait;
use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use rusqlite::{Connection, OptionalExtension as _, Params, Result, Row, params};

use super::SqliteStore;
use super::rows::{self, BOOTSTRAP, CREDENTIAL, DEVICE, EVENT, signed};
use crate::model::{
    BootstrapRecord, Credential, CredentialProof, Device, RecordId, SessionRow, StoredEvent,
};
use crate::store::{Bootstraps, Devices, Events, Sessions, StoreError};

#[async_trait]
impl Devices for SqliteStore {
    async fn device(&self, dev_id: &DevId) -> Result<Option<Device>, StoreError> {
        let dev_id = dev_id.clone();
        let sql = format!("SELECT {DEVICE} FROM devices WHERE dev_id = ?1");
        self.readers
            .read(move |conn| one(conn, &sql, [dev_id.as_str()], rows::device))
            .await
    }

    async fn devices(
        &self,
        after: Option<&DevId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        let after = after
            .map(|dev_id| dev_id.as_str().to_owned())
            .unwrap_or_default();
        let sql =
            format!("SELECT {DEVICE} FROM devices WHERE dev_id > ?1 ORDER BY dev_id LIMIT ?2");
        self.readers
            .read(move |conn| many(conn, &sql, params![after, size(limit)], rows::device))
            .await
    }

    async fn credential(&self, proof: &CredentialProof) -> Result<Option<Credential>, StoreError> {
        let CredentialProof::Certificate(fingerprint) = *proof else {
            return Ok(None);
        };
        let sql = format!(
            "SELECT {CREDENTIAL} FROM credentials
             WHERE dev_id = (SELECT dev_id FROM certificates WHERE fingerprint = ?1) AND proof = ?1"
        );
        self.readers
            .read(move |conn| one(conn, &sql, [fingerprint], rows::credential))
            .await
    }

    async fn credentials(&self, dev_id: &DevId) -> Result<Vec<Credential>, StoreError> {
        let dev_id = dev_id.clone();
        let sql = format!("SELECT {CREDENTIAL} FROM credentials WHERE dev_id = ?1 ORDER BY nr");
        self.readers
            .read(move |conn| many(conn, &sql, [dev_id.as_str()], rows::credential))
            .await
    }
}

#[async_trait]
impl Bootstraps for SqliteStore {
    async fn bootstrap(&self, id: &RecordId) -> Result<Option<BootstrapRecord>, StoreError> {
        let id = id.clone();
        let sql = format!("SELECT {BOOTSTRAP} FROM bootstraps WHERE id = ?1");
        self.readers
            .read(move |conn| one(conn, &sql, [id.0.as_str()], rows::bootstrap))
            .await
    }

    async fn bootstraps_of(&self, dev_id: &DevId) -> Result<Vec<BootstrapRecord>, StoreError> {
        let dev_id = dev_id.clone();
        let sql = format!(
            "SELECT {BOOTSTRAP} FROM bootstraps WHERE dev_id = ?1 ORDER BY created_at DESC, id DESC"
        );
        self.readers
            .read(move |conn| many(conn, &sql, [dev_id.as_str()], rows::bootstrap))
            .await
    }

    async fn bootstraps(
        &self,
        before: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<BootstrapRecord>, StoreError> {
        let newest_first = "ORDER BY created_at DESC, id DESC LIMIT ?1";
        let Some(before) = before.cloned() else {
            let sql = format!("SELECT {BOOTSTRAP} FROM bootstraps {newest_first}");
            return self
                .readers
                .read(move |conn| many(conn, &sql, [size(limit)], rows::bootstrap))
                .await;
        };
        let sql = format!(
            "SELECT {BOOTSTRAP} FROM bootstraps
             WHERE (created_at, id) < (SELECT created_at, id FROM bootstraps WHERE id = ?2) {newest_first}"
        );
        self.readers
            .read(move |conn| {
                many(
                    conn,
                    &sql,
                    params![size(limit), before.0.as_str()],
                    rows::bootstrap,
                )
            })
            .await
    }

    async fn sealed_document(&self, id: &RecordId) -> Result<Option<Vec<u8>>, StoreError> {
        let id = id.clone();
        let sql = "SELECT d.sealed FROM bootstraps b JOIN documents d ON d.dev_id = b.dev_id AND d.id = b.id WHERE b.id = ?1";
        self.readers
            .read(move |conn| one(conn, sql, [id.0.as_str()], |row| row.get(0)))
            .await
    }

    async fn overdue(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        let sql = format!(
            "SELECT {BOOTSTRAP} FROM bootstraps WHERE {OVERDUE} ORDER BY expires_at LIMIT ?2"
        );
        self.readers
            .read(move |conn| many(conn, &sql, params![now.0, size(limit)], rows::bootstrap))
            .await
    }
}

#[async_trait]
impl Sessions for SqliteStore {
    async fn session(&self, dev_id: &DevId) -> Result<Option<SessionRow>, StoreError> {
        let dev_id = dev_id.clone();
        let sql = "SELECT state, expires_at FROM sessions WHERE dev_id = ?1";
        self.readers
            .read(move |conn| one(conn, sql, [dev_id.as_str()], rows::session))
            .await
    }
}

#[async_trait]
impl Events for SqliteStore {
    async fn events_after(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let sql =
            format!("SELECT {EVENT} FROM events WHERE position > ?1 ORDER BY position LIMIT ?2");
        self.readers
            .read(move |conn| many(conn, &sql, [signed(position), size(limit)], rows::event))
            .await
    }

    async fn events_of(
        &self,
        dev_id: &DevId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let dev_id = dev_id.clone();
        let sql = format!(
            "SELECT {EVENT} FROM events WHERE dev_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
        );
        let params = move |conn: &Connection| {
            many(
                conn,
                &sql,
                params![dev_id.as_str(), signed(after), size(limit)],
                rows::event,
            )
        };
        self.readers.read(params).await
    }
}

/// In the words of the index `bootstraps_by_expiry`, so that it serves.
pub(super) const OVERDUE: &str =
    "state IN ('drafted', 'queued', 'sent', 'delivered', 'fetched') AND expires_at <= ?1";

fn size(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    conn.prepare_cached(sql)?.query_row(params, read).optional()
}

fn many<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    conn.prepare_cached(sql)?.query_map(params, read)?.collect()
}
