-- +goose Up

-- What people let third-party apps have, as JSON; and the consent by which a grant was made,
-- empty where none was asked for.
CREATE TABLE consents (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    terms TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at timestamp NOT NULL,
    changed_at timestamp NOT NULL
);
CREATE UNIQUE INDEX consents_of ON consents (user_id, client_id);
CREATE INDEX consents_client ON consents (client_id);
ALTER TABLE grants ADD COLUMN consent_id TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE grants DROP COLUMN consent_id;
DROP TABLE consents;
