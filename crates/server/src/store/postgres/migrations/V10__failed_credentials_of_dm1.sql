-- Credentials that did not match their device's account of DM 1.x. Few rows: not partitioned.
CREATE TABLE failed_creds (
    dev_id TEXT COLLATE "C" NOT NULL,
    id     TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (dev_id, id)
);

CREATE INDEX failed_creds_by_time ON failed_creds (at);
