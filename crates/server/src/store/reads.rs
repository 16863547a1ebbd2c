//! What the store is asked, in the words of the domain: the same for every back end that can carry a SELECT out.

use std::future::Future;

use async_trait::async_trait;
use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;

use super::rows::{self, Columns, Unreadable, signed, size, words_column};
use super::statements::Value;
use super::{
    Admissions, Bootstraps, Devices, Events, Queue, Repository, Sessions, StoreError, allow_list,
    calls, failed_creds, receipts, sessions, sql, waiting,
};
use crate::model::{
    AllowEntry, AwaitedReceipt, BootstrapRecord, CommandId, Credential, CredentialProof, Device,
    EventLag, FailedCred, Object, ObjectHead, ObjectOwner, PskRow, QueuedCommand, RecordId,
    RepeatedCall, RepositoryUse, RevokedCertificate, SessionRow, StoredEvent, Trigger, UploadId,
    WaitingDevice, WaitingId,
};

/// Carries SELECTs out.
pub(super) trait Reader: Send + Sync {
    /// All rows of a statement, each read as a value. A row that cannot be read is `StoreError::Corrupt`.
    fn many<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: Vec<Value<'static>>,
        read: fn(&dyn Columns) -> Result<T, Unreadable>,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send;

    /// The row of a statement that gives one at most.
    fn one<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: Vec<Value<'static>>,
        read: fn(&dyn Columns) -> Result<T, Unreadable>,
    ) -> impl Future<Output = Result<Option<T>, StoreError>> + Send {
        async move { Ok(self.many(sql, values, read).await?.pop()) }
    }
}

#[async_trait]
impl<B: Reader> Devices for B {
    async fn device(&self, dev_id: &DevId) -> Result<Option<Device>, StoreError> {
        self.one(sql::DEVICE, vec![text(dev_id)], rows::device)
            .await
    }

    async fn devices(
        &self,
        after: Option<&DevId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        let after = after.map(DevId::as_str).unwrap_or_default().to_owned();
        let values = vec![Value::Text(after.into()), Value::Number(size(limit))];
        self.many(sql::DEVICES, values, rows::device).await
    }

    async fn credential(&self, proof: &CredentialProof) -> Result<Option<Credential>, StoreError> {
        if !rows::leads_to_its_device(proof) {
            return Ok(None);
        }
        let values = vec![Value::Octets(rows::proof_columns(proof).1.into())];
        self.one(sql::CREDENTIAL, values, rows::credential).await
    }

    async fn psks(&self, added_since: Utc) -> Result<Vec<PskRow>, StoreError> {
        let values = vec![Value::Number(added_since.0)];
        self.many(sql::PSKS, values, rows::psk).await
    }

    async fn credentials(&self, dev_id: &DevId) -> Result<Vec<Credential>, StoreError> {
        self.many(sql::CREDENTIALS, vec![text(dev_id)], rows::credential)
            .await
    }

    async fn revoked(&self, since: Utc, now: Utc) -> Result<Vec<RevokedCertificate>, StoreError> {
        let values = vec![Value::Number(since.0), Value::Number(now.0)];
        self.many(sql::REVOKED, values, rows::revoked).await
    }
}

#[async_trait]
impl<B: Reader> Bootstraps for B {
    async fn bootstrap(&self, id: &RecordId) -> Result<Option<BootstrapRecord>, StoreError> {
        self.one(sql::BOOTSTRAP, vec![record(id)], rows::bootstrap)
            .await
    }

    async fn bootstraps_of(&self, dev_id: &DevId) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.many(sql::BOOTSTRAPS_OF, vec![text(dev_id)], rows::bootstrap)
            .await
    }

    async fn bootstraps(
        &self,
        before: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<BootstrapRecord>, StoreError> {
        let mut values = vec![Value::Number(size(limit))];
        values.extend(before.map(record));
        let sql = if before.is_some() {
            sql::BOOTSTRAPS_BEFORE
        } else {
            sql::NEWEST_BOOTSTRAPS
        };
        self.many(sql, values, rows::bootstrap).await
    }

    async fn sealed_document(
        &self,
        dev_id: &DevId,
        id: &RecordId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let values = vec![text(dev_id), record(id)];
        self.one(sql::SEALED_DOCUMENT, values, rows::content).await
    }

    async fn due_pushes(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        let values = vec![Value::Number(now.0), Value::Number(size(limit))];
        self.many(sql::DUE_PUSHES, values, rows::bootstrap).await
    }

    async fn overdue(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        let values = vec![Value::Number(now.0), Value::Number(size(limit))];
        self.many(sql::OVERDUE, values, rows::bootstrap).await
    }
}

#[async_trait]
impl<B: Reader> Admissions for B {
    async fn waiting_device(&self, id: &WaitingId) -> Result<Option<WaitingDevice>, StoreError> {
        let id = Value::Text(id.to_string().into());
        self.one(waiting::WAITING, vec![id], waiting::waiting).await
    }

    async fn waiting_devices(
        &self,
        after: Option<&WaitingId>,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let values = vec![Value::Text(after.into()), Value::Number(size(limit))];
        self.many(waiting::ALL_WAITING, values, waiting::waiting)
            .await
    }

    async fn waited_too_long(
        &self,
        now: Utc,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError> {
        let values = vec![Value::Number(now.0), Value::Number(size(limit))];
        self.many(waiting::WAITED_TOO_LONG, values, waiting::waiting)
            .await
    }

    async fn trigger(&self, key: &str) -> Result<Option<Trigger>, StoreError> {
        let key = Value::Text(key.to_owned().into());
        self.one(waiting::TRIGGER, vec![key], waiting::trigger)
            .await
    }

    async fn allowed(&self, dev_id: &DevId) -> Result<Vec<AllowEntry>, StoreError> {
        self.many(allow_list::ALLOWED, vec![text(dev_id)], allow_list::entry)
            .await
    }

    async fn allow_list(
        &self,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<AllowEntry>, StoreError> {
        let after = after.map(EventId::as_str).unwrap_or_default().to_owned();
        let values = vec![Value::Text(after.into()), Value::Number(size(limit))];
        self.many(allow_list::ALLOW_LIST, values, allow_list::entry)
            .await
    }
}

#[async_trait]
impl<B: Reader> Sessions for B {
    async fn sessions(&self, dev_id: &DevId) -> Result<Vec<SessionRow>, StoreError> {
        self.many(sessions::SESSIONS, vec![text(dev_id)], sessions::session)
            .await
    }

    async fn expired_sessions(&self, now: Utc, limit: usize) -> Result<Vec<DevId>, StoreError> {
        let values = vec![Value::Number(now.0), Value::Number(size(limit))];
        self.many(sessions::EXPIRED, values, rows::dev_id).await
    }

    async fn failed_creds(
        &self,
        dev_id: &DevId,
        after: Utc,
        limit: usize,
    ) -> Result<Vec<FailedCred>, StoreError> {
        let limit = Value::Number(size(limit));
        let values = vec![text(dev_id), Value::Number(after.0), limit];
        self.many(failed_creds::FAILED, values, failed_creds::failed)
            .await
    }
}

#[async_trait]
impl<B: Reader> Queue for B {
    async fn open_commands(&self, dev_id: &DevId) -> Result<Vec<QueuedCommand>, StoreError> {
        self.many(sql::OPEN_COMMANDS, vec![text(dev_id)], rows::command)
            .await
    }

    async fn command(
        &self,
        dev_id: &DevId,
        id: &CommandId,
    ) -> Result<Option<QueuedCommand>, StoreError> {
        let id = Value::Text(id.0.as_str().to_owned().into());
        self.one(sql::COMMAND, vec![text(dev_id), id], rows::command)
            .await
    }

    async fn commands_of(
        &self,
        dev_id: &DevId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<QueuedCommand>, StoreError> {
        let before = signed(before.unwrap_or(u64::MAX));
        let values = vec![
            text(dev_id),
            Value::Number(before),
            Value::Number(size(limit)),
        ];
        self.many(sql::COMMANDS_OF, values, rows::command).await
    }

    async fn newest_result(
        &self,
        dev_id: &DevId,
        words: &[String],
    ) -> Result<Option<QueuedCommand>, StoreError> {
        let values = vec![text(dev_id), Value::Text(words_column(words).into())];
        self.one(sql::NEWEST_RESULT, values, rows::command).await
    }
}

#[async_trait]
impl<B: Reader> Repository for B {
    async fn object(&self, dev_id: &DevId, path: &str) -> Result<Option<Object>, StoreError> {
        let values = vec![text(dev_id), Value::Text(path.to_owned().into())];
        self.one(sql::OBJECT, values, rows::object).await
    }

    async fn objects(
        &self,
        dev_id: &DevId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectHead>, StoreError> {
        let values = vec![
            text(dev_id),
            Value::Text(after.unwrap_or_default().to_owned().into()),
            Value::Number(size(limit)),
        ];
        self.many(sql::OBJECTS, values, rows::object_head).await
    }

    async fn repository_use(
        &self,
        dev_id: &DevId,
        owner: ObjectOwner,
    ) -> Result<RepositoryUse, StoreError> {
        let values = vec![text(dev_id), Value::Text(owner.name().into())];
        let found = self.one(sql::REPOSITORY_USE, values, rows::repository_use);
        Ok(found.await?.unwrap_or_default())
    }

    async fn piece(
        &self,
        dev_id: &DevId,
        upload: &UploadId,
        nr: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let values = vec![
            text(dev_id),
            Value::Text(upload.as_str().to_owned().into()),
            Value::Number(nr.into()),
        ];
        self.one(sql::PIECE, values, rows::content).await
    }
}

#[async_trait]
impl<B: Reader> Events for B {
    async fn events_after(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let values = vec![Value::Number(signed(position)), Value::Number(size(limit))];
        self.many(sql::EVENTS_AFTER, values, rows::event).await
    }

    async fn events_of(
        &self,
        dev_id: &DevId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let values = vec![
            text(dev_id),
            Value::Number(signed(after)),
            Value::Number(size(limit)),
        ];
        self.many(sql::EVENTS_OF, values, rows::event).await
    }

    async fn awaited_receipt(
        &self,
        message_id: &str,
    ) -> Result<Option<AwaitedReceipt>, StoreError> {
        let id = Value::Text(message_id.to_owned().into());
        self.one(receipts::AWAITED, vec![id], receipts::receipt)
            .await
    }

    async fn awaited_receipts(&self, dev_id: &DevId) -> Result<Vec<AwaitedReceipt>, StoreError> {
        self.many(receipts::AWAITED_OF, vec![text(dev_id)], receipts::receipt)
            .await
    }

    async fn call(&self, dev_id: &DevId) -> Result<Option<RepeatedCall>, StoreError> {
        self.one(calls::CALL, vec![text(dev_id)], calls::call).await
    }

    async fn due_calls(&self, now: Utc, limit: usize) -> Result<Vec<RepeatedCall>, StoreError> {
        let values = vec![Value::Number(now.0), Value::Number(size(limit))];
        self.many(calls::DUE, values, calls::call).await
    }

    async fn lag(&self) -> Result<EventLag, StoreError> {
        let lag = self.one(sql::LAG, vec![], rows::lag).await?;
        Ok(lag.unwrap_or_default())
    }
}

fn text(dev_id: &DevId) -> Value<'static> {
    Value::Text(dev_id.as_str().to_owned().into())
}

fn record(id: &RecordId) -> Value<'static> {
    Value::Text(id.0.as_str().to_owned().into())
}
