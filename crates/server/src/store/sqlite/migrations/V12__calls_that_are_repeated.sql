-- Devices of DM 1.x that were called and did not come yet: the next Package 0, proved with what else the device may have. `made`: how many left since it came.
CREATE TABLE calls (
    dev_id      TEXT    NOT NULL PRIMARY KEY REFERENCES devices (dev_id),
    due         INTEGER NOT NULL,
    made        INTEGER NOT NULL,
    address     TEXT    NOT NULL,
    ui_mode     TEXT    NOT NULL,
    correlation TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_by_time ON calls (due);
