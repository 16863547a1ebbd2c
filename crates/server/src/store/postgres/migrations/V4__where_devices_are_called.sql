-- Where and when a device is called by DM Notifications: a JSON object; none until an operator set it.
ALTER TABLE devices ADD COLUMN notify TEXT;
