-- +goose Up

-- Each change compares and raises it: of two admins who saw the same row, one
-- changes it.
ALTER TABLE populations ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE roles ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE clients ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- Whether the person has any row in factors, so that the few who have none are
-- found among many.
ALTER TABLE users ADD COLUMN second_step BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE users SET second_step = TRUE WHERE EXISTS (SELECT 1 FROM factors f WHERE f.user_id = users.id);

-- What a person is found by: their address and each word of their name, folded.
-- The program fills it in for people who were there before.
ALTER TABLE users ADD COLUMN indexed BOOLEAN NOT NULL DEFAULT FALSE;
CREATE TABLE user_words (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    word BYTEA NOT NULL,
    population_id TEXT NOT NULL,
    PRIMARY KEY (user_id, word)
);
CREATE INDEX user_words_word ON user_words (word, user_id);
CREATE INDEX user_words_population ON user_words (population_id, word, user_id);

CREATE INDEX users_population ON users (population_id, id);
CREATE INDEX users_alone ON users (id) WHERE NOT second_step;
CREATE INDEX users_alone_population ON users (population_id, id) WHERE NOT second_step;
CREATE INDEX users_disabled ON users (id) WHERE disabled;
CREATE INDEX users_disabled_population ON users (population_id, id) WHERE disabled;
CREATE INDEX users_unindexed ON users (id) WHERE NOT indexed;
CREATE INDEX user_roles_role ON user_roles (role_id, user_id);

CREATE INDEX sessions_living ON sessions (id) WHERE ended_at IS NULL;
CREATE INDEX sessions_living_population ON sessions (population_id, id) WHERE ended_at IS NULL;

DROP INDEX audit_events_at;
DROP INDEX audit_events_user;
DROP INDEX audit_events_kind;
CREATE INDEX audit_events_at ON audit_events (at, id);
CREATE INDEX audit_events_kind ON audit_events (kind, at, id);
CREATE INDEX audit_events_user ON audit_events (user_id, at, id) WHERE user_id <> '';
CREATE INDEX audit_events_actor ON audit_events (actor_id, at, id) WHERE actor_id <> '';
CREATE INDEX audit_events_client ON audit_events (client_id, at, id) WHERE client_id <> '';
CREATE INDEX audit_events_population ON audit_events (population_id, at, id) WHERE population_id <> '';
-- When somebody last signed in.
CREATE INDEX audit_events_sign_in ON audit_events (user_id, at) WHERE kind = 'session.created';

-- +goose Down

DROP INDEX audit_events_sign_in;
DROP INDEX audit_events_population;
DROP INDEX audit_events_client;
DROP INDEX audit_events_actor;
DROP INDEX audit_events_user;
DROP INDEX audit_events_kind;
DROP INDEX audit_events_at;
CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_user ON audit_events (user_id, at);
CREATE INDEX audit_events_kind ON audit_events (kind, at);

DROP INDEX sessions_living_population;
DROP INDEX sessions_living;
DROP INDEX user_roles_role;
DROP INDEX users_unindexed;
DROP INDEX users_disabled_population;
DROP INDEX users_disabled;
DROP INDEX users_alone_population;
DROP INDEX users_alone;
DROP INDEX users_population;
DROP TABLE user_words;
ALTER TABLE users DROP COLUMN indexed;
ALTER TABLE users DROP COLUMN second_step;
ALTER TABLE clients DROP COLUMN version;
ALTER TABLE roles DROP COLUMN version;
ALTER TABLE users DROP COLUMN version;
ALTER TABLE populations DROP COLUMN version;
