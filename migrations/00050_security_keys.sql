-- +goose Up

-- Models of security keys that a policy trusts, and the certificates of their makers.
ALTER TABLE policies ADD COLUMN security_keys TEXT NOT NULL DEFAULT '';
ALTER TABLE policies ADD COLUMN security_key_roots TEXT NOT NULL DEFAULT '';
ALTER TABLE policies ADD COLUMN only_security_keys BOOLEAN NOT NULL DEFAULT FALSE;

-- The model that the maker of a passkey's device vouched for, empty for all others: for counts.
-- No maker was asked so far.
ALTER TABLE factors ADD COLUMN attested_as TEXT NOT NULL DEFAULT '';
CREATE INDEX factors_attested ON factors (user_id) WHERE attested_as <> '';

-- +goose Down

DROP INDEX factors_attested;
ALTER TABLE factors DROP COLUMN attested_as;
ALTER TABLE policies DROP COLUMN only_security_keys;
ALTER TABLE policies DROP COLUMN security_key_roots;
ALTER TABLE policies DROP COLUMN security_keys;
