-- Devices without record that wait for an operator: one row for each DevID claimed and certificate. They are nobody's, so `dev_id` is empty. `id` and
-- `fingerprint` are hexadecimal; `vouched_by` is the CA that vouches for the claim, and NULL where the certificate proves possession of its key alone.
CREATE TABLE waiting_devices (
    dev_id      TEXT    NOT NULL DEFAULT '',
    id          TEXT    NOT NULL,
    claimed     TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    issuer      TEXT    NOT NULL,
    not_after   INTEGER NOT NULL,
    vouched_by  TEXT,
    profile     TEXT,
    since       INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    why         TEXT,
    PRIMARY KEY (dev_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting_devices_by_claim ON waiting_devices (claimed);
CREATE INDEX waiting_devices_by_expiry ON waiting_devices (expires_at);

-- Triggers that were taken, by the caller's key. `asked` is SHA-256 of the request.
CREATE TABLE triggers (
    dev_id          TEXT    NOT NULL REFERENCES devices (dev_id),
    idempotency_key TEXT    NOT NULL PRIMARY KEY,
    record          TEXT    NOT NULL,
    asked           TEXT    NOT NULL,
    at              INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX triggers_by_device ON triggers (dev_id, idempotency_key);
