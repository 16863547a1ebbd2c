-- Devices without record that wait for an operator, and triggers that were taken. Few rows: not partitioned.
CREATE TABLE waiting_devices (
    dev_id      TEXT COLLATE "C" NOT NULL DEFAULT '',
    id          TEXT COLLATE "C" NOT NULL,
    claimed     TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    issuer      TEXT   NOT NULL,
    not_after   BIGINT NOT NULL,
    vouched_by  TEXT,
    profile     TEXT,
    since       BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    why         TEXT,
    PRIMARY KEY (dev_id, id)
);

CREATE INDEX waiting_devices_by_claim ON waiting_devices (claimed);
CREATE INDEX waiting_devices_by_expiry ON waiting_devices (expires_at);

CREATE TABLE triggers (
    dev_id          TEXT COLLATE "C" NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record          TEXT COLLATE "C" NOT NULL,
    asked           TEXT   NOT NULL,
    at              BIGINT NOT NULL
);

CREATE INDEX triggers_by_device ON triggers (dev_id, idempotency_key);
