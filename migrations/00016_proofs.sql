-- +goose Up

-- When the last authenticator went that a set of recovery codes could stand in for: the
-- set is good for nothing until there is one again, and says when it was made.
ALTER TABLE recovery_sets ADD COLUMN retired_at timestamp;

-- Since when a connection's other side has not said when people signed in there
-- (auth_time), null once it says so.
ALTER TABLE connections ADD COLUMN undated_since timestamp;

-- +goose Down

ALTER TABLE connections DROP COLUMN undated_since;
ALTER TABLE recovery_sets DROP COLUMN retired_at;
