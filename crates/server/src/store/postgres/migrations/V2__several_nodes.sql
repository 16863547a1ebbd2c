-- What several nodes share: whose store it is, the data repository, serial numbers for the CRL, the time of sessions, bootstraps by their id.

CREATE TABLE deployment (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    ca          TEXT   NOT NULL,
    sealing_key TEXT   NOT NULL
);

CREATE TABLE objects (
    dev_id  TEXT COLLATE "C" NOT NULL,
    path    TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    content BYTEA  NOT NULL,
    PRIMARY KEY (dev_id, path)
) PARTITION BY HASH (dev_id);

DO $$
BEGIN
    FOR part IN 0..3 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF objects FOR VALUES WITH (MODULUS 4, REMAINDER %s)', 'objects_' || part, part);
    END LOOP;
END
$$;

ALTER TABLE credentials ADD COLUMN serial TEXT COLLATE "C";
CREATE INDEX credentials_by_revocation ON credentials (revoked_at, serial) WHERE serial IS NOT NULL AND revoked_at IS NOT NULL;

CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE bootstrap_ids (
    id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    dev_id TEXT COLLATE "C" NOT NULL
);
INSERT INTO bootstrap_ids (id, dev_id) SELECT id, dev_id FROM bootstraps;
