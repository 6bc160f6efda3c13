-- +goose Up

-- What was taken away, each with the number that the change took in policy_sequence:
-- {"scope:email": 17}. What was given before that number is gone for good, also where
-- the same is given again.
ALTER TABLE clients ADD COLUMN taken TEXT NOT NULL DEFAULT '{}';
ALTER TABLE connections ADD COLUMN taken TEXT NOT NULL DEFAULT '{}';
ALTER TABLE populations ADD COLUMN taken TEXT NOT NULL DEFAULT '{}';

-- The number of the last change when a grant was made, and the connection that its
-- sign-in rests on.
ALTER TABLE grants ADD COLUMN given_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN connection_id TEXT NOT NULL DEFAULT '';
UPDATE grants SET connection_id = COALESCE((SELECT MIN(c.id) FROM connections c
    WHERE c.population_id = grants.population_id AND grants.proofs LIKE '%"via":"' || c.id || '"%'), '')
    WHERE proofs LIKE '%"via":"%';

-- Where the sign-in of a grant came from, which outlives its session.
ALTER TABLE grants ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
UPDATE grants SET address = COALESCE((SELECT s.address FROM sessions s WHERE s.id = grants.session_id), ''),
    user_agent = COALESCE((SELECT s.user_agent FROM sessions s WHERE s.id = grants.session_id), '') WHERE offline;

-- Passwords that a population no longer takes count for nothing that they gave before.
UPDATE policy_sequence SET value = value + 1 WHERE EXISTS (SELECT 1 FROM populations WHERE NOT access_password);
UPDATE populations SET taken = '{"password":' || (SELECT value FROM policy_sequence WHERE id = 1) || '}' WHERE NOT access_password;

-- +goose Down

ALTER TABLE grants DROP COLUMN user_agent;
ALTER TABLE grants DROP COLUMN address;
ALTER TABLE grants DROP COLUMN connection_id;
ALTER TABLE grants DROP COLUMN given_version;
ALTER TABLE populations DROP COLUMN taken;
ALTER TABLE connections DROP COLUMN taken;
ALTER TABLE clients DROP COLUMN taken;
