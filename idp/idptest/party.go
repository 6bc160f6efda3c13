package idptest

import (
	"context"
	"encoding/base32"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/pquerna/otp/totp"
	"golang.org/x/oauth2"

	"gatehouse/idp"
)

// Party is a relying party on a library other than the provider's.
type Party struct {
	Client   idp.Client
	Secret   string
	OAuth    oauth2.Config
	Provider *oidc.Provider
	tb       testing.TB
	app      *App
}

// RedirectURI is where every Party is sent back to; nothing listens there.
const RedirectURI = "http://localhost:1/callback"

// AddParty registers a client and sets up a relying party for it. Empty fields
// get defaults.
func (a *App) AddParty(c idp.Client) *Party {
	a.tb.Helper()
	if c.Name == "" {
		c.Name = "Test app"
	}
	if len(c.Populations) == 0 && c.Kind.SignsIn() {
		c.Populations = []string{idp.Agents}
	}
	if len(c.RedirectURIs) == 0 && c.Kind.SignsIn() {
		c.RedirectURIs = []string{RedirectURI}
	}
	client, secret, err := a.Manage.Apps.CreateClient(a.tb.Context(), c)
	if err != nil {
		a.tb.Fatalf("adding a client: %v", err)
	}
	provider, err := oidc.NewProvider(a.tb.Context(), a.Issuer)
	if err != nil {
		a.tb.Fatalf("discovering the provider: %v", err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if client.AuthMethod != idp.ClientSecretBasic {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	p := &Party{
		Client: client, Secret: secret, Provider: provider, tb: a.tb, app: a,
		OAuth: oauth2.Config{
			ClientID: client.ID, ClientSecret: secret, Endpoint: endpoint, Scopes: []string{"openid", "profile", "email"},
		},
	}
	if len(client.RedirectURIs) > 0 { // a service has none
		p.OAuth.RedirectURL = client.RedirectURIs[0]
	}
	return p
}

// Attempt is one authorization request of a party.
type Attempt struct {
	URL, State, Nonce, Verifier string
}

// Begin makes an authorization request. pairs are more parameters.
func (p *Party) Begin(pairs ...string) Attempt {
	a := Attempt{State: idp.NewSecret(), Nonce: idp.NewSecret(), Verifier: oauth2.GenerateVerifier()}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(a.Verifier), oidc.Nonce(a.Nonce)}
	for i := 0; i < len(pairs); i += 2 {
		options = append(options, oauth2.SetAuthURLParam(pairs[i], pairs[i+1]))
	}
	a.URL = p.OAuth.AuthCodeURL(a.State, options...)
	return a
}

// Tokens are what a party got, with the verified ID token.
type Tokens struct {
	*oauth2.Token
	ID     *oidc.IDToken
	RawID  string
	Claims map[string]any
}

// Code reads the code out of an answer, and checks state and issuer.
func (p *Party) Code(a Attempt, answer *url.URL) string {
	p.tb.Helper()
	if answer == nil {
		p.tb.Fatal("the browser did not come back to the app")
	}
	q := answer.Query()
	if q.Get("state") != a.State || q.Get("iss") != p.app.Issuer || q.Get("code") == "" {
		p.tb.Fatalf("answer %s: want a code, state %s and iss %s", answer, a.State, p.app.Issuer)
	}
	return q.Get("code")
}

// Exchange redeems the code of an answer and verifies the ID token.
func (p *Party) Exchange(a Attempt, answer *url.URL) Tokens {
	p.tb.Helper()
	token, err := p.OAuth.Exchange(p.tb.Context(), p.Code(a, answer), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		p.tb.Fatalf("exchanging the code: %v", err)
	}
	tokens := p.Verify(token)
	if tokens.ID.Nonce != a.Nonce {
		p.tb.Fatalf("nonce %q, want %q", tokens.ID.Nonce, a.Nonce)
	}
	return tokens
}

// Verify checks the ID token of a token response.
func (p *Party) Verify(token *oauth2.Token) Tokens {
	p.tb.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := p.Provider.Verifier(&oidc.Config{ClientID: p.Client.ID}).Verify(p.tb.Context(), raw)
	if err != nil {
		p.tb.Fatalf("verifying the ID token: %v", err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		p.tb.Fatalf("verifying at_hash: %v", err)
	}
	t := Tokens{Token: token, ID: id, RawID: raw}
	if err := id.Claims(&t.Claims); err != nil {
		p.tb.Fatalf("reading claims: %v", err)
	}
	return t
}

// Refresh redeems a refresh token.
func (p *Party) Refresh(refreshToken string) (*oauth2.Token, error) {
	ctx := context.WithValue(p.tb.Context(), oauth2.HTTPClient, http.DefaultClient)
	return p.OAuth.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
}

// Userinfo asks an issuer for the claims of an access token, and returns the status.
func Userinfo(tb testing.TB, issuer, token string) int {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, issuer+"/userinfo", http.NoBody)
	Must(tb, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	Must(tb, err)
	Must(tb, res.Body.Close())
	return res.StatusCode
}

var keyOnPage = regexp.MustCompile(`otpauth://[^"]*secret=([A-Z2-7]+)`)

// Authenticator is an authenticator app with one account.
type Authenticator struct {
	secret string
	tb     testing.TB
}

// Scan reads the key off a set-up page.
func Scan(tb testing.TB, page *Page) Authenticator {
	tb.Helper()
	m := keyOnPage.FindStringSubmatch(strings.ReplaceAll(page.Body, "&amp;", "&"))
	if m == nil {
		tb.Fatalf("no key on page %q", page.Heading())
	}
	if _, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(m[1]); err != nil {
		tb.Fatalf("key %q: %v", m[1], err)
	}
	return Authenticator{m[1], tb}
}

// Code is the code of a step: 0 now, 1 the next.
func (a Authenticator) Code(step int) string {
	a.tb.Helper()
	code, err := totp.GenerateCode(a.secret, idp.Now().Add(time.Duration(step)*30*time.Second))
	if err != nil {
		a.tb.Fatalf("making a code: %v", err)
	}
	return code
}

// Enrol signs a person in for the first time: password, set-up, recovery codes.
// It returns the page that left for the app, the app on the phone and the codes.
func Enrol(b *Browser, p *Party, a Attempt, email string) (*Page, Authenticator, []string) {
	b.tb.Helper()
	page := b.Submit(b.Get(a.URL), "/password", "email", email, "password", Password)
	phone := Scan(b.tb, page)
	page = b.Submit(page, "/enrol", "code", phone.Code(0))
	codes := RecoveryCodes(page)
	return b.Submit(page, "/saved", "saved", "yes"), phone, codes
}

var recoveryCode = regexp.MustCompile(`(?i)\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){3}\b`)

// RecoveryCodes reads the codes off their page.
func RecoveryCodes(p *Page) []string {
	var codes []string
	seen := map[string]bool{}
	for _, c := range recoveryCode.FindAllString(p.Body, -1) {
		if !seen[c] {
			seen[c] = true
			codes = append(codes, c)
		}
	}
	return codes
}
