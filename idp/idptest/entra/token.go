package entra

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant is what an authorization came to: a code, and the tokens that follow.
type grant struct {
	request  request
	person   string // Person.key
	sid      string
	authTime time.Time
	acrs     []string
	redeemed bool // the code was
}

// token answers RFC 6749 section 3.2.
func (t *Tenant) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.fail(w, refuse(malformed, "invalid_request", "The request is malformed."))
		return
	}
	t.remember("token", r.PostForm)
	if t.spoil(w, r, TokenSlow, TokenHang, TokenHTML, TokenHuge, TokenFails) {
		return
	}
	at, f := t.place(r)
	if f != nil {
		t.fail(w, f)
		return
	}
	app, f := t.authenticateApp(at, r)
	if f != nil {
		t.fail(w, f)
		return
	}
	var g *grant
	switch kind := r.PostFormValue("grant_type"); kind {
	case "authorization_code":
		g, f = t.redeem(at, app, r.PostForm)
	default:
		f = refuse(70003, "unsupported_grant_type", "The app requested an unsupported grant type '"+kind+"'.")
	}
	if f != nil {
		t.fail(w, f)
		return
	}
	t.issue(w, g)
}

// redeem takes an authorization code, once.
func (t *Tenant) redeem(at place, app App, v url.Values) (*grant, *failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, known := t.codes.get(v.Get("code"))
	switch {
	case !known || g.request.app.ClientID != app.ClientID || g.request.at != at:
		return nil, refuse(70000, "invalid_grant", "The provided value for the 'code' parameter is not valid.")
	case g.redeemed:
		return nil, refuse(54005, "invalid_grant", "OAuth2 Authorization code was already redeemed, please retry with a new valid code.")
	case t.faults.take(CodeExpired):
		return nil, refuse(70008, "invalid_grant", "The provided authorization code has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
	case g.request.redirectURI != v.Get("redirect_uri"):
		return nil, refuse(wrongReply, "invalid_grant", "The redirect URI specified in the request does not match the one the code was issued for.")
	}
	if f := proves(g.request.challenge, v.Get("code_verifier")); f != nil {
		return nil, f
	}
	g.redeemed = true
	return g, nil
}

// proves checks the code verifier (RFC 7636 section 4.6).
func proves(challenge, verifier string) *failure {
	if challenge == "" && verifier == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(verifier))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != challenge {
		return refuse(50148, "invalid_grant", "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.")
	}
	return nil
}

// issue answers tokens (RFC 6749 section 5.1).
func (t *Tenant) issue(w http.ResponseWriter, g *grant) {
	p, known := t.byKey(g.person)
	if !known {
		t.fail(w, refuse(50034, "invalid_grant", "The user account does not exist in the directory."))
		return
	}
	access := newToken()
	body := map[string]any{
		"token_type": "Bearer", "scope": strings.Join(g.request.scopes, " "), "expires_in": int(tokenLifetime / time.Second),
		"access_token": access,
	}
	if !g.request.at.generic() {
		body["ext_expires_in"] = body["expires_in"]
	}
	t.mu.Lock()
	t.access.put(access, g)
	t.mu.Unlock()
	claims := t.claims(g, p, access)
	t.bend(claims)
	id, err := t.sign(p.Directory, claims)
	if err != nil {
		t.fail(w, serverError(err))
		return
	}
	if !t.faults.take(NoIDToken) {
		body["id_token"] = id
	}
	w.Header().Set("Cache-Control", "no-store, no-cache")
	writeJSON(w, http.StatusOK, body)
}

// userinfo answers OpenID Connect Core 1.0 section 5.3, as Microsoft Graph does.
func (t *Tenant) userinfo(w http.ResponseWriter, r *http.Request) {
	t.remember("userinfo", nil)
	if t.spoil(w, r, UserinfoDown) {
		return
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	g, known := t.access.get(token)
	t.mu.Unlock()
	var p Person
	if known {
		p, known = t.byKey(g.person)
	}
	if !bearer || !known {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]string{
			"code": "InvalidAuthenticationToken", "message": "Access token validation failure.",
		}})
		return
	}
	body := map[string]any{"sub": p.OID}
	maps.Copy(body, genericProfile(g.request, p))
	if !g.request.at.generic() {
		body["sub"], body["picture"] = pairwise(g.request.app, p), "https://graph.microsoft.com/v1.0/me/photo/$value"
		delete(body, "email_verified")
		delete(body, "preferred_username")
	}
	writeJSON(w, http.StatusOK, body)
}

// authenticateApp checks who calls the token endpoint (RFC 6749 section 2.3,
// RFC 7523 section 2.2).
func (t *Tenant) authenticateApp(at place, r *http.Request) (App, *failure) {
	id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		var errUser, errPass error
		id, errUser = url.QueryUnescape(user)
		secret, errPass = url.QueryUnescape(pass)
		if errUser != nil || errPass != nil {
			return App{}, refuseClient(7000215, "Invalid client secret provided.")
		}
	}
	assertion := r.PostFormValue("client_assertion")
	if id == "" && assertion != "" {
		id = claimedClient(assertion)
	}
	app, known := t.app(id)
	if !known {
		return App{}, refuse(unknownApp, "unauthorized_client", "Application with identifier '"+id+"' was not found in the directory '"+at.authority+
			"'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.")
	}
	if f := reachable(app, at); f != nil {
		return App{}, f
	}
	if assertion != "" {
		return app, t.checkAssertion(at, app, r.PostFormValue("client_assertion_type"), assertion)
	}
	switch {
	case secret == "":
		return App{}, refuseClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case !slices.Contains(app.Secrets, secret):
		return App{}, refuseClient(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "+
			"not the client secret ID, for a secret added to app '"+app.ClientID+"'.")
	}
	return app, nil
}
