package entra

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request is an authorization request that was checked.
type request struct {
	at          place
	app         App
	redirectURI string
	state       string
	nonce       string
	scopes      []string
	challenge   string // S256 of the verifier; empty without PKCE
	loginHint   string
	domainHint  string
	prompt      string
	maxAge      time.Duration // negative: not asked
	acrs        []string      // authentication contexts asked for
	essential   bool          // whether a token without them is no use
}

func (r request) has(scope string) bool { return slices.Contains(r.scopes, scope) }

// target checks what must hold before anything may be sent to a redirect URI.
func (t *Tenant) target(at place, v url.Values) (request, *failure) {
	r := request{at: at, state: v.Get("state"), redirectURI: v.Get("redirect_uri")}
	app, known := t.app(v.Get("client_id"))
	if !known {
		return r, refuse(unknownApp, "unauthorized_client", "Application with identifier '"+v.Get("client_id")+
			"' was not found in the directory. You may have sent your authentication request to the wrong tenant.")
	}
	r.app = app
	if f := reachable(app, at); f != nil {
		return r, f
	}
	if r.redirectURI == "" && len(app.RedirectURIs) > 0 {
		r.redirectURI = app.RedirectURIs[0]
	}
	if !app.registered(r.redirectURI) {
		return r, refuse(wrongReply, "invalid_request", "The redirect URI '"+r.redirectURI+
			"' specified in the request does not match the redirect URIs configured for the application '"+app.ClientID+"'.")
	}
	return r, nil
}

// reachable checks that an app may be called at an authority.
func reachable(app App, at place) *failure {
	if at.directory != "" {
		switch {
		case app.takes(at.directory):
			return nil
		case at.directory == Consumers && app.Directory != Generic:
			return refuse(9002331, "invalid_request", "Application '"+app.ClientID+"' is configured for use by Azure Active Directory users only. "+
				"Please do not use the /consumers endpoint to serve this request.")
		}
		return refuse(unknownApp, "unauthorized_client", "Application with identifier '"+app.ClientID+"' was not found in the directory '"+
			at.authority+"'. You may have sent your authentication request to the wrong tenant.")
	}
	if app.Directory == Generic {
		return refuse(unknownApp, "unauthorized_client", "Application with identifier '"+app.ClientID+"' was not found in the directory.")
	}
	if app.Audience == MyOrg || app.Audience == "" {
		return refuse(50194, "unauthorized_client", "Application '"+app.ClientID+"' is not configured as a multi-tenant application. "+
			"Usage of the /"+at.authority+" endpoint is not supported for such apps. Use a tenant-specific endpoint.")
	}
	return nil
}

// read checks the rest of the request; what is wrong goes to the redirect URI.
func (r *request) read(v url.Values) *failure {
	if v.Get("response_type") != "code" {
		return refuse(0, "unsupported_response_type", "The provided value for the input parameter 'response_type' isn't allowed for this client. Expected value is 'code'.")
	}
	r.scopes = strings.Fields(v.Get("scope"))
	if !r.has("openid") {
		return refuse(malformed, "invalid_scope", "The scope must include openid.")
	}
	if mode := v.Get("response_mode"); mode != "" && mode != "query" {
		return refuse(malformed, "invalid_request", "The response_mode '"+mode+"' is not supported.")
	}
	r.challenge = v.Get("code_challenge")
	if r.challenge != "" && v.Get("code_challenge_method") != "S256" {
		return refuse(malformed, "invalid_request", "The code_challenge_method must be S256.")
	}
	r.nonce, r.loginHint, r.domainHint = v.Get("nonce"), v.Get("login_hint"), v.Get("domain_hint")
	r.prompt = v.Get("prompt")
	if !slices.Contains([]string{"", "login", "none", "select_account", "consent"}, r.prompt) {
		return refuse(malformed, "invalid_request", "The prompt '"+r.prompt+"' is not supported.")
	}
	r.maxAge = -1
	if s := v.Get("max_age"); s != "" {
		seconds, err := strconv.Atoi(s)
		if err != nil || seconds < 0 {
			return refuse(malformed, "invalid_request", "max_age is not a number of seconds.")
		}
		r.maxAge = time.Duration(seconds) * time.Second
	}
	return r.readClaims(v.Get("claims"))
}

// readClaims finds the authentication contexts that the claims parameter asks for
// in the ID token (OpenID Connect Core 1.0 section 5.5).
func (r *request) readClaims(raw string) *failure {
	if raw == "" {
		return nil
	}
	var asked struct {
		IDToken map[string]*struct {
			Essential bool     `json:"essential"`
			Value     string   `json:"value"`
			Values    []string `json:"values"`
		} `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(raw), &asked); err != nil {
		return refuse(malformed, "invalid_request", "The claims parameter is not valid JSON of the form that OpenID Connect describes.")
	}
	if acrs := asked.IDToken["acrs"]; acrs != nil {
		r.essential, r.acrs = acrs.Essential, acrs.Values
		if acrs.Value != "" {
			r.acrs = append(r.acrs, acrs.Value)
		}
	}
	return nil
}
