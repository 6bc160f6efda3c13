-- +goose Up

-- In which form the words are stored that a person is found by. In form 2 they have parts
-- that begin within a word. The program brings those of an older form to it.
ALTER TABLE users ADD COLUMN words BIGINT NOT NULL DEFAULT 0;
CREATE INDEX users_words ON users (id) WHERE words < 2;

-- +goose Down

DROP INDEX users_words;
ALTER TABLE users DROP COLUMN words;
