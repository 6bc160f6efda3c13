-- +goose Up

-- Other providers through which people of a population sign in.
CREATE TABLE connections (
    id TEXT NOT NULL PRIMARY KEY,
    population_id TEXT NOT NULL REFERENCES populations (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    secret BYTEA NOT NULL,                   -- sealed, empty for none
    private_key BYTEA NOT NULL,              -- sealed, empty for none
    certificate TEXT NOT NULL,               -- PEM
    trust TEXT NOT NULL,
    settings TEXT NOT NULL,                  -- JSON: what is read and written as a whole
    created_at timestamp NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX connections_population ON connections (population_id, id);

-- Who a person is there. One person has one identity at a connection.
CREATE TABLE identities (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,                   -- tid/oid, or issuer|sub
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    created_at timestamp NOT NULL,
    last_seen_at timestamp NOT NULL,
    PRIMARY KEY (connection_id, subject)
);
CREATE UNIQUE INDEX identities_user ON identities (user_id, connection_id);

ALTER TABLE users ADD COLUMN department TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE users DROP COLUMN department;
DROP TABLE identities;
DROP TABLE connections;
