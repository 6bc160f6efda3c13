package idp

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// ClientKind is the kind of app a client is; it decides which authentication
// and redirect rules it gets.
type ClientKind string

// The kinds of clients.
const (
	WebClient    ClientKind = "web"    // has a server that keeps a secret
	SPAClient    ClientKind = "spa"    // runs in a browser, keeps none
	NativeClient ClientKind = "native" // runs on a device, keeps none (RFC 8252)
	// ServiceClient is a program that acts for itself and not for a person: no person
	// signs in to it (RFC 6749 section 4.4).
	ServiceClient ClientKind = "service"
	// APIClient is an API that access tokens of others are for (RFC 8707): it gets none,
	// and asks the introspection endpoint what they are worth.
	APIClient ClientKind = "api"
)

// SignsIn tells whether people sign in to clients of this kind.
func (k ClientKind) SignsIn() bool { return k != ServiceClient && k != APIClient }

// Confidential tells whether clients of this kind keep a secret (RFC 6749 section
// 2.1).
func (k ClientKind) Confidential() bool { return k == WebClient || !k.SignsIn() }

// AuthMethod is how a client authenticates at the token endpoint
// (OpenID Connect Core 1.0 section 9).
type AuthMethod string

// The client authentication methods that exist here so far.
const (
	// The two ways to send a secret are one to us: a client may use either, whichever it
	// registered.
	ClientSecretBasic AuthMethod = "client_secret_basic"
	ClientSecretPost  AuthMethod = "client_secret_post"
	// PrivateKeyJWT is a JWT that the client signs with a key of its own (RFC 7523).
	PrivateKeyJWT AuthMethod = "private_key_jwt"
	NoClientAuth  AuthMethod = "none"
)

// Secret tells whether a client authenticates by a secret that we know.
func (m AuthMethod) Secret() bool { return m == ClientSecretBasic || m == ClientSecretPost }

// TokenFormat is the form of a client's access tokens.
type TokenFormat string

// The token formats.
const (
	OpaqueToken TokenFormat = "opaque" // 256 random bits, looked up by hash
	JWTToken    TokenFormat = "jwt"    // RFC 9068
)

// Algorithm is a JWS algorithm (RFC 7518 section 3.1).
type Algorithm string

// The algorithms that sign our tokens.
const (
	RS256 Algorithm = "RS256"
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA"
	PS256 Algorithm = "PS256"
)

// Algorithms lists what signs our tokens, in the order of discovery and of the published
// keys. PS256 comes last, with a key of its own: verifiers that take the first RSA key
// whatever it is for get that of RS256.
func Algorithms() []Algorithm { return []Algorithm{RS256, ES256, EdDSA, PS256} }

// OfFAPI tells whether FAPI 2.0 Security Profile section 5.4.1 lets an algorithm sign.
func (a Algorithm) OfFAPI() bool { return a == PS256 || a == ES256 || a == EdDSA }

// FAPIAccessTTL is how long access tokens of clients with FAPI live at most.
const FAPIAccessTTL = 15 * time.Minute

// Client is an OpenID Connect relying party.
type Client struct {
	ID         string
	Name       string
	Kind       ClientKind
	AuthMethod AuthMethod
	// SecretHashes are the SHA-256 of its live secrets; two while one is being
	// replaced by the other.
	SecretHashes [][]byte
	// SecretFacts are about the secrets, in their order.
	SecretFacts []SecretFact
	// SecretLifetime ends a secret so long after it was made; zero: none ends by itself.
	SecretLifetime time.Duration
	// JWKS are its public keys for PrivateKeyJWT, as a JWK set (RFC 7517), or JWKSURI is where
	// it publishes them.
	JWKS, JWKSURI          string
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	// HomeURL is where a person who got lost is sent back to.
	HomeURL string
	// LogoURI is its logo on sign-in pages, which we fetch and serve.
	LogoURI    string
	GrantTypes []string
	// ResponseModes are how it takes authorization responses; none: all that its redirect
	// URIs can be sent.
	ResponseModes []string
	Scopes        []string
	// Populations may sign in to it, in the order in which they are offered.
	Populations []string
	TokenFormat TokenFormat
	SigningAlg  Algorithm
	// AccessTTL is the lifetime of an access token, RefreshTTL of a refresh token that is
	// not used.
	AccessTTL, RefreshTTL time.Duration
	// RequirePKCE refuses authorization requests without PKCE (RFC 9700 section 2.1.1).
	// Public clients always have it, services never: no person signs in to them.
	RequirePKCE bool
	// DPoPBound has its tokens bound to a key: it proves to hold one with each request to the
	// token endpoint (RFC 9449 section 5.2).
	DPoPBound bool
	// RequirePushed refuses authorization requests that were not pushed (RFC 9126 section 6).
	RequirePushed bool
	// FAPI holds it to the FAPI 2.0 Security Profile. It implies RequirePKCE, DPoPBound and
	// RequirePushed.
	FAPI bool
	// BackchannelLogoutURI is told when a session ends.
	BackchannelLogoutURI string
	// InitiateLoginURI starts a sign-in at the app (OpenID Connect Core 1.0 section 4).
	InitiateLoginURI string
	// ThirdParty: it belongs to another organisation, so that people are asked what it may
	// have.
	ThirdParty bool
	// PolicyURI and TosURI say what it does with what it gets, and on which terms.
	PolicyURI, TosURI string
	// SubjectType is how it is told who a person is. SectorIdentifierURI lists the redirect URIs
	// of all apps that know people by the same pairwise subjects.
	SubjectType         SubjectType
	SectorIdentifierURI string
	// FrontchannelLogoutURI is opened in a frame of the page that ends a session.
	FrontchannelLogoutURI string
	// Claims say what the app is told of people beyond what every app is.
	Claims AppClaims
	// Identifier is what an API is called in the audience of access tokens: an absolute
	// URI that is the API's own. Other kinds have none.
	Identifier string
	// Resources are the identifiers of the APIs that it may get access tokens for, and
	// DefaultResource the one that they are for where a request names none; empty: us.
	Resources       []string
	DefaultResource string
	// Roles, by their ids, are what a service may do by itself. Like the rest they
	// may be a second old here; AdminAccess carries those of the moment.
	Roles     []string
	CreatedAt time.Time
}

// SecretFact is what is known of a secret beside its hash.
type SecretFact struct {
	// CreatedAt is zero for one that is older than this was noted.
	CreatedAt time.Time
	// UsedAt is when it was last used, noted once in SecretUse; zero for never.
	UsedAt time.Time
}

// SecretUse is how exactly the last use of a secret is known.
const SecretUse = time.Hour

// SecretFact is that of a secret by its place.
func (c Client) SecretFact(i int) SecretFact {
	if i < len(c.SecretFacts) {
		return c.SecretFacts[i]
	}
	return SecretFact{}
}

// SecretEnds is when a secret ends, zero for never.
func (c Client) SecretEnds(i int) time.Time {
	if made := c.SecretFact(i).CreatedAt; c.SecretLifetime > 0 && !made.IsZero() {
		return made.Add(c.SecretLifetime)
	}
	return time.Time{}
}

// WithSecret is the client with one secret more.
func (c Client) WithSecret(hash []byte, at time.Time) Client {
	facts := make([]SecretFact, len(c.SecretHashes), len(c.SecretHashes)+1)
	copy(facts, c.SecretFacts)
	c.SecretHashes, c.SecretFacts = append(slices.Clone(c.SecretHashes), hash), append(facts, SecretFact{CreatedAt: at})
	return c
}

// Public tells whether the client cannot keep a secret.
func (c Client) Public() bool { return c.AuthMethod == NoClientAuth }

// AnsweredBy tells whether the client takes authorization responses in a mode.
func (c Client) AnsweredBy(m ResponseMode) bool {
	return len(c.ResponseModes) == 0 || slices.Contains(c.ResponseModes, string(m))
}

// Allows tells whether the client may use a grant type.
func (c Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// NeedsPKCE tells whether an authorization request must carry a code_challenge:
// always for public clients, and for the others that say so.
func (c Client) NeedsPKCE() bool { return c.Public() || c.RequirePKCE || c.FAPI }

// NeedsProof tells whether its tokens are bound to a key.
func (c Client) NeedsProof() bool { return c.DPoPBound || c.FAPI }

// NeedsPush tells whether its authorization requests must be pushed.
func (c Client) NeedsPush() bool { return c.RequirePushed || c.FAPI }

// AllowsRedirect compares a redirect URI with the registered ones: exact string
// match; for a native app on this machine only the port may differ (RFC 8252 section
// 7.3; RFC 9700 section 4.1.3 says so of localhost, too).
func (c Client) AllowsRedirect(uri string) bool {
	if uri == "" || strings.Contains(uri, "#") {
		return false
	}
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if c.Kind != NativeClient {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		return sameLoopback(registered, uri)
	})
}

// sameLoopback compares two http loopback URIs while ignoring their ports. The
// port is cut out of the string and the rest compared byte by byte, so that no
// parser's leniency widens the match.
func sameLoopback(registered, uri string) bool {
	a, okA := cutLoopbackPort(registered)
	b, okB := cutLoopbackPort(uri)
	return okA && okB && a == b
}

func cutLoopbackPort(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return "", false
	}
	host := u.Hostname()
	if host != "127.0.0.1" && host != "::1" && host != "localhost" {
		return "", false
	}
	bare := host
	if host == "::1" {
		bare = "[::1]"
	}
	prefix := "http://" + bare
	rest, ok := strings.CutPrefix(uri, prefix)
	if !ok {
		return "", false
	}
	return prefix + strings.TrimPrefix(rest, portOf(u)), true
}

func portOf(u *url.URL) string {
	if u.Port() == "" {
		return ""
	}
	return ":" + u.Port()
}

// AppClaims say what an app is told of people, beyond what its scopes let every app know.
type AppClaims struct {
	// Roles is the name under which it gets the roles of a person, by their ids, with the
	// scope RolesScope.
	Roles RolesClaim
	// InIDToken puts the claims of the scopes profile and email into the ID token too: it
	// has none by default (OpenID Connect Core 1.0 section 5.4).
	InIDToken bool
	// PlainPopulation sends the population as the claim population too, beside
	// PopulationClaim.
	PlainPopulation bool
}

// PortalClaims are those of portals: they read who signed in out of the ID token alone.
func PortalClaims() AppClaims { return AppClaims{InIDToken: true, PlainPopulation: true} }

// RolesClaim is the claim in which an app gets the roles of a person.
type RolesClaim string

// The claims that roles are sent in.
const (
	NoRoles       RolesClaim = "none"
	RolesAsRoles  RolesClaim = "roles" // RFC 9068 section 2.2.3.1
	RolesAsGroups RolesClaim = "groups"
)

// PopulationClaim is the population of a person in tokens and at userinfo: a name that no
// other provider has (RFC 7519 section 4.2).
const PopulationClaim = "urn:gatehouse:population"

// RolesScope asks for the roles of a person, which an app gets that is set to.
const RolesScope = "roles"

// PersonScopes are those of ours that are about a person (OpenID Connect Core 1.0 sections
// 5.4 and 11): neither a service has them nor an API of others.
func PersonScopes() []string {
	return []string{"openid", "profile", "email", RolesScope, "offline_access"}
}

// OverrideMode says what a client does with its populations' MFA policy.
type OverrideMode string

// The modes of an override.
const (
	OverrideInherit  OverrideMode = "inherit"
	OverrideOff      OverrideMode = "off"
	OverrideRequired OverrideMode = "required"
)

// Override is a client's own MFA policy. It is no part of Client, which may be a
// second old: what a sign-in is judged by comes with its flow, session or grant.
type Override struct {
	// Version is the number of its last change, 0 when there was none.
	Version int64
	// MinVersion refuses, at this client, every earlier proof and grant:
	// "Immediately" raises it to the version it saves.
	MinVersion int64
	Mode       OverrideMode // zero value: inherit
	MinACR     ACR          // with OverrideRequired: at least this
	Federated  bool         // also asked of federated sign-ins
}

// WithQuery adds parameters to an address, whose own query stays as it is.
func WithQuery(uri string, q url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + q.Encode()
}

// Takes tells whether people of a population may sign in to it.
func (c Client) Takes(population string) bool { return slices.Contains(c.Populations, population) }
