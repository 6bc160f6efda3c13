-- +goose Up

-- Links that somebody is sent, and that work once: to set up the installation, and
-- later to accept an invitation, reset a password, confirm an address.
CREATE TABLE links (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    hash BYTEA NOT NULL,
    population_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    email TEXT NOT NULL,
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    used_at timestamp
);
CREATE UNIQUE INDEX links_hash ON links (hash);
CREATE INDEX links_user ON links (user_id, kind);
CREATE INDEX links_expiry ON links (expires_at);

-- Whether a second step was proved there: only then has the browser a budget of its
-- own for second factors.
ALTER TABLE known_browsers ADD COLUMN second_step BOOLEAN NOT NULL DEFAULT FALSE;

-- Sign-ins under way of one person, which a reset ends.
CREATE INDEX flows_user ON flows (user_id);

-- +goose Down

DROP INDEX flows_user;
ALTER TABLE known_browsers DROP COLUMN second_step;

DROP TABLE links;
