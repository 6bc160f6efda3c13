-- +goose Up

-- What a passkey has beside other factors: the hash of its credential id, by which it is found
-- and which nobody else has; what stays as it was when it was made, as JSON; its signature
-- counter, and whether it was backed up, at its last use.
ALTER TABLE factors ADD COLUMN credential_hash BYTEA;
ALTER TABLE factors ADD COLUMN credential TEXT NOT NULL DEFAULT '';
ALTER TABLE factors ADD COLUMN sign_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE factors ADD COLUMN backed_up BOOLEAN NOT NULL DEFAULT FALSE;
CREATE UNIQUE INDEX factors_credential ON factors (credential_hash);

-- +goose Down

DROP INDEX factors_credential;
DELETE FROM factors WHERE method = 'passkey';
ALTER TABLE factors DROP COLUMN backed_up;
ALTER TABLE factors DROP COLUMN sign_count;
ALTER TABLE factors DROP COLUMN credential;
ALTER TABLE factors DROP COLUMN credential_hash;
