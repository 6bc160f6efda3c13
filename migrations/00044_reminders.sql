-- +goose Up

-- When a person was last reminded to set up a second step; and the reminders of a user group that
-- are under way. after_id is how far one has come.
ALTER TABLE users ADD COLUMN reminded_at timestamp;
CREATE TABLE reminders (
    population_id TEXT NOT NULL PRIMARY KEY REFERENCES populations (id) ON DELETE CASCADE,
    due_at timestamp NOT NULL,
    after_id TEXT NOT NULL,
    created_at timestamp NOT NULL
);

-- +goose Down

DROP TABLE reminders;
ALTER TABLE users DROP COLUMN reminded_at;
