-- Generations of secrets. `escrowed`: a card, image or URL can bring the secret back. `since`: when it became of its generation. `command`: the command that
-- brings it to the device, with the key of a certificate among what is sealed. `held_at`: since when it waits for an operator. Of the kind `notification`
-- `proof` is the kind, a zero octet, and 16 random octets.
ALTER TABLE credentials ADD COLUMN escrowed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN since INTEGER;
ALTER TABLE credentials ADD COLUMN command TEXT;
ALTER TABLE credentials ADD COLUMN used_at INTEGER;
ALTER TABLE credentials ADD COLUMN held_at INTEGER;

-- So far `boot` said that it is escrowed, and no more. What nothing has replaced comes into use, and stays escrowed, when it is used next.
UPDATE credentials SET escrowed = 1 WHERE generation = 'boot';
UPDATE credentials SET generation = 'pending' WHERE generation = 'boot' AND NOT EXISTS (
    SELECT 1 FROM credentials AS newer
    WHERE newer.dev_id = credentials.dev_id AND newer.scope = credentials.scope AND newer.record IS NOT NULL
        AND newer.generation = 'current' AND newer.revoked_at IS NULL);
