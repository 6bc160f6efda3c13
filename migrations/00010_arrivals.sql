-- +goose Up

-- What belongs to a link beside its address, sealed: whom an invitation is for and
-- which roles come with it, where the person was on their way to.
ALTER TABLE links ADD COLUMN body BYTEA NOT NULL DEFAULT '';
-- The address as it is compared, of those who have no account yet.
ALTER TABLE links ADD COLUMN email_key BYTEA NOT NULL DEFAULT '';
-- One invitation of an address at a time.
CREATE UNIQUE INDEX links_invited ON links (population_id, email_key) WHERE kind = 'invitation' AND used_at IS NULL;
CREATE INDEX links_registered ON links (population_id, email_key) WHERE kind = 'registration' AND used_at IS NULL;
CREATE INDEX links_kind ON links (kind, id);

-- When a link in a mail set the password, until a second step was proved since.
ALTER TABLE users ADD COLUMN password_by_mail_at timestamp;

-- Internationalised domains are now compared in letters: the next start folds these
-- addresses again.
UPDATE users SET indexed = FALSE WHERE LOWER(email) LIKE '%@%xn--%';

-- +goose Down

ALTER TABLE users DROP COLUMN password_by_mail_at;
DROP INDEX links_kind;
DROP INDEX links_registered;
DROP INDEX links_invited;
ALTER TABLE links DROP COLUMN email_key;
ALTER TABLE links DROP COLUMN body;
