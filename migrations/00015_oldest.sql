-- +goose Up

-- The newest migration that a program must know to run on this schema; the highest
-- row counts. A migration that takes something away adds a row with its own number,
-- and no other does: a program that is merely a release behind goes on working.
CREATE TABLE schema_needs (
    version BIGINT NOT NULL PRIMARY KEY,
    release TEXT NOT NULL                    -- that applied it; empty until it is done
);
INSERT INTO schema_needs (version, release) VALUES (15, '');

-- Where a mail goes: what hangs there holds up no other domain's.
ALTER TABLE outbox ADD COLUMN destination TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_mail ON outbox (lane, attempts, expires_at) WHERE done_at IS NULL;

-- +goose Down

DROP INDEX outbox_mail;
ALTER TABLE outbox DROP COLUMN destination;
DROP TABLE schema_needs;
