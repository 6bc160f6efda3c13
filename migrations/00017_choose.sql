-- A request may ask that the person choose the account (prompt=select_account): no session
-- that another tab makes meanwhile answers it.

-- +goose Up
ALTER TABLE requests ADD COLUMN choose BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE requests DROP COLUMN choose;
