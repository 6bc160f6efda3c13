-- +goose Up

-- Numbers that a page shows and that no page counts: a job does. subject is what a number is of:
-- a user group, where deliveries wait (an app, mail), or empty for the installation.
CREATE TABLE tallies (
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    counted_at timestamp NOT NULL,
    PRIMARY KEY (subject, kind)
);

-- +goose Down

DROP TABLE tallies;
