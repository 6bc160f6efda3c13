package federation

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
	"gatehouse/idp/keyset"
)

// How long a discovery document is believed, how long it stands in for one that
// cannot be fetched, and how long a failure is remembered, so that people who wait do
// not queue up behind a provider that is down.
const (
	freshFor   = time.Hour
	staleFor   = 24 * time.Hour
	failureFor = 3 * time.Second
)

// maxKeys is how many keys of a provider are used.
const maxKeys = 100

// keyRules are for the keys of other providers.
func keyRules() keyset.Rules {
	return keyset.Rules{Algorithms: algorithms(), Most: maxKeys, Fresh: freshFor, Stale: staleFor}
}

// tenantTemplate stands in the issuer of Entra's documents for many directories.
const tenantTemplate = "{tenantid}"

// document is what we read of a discovery document (OpenID Connect Discovery 1.0
// section 3).
type document struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Userinfo      string   `json:"userinfo_endpoint"`
	Keys          string   `json:"jwks_uri"`
	EndSession    string   `json:"end_session_endpoint"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	// IssParameter: answers carry the issuer (RFC 9207 section 3).
	IssParameter bool `json:"authorization_response_iss_parameter_supported"`
}

// discoveryAddress is where a provider describes itself: at Entra there is a
// description for each directory, for all organisations, and for everybody.
func discoveryAddress(c idp.Connection) string {
	base := strings.TrimRight(c.Issuer, "/")
	if c.Kind == idp.EntraConnection {
		base += "/" + directory(c) + "/v2.0"
	}
	return base + "/.well-known/openid-configuration"
}

func directory(c idp.Connection) string {
	switch {
	case c.NamesTenants() && len(c.Tenants) == 1:
		return c.Tenants[0]
	case !c.PersonalAccounts:
		return "organizations"
	case !c.AnyTenant && len(c.Tenants) == 0:
		return "consumers"
	}
	return "common"
}

// issuer is whom a connection's document must be of. Documents of Entra for many
// directories have a template there.
func issuer(c idp.Connection) string {
	if c.Kind != idp.EntraConnection {
		return c.Issuer
	}
	tenant := tenantTemplate
	switch name := directory(c); name {
	case "organizations", "common":
	case "consumers":
		tenant = idp.PersonalTenant
	default:
		tenant = name
	}
	return c.Issuer + "/" + tenant + "/v2.0"
}

// check refuses a document that is not of whom it should be.
func (d document) check(c idp.Connection, insecure bool) error {
	if d.Issuer != issuer(c) {
		return fmt.Errorf("the document is of issuer %.200q", d.Issuer)
	}
	for name, address := range map[string]string{
		"authorization_endpoint": d.Authorization, "token_endpoint": d.Token, "jwks_uri": d.Keys,
		"userinfo_endpoint": d.Userinfo, "end_session_endpoint": d.EndSession,
	} {
		optional := name == "userinfo_endpoint" || name == "end_session_endpoint"
		if address == "" && optional {
			continue
		}
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !insecure) {
			return fmt.Errorf("%s %.200q is no address that we may use", name, address)
		}
	}
	return nil
}

// description is a document that was checked, and the keys that it names.
type description struct {
	document
	keys oidc.KeySet
}

// provider remembers the description of one provider.
type provider struct {
	address string

	now atomic.Pointer[description] // nil until the first was fetched

	mu       sync.Mutex // held while it is fetched: others wait for the same answer
	fetched  time.Time
	failure  error
	failedAt time.Time
}

// describe returns what a provider says of itself: what is known, if that is fresh,
// else fetched; where that fails, what is known for a while longer.
func (p *provider) describe(ctx context.Context, client *http.Client, check func(document) error) (*description, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := idp.Now()
	if p.now.Load() == nil || now.Sub(p.fetched) > freshFor {
		if p.failure == nil || now.Sub(p.failedAt) > failureFor {
			p.refresh(ctx, client)
		}
		if p.failure != nil && (p.now.Load() == nil || now.Sub(p.fetched) > staleFor) {
			return nil, &idp.FederationError{Reason: idp.FederationDown, Cause: p.failure}
		}
	}
	// Each time: the document is the same for connections that differ.
	d := p.now.Load()
	if err := check(d.document); err != nil {
		return nil, &idp.FederationError{Reason: idp.FederationSetup, Cause: err}
	}
	return d, nil
}

// refresh fetches the description. The request that asked first may end meanwhile: others
// wait for it, too.
func (p *provider) refresh(ctx context.Context, client *http.Client) {
	d, err := fetchDocument(context.WithoutCancel(ctx), client, p.address)
	if err != nil {
		p.failure, p.failedAt = fetch.Brief(err), idp.Now()
		return
	}
	next := &description{document: d}
	if before := p.now.Load(); before != nil && before.Keys == d.Keys {
		next.keys = before.keys
	} else {
		next.keys = keyRules().New(client, d.Keys)
	}
	p.now.Store(next)
	p.fetched, p.failure = idp.Now(), nil
}

func fetchDocument(ctx context.Context, client *http.Client, address string) (d document, err error) {
	return d, fetch.JSON(ctx, client, address, "", &d)
}

// takes tells whether a way to authenticate at the token endpoint is offered. Where
// nothing is said it is client_secret_basic (OpenID Connect Discovery 1.0 section 3).
func (d document) takes(method string) bool { return slices.Contains(d.TokenAuth, method) }
