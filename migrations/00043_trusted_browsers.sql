-- +goose Up

-- The browsers in which people are not asked for the second step again, for so many days:
-- 0 of a policy is never. acr is the class that was proved there.
ALTER TABLE policies ADD COLUMN trust_days BIGINT NOT NULL DEFAULT 0;
CREATE TABLE trusted_browsers (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    browser_hash BYTEA NOT NULL,
    acr TEXT NOT NULL,
    policy_version BIGINT NOT NULL,
    user_agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    last_used_at timestamp
);
CREATE UNIQUE INDEX trusted_browsers_of ON trusted_browsers (user_id, browser_hash);
CREATE INDEX trusted_browsers_expire ON trusted_browsers (expires_at);

-- +goose Down

DROP TABLE trusted_browsers;
ALTER TABLE policies DROP COLUMN trust_days;
