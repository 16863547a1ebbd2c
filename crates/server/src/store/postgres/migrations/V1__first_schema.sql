-- The tables of SQLite's first schema with the same columns; keyed by the device, and split by its hash into four partitions. Numbers are BIGINT, and
-- text that is sorted has the collation "C", so that both back ends read the same values in the same order.
--
-- No foreign key leads to `devices`: every commit has written the device's row before it writes anything under it. Those that a commit does not hold by
-- itself are there.

CREATE TABLE devices (
    dev_id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    epoch               BIGINT NOT NULL,
    registered_at       BIGINT NOT NULL,
    last_seen_at        BIGINT,
    bootstrapped_method TEXT,
    bootstrapped_at     BIGINT,
    dev_info            TEXT,
    next_event_seq      BIGINT NOT NULL
) PARTITION BY HASH (dev_id);

CREATE TABLE bootstraps (
    dev_id       TEXT COLLATE "C" NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    profile      TEXT   NOT NULL,
    srv_id       TEXT   NOT NULL,
    method       TEXT   NOT NULL,
    has_trsp     BIGINT NOT NULL,
    state        TEXT   NOT NULL,
    cause        TEXT,
    payload_hash TEXT   NOT NULL,
    event_id     TEXT,
    kind         TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    fetched_at   BIGINT,
    ended_at     BIGINT,
    PRIMARY KEY (dev_id, id)
) PARTITION BY HASH (dev_id);

CREATE INDEX bootstraps_by_age ON bootstraps (created_at, id);
CREATE INDEX bootstraps_by_expiry ON bootstraps (expires_at)
    WHERE state IN ('drafted', 'queued', 'sent', 'delivered', 'fetched');

CREATE TABLE documents (
    dev_id TEXT COLLATE "C" NOT NULL,
    id     TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (dev_id, id),
    FOREIGN KEY (dev_id, id) REFERENCES bootstraps (dev_id, id)
) PARTITION BY HASH (dev_id);

CREATE TABLE credentials (
    dev_id     TEXT COLLATE "C" NOT NULL,
    nr         BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    proof      BYTEA  NOT NULL,
    scope      TEXT   NOT NULL,
    generation TEXT   NOT NULL,
    record     TEXT COLLATE "C",
    added_at   BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    tries_left BIGINT,
    PRIMARY KEY (dev_id, nr),
    UNIQUE (dev_id, proof),
    FOREIGN KEY (dev_id, record) REFERENCES bootstraps (dev_id, id)
) PARTITION BY HASH (dev_id);

CREATE TABLE certificates (
    fingerprint BYTEA NOT NULL PRIMARY KEY,
    dev_id      TEXT COLLATE "C" NOT NULL
);

CREATE TABLE sessions (
    dev_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    state      TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
) PARTITION BY HASH (dev_id);

-- Positions are given after the commit, in the order of `nr`: within a device that is the order of `seq`, since each commit of a device holds its row
-- while it draws its numbers.
CREATE SEQUENCE event_numbers AS BIGINT;

CREATE TABLE events (
    dev_id      TEXT COLLATE "C" NOT NULL,
    seq         BIGINT NOT NULL,
    position    BIGINT,
    at          BIGINT NOT NULL,
    correlation TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    nr          BIGINT NOT NULL DEFAULT nextval('event_numbers'),
    PRIMARY KEY (dev_id, seq)
) PARTITION BY HASH (dev_id);

CREATE INDEX events_by_position ON events (position) WHERE position IS NOT NULL;
CREATE INDEX events_waiting ON events (nr) WHERE position IS NULL;

-- One node at a time gives positions: the holder, until `lease_until` (milliseconds of the database's clock). Who is not the holder when it has locked
-- the row gives none.
CREATE TABLE sequencer (
    id            BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    next_position BIGINT NOT NULL,
    next_seq      BIGINT NOT NULL,
    holder        TEXT,
    lease_until   BIGINT NOT NULL DEFAULT 0
);

INSERT INTO sequencer (id, next_position, next_seq) VALUES (1, 1, 1);

DO $$
DECLARE
    whole TEXT;
BEGIN
    FOREACH whole IN ARRAY ARRAY ['devices', 'bootstraps', 'documents', 'credentials', 'sessions', 'events'] LOOP
        FOR part IN 0..3 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 4, REMAINDER %s)', whole || '_' || part, whole, part);
        END LOOP;
    END LOOP;
END
$$;
