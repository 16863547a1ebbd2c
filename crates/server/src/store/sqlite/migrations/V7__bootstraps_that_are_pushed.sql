-- Bootstraps that the server brings to the device. `push`: a JSON object, how and how far; `push_due`: its member `due`, by which the tries that are due are
-- found.
ALTER TABLE bootstraps ADD COLUMN push TEXT;
ALTER TABLE bootstraps ADD COLUMN push_due INTEGER;
CREATE INDEX bootstraps_by_push ON bootstraps (push_due) WHERE push_due IS NOT NULL;
