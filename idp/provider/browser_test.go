package provider_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/provider"
	"gatehouse/idp/web"
)

func TestSignInBelongsToTheBrowserThatBegan(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		k.exec("UPDATE policies SET authenticator = false")
		user := k.AddUser(idp.Agents, "victim@rtx.example")
		p, attacker := k.AddParty(idp.Client{}), idptest.NewBrowser(t)
		a := p.Begin()
		flow := attacker.Get(a.URL)

		wantPage(t, idptest.NewBrowser(t).Get(flow.URL.String()), 400) // no cookie at all
		victim, _ := k.signIn(k.user, idp.MethodPassword, idp.MethodTOTP)
		wantPage(t, victim.Get(flow.URL.String()), 403)
		wantPage(t, victim.Submit(flow, "/password", "email", user.Email, "password", idptest.Password), 403)
		if n := k.count("SELECT count(*) FROM grants"); n != 0 {
			t.Errorf("%d grants", n)
		}
		if k.Audited(idp.AuditFlowForeign) != 2 {
			t.Errorf("%d flows of another browser in the audit log, want 2", k.Audited(idp.AuditFlowForeign))
		}
		p.Exchange(a, attacker.Submit(flow, "/password", "email", user.Email, "password", idptest.Password).Left)
	})
}

func TestFinishedFlowGivesNoSecondCode(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	k.exec("UPDATE policies SET authenticator = false")
	user := k.AddUser(idp.Agents, "twice@rtx.example")
	p, b := k.AddParty(idp.Client{}), idptest.NewBrowser(t)
	a := p.Begin()
	flow := b.Get(a.URL)
	submit := func(b *idptest.Browser) *idptest.Page {
		return b.Submit(flow, "/password", "email", user.Email, "password", idptest.Password)
	}
	p.Code(a, submit(b).Left)
	if again := submit(b); again.Left != nil {
		// The browser made the request anew: single sign-on, not the flow's answer.
		p.Code(a, again.Left)
	}
	if n := k.count("SELECT count(*) FROM requests WHERE done_at IS NULL"); n != 0 {
		t.Errorf("%d requests are open", n)
	}
	grants := k.count("SELECT count(*) FROM grants")
	wantPage(t, submit(k.browser), 403)
	k.exec("UPDATE sessions SET ended_at = " + ago(time.Second))
	wantPage(t, submit(b), 410)
	wantPage(t, b.Get(flow.URL.String()), 410)
	if n := k.count("SELECT count(*) FROM grants"); n != grants {
		t.Errorf("%d more grants", n-grants)
	}
}

// protocol is a provider without its endpoints.
func protocol(k *kit) *provider.Provider {
	k.t.Helper()
	issuer, err := url.Parse(k.Issuer)
	idptest.Must(k.t, err)
	p, err := provider.New(provider.Config{
		Issuer: k.Issuer, Store: k.Store, Signer: k.Keys, Web: web.New(web.Config{Issuer: issuer}),
	})
	idptest.Must(k.t, err)
	return p
}

func (k *kit) resume(p *provider.Provider, id string, s idp.Session) (answer web.Answer, err error) {
	err = k.Store.Do(k.t.Context(), func(ctx context.Context) (err error) {
		answer, err = p.Resume(ctx, id, s)
		return err
	})
	return answer, err
}

func TestARequestIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p, party := protocol(k), k.AddParty(idp.Client{})
		r := idptest.Request(party.Client)
		r.Pushed = nil // nobody pushed it
		r.BrowserHash, r.Demand.UserID, r.Resource = k.session.BrowserHash, "", ""
		idptest.Must(t, k.Store.CreateRequest(t.Context(), r))
		won := 0
		for _, err := range idptest.Race(20, func(int) error {
			_, err := k.resume(p, r.ID, k.session)
			return err
		}) {
			if err == nil {
				won++
			}
		}
		if n := k.count("SELECT count(*) FROM grants"); won != 1 || n != 1 {
			t.Errorf("%d answers, %d grants, want one", won, n)
		}
	})
}

func TestResumeRefusesASessionThatIsNotTheRequests(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, party := protocol(k), k.AddParty(idp.Client{})
	base := idptest.Request(party.Client)
	base.Pushed = nil // nobody pushed it
	base.BrowserHash, base.Demand.UserID = k.session.BrowserHash, ""
	for name, c := range map[string]struct {
		change func(*idp.Request, *idp.Session)
		want   error
	}{
		"another browser's":      {func(r *idp.Request, _ *idp.Session) { r.BrowserHash = idp.HashSecret("x") }, idp.ErrNotFound},
		"another population's":   {func(_ *idp.Request, s *idp.Session) { s.PopulationID = idp.Contacts }, idp.ErrInvalid},
		"of an expired request":  {func(r *idp.Request, _ *idp.Session) { r.ExpiresAt = idp.Now() }, idp.ErrExpired},
		"of an unknown request":  {func(r *idp.Request, _ *idp.Session) { r.ID = "" }, idp.ErrNotFound},
		"of somebody not hinted": {func(r *idp.Request, _ *idp.Session) { r.Demand.UserID = "somebody" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := base, k.session
			r.ID = idp.NewID()
			id := r.ID
			c.change(&r, &s)
			if r.ID == "" {
				r.ID, id = idp.NewID(), "invented"
			}
			idptest.Must(t, k.Store.CreateRequest(t.Context(), r))
			answer, err := k.resume(p, id, s)
			if !errors.Is(err, c.want) || strings.Contains(answer.URL, "code=") || answer.Form.Has("code") {
				t.Errorf("%q, %v, want %v", answer, err, c.want)
			}
		})
	}
	if n := k.count("SELECT count(*) FROM grants"); n != 0 {
		t.Errorf("%d grants", n)
	}
}

func TestIssuerWithAPath(t *testing.T) {
	t.Parallel()
	databaseURL := idptest.Migrated(t)
	app := idptest.Start(t, databaseURL, "/sso")
	app.AddUser(idp.Agents, "path@rtx.example")
	p, b := app.AddParty(idp.Client{PostLogoutRedirectURIs: []string{"https://app.example/bye"}}), idptest.NewBrowser(t)
	a := p.Begin()
	if page := b.Get(a.URL); !strings.HasPrefix(page.URL.Path, "/sso/login/") {
		t.Fatalf("sent to %s", page.URL)
	}
	page, _, _ := idptest.Enrol(b, p, a, "path@rtx.example")
	tokens := p.Exchange(a, page.Left)
	if tokens.ID.Issuer != app.Issuer || !strings.HasSuffix(app.Issuer, "/sso") {
		t.Errorf("iss %s", tokens.ID.Issuer)
	}
	a = p.Begin("prompt", "none") // single sign-on: the cookies reach us
	tokens = p.Exchange(a, b.Get(a.URL).Left)
	if _, err := p.Refresh(tokens.RefreshToken); err != nil {
		t.Error(err)
	}
	out := b.Get(edit(app.Issuer+"/end_session", "id_token_hint", tokens.RawID, "post_logout_redirect_uri", "https://app.example/bye"))
	if out.Left == nil || out.Left.String() != "https://app.example/bye" {
		t.Errorf("after sign-out at %v", out.Left)
	}
	for _, path := range []string{"/token", "/authorize", "/.well-known/openid-configuration", "/healthz", "/sso/healthz", "/sso/ready"} {
		if got := b.Get(strings.TrimSuffix(app.Issuer, "/sso") + path).Status; got != 404 {
			t.Errorf("%s: %d, want 404", path, got)
		}
	}
}
