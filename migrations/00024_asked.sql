-- +goose Up

-- What a request asks that no statement looks up, counts or joins by: a JSON object.
ALTER TABLE requests ADD COLUMN asked TEXT NOT NULL DEFAULT '{}';

-- +goose Down

ALTER TABLE requests DROP COLUMN asked;
