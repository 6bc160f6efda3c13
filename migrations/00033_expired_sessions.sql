-- +goose Up

-- Sessions by their last use: those that are idle for too long end, and apps are told.
CREATE INDEX sessions_idle ON sessions (population_id, kept, last_seen_at) WHERE ended_at IS NULL;

-- +goose Down

DROP INDEX sessions_idle;
