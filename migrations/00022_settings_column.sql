-- +goose Up

-- What no statement looks up, counts or joins by: a JSON object by the names and in the
-- values of the admin API. A program keeps the names that it does not know.
ALTER TABLE clients ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE populations ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- +goose Down

ALTER TABLE populations DROP COLUMN settings;
ALTER TABLE clients DROP COLUMN settings;
