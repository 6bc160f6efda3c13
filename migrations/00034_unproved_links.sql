-- +goose Up

-- Links with an account elsewhere that somebody made by their word alone: nobody knows
-- whose that account is. No password takes the mark from a person who has one.
ALTER TABLE identities ADD COLUMN unproved BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE identities SET unproved = TRUE
    WHERE EXISTS (SELECT 1 FROM users u WHERE u.id = identities.user_id AND u.unproved_at = identities.created_at);

-- +goose Down

ALTER TABLE identities DROP COLUMN unproved;
