package federation_test

import (
	"net/http"
	"net/url"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
)

func TestSomebodyComesThroughEntra(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, nil), idptest.NewBrowser(t)
		first := h.signIn(b, idptest.Alice)
		for name, want := range map[string]any{
			"amr": "fed", "acr": string(idp.ACRFederated), "idp": h.entra.Issuer(idptest.HomeTenant),
			"population": idp.Agents, "email": idptest.Alice, "name": "Alice",
		} {
			claim(t, first, name, want)
		}
		// Single sign-on asks nobody; another browser finds the same person.
		a := h.party.Begin()
		if p := b.Get(a.URL); p.Left == nil || h.party.Exchange(a, p.Left).ID.Subject != first.ID.Subject {
			t.Error("single sign-on leads to another page or person")
		}
		if again := h.signIn(idptest.NewBrowser(t), idptest.Alice); again.ID.Subject != first.ID.Subject {
			t.Error("the same identity became another person")
		}
		if n := h.count("identities"); n != 1 {
			t.Errorf("%d identities, want 1", n)
		}
		for kind, want := range map[idp.AuditKind]int{idp.AuditUserCreated: 1, idp.AuditIdentityLinked: 1, idp.AuditFederatedAccepted: 2} {
			if n := h.Audited(kind); n != want {
				t.Errorf("%d events %s, want %d", n, kind, want)
			}
		}
	})
}

// What is asked of Entra is what the app asked of us.
func TestTheRequestIsPassedOn(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.DomainHint = "home.example" }), idptest.NewBrowser(t)
	q := h.leave(b, h.party.Begin("login_hint", idptest.Alice, "ui_locales", "de", "prompt", "login")).Query()
	for name, want := range map[string]string{
		"login_hint": idptest.Alice, "ui_locales": "de", "prompt": "login", "domain_hint": "home.example", "max_age": "",
		"response_type": "code", "response_mode": "query", "code_challenge_method": "S256", "claims": "",
		"redirect_uri": h.Issuer + "/federation/callback/" + h.connection.ID, "client_id": idptest.HomeApp,
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 43 {
			t.Errorf("%s is %q", name, q.Get(name))
		}
	}
}

func TestAskingWritesNothingAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	page := b.Get(h.party.Begin().URL)
	events, flows := h.count("audit_events"), h.count("flows WHERE version > 0")
	one, two := h.press(b, page), h.press(b, page)
	if one.String() != two.String() {
		t.Errorf("two questions of one flow differ: %s and %s", one, two)
	}
	if h.count("audit_events") != events || h.count("flows WHERE version > 0") != flows {
		t.Error("asking wrote something")
	}
}

// Federated sign-ins skip local MFA, and acr rises on evidence alone.
func TestEvidenceRaisesACR(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, func(n *connections.ConnectionChange) { n.Context = "c1" })
		b := idptest.NewBrowser(t)
		claim(t, h.signIn(b, idptest.Alice), "acr", string(idp.ACRFederated))
		// The app asks for more: Entra is asked again, for the context that proves it.
		a := h.party.Begin("acr_values", string(idp.ACRMFA))
		p := b.Get(a.URL)
		if p.Left == nil || p.Left.Query().Get("claims") != `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}` {
			t.Fatalf("the browser is at %q, left for %v", p.Heading(), p.Left)
		}
		p = h.back(b, h.entra.SignIn(b, p.Left, idptest.Alice))
		tokens := h.party.Exchange(a, p.Left)
		claim(t, tokens, "acr", string(idp.ACRMFA))
		claim(t, tokens, "amr", "fed mfa")
	})
}

func TestAnUnmetDemandIsToldToTheApp(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil) // no context: nothing more can be proved
	a := h.party.Begin("acr_values", string(idp.ACRMFA))
	p := h.come(idptest.NewBrowser(t), a, idptest.Alice)
	if p.Left == nil || p.Left.Query().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("the browser is at %q, left for %v", p.Heading(), p.Left)
	}
}

func TestStatesOfTrust(t *testing.T) {
	t.Parallel()
	context := func(trust idp.Trust) func(*connections.ConnectionChange) {
		return func(n *connections.ConnectionChange) { n.Trust, n.Context = trust, "c1" }
	}
	t.Run("evidence that comes", func(t *testing.T) {
		h := open(t, idptest.Alone(t), context(idp.EvidenceRequired))
		claim(t, h.signIn(idptest.NewBrowser(t), idptest.Alice), "acr", string(idp.ACRMFA))
	})
	t.Run("evidence that does not come", func(t *testing.T) {
		h := open(t, idptest.Alone(t), context(idp.EvidenceRequired))
		h.entra.Mutate(func(claims map[string]any) { delete(claims, "acrs") })
		h.refused(h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice), forbidden, idp.FederationEvidence)
	})
	t.Run("a local step as well", func(t *testing.T) {
		h := open(t, idptest.Alone(t), context(idp.LocalStep))
		b := idptest.NewBrowser(t)
		p := h.come(b, h.party.Begin(), idptest.Alice)
		if p.Left != nil || p.Heading() != "Protect your account with an authenticator app" {
			t.Errorf("the browser is at %q, left for %v", p.Heading(), p.Left)
		}
	})
	t.Run("the defaults", func(t *testing.T) {
		h := open(t, idptest.Alone(t), nil)
		if h.connection.Trust != idp.Trusted {
			t.Errorf("a named tenant is %s", h.connection.Trust)
		}
		if c := h.connect(anyone); c.Trust != idp.LocalStep {
			t.Errorf("anyone is %s", c.Trust)
		}
		if c := h.connect(h.generic); c.Trust != idp.LocalStep {
			t.Errorf("a generic provider is %s", c.Trust)
		}
	})
}

func TestAGenericProvider(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, nil)
		h.entra.ChangePerson(entra.Generic, idptest.Gina, func(p *entra.Person) { p.AMR = []string{"pwd", "otp", "mfa", "made-up"} })
		generic := h.connect(func(n *connections.ConnectionChange) {
			h.generic(n)
			n.Trust, n.Domains = idp.Trusted, []string{"generic.example"}
		})
		b := idptest.NewBrowser(t)
		a := h.party.Begin()
		page := b.Get(a.URL)
		left := b.Get(page.URL.String() + "/federate?c=" + generic.ID).Left
		p := h.back(b, h.entra.SignIn(b, left, idptest.Gina))
		tokens := h.party.Exchange(a, p.Left)
		claim(t, tokens, "amr", "fed pwd otp mfa")
		claim(t, tokens, "acr", string(idp.ACRMFA))
		claim(t, tokens, "idp", h.entra.Issuer(entra.Generic))
	})
}

func TestACertificateProvesWhoWeAre(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.ClientSecret, n.NewCertificate = "", true })
	certificate := parse(t, h.connection.Certificate)
	idptest.Must(t, h.entra.ChangeApp(idptest.HomeApp, func(a *entra.App) { a.Secrets, a.Certificates = nil, certificate }))
	claim(t, h.signIn(idptest.NewBrowser(t), idptest.Alice), "amr", "fed")
}

func TestKeysRotateAtTheOtherSide(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
	idptest.Must(t, h.entra.RotateKeys(idptest.HomeTenant, true))
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
}

// prompt=login and max_age reach through to the other side.
func TestSigningInAnew(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	h.signIn(b, idptest.Alice)
	a := h.party.Begin("prompt", "login")
	p := b.Get(a.URL)
	if p.Left == nil || p.Left.Query().Get("prompt") != "login" || p.Left.Query().Get("login_hint") != idptest.Alice {
		t.Fatalf("the browser is at %q, left for %v", p.Heading(), p.Left)
	}
	// Somebody takes the wish out of the URL, and Entra signs them in by its own session.
	q := p.Left.Query()
	q.Del("prompt")
	p.Left.RawQuery = q.Encode()
	h.entra.Mutate(func(claims map[string]any) { claims["auth_time"] = idp.Now().Unix() - 3600 })
	page := h.back(b, h.entra.SignIn(b, p.Left, idptest.Alice))
	if page.Status != forbidden || h.lastRefusal().Detail["reason"] != string(idp.FederationStale) {
		t.Errorf("an old sign-in counts as a new one: %q (%d), left for %v", page.Heading(), page.Status, page.Left)
	}
	h.entra.Mutate(nil)
	page = h.back(b, h.entra.SignIn(b, h.press(b, page), idptest.Alice))
	if h.party.Exchange(a, page.Left).Claims["amr"] == nil {
		t.Error("a new sign-in does not count")
	}
}

func TestWhoComesBackMustBeWhoLeft(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	h.signIn(b, idptest.Alice)
	p := b.Get(h.party.Begin("prompt", "login").URL)
	page := h.back(b, h.entra.SignIn(idptest.NewBrowser(t), p.Left, idptest.Arthur))
	if page.Status != forbidden || h.lastRefusal().Detail["reason"] != string(idp.FederationOther) {
		t.Errorf("somebody else took over: %q (%d), left for %v", page.Heading(), page.Status, page.Left)
	}
	if n := h.count("identities"); n != 1 {
		t.Errorf("%d identities, want Alice's alone", n)
	}
}

func TestPortalAccess(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, nil)
		boss := h.AddUser(idp.Agents, "boss@rtx.example")
		idptest.Must(t, h.Store.GiveRole(t.Context(), boss.ID, idp.RoleAdmin))
		idptest.Must(t, h.Manage.Connections.LinkIdentity(t.Context(), authz.System(), connections.NewIdentity{
			UserID: boss.ID, ConnectionID: h.connection.ID, TenantID: idptest.HomeTenant, ObjectID: "99999999-aaaa-4bbb-8ccc-000000000001",
		}))
		b := idptest.NewBrowser(t)
		signInPage := b.Get(h.party.Begin().URL)
		h.allow(idp.Access{Federated: true})

		// Straight there.
		if p := idptest.NewBrowser(t).Get(h.party.Begin().URL); p.Left == nil || p.Left.Host == "" || p.Left.Query().Get("client_id") != idptest.HomeApp {
			t.Errorf("the browser is at %q, left for %v", p.Heading(), p.Left)
		}
		// An earlier page takes no password any more.
		p := b.Submit(signInPage, "/password", "email", boss.Email, "password", idptest.Password)
		if p.Status != http.StatusForbidden || alert(p) == "" || h.Audited(idp.AuditPasswordAccepted) != 0 {
			t.Errorf("a password is taken: %q (%d)", p.Heading(), p.Status)
		}
		if _, _, ok := p.Form("/password"); ok {
			t.Error("the page asks for a password nevertheless")
		}

		h.allow(idp.Access{Password: true})
		p = b.Get(h.party.Begin().URL)
		if upstreamLink.MatchString(p.Body) {
			t.Error("the button is there although portal access has only passwords")
		}
		p = b.Get(p.URL.String() + "/federate?c=" + url.QueryEscape(h.connection.ID))
		if p.Left != nil || h.lastRefusal().Detail["reason"] != string(idp.FederationLost) {
			t.Error("the button's address works although portal access has only passwords")
		}
	})
}
