-- +goose Up

-- The claims that the request of a grant asked for by name, as words: the place, a colon and
-- the claim.
ALTER TABLE grants ADD COLUMN claims TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE grants DROP COLUMN claims;
