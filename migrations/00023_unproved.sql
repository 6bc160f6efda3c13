-- +goose Up

-- When a way into the account came about that nobody knows to be its owner's: no role
-- of a connection brings permissions to it. NULL for none. Of accounts that were
-- connected before, nobody knows whose the password is.
ALTER TABLE users ADD COLUMN unproved_at timestamp;
UPDATE users SET unproved_at = created_at
    WHERE password_hash <> '' AND EXISTS (SELECT 1 FROM identities i WHERE i.user_id = users.id);

-- +goose Down

ALTER TABLE users DROP COLUMN unproved_at;
