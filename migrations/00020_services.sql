-- +goose Up

-- The number of the last change of any policy, app or connection when the token was
-- made: what its app lost since is not the token's, even when the app has it again.
ALTER TABLE service_tokens ADD COLUMN given_version BIGINT NOT NULL DEFAULT 0;

-- +goose Down

ALTER TABLE service_tokens DROP COLUMN given_version;
