-- +goose Up

-- Whether the authenticator, or a recovery code in its place, was proved there: only then
-- has the browser a budget of its own for these. Of browsers from before nobody knows it.
ALTER TABLE known_browsers ADD COLUMN authenticator BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down

ALTER TABLE known_browsers DROP COLUMN authenticator;
