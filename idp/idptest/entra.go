package idptest

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/idp/idptest/entra"
)

// Directories, apps and people of the Entra that StartEntra starts. Everybody has
// Password.
const (
	HomeTenant  = "11111111-aaaa-4bbb-8ccc-000000000001" // owns home.example; knows the contexts c1 and c2
	OtherTenant = "11111111-aaaa-4bbb-8ccc-000000000002" // owns other.example

	HomeApp     = "22222222-aaaa-4bbb-8ccc-000000000001" // takes people of HomeTenant
	OpenApp     = "22222222-aaaa-4bbb-8ccc-000000000002" // takes every organisation and personal accounts
	AssignedApp = "22222222-aaaa-4bbb-8ccc-000000000003" // of HomeTenant; wants assignment, which Alice has, and consent
	GenericApp  = "app-at-the-generic-provider"
	EntraSecret = "a secret/with + signs" // of each of the apps

	Alice    = "alice@home.example"    // HomeTenant, guest of OtherTenant; two groups, the app role Agent, can meet c1
	Arthur   = "arthur@home.example"   // HomeTenant, in more groups than a token holds
	Bob      = "bob@other.example"     // OtherTenant
	Mallory  = "mallory@other.example" // OtherTenant; the directory says that her address is Alice's
	Dora     = "dora@outlook.example"  // a personal account
	Gina     = "gina@generic.example"  // the generic provider; amr pwd and otp, acr gold
	AliceOID = "33333333-aaaa-4bbb-8ccc-000000000001"
)

// Entra is a simulated Microsoft Entra on loopback.
type Entra struct {
	*entra.Tenant
	URL string // the authority, below which the tenants are
	// Exchanges counts the codes that were brought to it.
	Exchanges atomic.Int64
	tb        testing.TB
}

// StartEntra runs a simulated Entra until the test ends. Its apps are registered for
// the provider with that issuer. change may alter the configuration; nil leaves it.
func StartEntra(tb testing.TB, issuer string, change func(*entra.Config)) *Entra {
	tb.Helper()
	e := &Entra{tb: tb}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			e.Exchanges.Add(1)
		}
		e.ServeHTTP(w, r)
	}))
	tb.Cleanup(srv.Close)
	e.URL = srv.URL
	c := entra.Config{BaseURL: srv.URL, Directories: entraDirectories(), Apps: entraApps(issuer), People: entraPeople()}
	if change != nil {
		change(&c)
	}
	var err error
	if e.Tenant, err = entra.New(c); err != nil {
		tb.Fatal(err)
	}
	return e
}

func entraDirectories() []entra.Directory {
	return []entra.Directory{
		{ID: HomeTenant, Name: "Home", Domains: []string{"home.example"}, AuthContexts: []string{"c1", "c2"}},
		{ID: OtherTenant, Name: "Other", Domains: []string{"other.example"}},
	}
}

func entraApps(issuer string) []entra.App {
	home := entra.App{
		ClientID: HomeApp, Name: "Home app", Directory: HomeTenant, Audience: entra.MyOrg, Secrets: []string{EntraSecret},
		RedirectURIs: []string{issuer + "/federation/callback", issuer + "/federation/callback/*"}, PostLogoutRedirectURIs: []string{issuer + "/"},
		FrontChannelLogoutURI: issuer + "/federation/logout", GroupClaims: true,
		OptionalClaims: []string{"email", "xms_edov", "sid", "login_hint", "auth_time", "given_name", "family_name", "department"},
	}
	all, assigned, generic := home, home, home
	all.ClientID, all.Name, all.Audience = OpenApp, "Open app", entra.AnyAccount
	assigned.ClientID, assigned.Name, assigned.AssignmentRequired, assigned.ConsentRequired = AssignedApp, "Assigned app", true, true
	generic.ClientID, generic.Name, generic.Directory, generic.OptionalClaims = GenericApp, "Generic app", entra.Generic, nil
	generic.BackChannelLogoutURI = issuer + "/federation/logout"
	return []entra.App{home, all, assigned, generic}
}

func entraPeople() []entra.Person {
	return []entra.Person{
		{
			Directory: HomeTenant, OID: AliceOID, PreferredUsername: Alice, Email: Alice, EmailVerified: true, Name: "Alice", GivenName: "Al",
			Department: "Support", Password: Password, Groups: []string{"g1", "g2"}, Roles: []string{"Agent"}, ACRS: []string{"c1"},
			Apps: []string{AssignedApp},
		},
		{
			Directory: HomeTenant, OID: "33333333-aaaa-4bbb-8ccc-000000000002", PreferredUsername: Arthur, Email: Arthur, EmailVerified: true,
			Name: "Arthur", Password: Password, Groups: slices.Repeat([]string{"g"}, 201),
		},
		{
			Directory: OtherTenant, OID: "33333333-aaaa-4bbb-8ccc-000000000003", PreferredUsername: Alice, Email: Alice, Name: "Alice",
			Password: Password, Home: HomeTenant,
		},
		{Directory: OtherTenant, OID: "33333333-aaaa-4bbb-8ccc-000000000004", PreferredUsername: Bob, Name: "Bob", Password: Password},
		{
			Directory: OtherTenant, OID: "33333333-aaaa-4bbb-8ccc-000000000005", PreferredUsername: Mallory, Email: Alice, Name: "Mallory",
			Password: Password,
		},
		{
			Directory: entra.Consumers, OID: "00000000-0000-0000-1111-222222222222", PreferredUsername: Dora, Email: Dora, EmailVerified: true,
			Name: "Dora", Password: Password,
		},
		{
			Directory: entra.Generic, OID: "gina-1", PreferredUsername: Gina, Email: Gina, EmailVerified: true, Name: "Gina", Password: Password,
			AMR: []string{"pwd", "otp"}, ACR: "gold", Groups: []string{"staff"},
		},
	}
}

// entraButtons are what a willing person presses, by the heading of the page.
var entraButtons = map[string]string{
	"Pick an account": "other", "Sign in": "password", "Approve sign in request": "approve", "Permissions requested": "accept",
}

// SignIn opens an authorization request and goes through all pages as a willing
// person. The page that comes of it has left for the app, or says why not.
func (e *Entra) SignIn(b *Browser, request *url.URL, username string) *Page {
	e.tb.Helper()
	return SignInAtEntra(b, request, username, Password)
}

// SignInUntil is SignIn up to the page with a heading, where the person stops.
func (e *Entra) SignInUntil(b *Browser, request *url.URL, username, heading string) *Page {
	e.tb.Helper()
	p := signInAtEntra(b, request, username, Password, heading)
	if p.Heading() != heading {
		e.tb.Fatalf("the simulated Entra ended on %q (left for %v), want %q", p.Heading(), p.Left, heading)
	}
	return p
}

// SignInAtEntra is Entra.SignIn at any simulated Entra, such as the demo's.
func SignInAtEntra(b *Browser, request *url.URL, username, password string) *Page {
	b.tb.Helper()
	return signInAtEntra(b, request, username, password, "")
}

func signInAtEntra(b *Browser, request *url.URL, username, password, until string) *Page {
	b.tb.Helper()
	if request == nil {
		b.tb.Fatal("the browser was not sent to the simulated Entra")
	}
	p := b.Get(request.String())
	for range len(entraButtons) {
		do := entraButtons[p.Heading()]
		if do == "" || p.Heading() == until {
			break
		}
		p = b.Submit(p, p.URL.Path, "do", do, "username", username, "password", password)
	}
	return p
}

// Press presses a button of the simulated Entra's page: password, approve, accept,
// other, pick (with sid), deny on the sign-in pages, decline on the page of consent,
// return on the page of a refusal. pairs are names and values of fields.
func (e *Entra) Press(b *Browser, p *Page, do string, pairs ...string) *Page {
	e.tb.Helper()
	return b.Submit(p, p.URL.Path, append([]string{"do", do}, pairs...)...)
}

var frame = regexp.MustCompile(`<iframe src="([^"]+)"`)

// SignOut signs a browser out of all its accounts, at HomeTenant and the other
// directories or at Generic, and loads the frames of the apps. They get no cookies,
// as frames of another site do not.
func (e *Entra) SignOut(b *Browser, directory string) *Page {
	e.tb.Helper()
	address := e.URL + "/" + directory + "/oauth2/v2.0/logout"
	if directory == entra.Generic {
		address = e.URL + "/" + directory + "/logout"
	}
	p := b.Get(address)
	for _, m := range frame.FindAllStringSubmatch(p.Body, -1) {
		NewBrowser(e.tb).Get(html.UnescapeString(m[1]))
	}
	return p
}
