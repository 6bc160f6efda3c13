-- +goose Up

-- When a person was last offered a passkey after a sign-in.
ALTER TABLE users ADD COLUMN passkey_offered_at timestamp;

-- +goose Down

ALTER TABLE users DROP COLUMN passkey_offered_at;
