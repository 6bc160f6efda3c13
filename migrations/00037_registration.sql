-- +goose Up

-- Initial access tokens (RFC 7591): who holds one may register apps, settings says which, as
-- JSON; and the apps that registered themselves, each with the hash of the token by which it
-- reads and changes its registration (RFC 7592).
CREATE TABLE initial_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL,
    settings TEXT NOT NULL,
    uses BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    used_at timestamp,
    withdrawn_at timestamp
);
CREATE UNIQUE INDEX initial_tokens_hash ON initial_tokens (hash);
CREATE TABLE registrations (
    client_id TEXT NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    token_id TEXT NOT NULL REFERENCES initial_tokens (id),
    hash BYTEA NOT NULL,
    created_at timestamp NOT NULL
);
CREATE INDEX registrations_token ON registrations (token_id);

-- +goose Down

DROP TABLE registrations;
DROP TABLE initial_tokens;
