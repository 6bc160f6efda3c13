-- +goose Up

-- Passkeys in a policy: people may set them up, and who holds a permission needs one.
ALTER TABLE policies ADD COLUMN passkey BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE policies ADD COLUMN passkey_for_roles BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down

ALTER TABLE policies DROP COLUMN passkey_for_roles;
ALTER TABLE policies DROP COLUMN passkey;
