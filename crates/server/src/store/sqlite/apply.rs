//! One delta, one mark: the statements. The caller gives each a savepoint of its own, and takes it back where this fails.

use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::rows::{BOOTSTRAP_CODE, CERTIFICATE, proof_columns, signed};
use crate::model::{
    BootstrapChange, BootstrapRecord, Credential, CredentialChange, DeferredMark, DeviceChange,
    DeviceEpoch, Event, ExchangeDelta, RecordId, SessionChange,
};
use crate::store::{CommitError, Committed};

/// What the next event gets: its position in the log, and its number where it belongs to no device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequencer {
    next_position: i64,
    next_seq: i64,
}

/// Why a delta or mark was not applied.
pub(super) enum NotApplied {
    /// It is at fault itself; others of its group are not harmed.
    Refused(CommitError),
    /// The database failed: the group is lost.
    Database(rusqlite::Error),
}

impl Sequencer {
    pub(super) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        conn.query_row("SELECT next_position, next_seq FROM sequencer", [], |row| {
            Ok(Self {
                next_position: row.get(0)?,
                next_seq: row.get(1)?,
            })
        })
    }

    pub(super) fn save(self, conn: &Connection) -> rusqlite::Result<()> {
        let mut update = conn.prepare_cached(
            "UPDATE sequencer SET next_position = ?1, next_seq = ?2 WHERE id = 1",
        )?;
        update
            .execute([self.next_position, self.next_seq])
            .map(drop)
    }
}

/// Applies a delta at the epoch it was made at.
pub(super) fn apply_delta(
    conn: &Connection,
    log: &mut Sequencer,
    delta: &ExchangeDelta,
) -> Result<Committed, NotApplied> {
    let (epoch, first_seq) = match delta.expected {
        None => (DeviceEpoch(1), register(conn, delta)?),
        Some(epoch) => (
            DeviceEpoch(epoch.0.saturating_add(1)),
            advance(conn, delta, epoch)?,
        ),
    };
    // Records first: credentials point at them.
    for change in &delta.bootstraps {
        change_bootstrap(conn, &delta.dev_id, change)?;
    }
    for change in &delta.credentials {
        change_credential(conn, delta, change)?;
    }
    change_session(conn, delta)?;
    for (seq, event) in (first_seq..).zip(&delta.events) {
        append(conn, log, delta.dev_id.as_str(), seq, delta.at, event)?;
    }
    Ok(Committed { epoch })
}

/// Applies a mark; tells whether it changed anything.
///
/// A mark bumps no epoch, so it conflicts with no delta that was made before it. That is safe because what it writes cannot be undone by such a delta:
/// the state goes forward only (see `update` below), `fetched_at` is never cleared, and event numbers are given here, not by the delta's maker.
pub(super) fn apply_mark(
    conn: &Connection,
    log: &mut Sequencer,
    mark: &DeferredMark,
) -> Result<bool, NotApplied> {
    match mark {
        DeferredMark::Fetched {
            dev_id,
            record,
            at,
            event,
        } => {
            if !fetch(conn, dev_id, record, *at)? {
                return Ok(false);
            }
            let Some(seq) = take_seq(conn, dev_id, Some(*at))? else {
                return Ok(false);
            };
            append(conn, log, dev_id.as_str(), seq, *at, event)?;
        }
        DeferredMark::Refused { dev_id, at, event } => {
            let of_device = match dev_id {
                Some(dev_id) => take_seq(conn, dev_id, None)?.map(|seq| (dev_id.as_str(), seq)),
                None => None,
            };
            let (dev_id, seq) = of_device.unwrap_or_else(|| {
                log.next_seq += 1;
                ("", log.next_seq - 1)
            });
            append(conn, log, dev_id, seq, *at, event)?;
        }
    }
    Ok(true)
}

/// The columns that changes of the device's row set; none stays as it is.
#[derive(Default)]
struct DeviceColumns<'a> {
    seen: Option<i64>,
    method: Option<&'static str>,
    bootstrapped: Option<i64>,
    dev_info: Option<&'a str>,
}

fn device_columns(delta: &ExchangeDelta) -> DeviceColumns<'_> {
    let mut columns = DeviceColumns::default();
    for change in &delta.device {
        match change {
            DeviceChange::Seen => columns.seen = Some(delta.at.0),
            DeviceChange::Bootstrapped(method) => {
                columns.method = Some(method.name());
                columns.bootstrapped = Some(delta.at.0);
            }
            DeviceChange::DevInfo(json) => columns.dev_info = Some(json),
        }
    }
    columns
}

/// Inserts the device; the number of its first event.
fn register(conn: &Connection, delta: &ExchangeDelta) -> Result<i64, NotApplied> {
    let columns = device_columns(delta);
    let inserted = conn
        .prepare_cached(
            "INSERT INTO devices (dev_id, epoch, registered_at, last_seen_at, bootstrapped_method, bootstrapped_at, dev_info, next_event_seq)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (dev_id) DO NOTHING",
        )?
        .execute(params![
            delta.dev_id.as_str(),
            delta.at.0,
            columns.seen,
            columns.method,
            columns.bootstrapped,
            columns.dev_info,
            1 + count(delta.events.len()),
        ])?;
    if inserted == 1 {
        Ok(1)
    } else {
        Err(NotApplied::Refused(CommitError::DeviceExists))
    }
}

/// The compare-and-set: takes the device from `epoch` to the next; the number of the delta's first event.
fn advance(
    conn: &Connection,
    delta: &ExchangeDelta,
    epoch: DeviceEpoch,
) -> Result<i64, NotApplied> {
    let columns = device_columns(delta);
    conn.prepare_cached(
        "UPDATE devices SET epoch = epoch + 1, last_seen_at = COALESCE(?3, last_seen_at),
             bootstrapped_method = COALESCE(?4, bootstrapped_method), bootstrapped_at = COALESCE(?5, bootstrapped_at),
             dev_info = COALESCE(?6, dev_info), next_event_seq = next_event_seq + ?7
         WHERE dev_id = ?1 AND epoch = ?2 RETURNING next_event_seq - ?7",
    )?
    .query_row(
        params![
            delta.dev_id.as_str(),
            signed(epoch.0),
            columns.seen,
            columns.method,
            columns.bootstrapped,
            columns.dev_info,
            count(delta.events.len()),
        ],
        |row| row.get(0),
    )
    .optional()?
    .ok_or(NotApplied::Refused(CommitError::Conflict))
}

fn change_bootstrap(
    conn: &Connection,
    dev_id: &DevId,
    change: &BootstrapChange,
) -> Result<(), NotApplied> {
    let (BootstrapChange::Create(record, _) | BootstrapChange::Update(record)) = change;
    if record.dev_id != *dev_id {
        return contradiction("the bootstrap record belongs to another device");
    }
    match change {
        BootstrapChange::Create(record, sealed) => create(conn, record, sealed),
        BootstrapChange::Update(record) => update(conn, record),
    }
}

fn create(conn: &Connection, record: &BootstrapRecord, sealed: &[u8]) -> Result<(), NotApplied> {
    let inserted = conn
        .prepare_cached(
            "INSERT INTO bootstraps (dev_id, id, profile, srv_id, method, has_trsp, state, cause, payload_hash, event_id, kind, created_at, expires_at,
                 fetched_at, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            record.dev_id.as_str(),
            record.id.0.as_str(),
            record.profile,
            record.srv_id.as_str(),
            record.method.name(),
            record.has_trsp,
            record.state.name(),
            record.cause.map(|cause| cause.code()),
            record.payload_hash.to_hex(),
            record.event_id.as_ref().map(|id| id.as_str()),
            record.kind.map(|kind| kind.node_value()),
            record.created_at.0,
            record.expires_at.0,
            record.fetched_at.map(|at| at.0),
            record.ended_at.map(|at| at.0),
        ])?;
    if inserted == 0 {
        return contradiction("the bootstrap record exists already");
    }
    conn.prepare_cached("INSERT INTO documents (dev_id, id, sealed) VALUES (?1, ?2, ?3)")?
        .execute(params![
            record.dev_id.as_str(),
            record.id.0.as_str(),
            sealed
        ])?;
    Ok(())
}

/// Writes the record as it is now, except for what a mark may have written since its maker read it, see [`apply_mark`].
fn update(conn: &Connection, record: &BootstrapRecord) -> Result<(), NotApplied> {
    let updated = conn
        .prepare_cached(
            "UPDATE bootstraps SET profile = ?3, srv_id = ?4, method = ?5, has_trsp = ?6,
                 state = CASE WHEN state = 'fetched' AND ?7 IN ('drafted', 'queued', 'sent', 'delivered') THEN state ELSE ?7 END,
                 cause = ?8, payload_hash = ?9, event_id = ?10, kind = ?11, created_at = ?12, expires_at = ?13,
                 fetched_at = COALESCE(?14, fetched_at), ended_at = ?15
             WHERE dev_id = ?1 AND id = ?2",
        )?
        .execute(params![
            record.dev_id.as_str(),
            record.id.0.as_str(),
            record.profile,
            record.srv_id.as_str(),
            record.method.name(),
            record.has_trsp,
            record.state.name(),
            record.cause.map(|cause| cause.code()),
            record.payload_hash.to_hex(),
            record.event_id.as_ref().map(|id| id.as_str()),
            record.kind.map(|kind| kind.node_value()),
            record.created_at.0,
            record.expires_at.0,
            record.fetched_at.map(|at| at.0),
            record.ended_at.map(|at| at.0),
        ])?;
    if updated == 1 {
        Ok(())
    } else {
        contradiction("the device has no such bootstrap record")
    }
}

fn fetch(conn: &Connection, dev_id: &DevId, record: &RecordId, at: Utc) -> rusqlite::Result<bool> {
    let moved = conn
        .prepare_cached(
            "UPDATE bootstraps SET state = 'fetched', fetched_at = COALESCE(fetched_at, ?3)
             WHERE dev_id = ?1 AND id = ?2 AND state IN ('drafted', 'queued', 'sent', 'delivered')",
        )?
        .execute(params![dev_id.as_str(), record.0.as_str(), at.0])?;
    Ok(moved == 1)
}

fn change_credential(
    conn: &Connection,
    delta: &ExchangeDelta,
    change: &CredentialChange,
) -> Result<(), NotApplied> {
    let dev_id = delta.dev_id.as_str();
    let changed = match change {
        CredentialChange::Add(credential) if credential.dev_id != delta.dev_id => {
            return contradiction("the credential belongs to another device");
        }
        CredentialChange::Add(credential) => return add(conn, credential),
        CredentialChange::Promote(proof, generation) => conn
            .prepare_cached("UPDATE credentials SET generation = ?3 WHERE dev_id = ?1 AND proof = ?2")?
            .execute(params![dev_id, proof_columns(proof).1, generation.name()])?,
        CredentialChange::Revoke(proof) => conn
            .prepare_cached("UPDATE credentials SET revoked_at = COALESCE(revoked_at, ?3) WHERE dev_id = ?1 AND proof = ?2")?
            .execute(params![dev_id, proof_columns(proof).1, delta.at.0])?,
        CredentialChange::WrongCode => {
            conn.prepare_cached(
                "UPDATE credentials SET tries_left = tries_left - 1 WHERE dev_id = ?1 AND kind = ?2 AND tries_left > 0",
            )?
            .execute(params![dev_id, BOOTSTRAP_CODE])?;
            return Ok(());
        }
    };
    if changed == 1 {
        Ok(())
    } else {
        contradiction("the device has no such credential")
    }
}

fn add(conn: &Connection, credential: &Credential) -> Result<(), NotApplied> {
    let dev_id = credential.dev_id.as_str();
    let (kind, proof) = proof_columns(&credential.proof);
    if kind == CERTIFICATE {
        let inserted = conn
            .prepare_cached("INSERT INTO certificates (fingerprint, dev_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![proof, dev_id])?;
        if inserted == 0 {
            return Err(NotApplied::Refused(CommitError::CredentialTaken));
        }
    }
    let inserted = conn
        .prepare_cached(
            "INSERT INTO credentials (dev_id, nr, kind, proof, scope, generation, record, added_at, expires_at, revoked_at, tries_left)
             VALUES (?1, (SELECT COALESCE(MAX(nr), 0) + 1 FROM credentials WHERE dev_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (dev_id, proof) DO NOTHING",
        )?
        .execute(params![
            dev_id,
            kind,
            proof,
            credential.scope.name(),
            credential.generation.name(),
            credential.record.as_ref().map(|id| id.0.as_str()),
            credential.added_at.0,
            credential.expires_at.map(|at| at.0),
            credential.revoked_at.map(|at| at.0),
            credential.tries_left,
        ])?;
    if inserted == 1 {
        Ok(())
    } else {
        Err(NotApplied::Refused(CommitError::CredentialTaken))
    }
}

fn change_session(conn: &Connection, delta: &ExchangeDelta) -> rusqlite::Result<()> {
    match &delta.session {
        SessionChange::Keep => Ok(()),
        SessionChange::Set(session) => conn
            .prepare_cached(
                "INSERT INTO sessions (dev_id, state, expires_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (dev_id) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at",
            )?
            .execute(params![delta.dev_id.as_str(), session.state, session.expires_at.0])
            .map(drop),
        SessionChange::End => {
            conn.prepare_cached("DELETE FROM sessions WHERE dev_id = ?1")?.execute([delta.dev_id.as_str()]).map(drop)
        }
    }
}

/// The number of the device's next event, taken; none where there is no such device. `seen` moves `last_seen_at` forward.
fn take_seq(conn: &Connection, dev_id: &DevId, seen: Option<Utc>) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached(
        "UPDATE devices SET next_event_seq = next_event_seq + 1,
             last_seen_at = CASE WHEN ?2 > COALESCE(last_seen_at, ?2 - 1) THEN ?2 ELSE last_seen_at END
         WHERE dev_id = ?1 RETURNING next_event_seq - 1",
    )?
    .query_row(params![dev_id.as_str(), seen.map(|at| at.0)], |row| row.get(0))
    .optional()
}

fn append(
    conn: &Connection,
    log: &mut Sequencer,
    dev_id: &str,
    seq: i64,
    at: Utc,
    event: &Event,
) -> Result<(), NotApplied> {
    let Ok(kind) = serde_json::to_string(&event.kind) else {
        return contradiction("the event cannot be written");
    };
    conn.prepare_cached("INSERT INTO events (dev_id, seq, position, at, correlation, kind) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![dev_id, seq, log.next_position, at.0, event.correlation, kind])?;
    log.next_position += 1;
    Ok(())
}

fn count(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

fn contradiction<T>(what: &'static str) -> Result<T, NotApplied> {
    Err(NotApplied::Refused(CommitError::Contradiction(what)))
}

impl From<rusqlite::Error> for NotApplied {
    fn from(err: rusqlite::Error) -> Self {
        match err.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Refused(CommitError::Contradiction(
                "a constraint of the schema does not hold",
            )),
            Some(ErrorCode::TooBig) => Self::Refused(CommitError::Contradiction(
                "a value is larger than the store takes",
            )),
            _ => Self::Database(err),
        }
    }
}
