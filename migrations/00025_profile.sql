-- +goose Up

-- What apps are told of a person beside the name (OpenID Connect Core 1.0 section 5.1).
ALTER TABLE users ADD COLUMN given_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN family_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN zoneinfo TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN picture TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE users DROP COLUMN picture;
ALTER TABLE users DROP COLUMN zoneinfo;
ALTER TABLE users DROP COLUMN family_name;
ALTER TABLE users DROP COLUMN given_name;
