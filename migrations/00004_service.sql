-- +goose Up

-- What a service may do by itself, as user_roles has it of people.
CREATE TABLE client_roles (
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    role_id TEXT NOT NULL REFERENCES roles (id),
    PRIMARY KEY (client_id, role_id)
);
CREATE INDEX client_roles_role ON client_roles (role_id);

-- Access tokens that services got for themselves: without user, session or grant.
-- A JWT has a row only when it was revoked, under its jti.
CREATE TABLE service_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL,
    scope TEXT NOT NULL,
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    revoked_at timestamp
);
CREATE UNIQUE INDEX service_tokens_hash ON service_tokens (hash);
CREATE INDEX service_tokens_client ON service_tokens (client_id);
CREATE INDEX service_tokens_expiry ON service_tokens (expires_at);

-- +goose Down

DROP TABLE service_tokens;
DROP TABLE client_roles;
