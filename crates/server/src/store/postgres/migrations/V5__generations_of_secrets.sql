-- Generations of secrets.

ALTER TABLE credentials ADD COLUMN escrowed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN since BIGINT;
ALTER TABLE credentials ADD COLUMN command TEXT COLLATE "C";
ALTER TABLE credentials ADD COLUMN used_at BIGINT;
ALTER TABLE credentials ADD COLUMN held_at BIGINT;

-- So far `boot` said that it is escrowed, and no more. What nothing has replaced comes into use, and stays escrowed, when it is used next.
UPDATE credentials SET escrowed = 1 WHERE generation = 'boot';
UPDATE credentials SET generation = 'pending' WHERE generation = 'boot' AND NOT EXISTS (
    SELECT 1 FROM credentials AS newer
    WHERE newer.dev_id = credentials.dev_id AND newer.scope = credentials.scope AND newer.record IS NOT NULL
        AND newer.generation = 'current' AND newer.revoked_at IS NULL);
