-- +goose Up

-- Addresses are compared without characters that show nothing, and domains in ASCII: the
-- next start folds these addresses again. Of two people who have one address in two
-- spellings the first keeps it, and the audit log names the second.
UPDATE users SET indexed = FALSE WHERE OCTET_LENGTH(email) <> LENGTH(email) OR LOWER(email) LIKE '%@%xn--%';

-- +goose Down

UPDATE users SET indexed = FALSE WHERE OCTET_LENGTH(email) <> LENGTH(email) OR LOWER(email) LIKE '%@%xn--%';
