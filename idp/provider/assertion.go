package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
	"gatehouse/idp/keyset"
)

// assertionType is RFC 7523 section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// The limits of an assertion.
const (
	maxAssertion      = 8 << 10
	maxJTI            = 256
	assertionLifetime = 5 * time.Minute
	// clockAhead is how far a client's clock may be ahead of ours: 10 seconds have to be taken,
	// and more than 60 refused (FAPI 2.0 Security Profile section 5.3.2.1).
	clockAhead = 30 * time.Second
)

// keySets remember the keys of clients, read once.
type keySets struct {
	mu   sync.Mutex
	byID map[string]clientKeys
}

// clientKeys are the keys of a client by what it has set.
type clientKeys struct {
	jwks, uri string
	keys      *keyset.Set
}

// maxKeySets is how many clients' keys are remembered.
const maxKeySets = 1024

// of are the keys of a client as it is set now.
func (k *keySets) of(client idp.Client, fetcher *http.Client) *keyset.Set {
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.byID[client.ID]
	if ok && known.jwks == client.JWKS && known.uri == client.JWKSURI {
		return known.keys
	}
	fresh := clientKeys{jwks: client.JWKS, uri: client.JWKSURI}
	if client.JWKSURI != "" {
		fresh.keys = keyset.OfClients().New(fetcher, client.JWKSURI)
	} else {
		fresh.keys = keyset.OfClients().Of(client.JWKS)
	}
	if k.byID == nil || len(k.byID) >= maxKeySets {
		k.byID = map[string]clientKeys{}
	}
	k.byID[client.ID] = fresh
	return fresh.keys
}

// checkAssertionForm checks what stands around an assertion: one way to authenticate in a
// request (RFC 6749 section 2.3), and of the one type that there is.
func checkAssertionForm(r *http.Request) *failure {
	form := r.PostForm
	switch {
	case !form.Has("client_assertion") && !form.Has("client_assertion_type"):
		return nil
	case r.Header.Get("Authorization") != "" || form.Has("client_secret"):
		return fail(invalidRequest, "client authentication must not use more than one method")
	case form.Get("client_assertion_type") != assertionType:
		return fail(invalidClient, "client_assertion_type must be "+assertionType)
	case !form.Has("client_assertion"):
		return fail(invalidClient, "client_assertion is missing")
	}
	return nil
}

// assertion is what a client says of itself (RFC 7523 section 3).
type assertion struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Expires   *float64        `json:"exp"`
	IssuedAt  *float64        `json:"iat"`
	NotBefore *float64        `json:"nbf"`
	ID        string          `json:"jti"`
}

// claimedBy is the client that an assertion names, before anything of it is believed.
func claimedBy(token string) string {
	if len(token) > maxAssertion {
		return ""
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(payload)
	var a assertion
	_ = json.Unmarshal(raw, &a) // the assertion names no client
	return a.Subject
}

// refuseAssertion says why an assertion does not authenticate a client, empty where it does:
// then it does so this once.
func (p *Provider) refuseAssertion(ctx context.Context, client idp.Client, token string) (reason string, err error) {
	if len(token) > maxAssertion {
		return "the client_assertion is too long", nil
	}
	if !isClientJWT(token, assertionAlgorithms(client)) {
		return "the client_assertion is no JWT of a type that is for this, or not signed with one of " + algorithmNames(client), nil
	}
	payload, err := p.keySets.of(client, p.Fetch).VerifySignature(ctx, token)
	if err != nil { // which may say where its keys are
		slog.InfoContext(ctx, "a client assertion was refused", "client_id", client.ID, "cause", fetch.Brief(err))
		return "the client_assertion is not signed by a key of the client", nil
	}
	var a assertion
	if err := json.Unmarshal(payload, &a); err != nil || payload[0] != '{' {
		return "the claims of the client_assertion cannot be read", nil
	}
	now := idp.Now()
	if reason := a.refuse(client, p.audiences(), now); reason != "" {
		return reason, nil
	}
	err = p.Store.UseID(ctx, idp.HashSecret("client_assertion\x00"+client.ID+"\x00"+a.ID), now.Add(assertionLifetime+2*clockAhead))
	if errors.Is(err, idp.ErrUsed) {
		return "the jti of the client_assertion was used before", nil
	}
	return "", err
}

// assertionAlgorithms are those that a client may sign an assertion with.
func assertionAlgorithms(client idp.Client) (list []jose.SignatureAlgorithm) {
	for _, alg := range keyset.OfClients().Algorithms {
		if !client.FAPI || idp.Algorithm(alg).OfFAPI() {
			list = append(list, jose.SignatureAlgorithm(alg))
		}
	}
	return list
}

func algorithmNames(client idp.Client) string {
	var names []string
	for _, alg := range assertionAlgorithms(client) {
		names = append(names, string(alg))
	}
	return strings.Join(names, ", ")
}

// isClientJWT tells whether a JWT says that it is for client authentication, or not what for:
// the client may sign others with the same key.
func isClientJWT(token string, algorithms []jose.SignatureAlgorithm) bool {
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return false
	}
	typ, is := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]
	name, text := typ.(string)
	name = strings.TrimPrefix(strings.ToLower(name), "application/")
	return !is || text && (name == "jwt" || name == "client-authentication+jwt")
}

// audiences are what we are called in an assertion (RFC 7523 section 3, RFC 9126 section 2).
func (p *Provider) audiences() []string {
	return []string{p.Issuer, p.Issuer + tokenPath, p.Issuer + parPath}
}

// refuse says what is wrong with the claims of an assertion whose signature is good.
func (a assertion) refuse(client idp.Client, ours []string, now time.Time) string {
	at := func(numeric *float64) time.Time { return time.UnixMilli(int64(min(*numeric, 1e11) * 1000)) }
	switch {
	case a.Issuer != client.ID || a.Subject != client.ID:
		return "iss and sub of the client_assertion must be the client_id"
	case !isFor(a.Audience, ours):
		return "aud of the client_assertion must be the issuer " + ours[0]
	case client.FAPI && !isAlone(a.Audience, ours[0]):
		return "aud of the client_assertion must be the issuer " + ours[0] + ", as a string: the app's setting fapi asks for it"
	case a.Expires == nil:
		return "the client_assertion has no exp"
	case !now.Before(at(a.Expires)):
		return "the client_assertion has expired"
	case at(a.Expires).Sub(now) > assertionLifetime+clockAhead,
		a.IssuedAt != nil && *a.Expires-*a.IssuedAt > assertionLifetime.Seconds():
		return "the client_assertion lives longer than 5 minutes"
	case a.IssuedAt != nil && at(a.IssuedAt).Sub(now) > clockAhead, a.NotBefore != nil && at(a.NotBefore).Sub(now) > clockAhead:
		return "iat or nbf of the client_assertion are in the future"
	case a.ID == "" || len(a.ID) > maxJTI:
		return "the client_assertion needs a jti of up to 256 characters"
	}
	return ""
}

// isAlone tells whether an audience is a name, as a string (FAPI 2.0 Security Profile section
// 5.3.2.1). An assertion for several audiences could be used by one of them at another.
func isAlone(aud json.RawMessage, name string) bool {
	var one string
	return json.Unmarshal(aud, &one) == nil && one == name
}

// isFor tells whether an audience is one of our names, or several and no other's: an
// assertion with another audience as well could be presented here by that audience.
func isFor(aud json.RawMessage, ours []string) bool {
	var names []string
	var name string
	if json.Unmarshal(aud, &name) == nil {
		names = []string{name}
	} else if json.Unmarshal(aud, &names) != nil {
		return false
	}
	return len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(ours, n) })
}
