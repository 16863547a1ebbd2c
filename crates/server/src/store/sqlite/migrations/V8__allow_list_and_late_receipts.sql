-- Devices that an operator lets in by name, for every node. They are nobody's, so `dev_id` is empty. `pattern`: a DevID, or with `*` for any run of characters;
-- `wild` says which. `certificate`: SHA-256, hexadecimal; NULL where a CA has to vouch for the name.
CREATE TABLE allow_list (
    dev_id      TEXT    NOT NULL DEFAULT '',
    id          TEXT    NOT NULL,
    pattern     TEXT    NOT NULL,
    wild        INTEGER NOT NULL,
    certificate TEXT,
    profile     TEXT    NOT NULL,
    changed_at  INTEGER NOT NULL,
    PRIMARY KEY (dev_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX allow_list_by_pattern ON allow_list (wild, pattern);

-- SMS of Notifications of which the SMSC has to tell what became of them, by its name for each.
CREATE TABLE awaited_receipts (
    dev_id          TEXT    NOT NULL REFERENCES devices (dev_id),
    message_id      TEXT    NOT NULL,
    notification_id INTEGER NOT NULL,
    address         TEXT    NOT NULL,
    correlation     TEXT    NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (dev_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX awaited_receipts_by_message ON awaited_receipts (message_id);
