package entra_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"html"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest/entra"
)

const (
	contoso  = "11111111-aaaa-4bbb-8ccc-000000000001"
	fabrikam = "11111111-aaaa-4bbb-8ccc-000000000002"

	callback     = "http://localhost:1/callback"
	afterLogout  = "http://localhost:1/bye"
	secret       = "a secret/with + signs"
	strictApp    = "22222222-aaaa-4bbb-8ccc-000000000001" // contoso alone
	openApp      = "22222222-aaaa-4bbb-8ccc-000000000002" // everybody
	assignedApp  = "22222222-aaaa-4bbb-8ccc-000000000003"
	genericApp   = "generic-app"
	password     = "correct horse"
	alice        = "alice@contoso.example"
	bob          = "bob@fabrikam.example"
	dora         = "dora@outlook.example"
	gina         = "gina@generic.example"
	aliceOID     = "33333333-aaaa-4bbb-8ccc-000000000001"
	aliceGuestID = "33333333-aaaa-4bbb-8ccc-000000000002"
)

// house is a simulation on a socket.
type house struct {
	*entra.Tenant
	base string
	tb   testing.TB
}

// open starts a simulation. change may alter its configuration.
func open(tb testing.TB, change func(*entra.Config)) *house {
	tb.Helper()
	var tenant *entra.Tenant
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tenant.ServeHTTP(w, r) }))
	tb.Cleanup(srv.Close)
	c := sample(srv.URL)
	if change != nil {
		change(&c)
	}
	var err error
	if tenant, err = entra.New(c); err != nil {
		tb.Fatal(err)
	}
	return &house{tenant, srv.URL, tb}
}

func sample(base string) entra.Config {
	optional := []string{"email", "xms_edov", "sid", "login_hint", "auth_time", "given_name"}
	return entra.Config{
		BaseURL: base,
		Directories: []entra.Directory{
			{ID: contoso, Name: "Contoso", Domains: []string{"contoso.example"}, AuthContexts: []string{"c1", "c2"}},
			{ID: fabrikam, Name: "Fabrikam", Domains: []string{"fabrikam.example"}},
		},
		Apps: []entra.App{
			{
				ClientID: strictApp, Name: "Strict", Directory: contoso, Secrets: []string{secret}, RedirectURIs: []string{callback},
				PostLogoutRedirectURIs: []string{afterLogout}, OptionalClaims: optional, GroupClaims: true,
			},
			{
				ClientID: openApp, Name: "Open", Directory: contoso, Audience: entra.AnyAccount, Secrets: []string{secret},
				RedirectURIs: []string{callback}, OptionalClaims: append(optional, "upn", "acct"),
			},
			{
				ClientID: assignedApp, Name: "Assigned", Directory: contoso, Secrets: []string{secret}, RedirectURIs: []string{callback},
				AssignmentRequired: true, ConsentRequired: true,
			},
			{
				ClientID: genericApp, Name: "Generic", Directory: entra.Generic, Secrets: []string{secret}, RedirectURIs: []string{callback},
				GroupClaims: true,
			},
		},
		People: []entra.Person{
			{
				Directory: contoso, OID: aliceOID, PreferredUsername: alice, Email: alice, EmailVerified: true, Name: "Alice", GivenName: "Al",
				Password: password, Groups: []string{"g1", "g2"}, Roles: []string{"Agent"}, ACRS: []string{"c1"},
			},
			{
				Directory: fabrikam, OID: aliceGuestID, PreferredUsername: alice, Email: alice, Name: "Alice", Password: password, Home: contoso,
			},
			{Directory: fabrikam, OID: "33333333-aaaa-4bbb-8ccc-000000000003", PreferredUsername: bob, Name: "Bob", Password: password},
			{
				Directory: entra.Consumers, OID: "00000000-0000-0000-1111-222222222222", PreferredUsername: dora, Email: dora, EmailVerified: true,
				Name: "Dora", Password: password,
			},
			{
				Directory: entra.Generic, OID: "gina-1", PreferredUsername: gina, Email: gina, EmailVerified: true, Name: "Gina", Password: password,
				AMR: []string{"pwd", "otp"}, ACR: "gold", Groups: []string{"staff"},
			},
		},
	}
}

// party is a relying party on coreos/go-oidc.
type party struct {
	oauth    oauth2.Config
	provider *oidc.Provider
	house    *house
}

// at makes a relying party of an app at an issuer.
func (h *house) at(clientID, issuer string) *party {
	h.tb.Helper()
	provider, err := oidc.NewProvider(h.tb.Context(), issuer)
	if err != nil {
		h.tb.Fatalf("discovering %s: %v", issuer, err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	return &party{oauth2.Config{
		ClientID: clientID, ClientSecret: secret, Endpoint: endpoint, RedirectURL: callback, Scopes: []string{"openid", "profile", "email"},
	}, provider, h}
}

func (h *house) contoso(clientID string) *party { return h.at(clientID, h.Issuer(contoso)) }

// attempt is one authorization request.
type attempt struct{ url, state, nonce, verifier string }

func (p *party) begin(pairs ...string) attempt {
	a := attempt{state: idp.NewSecret(), nonce: idp.NewSecret(), verifier: oauth2.GenerateVerifier()}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(a.verifier), oidc.Nonce(a.nonce)}
	for i := 0; i < len(pairs); i += 2 {
		options = append(options, oauth2.SetAuthURLParam(pairs[i], pairs[i+1]))
	}
	a.url = p.oauth.AuthCodeURL(a.state, options...)
	return a
}

// exchange redeems an answer's code and verifies the ID token.
func (p *party) exchange(a attempt, answer url.Values) (map[string]any, error) {
	p.house.tb.Helper()
	if answer.Get("state") != a.state || answer.Get("code") == "" {
		p.house.tb.Fatalf("answer %v: want a code and the state", answer)
	}
	token, err := p.oauth.Exchange(p.house.tb.Context(), answer.Get("code"), oauth2.VerifierOption(a.verifier))
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
func (p *party) must(a attempt, answer url.Values) map[string]any {
	p.house.tb.Helper()
	claims, err := p.exchange(a, answer)
	if err != nil {
		p.house.tb.Fatalf("exchanging the code: %v", err)
	}
	return claims
}

// visitor is a browser without scripts that stops at the app's door.
type visitor struct {
	client http.Client
	house  *house
	form   string // address of the page's forms
	body   string
	status int
	answer url.Values // what the app got, if the browser was sent there
}

func (h *house) visitor() *visitor {
	h.tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.tb.Fatal(err)
	}
	v := &visitor{house: h}
	v.client = http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), "http://localhost:1/") {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return v
}

var action = regexp.MustCompile(`action="([^"]+)"`)

func (v *visitor) take(res *http.Response, err error) *visitor {
	v.house.tb.Helper()
	if err != nil {
		v.house.tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.house.tb.Fatal(err)
	}
	v.body, v.status, v.answer, v.form = string(body), res.StatusCode, nil, ""
	if m := action.FindStringSubmatch(v.body); m != nil {
		v.form = html.UnescapeString(m[1])
	}
	if to, err := res.Location(); err == nil && to.Host == "localhost:1" {
		v.answer = to.Query()
	}
	return v
}

func (v *visitor) get(address string) *visitor {
	v.house.tb.Helper()
	return v.take(v.client.Get(address))
}

// press submits a form of the page.
func (v *visitor) press(do string, pairs ...string) *visitor {
	v.house.tb.Helper()
	if v.form == "" {
		v.house.tb.Fatalf("no form to press %q on: %d %s", do, v.status, v.body)
	}
	values := url.Values{"do": {do}}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return v.take(v.client.PostForm(v.house.base+v.form, values))
}

// signIn goes through the sign-in page.
func (v *visitor) signIn(a attempt, username string) *visitor {
	v.house.tb.Helper()
	return v.get(a.url).press("password", "username", username, "password", password)
}

// post calls the token endpoint by hand.
func (h *house) post(address string, values url.Values) (int, map[string]any) {
	h.tb.Helper()
	res, err := http.PostForm(address, values)
	if err != nil {
		h.tb.Fatal(err)
	}
	return read(h.tb, res)
}

func (h *house) document(address string) map[string]any {
	h.tb.Helper()
	res, err := http.Get(address)
	if err != nil {
		h.tb.Fatal(err)
	}
	status, body := read(h.tb, res)
	if status != http.StatusOK {
		h.tb.Fatalf("GET %s: status %d", address, status)
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

// certificate makes a key and its self-signed certificate.
func certificate(tb testing.TB) (*rsa.PrivateKey, *x509.Certificate) {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: idp.Now().Add(-time.Hour), NotAfter: idp.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return key, made
}
