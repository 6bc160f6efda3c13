-- +goose Up

-- How often what happened in an hour, of a user group. A job counts it from the audit log, so
-- that no page has to. The row without a kind says that the hour was counted.
CREATE TABLE activity (
    hour timestamp NOT NULL,
    population_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (hour, population_id, kind)
);

-- +goose Down

DROP TABLE activity;
