-- Times are milliseconds since 1970-01-01T00:00:00Z. Every table is keyed by the device first, so that it can be split by device;
-- `certificates` leads from a certificate to its device and is the one place where certificates are unique over all devices.

CREATE TABLE devices (
    dev_id              TEXT    NOT NULL PRIMARY KEY,
    epoch               INTEGER NOT NULL,
    registered_at       INTEGER NOT NULL,
    last_seen_at        INTEGER,
    bootstrapped_method TEXT,
    bootstrapped_at     INTEGER,
    dev_info            TEXT,
    next_event_seq      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bootstraps (
    dev_id       TEXT    NOT NULL REFERENCES devices (dev_id),
    id           TEXT    NOT NULL,
    profile      TEXT    NOT NULL,
    srv_id       TEXT    NOT NULL,
    method       TEXT    NOT NULL,
    has_trsp     INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    cause        TEXT,
    payload_hash TEXT    NOT NULL,
    event_id     TEXT,
    kind         TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    fetched_at   INTEGER,
    ended_at     INTEGER,
    PRIMARY KEY (dev_id, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX bootstraps_by_id ON bootstraps (id);
CREATE INDEX bootstraps_by_age ON bootstraps (created_at, id);
CREATE INDEX bootstraps_by_expiry ON bootstraps (expires_at)
    WHERE state IN ('drafted', 'queued', 'sent', 'delivered', 'fetched');

-- Sealed. Apart from their records, so that a record's change does not write them again.
CREATE TABLE documents (
    dev_id TEXT NOT NULL,
    id     TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (dev_id, id),
    FOREIGN KEY (dev_id, id) REFERENCES bootstraps (dev_id, id)
) STRICT;

-- `proof` is the certificate's SHA-256 (32 octets), or salt (16) and hash (32) of a bootstrap code. `nr` counts the device's credentials.
CREATE TABLE credentials (
    dev_id     TEXT    NOT NULL REFERENCES devices (dev_id),
    nr         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    proof      BLOB    NOT NULL,
    scope      TEXT    NOT NULL,
    generation TEXT    NOT NULL,
    record     TEXT,
    added_at   INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    tries_left INTEGER,
    PRIMARY KEY (dev_id, nr),
    UNIQUE (dev_id, proof),
    FOREIGN KEY (dev_id, record) REFERENCES bootstraps (dev_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
    fingerprint BLOB NOT NULL PRIMARY KEY,
    dev_id      TEXT NOT NULL REFERENCES devices (dev_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    dev_id     TEXT    NOT NULL PRIMARY KEY REFERENCES devices (dev_id),
    state      TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- `dev_id` is empty, which no DevID is, for events that belong to no device.
CREATE TABLE events (
    dev_id      TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    position    INTEGER,
    at          INTEGER NOT NULL,
    correlation TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    PRIMARY KEY (dev_id, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX events_by_position ON events (position);

-- The one row of the sequencer: what the next event gets. Kept, so that no position comes twice when old events are cleared away.
CREATE TABLE sequencer (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    next_position INTEGER NOT NULL,
    next_seq      INTEGER NOT NULL
) STRICT;

INSERT INTO sequencer (id, next_position, next_seq) VALUES (1, 1, 1);
