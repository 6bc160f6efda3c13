package provider_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
)

// stranger is an app of another organisation.
func (k *kit) stranger(c idp.Client) *idptest.Party {
	k.t.Helper()
	c.ThirdParty = true
	return k.AddParty(c)
}

func (k *kit) consent(p *idptest.Party) idp.Consent {
	k.t.Helper()
	c, err := k.Store.Consent(k.t.Context(), k.user.ID, p.Client.ID)
	idptest.Must(k.t, err)
	return c
}

// An app of another organisation gets no code before the person has read what it asks for
// and allowed it, and then no question until it asks for more.
func TestAThirdPartyAppAsksOnceForWhatIsNew(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		k.AddParty(idp.Client{Kind: idp.APIClient, Name: "Tickets", Identifier: tickets, Scopes: []string{"tickets:read"}})
		p := k.stranger(idp.Client{
			Name: "Wallboard", Resources: []string{tickets}, Scopes: []string{"openid", "profile", "email", "tickets:read"},
			PolicyURI: "https://wallboard.example/privacy", TosURI: "https://wallboard.example/terms",
		})
		names := `{"userinfo":{"given_name":null}}`
		for _, c := range []struct {
			pairs []string
			asked []string // nil: nothing is asked
		}{
			{[]string{"scope", "openid"}, []string{"Let Wallboard in?", "Recognise you", "localhost:1", "https://wallboard.example/privacy", "https://wallboard.example/terms", "when you sign out"}},
			{[]string{"scope", "openid"}, nil},
			{[]string{"scope", "openid", "claims", names}, []string{"See your first name"}},
			{[]string{"scope", "openid", "claims", names}, nil},
			{[]string{"scope", "openid profile"}, []string{"See your name"}},
			{[]string{"scope", "openid profile", "claims", names}, nil},
			{[]string{"scope", "openid", "resource", tickets}, []string{"Tickets (" + tickets + ")", "Act there in your name"}},
			{[]string{"scope", "openid tickets:read"}, []string{"tickets:read"}},
			{[]string{"scope", "openid tickets:read", "resource", tickets}, []string{"tickets:read"}},
			{[]string{"scope", "openid tickets:read", "resource", tickets}, nil},
			{[]string{"scope", "openid", "prompt", "consent"}, []string{"Recognise you"}},
		} {
			a := p.Begin(c.pairs...)
			page := k.browser.Get(a.URL)
			if (c.asked == nil) != (page.Left != nil) {
				t.Fatalf("%v: %s, left to %v", c.pairs, page.Heading(), page.Left)
			}
			if c.asked != nil {
				for _, text := range c.asked {
					idptest.WantText(t, page, 200, text)
				}
				if !slices.Contains(c.pairs, "prompt") {
					silent := p.Begin(append(c.pairs, "prompt", "none")...)
					k.wantError(t, p, silent, k.browser.Get(silent.URL), "consent_required")
				}
				page = k.browser.Submit(page, "/approve")
			}
			p.Exchange(a, page.Left)
		}
		if n := k.Audited(idp.AuditConsentGiven); n != 7 {
			t.Errorf("%d consents in the audit log", n)
		}
		if t1 := k.consent(p).Terms; !t1.Cover(idp.Terms{Scopes: []string{"openid", "profile", "tickets:read"}, APIs: map[string][]string{tickets: {"tickets:read"}}}) || t1.HasScope("", "email") {
			t.Errorf("the person let it have %v", t1)
		}
		own := k.AddParty(idp.Client{})
		if page := k.browser.Get(own.Begin("prompt", "consent").URL); page.Left == nil {
			t.Errorf("the organisation's own app asks: %s", page.Heading())
		}
	})
}

// No is an answer: the app hears it as it wants to be answered, and nothing is remembered.
func TestDenyTellsTheApp(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.stranger(idp.Client{})
	a := p.Begin()
	page := k.browser.Submit(k.browser.Get(a.URL), "/deny")
	k.wantError(t, p, a, page, "access_denied")
	page = k.browser.Submit(k.browser.Get(p.Begin("response_mode", "fragment").URL), "/deny")
	if page.Left == nil || !strings.Contains(page.Left.Fragment, "error=access_denied") {
		t.Errorf("left to %v", page.Left)
	}
	if page := k.browser.Get(p.Begin().URL); page.Left != nil || k.Audited(idp.AuditConsentDenied) != 2 || k.count("SELECT COUNT(*) FROM consents") != 0 {
		t.Errorf("%s, %d denials, %d consents", page.Heading(), k.Audited(idp.AuditConsentDenied), k.count("SELECT COUNT(*) FROM consents"))
	}
}

// A native app that anybody could pass for gets no code from a running session unseen, the
// organisation's own neither (RFC 8252 section 8.6): the person presses a button each time.
// One of another organisation asks for consent each time (ASVS 10.7.1).
func TestANativeAppGetsNoCodeUnseen(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	uris := []string{"com.example.app:/cb", "http://127.0.0.1/cb", "https://app.example/cb"}
	for _, c := range []struct {
		third   bool
		heading string
		none    string
	}{{false, "Open Test app?", "interaction_required"}, {true, "Let Test app in?", "consent_required"}} {
		p := k.AddParty(idp.Client{Kind: idp.NativeClient, RedirectURIs: uris, ThirdParty: c.third})
		for _, uri := range uris {
			p.OAuth.RedirectURL = uri
			for n := range 2 {
				a := p.Begin()
				page := k.browser.Get(a.URL)
				claimed := strings.HasPrefix(uri, "https:") && (!c.third || n > 0 || uri != uris[0])
				if claimed {
					if page.Left == nil {
						t.Errorf("%s: %s", uri, page.Heading())
					}
					continue
				}
				if page.Left != nil || page.Heading() != c.heading {
					t.Fatalf("%s: %s, left to %v", uri, page.Heading(), page.Left)
				}
				silent := p.Begin("prompt", "none")
				k.wantError(t, p, silent, k.browser.Get(silent.URL), c.none)
				p.Exchange(a, k.browser.Submit(page, "/approve").Left)
			}
		}
	}
}

// What a person takes back is taken at once from what the app holds, and does not come back
// with the same consent given again.
func TestWhatAPersonTakesBackEndsAtOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range []idp.TokenFormat{idp.OpaqueToken, idp.JWTToken} {
			p := k.stranger(idp.Client{TokenFormat: format})
			claims := `{"userinfo":{"zoneinfo":null}}`
			held := k.tokens(p, "scope", "openid email offline_access", "claims", claims)
			knows := func(names ...string) {
				t.Helper()
				r := k.userinfo(held.AccessToken)
				for _, name := range []string{"sub", "email", "zoneinfo"} {
					if has := r.text(name) != ""; has != slices.Contains(names, name) {
						t.Errorf("%s: the app knows %s: %t (%s)", format, name, has, r.body)
					}
				}
			}
			knows("sub", "email", "zoneinfo")
			consent := k.consent(p)
			left := consent.Terms.Only([]string{"offline_access"})
			idptest.Must(t, k.Store.NarrowConsent(t.Context(), consent, left, idp.Now()))
			knows("sub")
			if page := k.browser.Get(p.Begin("scope", "openid email").URL); page.Left != nil {
				t.Error("what was taken back is given without a question")
			}
			k.tokens(p, "scope", "openid email offline_access", "claims", claims) // given again
			knows("sub")
			r := k.refresh(p, held.RefreshToken)
			r.want(t, 200, "")
			if got := strings.Fields(r.text("scope")); !slices.Equal(got, []string{"openid", "offline_access"}) {
				t.Errorf("refreshed: %v", got)
			}
			idptest.Must(t, k.Store.WithdrawConsent(t.Context(), k.consent(p), idp.Now()))
			k.refresh(p, r.text("refresh_token")).want(t, 400, "invalid_grant")
			if r := k.userinfo(held.AccessToken); r.status != 401 {
				t.Errorf("%s: userinfo answers %d", format, r.status)
			}
			k.tokens(p, "scope", "openid email offline_access")
			if r := k.userinfo(held.AccessToken); r.status != 401 {
				t.Errorf("%s: it came back", format)
			}
		}
	})
}

// A grant that slipped past a withdrawal is worth nothing: the consent that it names is gone.
func TestAGrantStandsByItsConsent(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.stranger(idp.Client{})
		held := k.tokens(p, "scope", "openid email offline_access")
		k.exec("DELETE FROM consents")
		k.refresh(p, held.RefreshToken).want(t, 400, "invalid_grant")
		if r := k.userinfo(held.AccessToken); r.status != 401 {
			t.Errorf("userinfo answers %s", r.body)
		}
		_, code := k.code(p)
		k.exec("DELETE FROM consents")
		k.redeem(p, code, "").want(t, 400, "invalid_grant")
	})
}

// An app that becomes another organisation's keeps what it has until the next sign-in.
func TestAnAppThatBecomesAThirdPartysKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	held := k.tokens(p, "scope", "openid email offline_access")
	v, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
	idptest.Must(t, err)
	v.Client.ThirdParty = true
	idptest.Must(t, k.Store.SaveClient(t.Context(), v.Version, v.Client))
	k.refresh(p, held.RefreshToken).want(t, 200, "")
	if page := k.browser.Get(p.Begin().URL); page.Left != nil {
		t.Error("it gets a code without a question")
	}
}

// The person of a device is asked like any other, before the page that asks about the device.
func TestAThirdPartyDeviceAsksForConsent(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	app := k.deviceApp(idp.Client{ThirdParty: true})
	for n := range 2 {
		d := k.device(app)
		page := d.enter(k.browser)
		if n == 0 {
			if page.Heading() != "Let Test app in?" {
				t.Fatalf("at %s", page.Heading())
			}
			page = k.browser.Submit(page, "/approve")
		}
		if n == 1 {
			k.exec("DELETE FROM consents")
			k.browser.Submit(page, "/approve")
			d.poll().want(t, 400, "authorization_pending")
			return
		}
		k.browser.Submit(page, "/approve")
		r := d.poll()
		r.want(t, 200, "")
		k.userinfo(r.text("access_token")).want(t, 200, "")
	}
}

// An admin withdraws for a person what the person could: the app's tokens end, and it asks anew.
func TestAnAdminWithdrawsAConsent(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.stranger(idp.Client{GrantTypes: []string{"authorization_code", "refresh_token"}, Scopes: []string{"openid", "offline_access"}})
		a := p.Begin("scope", "openid offline_access")
		tokens := p.Exchange(a, k.browser.Submit(k.browser.Get(a.URL), "/approve").Left)
		consent := k.consent(p)
		for what, err := range map[string]error{
			"another person's": k.Manage.People.WithdrawConsent(t.Context(), authz.System(), k.person("other@rtx.example").ID, consent.ID, "a test"),
			"an invented one":  k.Manage.People.WithdrawConsent(t.Context(), authz.System(), k.user.ID, idp.NewID(), "a test"),
		} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if k.userinfo(tokens.AccessToken).status != http.StatusOK {
			t.Fatal("the token does not work")
		}
		idptest.Must(t, k.Manage.People.WithdrawConsent(t.Context(), authz.System(), k.user.ID, consent.ID, "a test"))
		if got := k.userinfo(tokens.AccessToken); got.status != http.StatusUnauthorized {
			t.Errorf("userinfo answers %d", got.status)
		}
		k.refresh(p, tokens.RefreshToken).want(t, http.StatusBadRequest, "invalid_grant")
		if left := k.browser.Get(p.Begin("scope", "openid", "prompt", "none").URL).Left; left == nil || left.Query().Get("error") != "consent_required" {
			t.Errorf("asked again: %v", left)
		}
		if n := k.Audited(idp.AuditConsentWithdrawn); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}
