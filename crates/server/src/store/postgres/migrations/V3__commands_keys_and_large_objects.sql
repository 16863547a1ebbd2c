-- The command queue, credentials that need their secret again (PSK, HTTP passwords), objects larger than a row.

CREATE TABLE commands (
    dev_id     TEXT COLLATE "C" NOT NULL,
    nr         BIGINT NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    words      TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    sends      BIGINT NOT NULL,
    session    TEXT,
    status     BIGINT,
    result     TEXT,
    uris       TEXT,
    cv         TEXT,
    queued_at  BIGINT NOT NULL,
    sent_at    BIGINT,
    ended_at   BIGINT,
    PRIMARY KEY (dev_id, nr),
    UNIQUE (dev_id, id)
) PARTITION BY HASH (dev_id);

CREATE INDEX commands_open ON commands (dev_id, nr) WHERE state IN ('queued', 'sent', 'held');
CREATE INDEX commands_by_cv ON commands (dev_id, nr) WHERE cv IS NOT NULL;

ALTER TABLE devices ADD COLUMN open_commands BIGINT NOT NULL DEFAULT 0;

ALTER TABLE credentials ADD COLUMN sealed BYTEA;
CREATE INDEX credentials_by_psk ON credentials (added_at) WHERE kind = 'psk';

ALTER TABLE objects ADD COLUMN owner TEXT NOT NULL DEFAULT 'device';
ALTER TABLE objects ADD COLUMN media_type TEXT NOT NULL DEFAULT 'application/vnd.oma.dm.mo+json';
ALTER TABLE objects ADD COLUMN octets BIGINT;
ALTER TABLE objects ADD COLUMN etag TEXT;
ALTER TABLE objects ADD COLUMN upload TEXT;

CREATE TABLE pieces (
    dev_id  TEXT COLLATE "C" NOT NULL,
    upload  TEXT COLLATE "C" NOT NULL,
    nr      BIGINT NOT NULL,
    content BYTEA  NOT NULL,
    PRIMARY KEY (dev_id, upload, nr)
) PARTITION BY HASH (dev_id);

CREATE TABLE uploads (
    dev_id  TEXT COLLATE "C" NOT NULL,
    upload  TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (dev_id, upload)
) PARTITION BY HASH (dev_id);

DO $$
DECLARE
    whole TEXT;
BEGIN
    FOREACH whole IN ARRAY ARRAY ['commands', 'pieces', 'uploads'] LOOP
        FOR part IN 0..3 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 4, REMAINDER %s)', whole || '_' || part, whole, part);
        END LOOP;
    END LOOP;
END
$$;
