-- +goose Up

-- Of a token that came of an exchange (RFC 8693): who holds it, the token that it came of, the
-- API that it is for, and the number of the last change of any policy, app or connection when
-- it was made.
ALTER TABLE tokens ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN parent_id TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN resource TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN given_version BIGINT NOT NULL DEFAULT 0;

-- +goose Down

ALTER TABLE tokens DROP COLUMN given_version;
ALTER TABLE tokens DROP COLUMN resource;
ALTER TABLE tokens DROP COLUMN parent_id;
ALTER TABLE tokens DROP COLUMN client_id;
