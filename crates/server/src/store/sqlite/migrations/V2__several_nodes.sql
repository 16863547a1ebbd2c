-- What several nodes share: whose store it is, the data repository, serial numbers for the CRL, the time of sessions, bootstraps by their id.

-- The one row that says to which keys the store belongs; none before the first server claimed it.
CREATE TABLE deployment (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    ca          TEXT    NOT NULL,
    sealing_key TEXT    NOT NULL
) STRICT;

-- `path` is below `/repo/`.
CREATE TABLE objects (
    dev_id  TEXT    NOT NULL REFERENCES devices (dev_id),
    path    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    content BLOB    NOT NULL,
    PRIMARY KEY (dev_id, path)
) STRICT;

ALTER TABLE credentials ADD COLUMN serial TEXT;
CREATE INDEX credentials_by_revocation ON credentials (revoked_at, serial) WHERE serial IS NOT NULL AND revoked_at IS NOT NULL;

CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Leads from a bootstrap to its device, and is the one place where bootstraps are unique over all devices.
CREATE TABLE bootstrap_ids (
    id     TEXT NOT NULL PRIMARY KEY,
    dev_id TEXT NOT NULL REFERENCES devices (dev_id)
) STRICT, WITHOUT ROWID;
INSERT INTO bootstrap_ids (id, dev_id) SELECT id, dev_id FROM bootstraps;
DROP INDEX bootstraps_by_id;
