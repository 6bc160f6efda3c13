-- +goose Up

-- The subjects by which apps of a sector know people (OpenID Connect Core 1.0 section 8.1), and
-- the one that a grant's app was told, empty for the person's id.
CREATE TABLE subjects (
    sector TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    created_at timestamp NOT NULL,
    PRIMARY KEY (sector, user_id)
);
CREATE UNIQUE INDEX subjects_subject ON subjects (subject);
CREATE INDEX subjects_user ON subjects (user_id);
ALTER TABLE grants ADD COLUMN subject TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE grants DROP COLUMN subject;
DROP TABLE subjects;
