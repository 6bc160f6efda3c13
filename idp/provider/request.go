package provider

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse/idp"
	"gatehouse/ui"
)

// Limits of what a request may carry: it is stored, and sent back.
const (
	maxState  = 2048
	maxHint   = 320
	maxMaxAge = 10 * 365 * 24 * time.Hour
)

// fields splits a space-delimited list (RFC 6749 section 3.3).
func fields(s string) []string { return strings.Fields(s) }

// authorization is an authorization request whose client and redirect URI are
// sound: whatever else is wrong with it may be told to the client.
type authorization struct {
	libraryClient
	request idp.Request
	prompt  []string
	// population is the one that the sign-in offers first.
	population string
	// failure is what is wrong, nil for nothing.
	failure *failure
}

// parseAuthorization reads the parameters (OpenID Connect Core 1.0 section
// 3.1.2.1, RFC 7636, RFC 9101). What is not built is refused with the
// standard's error.
func parseAuthorization(form url.Values, client idp.Client, at time.Time) *authorization {
	a := &authorization{libraryClient: libraryClient{client}, prompt: fields(form.Get("prompt"))}
	a.request = idp.Request{
		ClientID: client.ID, RedirectURI: form.Get("redirect_uri"), State: form.Get("state"),
		Nonce: form.Get("nonce"), CodeChallenge: form.Get("code_challenge"), JKT: form.Get("dpop_jkt"),
		Scopes: allowed(fields(form.Get("scope")), client.Scopes),
		Demand: idp.Demand{MaxAge: idp.NoMaxAge}, LoginHint: form.Get("login_hint"),
		UILocales: form.Get("ui_locales"), CreatedAt: at, ExpiresAt: at.Add(idp.FlowLifetime),
	}
	if mode := idp.ResponseMode(form.Get("response_mode")); slices.Contains(a.responseModes(), mode) {
		a.request.ResponseMode = mode // what else is wrong is told by it, too
	}
	a.population = firstPopulation(form, client)
	for _, check := range []func(url.Values) *failure{
		a.checkResource, a.checkSizes, a.checkUnsupported, a.checkResponse, a.checkScope, a.checkPKCE, a.checkPrompt, a.checkMaxAge,
		a.checkClaims,
	} {
		if a.failure = check(form); a.failure != nil {
			return a
		}
	}
	return a
}

// firstPopulation is the client's first, or the one that our own pages name: they know
// whose page was opened.
func firstPopulation(form url.Values, client idp.Client) string {
	if named := form.Get("population"); idp.OwnClient(client.ID) && slices.Contains(client.Populations, named) {
		return named
	}
	if len(client.Populations) == 0 {
		return ""
	}
	return client.Populations[0]
}

func (a *authorization) checkSizes(form url.Values) *failure {
	if name := duplicate(form); name != "" {
		return fail(invalidRequest, "a parameter was sent more than once")
	}
	for _, s := range []string{a.request.State, a.request.Nonce, a.request.LoginHint, a.request.UILocales} {
		if !isText(s) {
			return fail(invalidRequest, "state, nonce, login_hint and ui_locales must be UTF-8 without zero bytes")
		}
	}
	if a.request.JKT != "" && !isSHA256(a.request.JKT) {
		return fail(invalidRequest, "dpop_jkt is not the base64url of a SHA-256 (RFC 9449 section 10)")
	}
	if len(a.request.State) > maxState || len(a.request.Nonce) > maxState {
		return fail(invalidRequest, "state and nonce may have up to 2048 characters")
	}
	if len(a.request.LoginHint) > maxHint || len(a.request.UILocales) > maxHint {
		return fail(invalidRequest, "login_hint and ui_locales may have up to 320 characters")
	}
	return nil
}

// checkResource takes the API that the access tokens are to be for (RFC 8707 section 2.1):
// one, of those that the client may use.
func (a *authorization) checkResource(form url.Values) *failure {
	var f *failure
	a.request.Resource, f = resourceOf(form, a.client)
	return f
}

// resourceOf is the API that a request names, or the client's default; empty: us.
func resourceOf(form url.Values, client idp.Client) (string, *failure) {
	switch named := form["resource"]; {
	case len(named) == 0:
		return client.DefaultResource, nil
	case len(named) > 1:
		return "", fail(invalidTarget, "an access token is for one resource")
	case !slices.Contains(client.Resources, named[0]):
		return "", fail(invalidTarget, "the resource is not among the app's setting resources")
	default:
		return named[0], nil
	}
}

func (a *authorization) checkUnsupported(form url.Values) *failure {
	switch {
	case form.Has("request"):
		return fail(requestNotSupported, "request objects are not supported")
	case form.Has("request_uri"):
		return fail(requestURINotSupported, "request_uri is not supported")
	case form.Has("registration"):
		return fail(registrationNotSupported, "registration is not supported")
	}
	return nil
}

// responseModes are those in which the redirect URI can be answered, since a browser posts
// to no other program, and which the client takes.
func (a *authorization) responseModes() []idp.ResponseMode {
	return slices.DeleteFunc(idp.ResponseModes(), func(m idp.ResponseMode) bool {
		return m == idp.FormPostMode && !ui.OnTheWeb(a.request.RedirectURI) || !a.client.AnsweredBy(m)
	})
}

// checkResponse allows one response type: tokens never travel through the browser's
// address bar (RFC 9700 section 2.1.2).
func (a *authorization) checkResponse(form url.Values) *failure {
	if form.Get("response_type") == "" {
		return fail(invalidRequest, "response_type is missing")
	}
	if form.Get("response_type") != "code" {
		return fail(unsupportedResponseType, "only response_type=code is supported")
	}
	if mode := form.Get("response_mode"); mode != "" && a.request.ResponseMode == "" {
		return fail(invalidRequest, "response_mode must be query or fragment, or form_post where the redirect URI is http or https, and among the app's response_modes")
	}
	if a.request.ResponseMode == "" && !a.client.AnsweredBy(idp.QueryMode) {
		return fail(invalidRequest, "response_mode is missing: the app's response_modes leave out query, which is the default")
	}
	if !a.client.Allows("authorization_code") {
		return fail(unauthorizedClient, "the client may not use the authorization code flow")
	}
	return nil
}

func (a *authorization) checkScope(form url.Values) *failure {
	if !slices.Contains(fields(form.Get("scope")), "openid") {
		return fail(invalidScope, "scope must contain openid")
	}
	if !slices.Contains(a.request.Scopes, "openid") {
		return fail(invalidScope, "the client may not ask for openid")
	}
	return nil
}

// checkPKCE insists on S256 (RFC 9700 section 2.1.1): with "plain" the challenge is the
// verifier, and the request shows it.
func (a *authorization) checkPKCE(form url.Values) *failure {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return fail(invalidRequest, "code_challenge is missing")
	case challenge == "" && a.client.NeedsPKCE():
		return fail(invalidRequest, "code_challenge is required (RFC 7636, method S256): "+whoNeedsPKCE(a.client))
	case challenge == "":
		return nil
	case method != "S256":
		return fail(invalidRequest, "code_challenge_method must be S256")
	case !isSHA256(challenge):
		return fail(invalidRequest, "code_challenge is not the base64url of a SHA-256")
	}
	return nil
}

// whoNeedsPKCE names the setting that decides.
func whoNeedsPKCE(client idp.Client) string {
	if client.Public() {
		return "public clients always use it"
	}
	return "the app's setting " + setting(client.FAPI, "require_pkce") + " asks for it"
}

func isSHA256(challenge string) bool { return len(challenge) == 43 && isBase64URL(challenge) }

// isText tells whether a database can store a string, or look it up: PostgreSQL
// takes neither a zero byte nor what is not UTF-8.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func isBase64URL(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func (a *authorization) checkPrompt(url.Values) *failure {
	for _, p := range a.prompt {
		switch p {
		case "none":
			if len(a.prompt) > 1 {
				return fail(invalidRequest, "prompt=none goes with no other value")
			}
			a.request.Demand.None = true
		case "login":
			a.request.Demand.Since = a.request.CreatedAt
		case "create": // Initiating User Registration via OpenID Connect 1.0 section 4
			a.request.Demand.Since = a.request.CreatedAt // who is signed in is not meant
		case "select_account":
			a.request.Demand.Choose = true
		case "consent":
			a.request.Demand.Consent = a.client.ThirdParty // an admin approved the others when they set them up
		default:
			return fail(invalidRequest, "prompt has a value that is not known")
		}
	}
	return nil
}

func (a *authorization) checkMaxAge(form url.Values) *failure {
	if !form.Has("max_age") {
		return nil
	}
	seconds, err := strconv.ParseInt(form.Get("max_age"), 10, 64)
	if err != nil || seconds < 0 {
		return fail(invalidRequest, "max_age must be a number of seconds")
	}
	a.request.Demand.MaxAge = maxMaxAge
	if seconds < int64(maxMaxAge/time.Second) {
		a.request.Demand.MaxAge = time.Duration(seconds) * time.Second
	}
	return nil
}

// allowed keeps the scopes that the client was given (RFC 6749 section 3.3: the
// rest is left out, and the token response says so).
func allowed(requested, registered []string) []string {
	var kept []string
	for _, s := range requested {
		if slices.Contains(registered, s) && !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}
