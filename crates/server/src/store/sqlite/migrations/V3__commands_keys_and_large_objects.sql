-- The command queue, credentials that need their secret again (PSK, HTTP passwords), objects larger than a row.

-- `nr` counts the device's commands. `words` is the command, `uris` what its status named: JSON arrays. `result` is an MO serialization; `cv` is there where
-- it is a whole instance with its cache validator.
CREATE TABLE commands (
    dev_id     TEXT    NOT NULL REFERENCES devices (dev_id),
    nr         INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    words      TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    sends      INTEGER NOT NULL,
    session    TEXT,
    status     INTEGER,
    result     TEXT,
    uris       TEXT,
    cv         TEXT,
    queued_at  INTEGER NOT NULL,
    sent_at    INTEGER,
    ended_at   INTEGER,
    PRIMARY KEY (dev_id, nr),
    UNIQUE (dev_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX commands_open ON commands (dev_id, nr) WHERE state IN ('queued', 'sent', 'held');
CREATE INDEX commands_by_cv ON commands (dev_id, nr) WHERE cv IS NOT NULL;

-- How many commands of the device are open: most sessions need not look.
ALTER TABLE devices ADD COLUMN open_commands INTEGER NOT NULL DEFAULT 0;

-- Sealed: the key of a PSK, an HTTP password. `proof` and `certificates.fingerprint` then hold the kind, a zero octet, and the name.
ALTER TABLE credentials ADD COLUMN sealed BLOB;
CREATE INDEX credentials_by_psk ON credentials (added_at) WHERE kind = 'psk';

-- An object whose content is in pieces has `upload`, and an empty `content`. `owner` is `device` or `operator`: the device reads both and writes its own.
ALTER TABLE objects ADD COLUMN owner TEXT NOT NULL DEFAULT 'device';
ALTER TABLE objects ADD COLUMN media_type TEXT NOT NULL DEFAULT 'application/vnd.oma.dm.mo+json';
ALTER TABLE objects ADD COLUMN octets INTEGER;
ALTER TABLE objects ADD COLUMN etag TEXT;
ALTER TABLE objects ADD COLUMN upload TEXT;

CREATE TABLE pieces (
    dev_id  TEXT    NOT NULL REFERENCES devices (dev_id),
    upload  TEXT    NOT NULL,
    nr      INTEGER NOT NULL,
    content BLOB    NOT NULL,
    PRIMARY KEY (dev_id, upload, nr)
) STRICT;

-- Uploads whose pieces belong to no object yet; `at` is when the last one came.
CREATE TABLE uploads (
    dev_id  TEXT    NOT NULL REFERENCES devices (dev_id),
    upload  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (dev_id, upload)
) STRICT, WITHOUT ROWID;
