-- How a bootstrap's document is written: 'dm2', or of DM 1.x 'cp' or 'dm'.
ALTER TABLE bootstraps ADD COLUMN format TEXT NOT NULL DEFAULT 'dm2';

-- The bootstrap that an SMS is a part of; NULL where it is one of a Notification.
ALTER TABLE awaited_receipts ADD COLUMN bootstrap TEXT;
