-- +goose Up

-- What people's passwords were before, for populations that refuse to have them
-- again; as many as the rule asks for.
CREATE TABLE password_history (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    replaced_at timestamp NOT NULL
);
CREATE INDEX password_history_user ON password_history (user_id, id);

-- Limits of sessions that outlive the closing of the browser, in seconds: a month
-- without use and a quarter of a year, but no less than those of others.
ALTER TABLE populations ADD COLUMN kept_idle BIGINT NOT NULL DEFAULT 2592000;
ALTER TABLE populations ADD COLUMN kept_lifetime BIGINT NOT NULL DEFAULT 7776000;
UPDATE populations SET kept_idle = session_idle WHERE session_idle > kept_idle;
UPDATE populations SET kept_lifetime = session_lifetime WHERE session_lifetime > kept_lifetime;

-- Since when new passwords expire as they do: the rule that was for new passwords
-- only is for those that were set since then.
ALTER TABLE populations ADD COLUMN expiry_since timestamp;

-- +goose Down

ALTER TABLE populations DROP COLUMN expiry_since;
ALTER TABLE populations DROP COLUMN kept_lifetime;
ALTER TABLE populations DROP COLUMN kept_idle;
DROP TABLE password_history;
