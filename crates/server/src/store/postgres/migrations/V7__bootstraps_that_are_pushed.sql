-- Bootstraps that the server brings to the device.

ALTER TABLE bootstraps ADD COLUMN push TEXT;
ALTER TABLE bootstraps ADD COLUMN push_due BIGINT;
CREATE INDEX bootstraps_by_push ON bootstraps (push_due) WHERE push_due IS NOT NULL;
