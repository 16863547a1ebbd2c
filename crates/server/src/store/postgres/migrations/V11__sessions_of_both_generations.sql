-- A device with accounts of both generations runs a session of each beside the other. `generation`: 'dm2' or 'dm1'.
ALTER TABLE sessions ADD COLUMN generation TEXT COLLATE "C" NOT NULL DEFAULT 'dm2';
UPDATE sessions SET generation = 'dm1' WHERE state LIKE 'dm1:%';
ALTER TABLE sessions DROP CONSTRAINT sessions_pkey;
ALTER TABLE sessions ADD PRIMARY KEY (dev_id, generation);
