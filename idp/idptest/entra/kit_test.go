package entra_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// issuer is the provider's that the apps are registered for; nobody listens there.
const (
	issuer   = "http://localhost:1"
	callback = issuer + "/federation/callback"
)

// house is a simulation on a socket.
type house struct {
	*idptest.Entra
	tb testing.TB
}

func open(tb testing.TB) *house {
	tb.Helper()
	return &house{idptest.StartEntra(tb, issuer, nil), tb}
}

// party is a relying party on coreos/go-oidc.
type party struct {
	oauth    oauth2.Config
	provider *oidc.Provider
	house    *house
}

// at makes a relying party of an app at a directory.
func (h *house) at(clientID, directory string) *party {
	h.tb.Helper()
	provider, err := oidc.NewProvider(h.tb.Context(), h.Issuer(directory))
	if err != nil {
		h.tb.Fatalf("discovering %s: %v", directory, err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	return &party{oauth2.Config{
		ClientID: clientID, ClientSecret: idptest.EntraSecret, Endpoint: endpoint, RedirectURL: callback,
		Scopes: []string{"openid", "profile", "email"},
	}, provider, h}
}

func (h *house) home(clientID string) *party { return h.at(clientID, idptest.HomeTenant) }

// shared points a party at an authority that stands for many directories.
func (p *party) shared(authority string) *party {
	c := *p
	c.oauth.Endpoint.AuthURL = p.house.URL + "/" + authority + "/oauth2/v2.0/authorize"
	c.oauth.Endpoint.TokenURL = p.house.URL + "/" + authority + "/oauth2/v2.0/token"
	return &c
}

// attempt is one authorization request.
type attempt struct {
	url                    *url.URL
	state, nonce, verifier string
}

func (p *party) begin(pairs ...string) attempt {
	p.house.tb.Helper()
	a := attempt{state: idp.NewSecret(), nonce: idp.NewSecret(), verifier: oauth2.GenerateVerifier()}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(a.verifier), oidc.Nonce(a.nonce)}
	for i := 0; i < len(pairs); i += 2 {
		options = append(options, oauth2.SetAuthURLParam(pairs[i], pairs[i+1]))
	}
	u, err := url.Parse(p.oauth.AuthCodeURL(a.state, options...))
	if err != nil {
		p.house.tb.Fatal(err)
	}
	a.url = u
	return a
}

// exchange redeems an answer's code and verifies the ID token.
func (p *party) exchange(a attempt, left *idptest.Page) (map[string]any, error) {
	p.house.tb.Helper()
	q := answer(left)
	if q.Get("state") != a.state || q.Get("code") == "" {
		p.house.tb.Fatalf("answer %v on page %q: want a code and the state", q, left.Heading())
	}
	token, err := p.oauth.Exchange(p.house.tb.Context(), q.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.provider.Verifier(&oidc.Config{ClientID: p.oauth.ClientID}).Verify(p.house.tb.Context(), raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != a.nonce {
		return nil, errors.New("nonce is another")
	}
	var claims map[string]any
	return claims, id.Claims(&claims)
}

// must is exchange for what has to work.
func (p *party) must(a attempt, left *idptest.Page) map[string]any {
	p.house.tb.Helper()
	claims, err := p.exchange(a, left)
	if err != nil {
		p.house.tb.Fatalf("exchanging the code: %v", err)
	}
	return claims
}

// answer is what the app got; nothing where the browser was not sent there.
func answer(p *idptest.Page) url.Values {
	if p.Left == nil || p.Left.Host != "localhost:1" {
		return nil
	}
	return p.Left.Query()
}

// visit opens a request in a browser.
func visit(b *idptest.Browser, a attempt) *idptest.Page { return b.Get(a.url.String()) }

// redeem calls the token endpoint by hand.
func (p *party) redeem(a attempt, left *idptest.Page, pairs ...string) (int, map[string]any) {
	p.house.tb.Helper()
	v := url.Values{
		"grant_type": {"authorization_code"}, "code": {answer(left).Get("code")}, "redirect_uri": {callback}, "code_verifier": {a.verifier},
		"client_id": {p.oauth.ClientID}, "client_secret": {p.oauth.ClientSecret},
	}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	res, err := http.PostForm(p.oauth.Endpoint.TokenURL, v)
	if err != nil {
		p.house.tb.Fatal(err)
	}
	return read(p.house.tb, res)
}

// document reads JSON below the simulation's address.
func (h *house) document(path string) map[string]any {
	h.tb.Helper()
	res, err := http.Get(h.URL + path)
	if err != nil {
		h.tb.Fatal(err)
	}
	status, body := read(h.tb, res)
	if status != http.StatusOK {
		h.tb.Fatalf("GET %s: status %d", path, status)
	}
	return body
}

func read(tb testing.TB, res *http.Response) (int, map[string]any) {
	tb.Helper()
	defer func() { _ = res.Body.Close() }()
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		tb.Fatalf("status %d, reading JSON: %v", res.StatusCode, err)
	}
	return res.StatusCode, body
}

// browser is one without cookies.
func (h *house) browser() *idptest.Browser { return idptest.NewBrowser(h.tb) }
