//! A delta, a mark: as statements. Pure; the back ends carry them out, in the SQL that both speak (parameters as in [`super::sql`]).

use std::borrow::Cow;

use omadm_bootstrap::Utc;
use omadm_mo::DevId;

use super::rows::{BOOTSTRAP_CODE, leads_to_its_device, proof_columns, signed, words_column};
use super::{CommitError, calls, failed_creds, receipts, sessions, waiting};
use crate::model::{
    BootstrapChange, BootstrapRecord, CommandChange, Credential, CredentialChange, CredentialProof,
    DeferredMark, DeviceChange, Event, ExchangeDelta, ObjectChange, ObjectContent, UploadId,
};

/// One statement with what it has to change.
pub(super) struct Statement<'a> {
    pub(super) sql: &'static str,
    pub(super) values: Vec<Value<'a>>,
    /// What it means when it changes no row; none where that is as good.
    pub(super) otherwise: Option<CommitError>,
}

/// A parameter.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Number(i64),
    Text(Cow<'a, str>),
    Octets(Cow<'a, [u8]>),
}

/// What a mark does: of these, the first whose first statement changes a row is carried out; nothing where none does.
///
/// A mark bumps no epoch, so it conflicts with no delta that was made before it. That is safe because what it writes cannot be undone by such a delta:
/// the state goes forward only (see [`UPDATE_BOOTSTRAP`]), `fetched_at` is never cleared, and event numbers are given here, not by the delta's maker.
pub(super) type Branches<'a> = Vec<Vec<Statement<'a>>>;

/// The statements of a delta, in order. Each is to change a row or the delta is refused as a whole. `position` is the first event's where positions are
/// given with the commit.
pub(super) fn of_delta(
    delta: &ExchangeDelta,
    position: Option<i64>,
) -> Result<Vec<Statement<'_>>, CommitError> {
    let mut all = vec![device(delta)];
    // Records first: credentials point at them.
    for change in &delta.bootstraps {
        bootstrap(delta, change, &mut all)?;
    }
    for change in &delta.credentials {
        credential(delta, change, &mut all)?;
    }
    all.extend(sessions::of_delta(delta));
    all.extend(delta.commands.iter().map(|change| command(delta, change)));
    for change in &delta.objects {
        object(&delta.dev_id, change, &mut all);
    }
    all.extend(waiting::of_delta(delta));
    all.extend(receipts::of_delta(delta));
    all.extend(calls::of_delta(delta));
    all.extend(failed_creds::of_delta(delta));
    let before_next = (1..=signed(delta.events.len() as u64)).rev();
    for (number, (event, before_next)) in (0..).zip(delta.events.iter().zip(before_next)) {
        let position = position.map(|first| first + number);
        all.push(event_of_device(
            &delta.dev_id,
            before_next,
            position,
            delta.at,
            event,
        )?);
    }
    Ok(all)
}

/// The statements of a mark.
pub(super) fn of_mark(
    mark: &DeferredMark,
    position: Option<i64>,
) -> Result<Branches<'_>, CommitError> {
    Ok(match mark {
        DeferredMark::Fetched {
            dev_id,
            record,
            at,
            event,
        } => vec![vec![
            Statement::new(
                "UPDATE bootstraps SET fetched_at = COALESCE(fetched_at, ?3),
                     state = CASE WHEN state IN ('drafted', 'queued', 'sent', 'delivered') THEN 'fetched' ELSE state END
                 WHERE dev_id = ?1 AND id = ?2 AND (fetched_at IS NULL OR state IN ('drafted', 'queued', 'sent', 'delivered'))",
                vec![text(dev_id.as_str()), text(record.0.as_str()), Value::Number(at.0)],
            ),
            take_number(dev_id, Some(*at)),
            event_of_device(dev_id, 1, position, *at, event)?,
        ]],
        DeferredMark::Refused { dev_id, at, event } => {
            let mut branches = Vec::with_capacity(2);
            if let Some(dev_id) = dev_id {
                branches.push(vec![
                    take_number(dev_id, None),
                    event_of_device(dev_id, 1, position, *at, event)?,
                ]);
            }
            branches.push(vec![
                Statement::new("UPDATE sequencer SET next_seq = next_seq + 1 WHERE id = 1", vec![]),
                event_of_nobody(position, *at, event)?,
            ]);
            branches
        }
        DeferredMark::FailedCred(failed) => vec![vec![failed_creds::of_failed(failed)]],
    })
}

impl<'a> Statement<'a> {
    pub(super) const fn new(sql: &'static str, values: Vec<Value<'a>>) -> Self {
        Self {
            sql,
            values,
            otherwise: None,
        }
    }

    pub(super) fn or(mut self, refused: CommitError) -> Self {
        self.otherwise = Some(refused);
        self
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

fn maybe(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, |text| Value::Text(text.into()))
}

fn time(at: Option<Utc>) -> Value<'static> {
    at.map_or(Value::Null, |at| Value::Number(at.0))
}

/// Registers the device, or takes it from the expected epoch to the next: the compare-and-set.
fn device(delta: &ExchangeDelta) -> Statement<'_> {
    let (mut seen, mut method, mut bootstrapped, mut dev_info) = (None, None, None, None);
    let mut notify = Value::Null;
    for change in &delta.device {
        match change {
            DeviceChange::Seen => seen = Some(delta.at),
            DeviceChange::Bootstrapped(by) => {
                method = Some(by.name());
                bootstrapped = Some(delta.at);
            }
            DeviceChange::DevInfo(json) => dev_info = Some(json.as_str()),
            DeviceChange::Notify(settings) => {
                let json = serde_json::json!(settings).to_string();
                notify = Value::Text(json.into());
            }
        }
    }
    let events = signed(delta.events.len() as u64);
    let opens = Value::Number(delta.commands.iter().map(CommandChange::opens).sum());
    let columns = [
        time(seen),
        maybe(method),
        time(bootstrapped),
        maybe(dev_info),
    ];
    match delta.expected {
        None => {
            let mut values = vec![text(delta.dev_id.as_str()), Value::Number(delta.at.0)];
            values.extend(columns);
            values.extend([Value::Number(1 + events), opens, notify]);
            Statement::new(
                "INSERT INTO devices (dev_id, epoch, registered_at, last_seen_at, bootstrapped_method, bootstrapped_at, dev_info, next_event_seq, open_commands, notify)
                 VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (dev_id) DO NOTHING",
                values,
            )
            .or(CommitError::DeviceExists)
        }
        Some(epoch) => {
            let mut values = vec![text(delta.dev_id.as_str()), Value::Number(signed(epoch.0))];
            values.extend(columns);
            values.extend([Value::Number(events), opens, notify]);
            Statement::new(
                "UPDATE devices SET epoch = epoch + 1, last_seen_at = COALESCE(?3, last_seen_at),
                     bootstrapped_method = COALESCE(?4, bootstrapped_method), bootstrapped_at = COALESCE(?5, bootstrapped_at),
                     dev_info = COALESCE(?6, dev_info), next_event_seq = next_event_seq + ?7,
                     open_commands = open_commands + ?8, notify = COALESCE(?9, notify)
                 WHERE dev_id = ?1 AND epoch = ?2",
                values,
            )
            .or(CommitError::Conflict)
        }
    }
}

fn bootstrap<'a>(
    delta: &ExchangeDelta,
    change: &'a BootstrapChange,
    all: &mut Vec<Statement<'a>>,
) -> Result<(), CommitError> {
    let (BootstrapChange::Create(record, _) | BootstrapChange::Update(record)) = change;
    if record.dev_id != delta.dev_id {
        return Err(CommitError::Contradiction(
            "the bootstrap record belongs to another device",
        ));
    }
    match change {
        BootstrapChange::Create(record, sealed) => {
            let exists = || CommitError::Contradiction("the bootstrap record exists already");
            all.push(
                Statement::new(
                    "INSERT INTO bootstrap_ids (id, dev_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    vec![text(record.id.0.as_str()), text(record.dev_id.as_str())],
                )
                .or(exists()),
            );
            all.push(
                Statement::new(
                    "INSERT INTO bootstraps (dev_id, id, profile, srv_id, method, has_trsp, state, cause, payload_hash, event_id, kind, created_at,
                         expires_at, fetched_at, ended_at, push, push_due, format)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) ON CONFLICT DO NOTHING",
                    record_values(record),
                )
                .or(exists()),
            );
            all.push(Statement::new(
                "INSERT INTO documents (dev_id, id, sealed) VALUES (?1, ?2, ?3)",
                vec![
                    text(record.dev_id.as_str()),
                    text(record.id.0.as_str()),
                    Value::Octets(sealed.into()),
                ],
            ));
        }
        BootstrapChange::Update(record) => {
            all.push(Statement::new(UPDATE_BOOTSTRAP, record_values(record)).or(
                CommitError::Contradiction("the device has no such bootstrap record"),
            ));
        }
    }
    Ok(())
}

/// Writes the record as it is now, except for what a mark may have written since its maker read it.
const UPDATE_BOOTSTRAP: &str = "UPDATE bootstraps SET profile = ?3, srv_id = ?4, method = ?5, has_trsp = ?6,
         state = CASE WHEN state = 'fetched' AND ?7 IN ('drafted', 'queued', 'sent', 'delivered') THEN state ELSE ?7 END,
         cause = ?8, payload_hash = ?9, event_id = ?10, kind = ?11, created_at = ?12, expires_at = ?13,
         fetched_at = COALESCE(?14, fetched_at), ended_at = ?15, push = ?16, push_due = ?17, format = ?18
     WHERE dev_id = ?1 AND id = ?2";

fn record_values(record: &BootstrapRecord) -> Vec<Value<'_>> {
    vec![
        text(record.dev_id.as_str()),
        text(record.id.0.as_str()),
        text(&record.profile),
        text(record.srv_id.as_str()),
        text(record.method.name()),
        Value::Number(record.has_trsp.into()),
        text(record.state.name()),
        maybe(record.cause.map(|cause| cause.code())),
        Value::Text(record.payload_hash.to_hex().into()),
        maybe(record.event_id.as_ref().map(|id| id.as_str())),
        maybe(record.kind.map(|kind| kind.node_value())),
        Value::Number(record.created_at.0),
        Value::Number(record.expires_at.0),
        time(record.fetched_at),
        time(record.ended_at),
        record.push.as_ref().map_or(Value::Null, |push| {
            Value::Text(serde_json::json!(push).to_string().into())
        }),
        time(record.push.as_ref().and_then(|push| push.due)),
        text(record.format.node_value()),
    ]
}

fn credential<'a>(
    delta: &'a ExchangeDelta,
    change: &'a CredentialChange,
    all: &mut Vec<Statement<'a>>,
) -> Result<(), CommitError> {
    let dev_id = text(delta.dev_id.as_str());
    let unknown = CommitError::Contradiction("the device has no such credential");
    let statement = match change {
        CredentialChange::Add(credential) if credential.dev_id != delta.dev_id => {
            return Err(CommitError::Contradiction(
                "the credential belongs to another device",
            ));
        }
        CredentialChange::Add(credential) => {
            add(credential, all);
            return Ok(());
        }
        CredentialChange::Promote(proof, generation) => Statement::new(
            "UPDATE credentials SET generation = ?3, since = ?4, held_at = NULL WHERE dev_id = ?1 AND proof = ?2",
            vec![dev_id, Value::Octets(proof_columns(proof).1.into()), text(generation.name()), Value::Number(delta.at.0)],
        )
        .or(unknown),
        CredentialChange::Used(proof) => Statement::new(
            "UPDATE credentials SET used_at = ?3 WHERE dev_id = ?1 AND proof = ?2",
            vec![dev_id, Value::Octets(proof_columns(proof).1.into()), Value::Number(delta.at.0)],
        )
        .or(unknown),
        CredentialChange::Hold(proof) => Statement::new(
            "UPDATE credentials SET held_at = COALESCE(held_at, ?3) WHERE dev_id = ?1 AND proof = ?2",
            vec![dev_id, Value::Octets(proof_columns(proof).1.into()), Value::Number(delta.at.0)],
        )
        .or(unknown),
        CredentialChange::EndEscrow(proof) => Statement::new(
            "UPDATE credentials SET escrowed = 0 WHERE dev_id = ?1 AND proof = ?2",
            vec![dev_id, Value::Octets(proof_columns(proof).1.into())],
        )
        .or(unknown),
        CredentialChange::Revoke(proof) => Statement::new(
            "UPDATE credentials SET revoked_at = COALESCE(revoked_at, ?3), held_at = NULL WHERE dev_id = ?1 AND proof = ?2",
            vec![dev_id, Value::Octets(proof_columns(proof).1.into()), Value::Number(delta.at.0)],
        )
        .or(unknown),
        CredentialChange::Reseal(proof, sealed) => Statement::new(
            "UPDATE credentials SET sealed = ?3 WHERE dev_id = ?1 AND proof = ?2",
            vec![dev_id, Value::Octets(proof_columns(proof).1.into()), Value::Octets(sealed.into())],
        )
        .or(unknown),
        CredentialChange::WrongCode => Statement::new(
            "UPDATE credentials SET tries_left = tries_left - 1 WHERE dev_id = ?1 AND kind = ?2 AND tries_left > 0",
            vec![dev_id, text(BOOTSTRAP_CODE)],
        ),
    };
    all.push(statement);
    Ok(())
}

fn add<'a>(credential: &'a Credential, all: &mut Vec<Statement<'a>>) {
    let dev_id = text(credential.dev_id.as_str());
    let (kind, proof) = proof_columns(&credential.proof);
    if let CredentialProof::Psk { identity, nr: 1.. } = &credential.proof {
        // Only who has the identity has further keys of it.
        let first = CredentialProof::Psk {
            identity: identity.clone(),
            nr: 0,
        };
        let (_, first) = proof_columns(&first);
        all.push(
            Statement::new(
                "INSERT INTO certificates (fingerprint, dev_id) SELECT ?1, dev_id FROM certificates WHERE fingerprint = ?2 AND dev_id = ?3
                 ON CONFLICT DO NOTHING",
                vec![
                    Value::Octets(proof.clone().into()),
                    Value::Octets(first.into()),
                    dev_id.clone(),
                ],
            )
            .or(CommitError::CredentialTaken),
        );
    } else if leads_to_its_device(&credential.proof) {
        all.push(
            Statement::new(
                "INSERT INTO certificates (fingerprint, dev_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                vec![Value::Octets(proof.clone().into()), dev_id.clone()],
            )
            .or(CommitError::CredentialTaken),
        );
    }
    all.push(
        Statement::new(
            "INSERT INTO credentials (dev_id, nr, kind, proof, scope, generation, record, added_at, expires_at, revoked_at, tries_left, serial, sealed,
                 escrowed, since, command, used_at, held_at)
             VALUES (?1, (SELECT COALESCE(MAX(nr), 0) + 1 FROM credentials WHERE dev_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                 ?13, ?14, ?15, ?16, ?17)
             ON CONFLICT (dev_id, proof) DO NOTHING",
            vec![
                dev_id,
                text(kind),
                Value::Octets(proof.into()),
                text(credential.scope.name()),
                text(credential.generation.name()),
                maybe(credential.record.as_ref().map(|id| id.0.as_str())),
                Value::Number(credential.added_at.0),
                time(credential.expires_at),
                time(credential.revoked_at),
                credential.tries_left.map_or(Value::Null, |left| Value::Number(left.into())),
                maybe(credential.serial.as_deref()),
                credential.sealed.as_ref().map_or(Value::Null, |sealed| Value::Octets(sealed.into())),
                Value::Number(credential.escrowed.into()),
                time(credential.since),
                maybe(credential.command.as_ref().map(|id| id.0.as_str())),
                time(credential.used_at),
                time(credential.held_at),
            ],
        )
        .or(CommitError::CredentialTaken),
    );
}

fn command<'a>(delta: &'a ExchangeDelta, change: &'a CommandChange) -> Statement<'a> {
    let dev_id = text(delta.dev_id.as_str());
    match change {
        CommandChange::Add { id, words } => Statement::new(
            "INSERT INTO commands (dev_id, nr, id, words, state, sends, queued_at)
             VALUES (?1, (SELECT COALESCE(MAX(nr), 0) + 1 FROM commands WHERE dev_id = ?1), ?2, ?3, 'queued', 0, ?4)
             ON CONFLICT (dev_id, id) DO NOTHING",
            vec![dev_id, text(id.0.as_str()), Value::Text(words_column(words).into()), Value::Number(delta.at.0)],
        )
        .or(CommitError::Contradiction("the command exists already")),
        CommandChange::Update(command) => Statement::new(
            "UPDATE commands SET state = ?3, sends = ?4, session = ?5, status = ?6, result = ?7, uris = ?8, cv = ?9, sent_at = ?10, ended_at = ?11
             WHERE dev_id = ?1 AND id = ?2 AND state IN ('queued', 'sent', 'held')",
            vec![
                dev_id,
                text(command.id.0.as_str()),
                text(command.state.name()),
                Value::Number(command.sends.into()),
                maybe(command.session.as_deref()),
                command.status.map_or(Value::Null, |status| Value::Number(status.into())),
                maybe(command.result.as_deref()),
                if command.uris.is_empty() { Value::Null } else { Value::Text(words_column(&command.uris).into()) },
                maybe(command.cv.as_deref()),
                time(command.sent_at),
                time(command.ended_at),
            ],
        )
        .or(CommitError::Contradiction("the command is not open")),
    }
}

fn object<'a>(dev_id: &'a DevId, change: &'a ObjectChange, all: &mut Vec<Statement<'a>>) {
    let place = |path: &'a str| vec![text(dev_id.as_str()), text(path)];
    let path = match change {
        ObjectChange::Put(object) => &object.head.path,
        ObjectChange::Remove(path) => path,
    };
    all.push(Statement::new(
        "DELETE FROM pieces WHERE dev_id = ?1 AND upload = (SELECT upload FROM objects WHERE dev_id = ?1 AND path = ?2)",
        place(path),
    ));
    let ObjectChange::Put(object) = change else {
        all.push(Statement::new(
            "DELETE FROM objects WHERE dev_id = ?1 AND path = ?2",
            place(path),
        ));
        return;
    };
    let (head, nothing) = (&object.head, &[][..]);
    let (content, upload) = match &object.content {
        ObjectContent::Whole(content) => (content.as_slice(), None),
        ObjectContent::Pieces(upload) => (nothing, Some(upload)),
    };
    let mut values = place(path);
    values.extend([
        Value::Number(head.at.0),
        Value::Octets(content.into()),
        text(head.owner.name()),
        text(&head.media_type),
        Value::Number(signed(head.octets)),
        maybe(head.etag.as_deref()),
        maybe(upload.map(UploadId::as_str)),
    ]);
    all.push(Statement::new(
        "INSERT INTO objects (dev_id, path, at, content, owner, media_type, octets, etag, upload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (dev_id, path) DO UPDATE SET at = excluded.at, content = excluded.content, owner = excluded.owner,
             media_type = excluded.media_type, octets = excluded.octets, etag = excluded.etag, upload = excluded.upload",
        values,
    ));
    if let Some(upload) = upload {
        // Who sweeps locks the row first, so either all pieces are there or this is refused.
        all.push(
            Statement::new(
                "DELETE FROM uploads WHERE dev_id = ?1 AND upload = ?2
                     AND CAST(?3 AS BIGINT) = (SELECT SUM(LENGTH(content)) FROM pieces WHERE dev_id = ?1 AND upload = ?2)",
                vec![
                    text(dev_id.as_str()),
                    text(upload.as_str()),
                    Value::Number(signed(head.octets)),
                ],
            )
            .or(CommitError::Contradiction(
                "pieces of the object's upload are missing",
            )),
        );
    }
}

/// Takes the number of the device's next event; changes nothing where there is no such device. `seen` moves `last_seen_at` forward.
fn take_number(dev_id: &DevId, seen: Option<Utc>) -> Statement<'_> {
    Statement::new(
        "UPDATE devices SET next_event_seq = next_event_seq + 1,
             last_seen_at = CASE WHEN CAST(?2 AS BIGINT) IS NULL OR last_seen_at >= CAST(?2 AS BIGINT) THEN last_seen_at ELSE CAST(?2 AS BIGINT) END
         WHERE dev_id = ?1",
        vec![text(dev_id.as_str()), time(seen)],
    )
}

/// Appends an event; its number lies `before_next` before the next one of the device.
fn event_of_device<'a>(
    dev_id: &'a DevId,
    before_next: i64,
    position: Option<i64>,
    at: Utc,
    event: &'a Event,
) -> Result<Statement<'a>, CommitError> {
    Ok(Statement::new(
        "INSERT INTO events (dev_id, seq, position, at, correlation, kind)
         SELECT dev_id, next_event_seq - ?2, CAST(?3 AS BIGINT), CAST(?4 AS BIGINT), ?5, ?6 FROM devices WHERE dev_id = ?1",
        vec![
            text(dev_id.as_str()),
            Value::Number(before_next),
            position.map_or(Value::Null, Value::Number),
            Value::Number(at.0),
            text(&event.correlation),
            kind(event)?,
        ],
    ))
}

/// Appends an event that belongs to no device.
fn event_of_nobody(
    position: Option<i64>,
    at: Utc,
    event: &Event,
) -> Result<Statement<'_>, CommitError> {
    Ok(Statement::new(
        "INSERT INTO events (dev_id, seq, position, at, correlation, kind)
         SELECT '', next_seq - 1, CAST(?1 AS BIGINT), CAST(?2 AS BIGINT), ?3, ?4 FROM sequencer WHERE id = 1",
        vec![
            position.map_or(Value::Null, Value::Number),
            Value::Number(at.0),
            text(&event.correlation),
            kind(event)?,
        ],
    ))
}

fn kind(event: &Event) -> Result<Value<'_>, CommitError> {
    serde_json::to_string(&event.kind)
        .map(|json| Value::Text(json.into()))
        .map_err(|_| CommitError::Contradiction("the event cannot be written"))
}
