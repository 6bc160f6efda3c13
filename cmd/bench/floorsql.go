package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gatehouse/idp"
)

// grantState is what the floor reads to decide: the columns that are needed, from
// the same joins as the provider's.
type grantState struct {
	grantID, clientID, userID, sessionID, redirectURI, challenge string
	scope, nonce, proofs, acr, email, name, locale               string
	disabled                                                     bool
	version, minVersion, overrideMin, idle                       int64
	codeExpires, expires, sessionExpires, lastSeen, updatedAt    time.Time
	used, revoked, ended                                         *time.Time
}

const grantStateColumns = `g.id, g.client_id, g.user_id, g.session_id, g.redirect_uri, g.code_challenge,
	g.scope, g.nonce, g.proofs, g.acr, u.email, u.name, u.locale,
	u.disabled, g.policy_version, p.min_version, c.override_min_version, p.session_idle,
	g.code_expires_at, g.expires_at, s.expires_at, s.last_seen_at, u.updated_at,
	g.code_used_at, g.revoked_at, s.ended_at`

const grantStateJoins = ` JOIN users u ON u.id = g.user_id
	JOIN clients c ON c.id = g.client_id
	JOIN populations p ON p.id = g.population_id
	JOIN policies y ON y.population_id = p.id AND y.version = p.policy_version
	LEFT JOIN sessions s ON s.id = g.session_id`

const (
	selectByCode  = "SELECT " + grantStateColumns + " FROM grants g" + grantStateJoins + " WHERE g.code_hash = $1"
	selectByToken = "SELECT " + grantStateColumns + ", t.kind, t.expires_at, t.revoked_at, n.created_at FROM tokens t JOIN grants g ON g.id = t.grant_id" +
		grantStateJoins + " LEFT JOIN tokens n ON n.previous_id = t.id WHERE t.hash = $1"
	insertRefresh = "INSERT INTO tokens (id, grant_id, kind, hash, previous_id, scope, created_at, expires_at) VALUES ($1, $2, 'refresh', $3, $4, '', $5, $6)"
	insertBoth    = insertRefresh + ", ($7, $2, 'access', $8, NULL, '', $5, $9) ON CONFLICT DO NOTHING"
	insertOne     = insertRefresh + " ON CONFLICT DO NOTHING"
)

func (s *grantState) fields() []any {
	return []any{
		&s.grantID, &s.clientID, &s.userID, &s.sessionID, &s.redirectURI, &s.challenge,
		&s.scope, &s.nonce, &s.proofs, &s.acr, &s.email, &s.name, &s.locale,
		&s.disabled, &s.version, &s.minVersion, &s.overrideMin, &s.idle,
		&s.codeExpires, &s.expires, &s.sessionExpires, &s.lastSeen, &s.updatedAt,
		&s.used, &s.revoked, &s.ended,
	}
}

func (s *grantState) live(now time.Time) bool {
	return !s.disabled && s.revoked == nil && s.ended == nil && s.version >= max(s.minVersion, s.overrideMin) &&
		now.Before(s.expires) && now.Before(s.sessionExpires) && now.Sub(s.lastSeen) < time.Duration(s.idle)*time.Second
}

func (f *floor) openPostgres(ctx context.Context) error {
	cfg, err := pgxpool.ParseConfig(f.World.Database)
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	cfg.MaxConns, cfg.MinIdleConns = 32, 4 // as the provider's
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	f.pool, err = pgxpool.NewWithConfig(ctx, cfg)
	return err
}

// token is the exchange of a code and a refresh, each in one transaction.
func (f *floor) token(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	c, err := f.client(r)
	if err != nil {
		return err
	}
	var out response
	err = pgx.BeginFunc(r.Context(), f.pool, func(tx pgx.Tx) error {
		if r.PostForm.Get("grant_type") == "refresh_token" {
			out, err = f.refresh(r.Context(), tx, c, r.PostForm)
		} else {
			out, err = f.exchange(r.Context(), tx, c, r.PostForm)
		}
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

func (f *floor) exchange(ctx context.Context, tx pgx.Tx, c benchClient, form url.Values) (out response, err error) {
	var s grantState
	if err := tx.QueryRow(ctx, selectByCode, idp.HashSecret(form.Get("code"))).Scan(s.fields()...); err != nil {
		return out, err
	}
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	now := idp.Now()
	if s.clientID != c.ID || s.redirectURI != form.Get("redirect_uri") || s.used != nil || !now.Before(s.codeExpires) ||
		!s.live(now) || s.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return out, errors.New("refused code")
	}
	tag, err := tx.Exec(ctx, "UPDATE grants SET code_used_at = $1 WHERE id = $2 AND code_used_at IS NULL AND revoked_at IS NULL", now, s.grantID)
	if err != nil || tag.RowsAffected() != 1 {
		return out, errors.Join(errors.New("used code"), err)
	}
	return f.store(ctx, tx, c, &s, idp.NewSecret(), nil, now)
}

func (f *floor) refresh(ctx context.Context, tx pgx.Tx, c benchClient, form url.Values) (out response, err error) {
	var s grantState
	var kind string
	var expires time.Time
	var revoked, replaced *time.Time
	old := form.Get("refresh_token")
	err = tx.QueryRow(ctx, selectByToken, idp.HashSecret(old)).Scan(append(s.fields(), &kind, &expires, &revoked, &replaced)...)
	if err != nil {
		return out, err
	}
	now := idp.Now()
	if kind != "refresh" || s.clientID != c.ID || revoked != nil || replaced != nil || !now.Before(expires) || !s.live(now) {
		return out, errors.New("refused refresh token")
	}
	mac := hmac.New(sha256.New, []byte(f.World.TOTPKey))
	mac.Write([]byte(old))
	previous := rowID(old)
	return f.store(ctx, tx, c, &s, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), &previous, now)
}

// rowID is the id of a refresh token's row, as the provider makes it.
func rowID(token string) string {
	return base64.RawURLEncoding.EncodeToString(idp.HashSecret(token)[:16])
}

func (f *floor) store(ctx context.Context, tx pgx.Tx, c benchClient, s *grantState, refresh string, previous *string, now time.Time) (response, error) {
	out, err := f.issue(c, s, refresh, now)
	if err != nil {
		return out, err
	}
	args := []any{rowID(refresh), s.grantID, idp.HashSecret(refresh), previous, now, s.expires}
	if c.Format == idp.JWTToken {
		_, err = tx.Exec(ctx, insertOne, args...)
	} else {
		_, err = tx.Exec(ctx, insertBoth, append(args, idp.NewID(), idp.HashSecret(out.AccessToken), now.Add(15*time.Minute))...)
	}
	if err == nil && now.Sub(s.lastSeen) >= time.Minute {
		_, err = tx.Exec(ctx, "UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1", now, s.sessionID)
	}
	return out, err
}

func (f *floor) userinfo(w http.ResponseWriter, r *http.Request) error {
	var s grantState
	var kind string
	var expires time.Time
	var revoked, replaced *time.Time
	token := r.Header.Get("Authorization")[len("Bearer "):]
	err := f.pool.QueryRow(r.Context(), selectByToken, idp.HashSecret(token)).Scan(append(s.fields(), &kind, &expires, &revoked, &replaced)...)
	if err != nil {
		return err
	}
	if now := idp.Now(); kind != "access" || revoked != nil || !now.Before(expires) || !s.live(now) {
		return errors.New("refused access token")
	}
	return writeJSON(w, struct {
		Subject       string `json:"sub"`
		Population    string `json:"population"`
		Name          string `json:"name"`
		Locale        string `json:"locale"`
		UpdatedAt     int64  `json:"updated_at"`
		Email         string `json:"email"`
		EmailVerified bool   `json:"email_verified"`
	}{s.userID, idp.Agents, s.name, s.locale, s.updatedAt.Unix(), s.email, false})
}

const selectSession = `SELECT s.id, s.user_id, s.browser_hash, s.proofs, s.policy_version, s.expires_at, s.last_seen_at, s.ended_at,
	u.disabled, p.session_idle, p.min_version, j.authenticator, o.mode FROM sessions s
	JOIN users u ON u.id = s.user_id
	JOIN populations p ON p.id = s.population_id
	JOIN policies y ON y.population_id = p.id AND y.version = p.policy_version
	JOIN policies j ON j.population_id = p.id AND j.version =
		(SELECT MAX(version) FROM policies WHERE population_id = p.id AND version <= s.policy_version)
	LEFT JOIN overrides o ON o.client_id = $2 AND o.version =
		(SELECT MAX(version) FROM overrides WHERE client_id = $2 AND version <= s.policy_version)
	WHERE s.token_hash = $1`

// grantAtOnce is single sign-on: the session read, and grant and audit event
// written in one transaction.
func (f *floor) grantAtOnce(ctx context.Context, token, browser string, q url.Values) (string, error) {
	var id, userID, proofs string
	var hash []byte
	var version, idle, minVersion int64
	var expires, lastSeen time.Time
	var ended *time.Time
	var disabled, authenticator bool
	var override *string
	err := f.pool.QueryRow(ctx, selectSession, idp.HashSecret(token), q.Get("client_id")).Scan(&id, &userID, &hash, &proofs, &version,
		&expires, &lastSeen, &ended, &disabled, &idle, &minVersion, &authenticator, &override)
	if err != nil {
		return "", err
	}
	now, code := idp.Now(), idp.NewSecret()
	if string(hash) != string(idp.HashSecret(browser)) || ended != nil || disabled || !now.Before(expires) ||
		now.Sub(lastSeen) >= time.Duration(idle)*time.Second || version < minVersion {
		return "", errors.New("refused session")
	}
	return redirectURI + "?code=" + code + "&state=" + url.QueryEscape(q.Get("state")), pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO grants (id, client_id, user_id, session_id, population_id, policy_version,
			redirect_uri, scope, nonce, code_challenge, code_hash, code_expires_at, proofs, acr, offline, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, TRUE, $15, $16)`,
			idp.NewID(), q.Get("client_id"), userID, id, idp.Agents, version, q.Get("redirect_uri"), q.Get("scope"), q.Get("nonce"),
			q.Get("code_challenge"), idp.HashSecret(code), now.Add(time.Minute), proofs, string(idp.ACRMFA), now, now.Add(180*24*time.Hour))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO audit_events (id, at, kind, actor_id, user_id, population_id, client_id, session_id,
			address, user_agent, request_id, detail) VALUES ($1, $2, $3, $4, $4, $5, $6, $7, '127.0.0.1', '', $8, '{}')`,
			idp.NewID(), now, string(idp.AuditClientAuthorized), userID, idp.Agents, q.Get("client_id"), id, idp.NewID())
		return err
	})
}
