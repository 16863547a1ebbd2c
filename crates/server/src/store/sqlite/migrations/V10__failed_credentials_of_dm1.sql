-- Credentials that did not match their device's account of DM 1.x, of the last quarter of an hour. `source`: the address they came from, or empty.
CREATE TABLE failed_creds (
    dev_id TEXT NOT NULL REFERENCES devices (dev_id),
    id     TEXT NOT NULL,
    at     INTEGER NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (dev_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX failed_creds_by_time ON failed_creds (at);
