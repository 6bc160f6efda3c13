-- +goose Up

-- Devices that wait for somebody to approve them elsewhere (RFC 8628). The code of a device
-- that was approved is that of a grant.
CREATE TABLE device_authorizations (
    code_hash BYTEA NOT NULL PRIMARY KEY,    -- SHA-256 of the device code
    user_code TEXT NOT NULL,                 -- what a person types; no credential
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    resource TEXT NOT NULL,                  -- the API that the tokens are for, empty for ours
    address TEXT NOT NULL,                   -- where the device asked from
    user_agent TEXT NOT NULL,
    network TEXT NOT NULL,                   -- what the address counts as
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    poll_seconds BIGINT NOT NULL,            -- how long polls have to be apart
    polled_ms BIGINT NOT NULL,               -- milliseconds since 1970 of the last poll, 0 for none
    hasty BOOLEAN NOT NULL,                  -- the last poll came too soon
    approved_at timestamp,
    denied_at timestamp
);
CREATE UNIQUE INDEX device_authorizations_user_code ON device_authorizations (user_code);
CREATE INDEX device_authorizations_client ON device_authorizations (client_id);
CREATE INDEX device_authorizations_network ON device_authorizations (network);
CREATE INDEX device_authorizations_expiry ON device_authorizations (expires_at);

-- The grant came of a device code, not of an authorization code.
ALTER TABLE grants ADD COLUMN from_device BOOLEAN NOT NULL DEFAULT false;

-- +goose Down

ALTER TABLE grants DROP COLUMN from_device;
DROP TABLE device_authorizations;
