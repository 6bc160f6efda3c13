-- +goose Up

-- What may come once: the jti of client assertions, each with its client in the hash.
CREATE TABLE used_ids (
    hash BYTEA NOT NULL PRIMARY KEY,
    expires_at timestamp NOT NULL            -- it would be refused by its age from then on
);
CREATE INDEX used_ids_expiry ON used_ids (expires_at);

-- Authorization requests that an app pushed (RFC 9126).
CREATE TABLE pushed_requests (
    hash BYTEA NOT NULL PRIMARY KEY,         -- SHA-256 of the end of the request_uri
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    parameters TEXT NOT NULL,                -- as a form
    network TEXT NOT NULL,                   -- what the app's address counts as
    browser_hash BYTEA NOT NULL,             -- the browser that opened it, and may again; empty for none
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,           -- no browser opens it from then on
    kept_until timestamp NOT NULL            -- as long as a code may come of it
);
CREATE INDEX pushed_requests_client ON pushed_requests (client_id, network);
CREATE INDEX pushed_requests_expiry ON pushed_requests (kept_until);

-- Age, end and last use of the secrets in secret_hashes, by those.
ALTER TABLE clients ADD COLUMN secret_facts TEXT NOT NULL DEFAULT '{}';

-- +goose Down

ALTER TABLE clients DROP COLUMN secret_facts;
DROP TABLE pushed_requests;
DROP TABLE used_ids;
