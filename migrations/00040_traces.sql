-- +goose Up

-- What the request that stored a delivery was traced as: traceparent of W3C Trace Context.
ALTER TABLE outbox ADD COLUMN trace TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE outbox DROP COLUMN trace;
