-- Devices that an operator lets in by name, and SMS whose receipts are awaited. Few rows: not partitioned.
CREATE TABLE allow_list (
    dev_id      TEXT COLLATE "C" NOT NULL DEFAULT '',
    id          TEXT COLLATE "C" NOT NULL,
    pattern     TEXT COLLATE "C" NOT NULL,
    wild        BIGINT NOT NULL,
    certificate TEXT,
    profile     TEXT   NOT NULL,
    changed_at  BIGINT NOT NULL,
    PRIMARY KEY (dev_id, id)
);

CREATE INDEX allow_list_by_pattern ON allow_list (wild, pattern);

CREATE TABLE awaited_receipts (
    dev_id          TEXT COLLATE "C" NOT NULL,
    message_id      TEXT COLLATE "C" NOT NULL,
    notification_id BIGINT NOT NULL,
    address         TEXT   NOT NULL,
    correlation     TEXT   NOT NULL,
    at              BIGINT NOT NULL,
    PRIMARY KEY (dev_id, message_id)
);

CREATE INDEX awaited_receipts_by_message ON awaited_receipts (message_id);
