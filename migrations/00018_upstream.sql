-- +goose Up

-- Logout tokens of other providers that came, for as long as they could come again.
CREATE TABLE upstream_logouts (
    hash BYTEA NOT NULL PRIMARY KEY,         -- SHA-256 of issuer and jti
    expires_at timestamp NOT NULL
);
CREATE INDEX upstream_logouts_expiry ON upstream_logouts (expires_at);

-- What another provider is told at sign-out of a session that began there: its ID token
-- and hint, sealed, empty for none and after the end of the session.
ALTER TABLE sessions ADD COLUMN upstream_sign_out BYTEA NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE sessions DROP COLUMN upstream_sign_out;
DROP TABLE upstream_logouts;
