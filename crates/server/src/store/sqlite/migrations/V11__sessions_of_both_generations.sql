-- A device with accounts of both generations runs a session of each beside the other. `generation`: 'dm2' or 'dm1'.
CREATE TABLE sessions_of_both (
    dev_id     TEXT    NOT NULL REFERENCES devices (dev_id),
    generation TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (dev_id, generation)
) STRICT;

INSERT INTO sessions_of_both (dev_id, generation, state, expires_at)
    SELECT dev_id, CASE WHEN state LIKE 'dm1:%' THEN 'dm1' ELSE 'dm2' END, state, expires_at FROM sessions;
DROP TABLE sessions;
ALTER TABLE sessions_of_both RENAME TO sessions;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
