-- +goose Up

-- One row: the number of the last change of any policy or override. Sessions and
-- grants carry the number that stood when they were made.
CREATE TABLE policy_sequence (
    id BIGINT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO policy_sequence (id, value)
SELECT 1, COALESCE(MAX(version), 1) FROM (
    SELECT version FROM policies UNION ALL SELECT override_version AS version FROM clients
) AS versions;

-- Every version that a client's override ever had, as policies has those of the
-- populations.
CREATE TABLE overrides (
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    mode TEXT NOT NULL,
    min_acr TEXT NOT NULL,
    federated BOOLEAN NOT NULL,
    created_at timestamp NOT NULL,
    PRIMARY KEY (client_id, version)
);
INSERT INTO overrides (client_id, version, mode, min_acr, federated, created_at)
SELECT id, override_version, override_mode, override_min_acr, override_federated, created_at FROM clients;
ALTER TABLE clients DROP COLUMN override_mode;
ALTER TABLE clients DROP COLUMN override_min_acr;
ALTER TABLE clients DROP COLUMN override_federated;

-- One number for policy and override.
ALTER TABLE grants DROP COLUMN override_version;

-- What "Immediately" ended and nobody has cleaned up yet.
CREATE INDEX sessions_policy ON sessions (population_id, policy_version) WHERE ended_at IS NULL;
CREATE INDEX grants_policy ON grants (client_id, policy_version) WHERE revoked_at IS NULL;

-- When the last email code went out, for method email.
ALTER TABLE factors ADD COLUMN sent_at timestamp;

CREATE TABLE email_codes (
    id TEXT NOT NULL PRIMARY KEY,            -- also that of its mail in the outbox
    flow_id TEXT NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    mac BYTEA NOT NULL,
    tries BIGINT NOT NULL,
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    replaced_at timestamp,
    used_at timestamp
);
CREATE INDEX email_codes_flow ON email_codes (flow_id);

-- Nothing was ever written to it before.
DROP TABLE outbox;
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    lane TEXT NOT NULL,                      -- "mail", or the client that is told of a sign-out
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    body BYTEA NOT NULL,                     -- sealed, empty once it is done
    attempts BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    created_at timestamp NOT NULL,
    next_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    done_at timestamp,
    outcome TEXT NOT NULL                    -- empty while it waits
);
CREATE INDEX outbox_due ON outbox (lane, next_at) WHERE done_at IS NULL;
CREATE INDEX outbox_lane ON outbox (lane, created_at);
CREATE INDEX outbox_expiry ON outbox (expires_at);

-- +goose Down

DROP TABLE outbox;
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    body BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    created_at timestamp NOT NULL,
    next_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    delivered_at timestamp
);
CREATE INDEX outbox_next ON outbox (next_at);
CREATE INDEX outbox_expiry ON outbox (expires_at);

DROP TABLE email_codes;
DELETE FROM factors WHERE method = 'email';
ALTER TABLE factors DROP COLUMN sent_at;
DROP INDEX grants_policy;
DROP INDEX sessions_policy;
ALTER TABLE grants ADD COLUMN override_version BIGINT NOT NULL DEFAULT 0;
UPDATE grants SET override_version = policy_version;
ALTER TABLE clients ADD COLUMN override_mode TEXT NOT NULL DEFAULT 'inherit';
ALTER TABLE clients ADD COLUMN override_min_acr TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN override_federated BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE clients SET
    override_mode = (SELECT mode FROM overrides o WHERE o.client_id = clients.id AND o.version = clients.override_version),
    override_min_acr = (SELECT min_acr FROM overrides o WHERE o.client_id = clients.id AND o.version = clients.override_version),
    override_federated = (SELECT federated FROM overrides o WHERE o.client_id = clients.id AND o.version = clients.override_version);
DROP TABLE overrides;
DROP TABLE policy_sequence;
