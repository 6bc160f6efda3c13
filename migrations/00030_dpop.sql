-- +goose Up

-- Proofs that were used (RFC 9449), so long as they would be taken.
CREATE TABLE dpop_proofs (
    id BYTEA NOT NULL PRIMARY KEY,           -- SHA-256 of the key's thumbprint and jti
    expires_at timestamp NOT NULL
);
CREATE INDEX dpop_proofs_expiry ON dpop_proofs (expires_at);

-- The thumbprint of the key that a token is bound to, empty for none; and of the one that the
-- code of a grant asks for.
ALTER TABLE tokens ADD COLUMN jkt TEXT NOT NULL DEFAULT '';
ALTER TABLE service_tokens ADD COLUMN jkt TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN jkt TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE grants DROP COLUMN jkt;
ALTER TABLE service_tokens DROP COLUMN jkt;
ALTER TABLE tokens DROP COLUMN jkt;
DROP TABLE dpop_proofs;
