package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// tokenGate is in front of the library's token endpoint: parameters come in the
// body and once each, client authentication in one place, and what is not built
// is refused before the library has an opinion.
func (p *Provider) tokenGate(c *gin.Context) {
	answer := &tokenAnswer{ResponseWriter: c.Writer}
	c.Writer = answer
	p.answerToken(c)
	if p.Observe == nil {
		return
	}
	named := c.Request.PostForm.Get("grant_type")
	if !slices.Contains(grantTypes(), named) {
		named = "other"
	}
	p.Observe(named, answer.outcome())
}

// tokenAnswer remembers what a refused request was told.
type tokenAnswer struct {
	gin.ResponseWriter
	refusal []byte
}

// Write implements http.ResponseWriter.
func (w *tokenAnswer) Write(p []byte) (int, error) {
	if w.Status() >= http.StatusBadRequest {
		w.refusal = append(w.refusal, p...)
	}
	return w.ResponseWriter.Write(p)
}

func (w *tokenAnswer) outcome() string {
	if w.Status() < http.StatusBadRequest {
		return "ok"
	}
	var told struct{ Error string }
	if json.Unmarshal(w.refusal, &told) != nil || told.Error == "" {
		return "server_error"
	}
	return told.Error
}

func (p *Provider) answerToken(c *gin.Context) {
	if f := checkTokenRequest(c.Request); f != nil {
		refuse(c, f)
		return
	}
	if f := p.withProof(c, tokenPath); f != nil {
		refuse(c, f)
		return
	}
	if redeem := p.ownGrantTypes()[c.Request.PostForm.Get("grant_type")]; redeem != nil {
		p.serveToken(c, redeem)
		return
	}
	p.forward(&tokenWriter{c.Writer, c}, c.Request, tokenPath)
}

// redeemer makes the tokens of a grant type for a client that has authenticated.
type redeemer func(ctx context.Context, client idp.Client, form url.Values) (issued, error)

// ownGrantTypes are those that the library has no part in.
func (p *Provider) ownGrantTypes() map[string]redeemer {
	return map[string]redeemer{idp.DeviceGrant: p.redeemDevice, idp.ExchangeGrant: p.exchangeToken}
}

func (p *Provider) serveToken(c *gin.Context, redeem redeemer) {
	client, err := p.authenticate(c.Request)
	if err != nil {
		refuse(c, err)
		return
	}
	out, err := redeem(c.Request.Context(), client, c.Request.PostForm)
	if err != nil {
		refuse(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, out)
}

// grantTypes are all that the token endpoint knows.
func grantTypes() []string {
	return []string{"authorization_code", "refresh_token", "client_credentials", idp.DeviceGrant, idp.ExchangeGrant}
}

func checkTokenRequest(r *http.Request) *failure {
	if f := checkBody(r); f != nil {
		return f
	}
	switch named := r.PostForm.Get("grant_type"); {
	case named == "":
		return fail(invalidRequest, "grant_type is missing")
	case !slices.Contains(grantTypes(), named):
		return fail("unsupported_grant_type", "grant_type must be one of "+strings.Join(grantTypes(), ", "))
	}
	return checkCredentials(r)
}

// tokenWriter adds what the library leaves out: no caching (RFC 6749 section 5.1), and the
// status of a client that did not authenticate, the only 401 here (section 5.2).
type tokenWriter struct {
	http.ResponseWriter
	c *gin.Context
}

// WriteHeader implements http.ResponseWriter.
func (w *tokenWriter) WriteHeader(status int) {
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized {
		status = refusedClient(w.c)
	}
	w.ResponseWriter.WriteHeader(status)
}

// CodeExchange redeems an authorization code (RFC 6749 section 4.1.3) in one
// transaction.
func (p *Provider) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	client, ok := r.Client.(libraryClient)
	if !ok {
		return nil, toLibrary(errors.New("code exchange without an authenticated client"))
	}
	return respond(p.redeem(ctx, client.client, r.Data.Code, r.Form, func(s idp.GrantState) *failure {
		return checkAuthorizationCode(s, client.client, r.Data)
	}))
}

// redeem makes the tokens of a code that is sound, once.
func (p *Provider) redeem(ctx context.Context, client idp.Client, code string, form url.Values, check func(idp.GrantState) *failure) (issued, error) {
	var out issued
	var reused *idp.GrantState
	err := p.Store.Do(ctx, func(ctx context.Context) error {
		out, reused = issued{}, nil
		found, err := p.Store.GrantStateByCode(ctx, idp.HashSecret(code))
		if errors.Is(err, idp.ErrNotFound) {
			return fail(invalidGrant, "the code is not known").because(err)
		}
		if err != nil {
			return err
		}
		state := found.Judged()
		if f := check(state); f != nil {
			return f
		}
		if f := checkResource(form, state.Grant); f != nil {
			return f
		}
		jkt, err := p.bindCode(ctx, client, state.Grant)
		if err != nil {
			return err
		}
		if err := p.Store.UseCode(ctx, state.Grant.ID, idp.Now()); err != nil {
			reused = &state
			return codeUsed(err)
		}
		out, err = p.issue(ctx, state, client, jkt, "")
		return err
	})
	if reused != nil {
		p.revokeReused(ctx, idp.AuditCodeReused, reused.Grant)
	}
	return out, err
}

func codeUsed(err error) error {
	if errors.Is(err, idp.ErrUsed) {
		return fail(invalidGrant, "the code was used before").because(err)
	}
	return err
}

// checkAuthorizationCode checks everything about an authorization code except that it is used
// once.
func checkAuthorizationCode(s idp.GrantState, client idp.Client, r *oidc.AccessTokenRequest) *failure {
	switch {
	case s.Grant.FromDevice:
		return fail(invalidGrant, "this is no authorization code")
	case s.Grant.RedirectURI != r.RedirectURI:
		return fail(invalidGrant, "redirect_uri is not the one of the authorization request")
	case !verifies(s.Grant.CodeChallenge, r.CodeVerifier):
		return fail(invalidGrant, "code_verifier does not match code_challenge")
	}
	return checkCode(s, client)
}

// checkCode checks what is so of the codes of apps and of devices.
func checkCode(s idp.GrantState, client idp.Client) *failure {
	now := idp.Now()
	switch {
	case s.Grant.ClientID != client.ID:
		return fail(invalidGrant, "the code belongs to another client")
	case s.Grant.CodeUsedAt.IsZero() && !now.Before(s.Grant.CodeExpiresAt):
		return fail(invalidGrant, "the code has expired")
	case s.Grant.CodeUsedAt.IsZero() && !s.Live(now):
		return fail(invalidGrant, "the session has ended")
	}
	return nil
}

// verifies checks a code_verifier by S256 (RFC 7636 section 4.6). A verifier
// without a challenge is refused too: the request lost its PKCE on the way.
func verifies(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	computed := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) == 1
}

// revokeReused ends the grant of a code or refresh token that came twice: one of
// the two was stolen (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).
func (p *Provider) revokeReused(ctx context.Context, kind idp.AuditKind, g idp.Grant) {
	err := p.Store.Do(ctx, func(ctx context.Context) error {
		first, err := p.Store.RevokeGrant(ctx, g.ID, idp.Now())
		if err != nil || !first {
			return err
		}
		return p.Store.Audit(ctx, ofGrant(kind, g))
	})
	if err != nil {
		slog.ErrorContext(ctx, "revoke a grant whose code or token came twice", "cause", err)
	}
}

// RefreshToken rotates a refresh token (RFC 6749 section 6): one rotation, and a retry
// gets the same successor. Reuse after the successor was used is theft, and ends the
// family (RFC 9700 section 4.14.2).
func (p *Provider) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	client, ok := r.Client.(libraryClient)
	if !ok {
		return nil, toLibrary(errors.New("refresh without an authenticated client"))
	}
	arrived := idp.Now()
	state, err := p.tokenState(ctx, r.Data.RefreshToken)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, toLibrary(fail(invalidGrant, "the refresh token is not known").because(err))
	}
	if err != nil {
		return nil, toLibrary(err)
	}
	if f := checkRefresh(state, client.client, r.Data.Scopes); f != nil {
		return nil, toLibrary(f)
	}
	if f := checkResource(r.Form, state.Grant); f != nil {
		return nil, toLibrary(f)
	}
	if f := p.checkReuse(ctx, state, arrived); f != nil {
		return nil, toLibrary(f)
	}
	jkt, err := p.bindRefresh(ctx, client.client, state.Token)
	if err != nil {
		return nil, toLibrary(err)
	}
	if len(r.Data.Scopes) > 0 {
		state.Grant.Scopes = r.Data.Scopes
	}
	// One statement stores the rotation. A transaction around it would double the
	// round trips, and who loses our answer gets the same successor again.
	out, err := p.issue(ctx, state.GrantState, client.client, jkt, r.Data.RefreshToken)
	return respond(out, err)
}

// checkReuse looks at a refresh token that was replaced. No clock alone decides theft: a
// client that never used the successor may never have got it.
func (p *Provider) checkReuse(ctx context.Context, s store.TokenState, arrived time.Time) error {
	since := arrived.Sub(s.ReplacedAt)
	switch {
	case s.ReplacedAt.IsZero(), since <= idp.RefreshGrace, since <= idp.RefreshLost && !s.SuccessorUsed:
		return nil
	case s.SuccessorUsed:
		p.revokeReused(ctx, idp.AuditRefreshReused, s.Grant)
		return fail(invalidGrant, "the refresh token was used before")
	}
	if err := p.Store.Audit(ctx, ofGrant(idp.AuditRefreshLate, s.Grant)); err != nil {
		return err
	}
	return fail(invalidGrant, "the refresh token was used before, and its successor was not asked for in time")
}

func ofGrant(kind idp.AuditKind, g idp.Grant) idp.AuditEvent {
	return idp.AuditEvent{
		Kind: kind, UserID: g.UserID, PopulationID: g.PopulationID, ClientID: g.ClientID,
		SessionID: g.SessionID, Detail: map[string]string{"grant": g.ID},
	}
}

func checkRefresh(s store.TokenState, client idp.Client, scopes []string) *failure {
	now := idp.Now()
	switch {
	case s.Token.Kind != idp.RefreshToken:
		return fail(invalidGrant, "this is no refresh token")
	case s.Grant.ClientID != client.ID:
		return fail(invalidGrant, "the refresh token belongs to another client")
	case !now.Before(s.Token.ExpiresAt), !s.Token.RevokedAt.IsZero(), !s.Live(now):
		return fail(invalidGrant, "the refresh token has ended")
	case !s.App.Allows(s.Grant, "refresh_token"):
		return fail(invalidGrant, "the client may not use refresh tokens any more")
	}
	for _, scope := range scopes {
		if !slices.Contains(s.Grant.Scopes, scope) {
			return fail(invalidScope, "a scope was not granted")
		}
	}
	return nil
}

// successor is the refresh token that replaces another: an HMAC of it, so that all
// requests within the grace get the same one, and it cannot be computed without our key.
func (p *Provider) successor(refreshToken string) string {
	mac := hmac.New(sha256.New, p.RefreshKey)
	mac.Write([]byte("successor\x00" + refreshToken))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// issued is a token response (RFC 6749 section 5.1, OpenID Connect Core 1.0
// section 3.1.3.3).
type issued struct {
	AccessToken string `json:"access_token"`
	// IssuedTokenType is of an exchange (RFC 8693 section 2.2.1).
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	RefreshToken    string `json:"refresh_token,omitempty"`
	IDToken         string `json:"id_token,omitempty"`
	Scope           string `json:"scope"`
}

func respond(out issued, err error) (*op.Response, error) {
	if err != nil {
		return nil, toLibrary(err)
	}
	return op.NewResponse(out), nil
}

// issue makes the tokens of a grant and stores what has to be stored in one
// statement. jkt is the key that they are bound to, empty for none; previous is the refresh
// token that is being rotated, empty for a code.
func (p *Provider) issue(ctx context.Context, s idp.GrantState, client idp.Client, jkt, previous string) (issued, error) {
	now := idp.Now()
	to, err := p.targetOf(ctx, client, s.Grant.Resource, s.Grant.Scopes)
	if err != nil {
		return issued{}, err
	}
	out := issued{TokenType: tokenType(jkt), Scope: strings.Join(to.scopes, " ")}
	stays := client.FAPI && previous != ""
	var rows []idp.Token
	if s.App.Allows(s.Grant, "refresh_token") {
		token, row := p.refreshToken(s, client, jkt, previous, now)
		out.RefreshToken, rows = token, append(rows, row)
	}
	if to.format == idp.JWTToken {
		out.AccessToken, err = p.signAccessToken(s, client, to, jkt, now)
	} else {
		out.AccessToken = idp.NewSecret()
		rows = append(rows, idp.Token{
			ID: idp.NewID(), GrantID: s.Grant.ID, Kind: idp.AccessToken, Scopes: to.scopes, JKT: jkt,
			Hash: idp.HashSecret(out.AccessToken), CreatedAt: now, ExpiresAt: now.Add(to.ttl),
		})
	}
	if err != nil {
		return out, err
	}
	if out.IDToken, err = p.signIDToken(s, client, out.AccessToken, now); err != nil {
		return out, err
	}
	if len(rows) > 0 {
		save := p.Store.CreateTokens
		if stays {
			save = p.Store.RenewTokens
		}
		err := save(ctx, rows...)
		if errors.Is(err, idp.ErrNotFound) { // app or person was deleted this very moment
			return out, fail(invalidGrant, "what this rests on was deleted")
		}
		if err != nil {
			return out, err
		}
	}
	if previous != "" && !stays {
		if err := p.Store.CreatedLate(ctx, previousID(previous), now, idp.Now()); err != nil {
			return out, err
		}
	}
	out.ExpiresIn = left(now.Add(to.ttl), idp.Now())
	return out, p.Store.TouchSession(ctx, s.Session, now)
}

// refreshToken is that of a grant, with its row. In place of a previous one it is the successor,
// but where the client's key protects it: there the same goes on, and lives longer (FAPI 2.0
// Security Profile section 5.3.2.1).
func (p *Provider) refreshToken(s idp.GrantState, client idp.Client, jkt, previous string, now time.Time) (token string, row idp.Token) {
	row = idp.Token{GrantID: s.Grant.ID, Kind: idp.RefreshToken, CreatedAt: now, ExpiresAt: earlier(now.Add(client.RefreshTTL), s.Grant.ExpiresAt)}
	if client.Public() { // the others prove who they are with each refresh (RFC 9449 section 5)
		row.JKT = jkt
	}
	switch {
	case previous == "":
		token = idp.NewSecret()
	case client.FAPI:
		token = previous
	default:
		token, row.PreviousID = p.successor(previous), previousID(previous)
	}
	row.ID, row.Hash = previousID(token), idp.HashSecret(token)
	return token, row
}

// left is how many seconds a token lives from the answer on (RFC 6749 section 5.1). The
// write before it may have waited.
func left(expires, now time.Time) int64 {
	return int64((max(expires.Sub(now), 0) + time.Second - 1) / time.Second)
}

// previousID is the id of a refresh token's row: of its hash, so that a rotation
// knows it without a look-up. It is no credential.
func previousID(refreshToken string) string {
	return base64.RawURLEncoding.EncodeToString(idp.HashSecret(refreshToken)[:16])
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
