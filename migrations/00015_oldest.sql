-- +goose Up

-- The newest migration that a program must know to run on this schema; the highest
-- row counts. A migration that takes something away adds a row with its own number,
-- and no other does: a program that is merely a release behind goes on working.
CREATE TABLE schema_needs (
    version BIGINT NOT NULL PRIMARY KEY,
    release TEXT NOT NULL                    -- that applied it; empty until it is done
);
INSERT INTO schema_needs (version, release) VALUES (15, '');

-- +goose Down

DROP TABLE schema_needs;
