package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// backchannelLogout ends the sessions that a logout token names (OpenID Connect
// Back-Channel Logout 1.0).
func (p *Portal) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := p.outgoing(r)
	defer cancel()
	if err := r.ParseForm(); err != nil {
		refuseLogout(w, formStatus(err), "the form could not be read")
		return
	}
	op, err := p.provider.get(ctx)
	if err != nil {
		p.log.Warn("checking a logout token", "error", err)
		refuseLogout(w, http.StatusServiceUnavailable, "the issuer does not answer; try again later")
		return
	}
	token, err := op.verifyLogout(ctx, r.PostForm.Get("logout_token"))
	if err != nil {
		p.log.Warn("refused a logout token", "error", err)
		refuseLogout(w, http.StatusBadRequest, "the logout token is not valid")
		return
	}
	if !p.logoutTokens.add(digest(token.TokenID), struct{}{}, token.Expiry.Add(clockSkew)) {
		p.log.Info("back-channel logout", "repeated", true)
		w.WriteHeader(http.StatusOK) // the provider tries again when our answer got lost
		return
	}
	ended := p.sessions.removeIf(func(s session) bool { return named(token, s) })
	p.log.Info("back-channel logout", "sessions", ended)
	w.WriteHeader(http.StatusOK)
}

// named says whether the token means this session. A sid means that one only,
// and a token that comes late does not mean a sign-in that began after it was
// issued. Both times are the provider's, in whole seconds: in the same second the
// session ends. A refresh does not make a sign-in newer.
func named(token *oidc.LogoutToken, s session) bool {
	id := s.identity
	if token.IssuedAt.Before(s.issued) || (token.Subject != "" && token.Subject != id.Subject) {
		return false
	}
	return token.SessionID == "" || token.SessionID == id.SessionID
}

// verifyLogout checks a logout token. The library checks signature, iss, aud, exp,
// jti, sub or sid, and that there is no nonce; typ, events and iat are checked here.
func (op *provider) verifyLogout(ctx context.Context, raw string) (*oidc.LogoutToken, error) {
	if err := checkType(raw); err != nil {
		return nil, err
	}
	token, err := op.verifier.VerifyLogout(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("verifying the logout token: %w", err)
	}
	var claims struct {
		Events map[string]map[string]any `json:"events"`
	}
	if err := token.Claims(&claims); err != nil {
		return nil, fmt.Errorf("reading the logout token's events: %w", err)
	}
	if claims.Events[logoutEvent] == nil {
		return nil, errors.New("the logout token has no back-channel logout event")
	}
	if token.IssuedAt.IsZero() || token.IssuedAt.After(now().Add(clockSkew)) {
		return nil, errors.New("the logout token's iat is missing or in the future")
	}
	return token, nil
}

// signatureAlgorithms are those go-oidc knows; which of them the issuer uses is
// checked with the signature. "none" and shared keys are not among them.
var signatureAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// checkType requires the explicit type, which keeps other tokens of the same
// issuer from being taken for logout tokens.
func checkType(raw string) error {
	jws, err := jose.ParseSignedCompact(raw, signatureAlgorithms)
	if err != nil {
		return fmt.Errorf("parsing the logout token: %w", err)
	}
	typ, _ := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType].(string)
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != "logout+jwt" {
		return errors.New("the logout token's typ is not logout+jwt")
	}
	return nil
}

func formStatus(err error) int {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

func refuseLogout(w http.ResponseWriter, status int, description string) {
	writeJSON(w, status, map[string]string{"error": "invalid_request", "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(body) // the connection is gone
}
