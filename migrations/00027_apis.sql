-- +goose Up

-- What an API is called in the audience of access tokens (RFC 8707), empty for clients that
-- are none; and the API that a grant or a service's token is for, empty for ours.
ALTER TABLE clients ADD COLUMN identifier TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX clients_identifier ON clients (identifier) WHERE identifier <> '';
ALTER TABLE grants ADD COLUMN resource TEXT NOT NULL DEFAULT '';
ALTER TABLE service_tokens ADD COLUMN resource TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE service_tokens DROP COLUMN resource;
ALTER TABLE grants DROP COLUMN resource;
DROP INDEX clients_identifier;
ALTER TABLE clients DROP COLUMN identifier;
