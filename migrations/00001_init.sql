-- +goose Up

CREATE TABLE populations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    brand_color TEXT NOT NULL,
    logo_url TEXT NOT NULL,
    help_url TEXT NOT NULL,
    privacy_url TEXT NOT NULL,
    session_idle BIGINT NOT NULL,      -- seconds
    session_lifetime BIGINT NOT NULL,  -- seconds
    password_min_length BIGINT NOT NULL,
    policy_version BIGINT NOT NULL,
    min_version BIGINT NOT NULL,
    created_at timestamp NOT NULL
);

-- Every version that a policy ever had: a session is judged by the one in force
-- when it was created.
CREATE TABLE policies (
    population_id TEXT NOT NULL REFERENCES populations (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    authenticator BOOLEAN NOT NULL,
    issuer_label TEXT NOT NULL,
    email_code BOOLEAN NOT NULL,
    created_at timestamp NOT NULL,
    PRIMARY KEY (population_id, version)
);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    population_id TEXT NOT NULL REFERENCES populations (id),
    email TEXT NOT NULL,
    email_key BYTEA NOT NULL,
    name TEXT NOT NULL,
    locale TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (population_id, email_key);

CREATE TABLE roles (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    system BOOLEAN NOT NULL,
    permissions TEXT NOT NULL -- space-separated
);

CREATE TABLE user_roles (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role_id TEXT NOT NULL REFERENCES roles (id),
    PRIMARY KEY (user_id, role_id)
);

CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    auth_method TEXT NOT NULL,
    secret_hashes TEXT NOT NULL,             -- JSON list of base64 SHA-256
    redirect_uris TEXT NOT NULL,             -- JSON list, as the next ones
    post_logout_redirect_uris TEXT NOT NULL,
    home_url TEXT NOT NULL,
    grant_types TEXT NOT NULL,               -- space-separated, as the next ones
    scopes TEXT NOT NULL,
    populations TEXT NOT NULL,
    token_format TEXT NOT NULL,
    signing_alg TEXT NOT NULL,
    access_ttl BIGINT NOT NULL,              -- seconds
    refresh_ttl BIGINT NOT NULL,             -- seconds
    pkce_optional BOOLEAN NOT NULL,
    backchannel_logout_uri TEXT NOT NULL,
    override_version BIGINT NOT NULL,
    override_min_version BIGINT NOT NULL,
    override_mode TEXT NOT NULL,
    override_min_acr TEXT NOT NULL,
    override_federated BOOLEAN NOT NULL,
    created_at timestamp NOT NULL
);

CREATE TABLE requests (
    id TEXT NOT NULL PRIMARY KEY,
    browser_hash BYTEA NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    scope TEXT NOT NULL,
    state TEXT NOT NULL,
    nonce TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    acr_values TEXT NOT NULL,
    max_age BIGINT NOT NULL,                 -- seconds, -1 for none
    since timestamp,
    hint_user_id TEXT NOT NULL,
    login_hint TEXT NOT NULL,
    ui_locales TEXT NOT NULL,
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    done_at timestamp
);
CREATE INDEX requests_expiry ON requests (expires_at);

CREATE TABLE flows (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    browser_hash BYTEA NOT NULL,
    client_id TEXT NOT NULL,
    population_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    data BYTEA NOT NULL,
    proofs TEXT NOT NULL,                    -- JSON list
    policy_version BIGINT NOT NULL,
    session_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL
);
CREATE INDEX flows_request ON flows (request_id);
CREATE INDEX flows_expiry ON flows (expires_at);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    token_hash BYTEA NOT NULL,
    browser_hash BYTEA NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    population_id TEXT NOT NULL,
    policy_version BIGINT NOT NULL,
    proofs TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at timestamp NOT NULL,
    last_seen_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    ended_at timestamp
);
CREATE UNIQUE INDEX sessions_token ON sessions (token_hash);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    population_id TEXT NOT NULL,
    policy_version BIGINT NOT NULL,
    override_version BIGINT NOT NULL,
    redirect_uri TEXT NOT NULL,
    scope TEXT NOT NULL,
    nonce TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    code_hash BYTEA NOT NULL,
    code_expires_at timestamp NOT NULL,
    code_used_at timestamp,
    proofs TEXT NOT NULL,
    acr TEXT NOT NULL,
    offline BOOLEAN NOT NULL,
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    revoked_at timestamp
);
CREATE UNIQUE INDEX grants_code ON grants (code_hash);
CREATE INDEX grants_session ON grants (session_id);
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_expiry ON grants (expires_at);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    hash BYTEA NOT NULL,
    previous_id TEXT,                        -- the refresh token it replaced
    scope TEXT NOT NULL,                     -- narrower than the grant's, perhaps
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    revoked_at timestamp
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
-- One successor for each refresh token, whoever asks and how often.
CREATE UNIQUE INDEX tokens_previous ON tokens (previous_id);
CREATE INDEX tokens_grant ON tokens (grant_id);
CREATE INDEX tokens_expiry ON tokens (expires_at);

CREATE TABLE factors (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    name TEXT NOT NULL,
    secret BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    created_at timestamp NOT NULL,
    last_used_at timestamp NOT NULL,
    disabled_at timestamp
);
CREATE INDEX factors_user ON factors (user_id);

CREATE TABLE recovery_sets (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamp NOT NULL,
    saved_at timestamp,
    disabled_at timestamp
);
CREATE UNIQUE INDEX recovery_sets_user ON recovery_sets (user_id);

CREATE TABLE recovery_codes (
    id TEXT NOT NULL PRIMARY KEY,
    set_id TEXT NOT NULL REFERENCES recovery_sets (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    used_at timestamp
);
CREATE UNIQUE INDEX recovery_codes_mac ON recovery_codes (user_id, mac);
CREATE INDEX recovery_codes_set ON recovery_codes (set_id);

-- A browser that finished a sign-in of a user before.
CREATE TABLE known_browsers (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    browser_hash BYTEA NOT NULL,
    last_seen_at timestamp NOT NULL,
    PRIMARY KEY (user_id, browser_hash)
);
CREATE INDEX known_browsers_seen ON known_browsers (last_seen_at);

CREATE TABLE throttles (
    key BYTEA NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    failures BIGINT NOT NULL,
    last_at timestamp NOT NULL,
    next_at timestamp NOT NULL
);
CREATE INDEX throttles_last ON throttles (last_at);

CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public TEXT NOT NULL,                    -- JWK
    private BYTEA NOT NULL,
    created_at timestamp NOT NULL,
    signs_from timestamp NOT NULL,
    signs_until timestamp,
    expires_at timestamp
);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL,
    sealed BOOLEAN NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE audit_events (
    id TEXT NOT NULL PRIMARY KEY,
    at timestamp NOT NULL,
    kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    population_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    request_id TEXT NOT NULL,
    detail TEXT NOT NULL                     -- JSON object
);
CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_user ON audit_events (user_id, at);
CREATE INDEX audit_events_kind ON audit_events (kind, at);

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

-- +goose Down

DROP TABLE outbox;
DROP TABLE audit_events;
DROP TABLE settings;
DROP TABLE signing_keys;
DROP TABLE throttles;
DROP TABLE known_browsers;
DROP TABLE recovery_codes;
DROP TABLE recovery_sets;
DROP TABLE factors;
DROP TABLE tokens;
DROP TABLE grants;
DROP TABLE sessions;
DROP TABLE flows;
DROP TABLE requests;
DROP TABLE clients;
DROP TABLE user_roles;
DROP TABLE roles;
DROP TABLE users;
DROP TABLE policies;
DROP TABLE populations;
