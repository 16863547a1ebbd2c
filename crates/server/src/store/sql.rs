//! Reading statements, in the SQL that both back ends speak. Parameters are `?1`, `?2`, …; PostgreSQL gets them as `$1`, `$2`, … ([`numbered`]).
//!
//! Columns stand in the order in which [`super::rows`] reads them.

macro_rules! device { () => {
    "dev_id, epoch, registered_at, last_seen_at, bootstrapped_method, bootstrapped_at, dev_info, next_event_seq, open_commands, notify"
} }
macro_rules! credential { () => {
    "dev_id, kind, proof, scope, generation, record, added_at, expires_at, revoked_at, tries_left, serial, sealed, escrowed, since, command, used_at, held_at"
} }
macro_rules! bootstrap { () => {
    "dev_id, id, profile, srv_id, method, has_trsp, state, cause, payload_hash, event_id, kind, created_at, expires_at, fetched_at, ended_at, push, format"
} }
macro_rules! command {
    ($result:literal) => {
        concat!(
            "SELECT nr, id, words, state, sends, session, status, ",
            $result,
            ", uris, cv, queued_at, sent_at, ended_at FROM commands"
        )
    };
}
macro_rules! object {
    () => {
        "path, owner, media_type, COALESCE(octets, LENGTH(content)), etag, at"
    };
}
macro_rules! event {
    () => {
        "dev_id, seq, position, at, correlation, kind"
    };
}

pub(super) const DEVICE: &str = concat!("SELECT ", device!(), " FROM devices WHERE dev_id = ?1");
pub(super) const DEVICES: &str = concat!(
    "SELECT ",
    device!(),
    " FROM devices WHERE dev_id > ?1 ORDER BY dev_id LIMIT ?2"
);
pub(super) const CREDENTIAL: &str = concat!(
    "SELECT ",
    credential!(),
    " FROM credentials WHERE dev_id = (SELECT dev_id FROM certificates WHERE fingerprint = ?1) AND proof = ?1"
);
pub(super) const CREDENTIALS: &str = concat!(
    "SELECT ",
    credential!(),
    " FROM credentials WHERE dev_id = ?1 ORDER BY nr"
);
/// In the words of the index `credentials_by_psk`, so that it serves.
pub(super) const PSKS: &str = "SELECT dev_id, kind, proof, sealed FROM credentials
     WHERE kind = 'psk' AND added_at >= ?1 AND revoked_at IS NULL ORDER BY added_at";
/// In the words of the index `credentials_by_revocation`, so that it serves.
pub(super) const REVOKED: &str = "SELECT serial, revoked_at FROM credentials
     WHERE serial IS NOT NULL AND revoked_at IS NOT NULL AND revoked_at >= ?1 AND (expires_at IS NULL OR expires_at > ?2) ORDER BY revoked_at, serial";
pub(super) const BOOTSTRAP: &str = concat!(
    "SELECT ",
    bootstrap!(),
    " FROM bootstraps WHERE dev_id = (SELECT dev_id FROM bootstrap_ids WHERE id = ?1) AND id = ?1"
);
pub(super) const BOOTSTRAPS_OF: &str = concat!(
    "SELECT ",
    bootstrap!(),
    " FROM bootstraps WHERE dev_id = ?1 ORDER BY created_at DESC, id DESC"
);
pub(super) const NEWEST_BOOTSTRAPS: &str = concat!(
    "SELECT ",
    bootstrap!(),
    " FROM bootstraps ORDER BY created_at DESC, id DESC LIMIT ?1"
);
pub(super) const BOOTSTRAPS_BEFORE: &str = concat!(
    "SELECT ",
    bootstrap!(),
    " FROM bootstraps WHERE (created_at, id) < (SELECT created_at, id FROM bootstraps
          WHERE dev_id = (SELECT dev_id FROM bootstrap_ids WHERE id = ?2) AND id = ?2)
      ORDER BY created_at DESC, id DESC LIMIT ?1"
);
/// In the words of the index `bootstraps_by_push`, so that it serves.
pub(super) const DUE_PUSHES: &str = concat!(
    "SELECT ",
    bootstrap!(),
    " FROM bootstraps WHERE push_due IS NOT NULL AND push_due <= ?1 AND state IN ('drafted', 'queued', 'sent', 'delivered', 'fetched')
      ORDER BY push_due LIMIT ?2"
);
pub(super) const SEALED_DOCUMENT: &str =
    "SELECT sealed FROM documents WHERE dev_id = ?1 AND id = ?2";
/// In the words of the index `bootstraps_by_expiry`, so that it serves.
pub(super) const OVERDUE: &str = concat!(
    "SELECT ",
    bootstrap!(),
    " FROM bootstraps WHERE state IN ('drafted', 'queued', 'sent', 'delivered', 'fetched') AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2"
);
/// In the words of the index `commands_open`, so that it serves.
pub(super) const OPEN_COMMANDS: &str = concat!(
    command!("result"),
    " WHERE dev_id = ?1 AND state IN ('queued', 'sent', 'held') ORDER BY nr"
);
pub(super) const COMMAND: &str = concat!(command!("result"), " WHERE dev_id = ?1 AND id = ?2");
pub(super) const COMMANDS_OF: &str = concat!(
    command!("CAST(NULL AS TEXT)"),
    " WHERE dev_id = ?1 AND nr < ?2 ORDER BY nr DESC LIMIT ?3"
);
/// In the words of the index `commands_by_cv`, so that it serves.
pub(super) const NEWEST_RESULT: &str = concat!(
    command!("result"),
    " WHERE dev_id = ?1 AND cv IS NOT NULL AND words = ?2 ORDER BY nr DESC LIMIT 1"
);
pub(super) const OBJECT: &str = concat!(
    "SELECT ",
    object!(),
    ", upload, content FROM objects WHERE dev_id = ?1 AND path = ?2"
);
pub(super) const OBJECTS: &str = concat!(
    "SELECT ",
    object!(),
    " FROM objects WHERE dev_id = ?1 AND path > ?2 ORDER BY path LIMIT ?3"
);
pub(super) const REPOSITORY_USE: &str =
    "SELECT COUNT(*), CAST(COALESCE(SUM(COALESCE(octets, LENGTH(content))), 0) AS BIGINT)
     FROM objects WHERE dev_id = ?1 AND owner = ?2";
pub(super) const PIECE: &str =
    "SELECT content FROM pieces WHERE dev_id = ?1 AND upload = ?2 AND nr = ?3";
pub(super) const DEPLOYMENT: &str = "SELECT ca, sealing_key FROM deployment WHERE id = 1";
pub(super) const CLAIM: &str =
    "INSERT INTO deployment (id, ca, sealing_key) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING";
pub(super) const EVENTS_AFTER: &str = concat!(
    "SELECT ",
    event!(),
    " FROM events WHERE position > ?1 ORDER BY position LIMIT ?2"
);
pub(super) const EVENTS_OF: &str = concat!(
    "SELECT ",
    event!(),
    " FROM events WHERE dev_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
);
pub(super) const LAG: &str = "SELECT (SELECT next_position FROM sequencer WHERE id = 1), COUNT(*), MIN(at) FROM events WHERE position IS NULL";

/// The statement with parameters as PostgreSQL numbers them. No statement has a question mark of another meaning.
pub(super) fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn parameters_are_numbered_as_postgresql_has_them() {
        assert_eq!(
            numbered("SELECT a FROM b WHERE c = ?1 AND d = ?12"),
            "SELECT a FROM b WHERE c = $1 AND d = $12"
        );
    }
}
