-- Devices of DM 1.x that were called and did not come yet: the next Package 0. `made`: how many left since it came. Few rows: not partitioned.
CREATE TABLE calls (
    dev_id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    due         BIGINT NOT NULL,
    made        BIGINT NOT NULL,
    address     TEXT   NOT NULL,
    ui_mode     TEXT   NOT NULL,
    correlation TEXT   NOT NULL
);

CREATE INDEX calls_by_time ON calls (due);
