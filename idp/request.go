package idp

import (
	"cmp"
	"time"
)

// Request is an authorization request that was checked and waits for a person
// to sign in (OpenID Connect Core 1.0 section 3.1.2.1). It belongs to the
// browser that sent it.
type Request struct {
	ID          string
	BrowserHash []byte // SHA-256 of the browser's cookie
	ClientID    string
	RedirectURI string
	Scopes      []string
	State       string
	Nonce       string
	// CodeChallenge is always of method S256 (RFC 7636); empty: none was sent.
	CodeChallenge string
	// ResponseMode is how the client is answered.
	ResponseMode ResponseMode
	// Resource is the identifier of the API that its access tokens are for (RFC 8707),
	// empty for us.
	Resource string
	Demand   Demand
	// Pushed is the hash of the request_uri by which it came (RFC 9126), nil for none.
	Pushed []byte
	// WasPushed: it came by a request_uri, or a browser makes one again that did.
	WasPushed bool
	// Claims are those that it asks for by name.
	Claims AskedClaims
	// UserCode is that of the device which the request approves: it has no redirect URI then.
	UserCode string
	// JKT is the thumbprint of the key that the code is bound to (RFC 9449 section 10), empty
	// for none.
	JKT       string
	LoginHint string
	UILocales string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// ResponseMode is how an authorization response travels to the redirect URI (OAuth 2.0
// Multiple Response Type Encoding Practices section 2.1). Empty: the query.
type ResponseMode string

// The response modes that exist here.
const (
	QueryMode    ResponseMode = "query"
	FragmentMode ResponseMode = "fragment"
	// FormPostMode: the browser posts a form (OAuth 2.0 Form Post Response Mode).
	FormPostMode ResponseMode = "form_post"
)

// ResponseModes lists them.
func ResponseModes() []ResponseMode { return []ResponseMode{QueryMode, FragmentMode, FormPostMode} }

// AskedClaims are claims about the person that a request asks for by name (OpenID Connect
// Core 1.0 section 5.5), in each of the two places that it can name.
type AskedClaims struct {
	IDToken, Userinfo []string
}

// Demand is what a request asks of the sign-in itself.
type Demand struct {
	// ACRValues in order of preference; any of them will do. Unknown values were
	// dropped.
	ACRValues []ACR
	// MaxAge, when not negative, discards proofs older than so much.
	MaxAge time.Duration
	// Since, when set, discards proofs before it: prompt=login.
	Since time.Time
	// UserID, when set, is the person whom id_token_hint or claims name: only they will do.
	// Subject is how the app calls that person, empty for the same.
	UserID, Subject string
	// Choose: the person picks the account (prompt=select_account).
	Choose bool
	// Consent: the person is asked what the app may have, whatever they said before
	// (prompt=consent).
	Consent bool
	// None: no page may be shown (prompt=none).
	None bool
}

// Sub is how the app calls the person whom it wants, empty for anybody.
func (d Demand) Sub() string { return cmp.Or(d.Subject, d.UserID) }

// NoMaxAge is the Demand.MaxAge of a request without max_age.
const NoMaxAge = time.Duration(-1)
