-- +goose Up

-- Refusals of one kind from one network within an hour are one row: how often, and when
-- it was the last time. fold is what they have in common, empty for what stands alone.
ALTER TABLE audit_events ADD COLUMN fold TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_events ADD COLUMN times BIGINT NOT NULL DEFAULT 1;
ALTER TABLE audit_events ADD COLUMN last_at timestamp;
CREATE UNIQUE INDEX audit_events_fold ON audit_events (fold) WHERE fold <> '';

-- Codes that nobody redeemed, which are swept within minutes.
CREATE INDEX grants_unredeemed ON grants (code_expires_at) WHERE code_used_at IS NULL;

-- From which network a request came, whose open ones are bounded in number.
ALTER TABLE requests ADD COLUMN network TEXT NOT NULL DEFAULT '';
CREATE INDEX requests_network ON requests (network, created_at) WHERE done_at IS NULL;

-- +goose Down

DROP INDEX requests_network;
ALTER TABLE requests DROP COLUMN network;
DROP INDEX grants_unredeemed;
DROP INDEX audit_events_fold;
ALTER TABLE audit_events DROP COLUMN last_at;
ALTER TABLE audit_events DROP COLUMN times;
ALTER TABLE audit_events DROP COLUMN fold;
