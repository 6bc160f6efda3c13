-- +goose Up

-- How people of a population sign in, what their passwords must be, how long their
-- sessions last, and whether they register themselves. Rules are JSON objects: they
-- are read and written as a whole.
ALTER TABLE populations ADD COLUMN access_password BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE populations ADD COLUMN access_federated BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE populations ADD COLUMN passwords TEXT NOT NULL DEFAULT '{}';
-- What the passwords of people who sign in must be, which a change may leave behind.
ALTER TABLE populations ADD COLUMN passwords_at_sign_in TEXT NOT NULL DEFAULT '{}';
UPDATE populations SET
    passwords = '{"min_length":' || CAST(password_min_length AS TEXT) || '}',
    passwords_at_sign_in = '{}';
ALTER TABLE populations DROP COLUMN password_min_length;
ALTER TABLE populations ADD COLUMN end_others BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE populations ADD COLUMN keep_signed_in BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE populations ADD COLUMN registration TEXT NOT NULL DEFAULT '{}';

ALTER TABLE users ADD COLUMN email_verified BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN password_changed_at timestamp;

-- Kept: the cookie outlives the browser's closing. Where an upstream signed the
-- person in: its connection, and the upstream's own name of that session.
ALTER TABLE sessions ADD COLUMN kept BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN connection_id TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN upstream_sid TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_upstream ON sessions (connection_id, upstream_sid) WHERE connection_id <> '' AND ended_at IS NULL;

-- +goose Down

DROP INDEX sessions_upstream;
ALTER TABLE sessions DROP COLUMN upstream_sid;
ALTER TABLE sessions DROP COLUMN connection_id;
ALTER TABLE sessions DROP COLUMN kept;
ALTER TABLE users DROP COLUMN password_changed_at;
ALTER TABLE users DROP COLUMN email_verified;
ALTER TABLE populations DROP COLUMN registration;
ALTER TABLE populations DROP COLUMN keep_signed_in;
ALTER TABLE populations DROP COLUMN end_others;
ALTER TABLE populations ADD COLUMN password_min_length BIGINT NOT NULL DEFAULT 8;
ALTER TABLE populations DROP COLUMN passwords_at_sign_in;
ALTER TABLE populations DROP COLUMN passwords;
ALTER TABLE populations DROP COLUMN access_federated;
ALTER TABLE populations DROP COLUMN access_password;
