package entra_test

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
)

func TestSignInAtADirectory(t *testing.T) {
	h := open(t)
	p := h.home(idptest.HomeApp)
	a := p.begin()
	left := h.SignIn(h.browser(), a.url, idptest.Alice)
	c := p.must(a, left)
	for name, want := range map[string]any{
		"ver": "2.0", "tid": idptest.HomeTenant, "oid": idptest.AliceOID, "preferred_username": idptest.Alice, "email": idptest.Alice,
		"xms_edov": true, "name": "Alice", "given_name": "Al", "aud": idptest.HomeApp, "iss": h.Issuer(idptest.HomeTenant),
	} {
		if c[name] != want {
			t.Errorf("%s = %v, want %v", name, c[name], want)
		}
	}
	for _, absent := range []string{"amr", "acr", "email_verified", "at_hash", "idp", "acrs"} {
		if c[absent] != nil {
			t.Errorf("%s = %v: v2.0 tokens have none", absent, c[absent])
		}
	}
	if q := answer(left); q.Get("iss") != "" || q.Get("session_state") == "" {
		t.Errorf("answer %v: Entra sends session_state and no iss", q)
	}
	if c["iat"].(float64)+300 > c["exp"].(float64)-3600 || c["sub"] == idptest.AliceOID {
		t.Errorf("iat %v, exp %v, sub %v: want backdated times and a pairwise subject", c["iat"], c["exp"], c["sub"])
	}
}

func TestSignInAtTheGenericProvider(t *testing.T) {
	h := open(t)
	p := h.at(idptest.GenericApp, entra.Generic)
	p.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	a := p.begin()
	left := h.SignIn(h.browser(), a.url, idptest.Gina)
	c := p.must(a, left)
	if c["sub"] != "gina-1" || c["email_verified"] != true || c["acr"] != "gold" || c["tid"] != nil || c["oid"] != nil {
		t.Errorf("claims %v", c)
	}
	if amr, _ := c["amr"].([]any); len(amr) != 2 || amr[0] != "pwd" {
		t.Errorf("amr = %v", c["amr"])
	}
	if answer(left).Get("iss") != h.Issuer(entra.Generic) {
		t.Errorf("answer %v: want iss (RFC 9207)", answer(left))
	}
	if answer(h.SignIn(h.browser(), p.begin().url, idptest.Alice)) != nil {
		t.Error("an account of a directory signed in at the generic provider")
	}
}

func TestSingleSignOn(t *testing.T) {
	h := open(t)
	p, other, b := h.home(idptest.HomeApp), h.home(idptest.OpenApp), h.browser()
	a := p.begin()
	first := p.must(a, h.SignIn(b, a.url, idptest.Alice))

	a = other.begin()
	second := other.must(a, visit(b, a))
	if second["sid"] != first["sid"] || second["oid"] != first["oid"] || second["sub"] == first["sub"] {
		t.Errorf("second sign-in %v: want the same sid and oid and another sub", second)
	}
	for _, prompt := range []string{"login", "select_account", "consent"} {
		if answer(visit(b, p.begin("prompt", prompt))) != nil {
			t.Errorf("prompt=%s showed nothing", prompt)
		}
	}
	if answer(visit(b, p.begin("max_age", "0"))) != nil {
		t.Error("max_age=0 was answered with an old session")
	}
	a = p.begin("prompt", "login")
	if p.must(a, h.SignIn(b, a.url, idptest.Alice))["sid"] != first["sid"] {
		t.Error("prompt=login made another session for the same account")
	}
	if answer(visit(h.browser(), p.begin())) != nil {
		t.Error("another browser was signed in, too")
	}
}

func TestPickingAnAccountIsNoWayAroundAPassword(t *testing.T) {
	h := open(t)
	p, b := h.home(idptest.HomeApp), h.browser()
	h.SignIn(b, p.begin().url, idptest.Alice)
	page := visit(b, p.begin("prompt", "select_account"))
	sid := regexp.MustCompile(`name="sid" value="([^"]+)"`).FindStringSubmatch(page.Body)
	if sid == nil {
		t.Fatal("no tile of the account that is signed in")
	}
	if answer(h.Press(b, page, "pick", "sid", sid[1])).Get("code") == "" {
		t.Error("picking an account did not sign in")
	}
	for _, pair := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
		if answer(h.Press(b, visit(b, p.begin(pair...)), "pick", "sid", sid[1])) != nil {
			t.Errorf("%v: picked an account without its password", pair)
		}
	}
}

func TestPromptNone(t *testing.T) {
	h := open(t)
	p, all, b := h.home(idptest.HomeApp), h.home(idptest.OpenApp).shared("common"), h.browser()
	ask := func(p *party, pairs ...string) string {
		q := answer(visit(b, p.begin(append(pairs, "prompt", "none")...)))
		code := regexp.MustCompile(`AADSTS\d+`).FindString(q.Get("error_description"))
		return strings.TrimSpace(q.Get("error") + " " + code)
	}
	if got := ask(p); got != "login_required AADSTS50058" {
		t.Errorf("nobody signed in: %s", got)
	}
	h.SignIn(b, p.begin().url, idptest.Alice)
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"signed in":      {nil, ""},
		"old":            {[]string{"max_age", "0"}, "login_required AADSTS70044"},
		"another person": {[]string{"login_hint", idptest.Bob}, "login_required AADSTS50058"},
		"the person":     {[]string{"login_hint", idptest.Alice}, ""},
		"context":        {context("c1"), "interaction_required AADSTS50076"},
		"blocked":        {context("c2"), "interaction_required AADSTS53003"},
	} {
		if got := ask(p, c.pairs...); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := ask(h.home(idptest.AssignedApp)); got != "interaction_required AADSTS65001" {
		t.Errorf("no consent: %s", got)
	}
	h.SignIn(b, h.at(idptest.OpenApp, entra.Consumers).begin().url, idptest.Dora)
	if got := ask(all); got != "interaction_required AADSTS16000" {
		t.Errorf("two accounts: %s", got)
	}
	if got := ask(all, "domain_hint", "consumers"); got != "" {
		t.Errorf("two accounts and a domain hint: %s", got)
	}
}

// context asks for an authentication context.
func context(id string) []string {
	return []string{"claims", `{"id_token":{"acrs":{"essential":true,"value":"` + id + `"}}}`}
}

func TestAuthenticationContext(t *testing.T) {
	h := open(t)
	p, b := h.home(idptest.HomeApp), h.browser()
	a := p.begin(context("c1")...)
	page := h.SignInUntil(b, a.url, idptest.Alice, "Approve sign in request")
	c := p.must(a, h.Press(b, page, "approve"))
	if acrs, _ := c["acrs"].([]any); len(acrs) != 1 || acrs[0] != "c1" {
		t.Errorf("acrs = %v, want [c1]", c["acrs"])
	}
	a = p.begin(context("c1")...)
	if c = p.must(a, visit(b, a)); c["acrs"] == nil {
		t.Error("c1 was met in this session, and is gone")
	}
	for _, pairs := range [][]string{nil, context("c9")} {
		a = p.begin(pairs...)
		if c = p.must(a, visit(b, a)); c["acrs"] != nil {
			t.Errorf("%v: acrs = %v, which was not asked for or is not known", pairs, c["acrs"])
		}
	}
	q := answer(h.Press(b, visit(b, p.begin(context("c2")...)), "return"))
	if q.Get("error") != "access_denied" || !strings.HasPrefix(q.Get("error_description"), "AADSTS53003: ") {
		t.Errorf("c2: %v", q)
	}
}

func TestSayingNo(t *testing.T) {
	h := open(t)
	p, b := h.home(idptest.AssignedApp), h.browser()
	q := answer(h.Press(b, h.SignInUntil(b, p.begin().url, idptest.Alice, "Sign in"), "deny"))
	if q.Get("error") != "access_denied" || strings.Contains(q.Get("error_description"), "AADSTS") {
		t.Errorf("cancelled sign-in: %v", q)
	}
	a := p.begin()
	q = answer(h.Press(b, h.SignInUntil(b, a.url, idptest.Alice, "Permissions requested"), "decline"))
	if q.Get("error") != "access_denied" || q.Get("error_subcode") != "cancel" || q.Get("state") != a.state ||
		!strings.HasPrefix(q.Get("error_description"), "AADSTS65004: ") {
		t.Errorf("declined consent: %v", q)
	}
	a = p.begin()
	p.must(a, h.SignIn(b, a.url, idptest.Alice))
	a = p.begin()
	p.must(a, visit(b, a)) // consent is asked for once
}

func TestNotAssigned(t *testing.T) {
	h := open(t)
	b := h.browser()
	page := h.SignIn(b, h.home(idptest.AssignedApp).begin().url, idptest.Arthur)
	if !strings.Contains(page.Body, "AADSTS50105: ") {
		t.Fatalf("page %q does not say why", page.Heading())
	}
	if q := answer(h.Press(b, page, "return")); q.Get("error") != "access_denied" || !strings.HasPrefix(q.Get("error_description"), "AADSTS50105: ") {
		t.Errorf("answer %v", q)
	}
}

func TestDirectories(t *testing.T) {
	for name, c := range map[string]struct {
		app, directory, shared, username string
		want                             string // tid, or what the page says
	}{
		"member":                     {idptest.HomeApp, idptest.HomeTenant, "", idptest.Alice, idptest.HomeTenant},
		"guest":                      {idptest.OpenApp, idptest.OtherTenant, "", idptest.Alice, idptest.OtherTenant},
		"nobody there":               {idptest.HomeApp, idptest.HomeTenant, "", idptest.Bob, "AADSTS50020"},
		"app of another directory":   {idptest.HomeApp, idptest.OtherTenant, "", idptest.Bob, "AADSTS700016"},
		"shared, of one directory":   {idptest.HomeApp, idptest.HomeTenant, "common", idptest.Alice, "AADSTS50194"},
		"shared":                     {idptest.OpenApp, idptest.OtherTenant, "common", idptest.Bob, idptest.OtherTenant},
		"shared, home of a guest":    {idptest.OpenApp, idptest.HomeTenant, "organizations", idptest.Alice, idptest.HomeTenant},
		"personal":                   {idptest.OpenApp, entra.Consumers, "common", idptest.Dora, entra.Consumers},
		"personal, organisations":    {idptest.OpenApp, entra.Consumers, "organizations", idptest.Dora, "AADSTS50020"},
		"personal, of one directory": {idptest.HomeApp, entra.Consumers, "consumers", idptest.Dora, "AADSTS9002331"},
		"no such directory":          {idptest.OpenApp, idptest.HomeTenant, "nowhere.example", idptest.Dora, "AADSTS90002"},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			p := h.at(c.app, c.directory)
			if c.shared != "" {
				p = p.shared(c.shared)
			}
			a := p.begin()
			page := h.SignIn(h.browser(), a.url, c.username)
			if strings.HasPrefix(c.want, "AADSTS") {
				if !strings.Contains(page.Body, c.want+": ") {
					t.Errorf("page %q, want %s", page.Heading(), c.want)
				}
				return
			}
			claims := p.must(a, page)
			if claims["tid"] != c.want || claims["iss"] != h.Issuer(c.want) {
				t.Errorf("tid %v, iss %v, want %s", claims["tid"], claims["iss"], c.want)
			}
			if guest := claims["idp"] != nil; guest != (name == "guest") {
				t.Errorf("idp = %v", claims["idp"])
			}
		})
	}
}

// Bob of OtherTenant is not the guest who has the same name at home somewhere else.
func TestAGuestHasOneHome(t *testing.T) {
	h := open(t)
	h.AddPerson(entra.Person{
		Directory: idptest.HomeTenant, OID: "guest", PreferredUsername: idptest.Bob, Password: idptest.Password, Home: entra.Consumers,
	})
	page := h.SignIn(h.browser(), h.home(idptest.HomeApp).begin().url, idptest.Bob)
	if !strings.Contains(page.Body, "AADSTS50020: ") {
		t.Errorf("page %q, left for %v", page.Heading(), page.Left)
	}
}

func TestWhatADirectorySaysOfPeople(t *testing.T) {
	h := open(t)
	p := h.home(idptest.HomeApp)
	a := p.begin()
	c := p.must(a, h.SignIn(h.browser(), a.url, idptest.Arthur))
	if c["groups"] != nil || c["_claim_names"] == nil || c["_claim_sources"] == nil {
		t.Errorf("201 groups: %v", c)
	}
	other := h.at(idptest.OpenApp, idptest.OtherTenant)
	a = other.begin()
	c = other.must(a, h.SignIn(h.browser(), a.url, idptest.Mallory))
	if c["email"] != idptest.Alice || c["xms_edov"] != false || c["preferred_username"] != idptest.Mallory {
		t.Errorf("somebody who claims another's address: %v", c)
	}
	err := h.ChangePerson(idptest.HomeTenant, idptest.Alice, func(p *entra.Person) { p.Email, p.Roles = "new@home.example", nil })
	if err != nil {
		t.Fatal(err)
	}
	a = p.begin()
	c = p.must(a, h.SignIn(h.browser(), a.url, idptest.Alice))
	if c["email"] != "new@home.example" || c["oid"] != idptest.AliceOID || c["roles"] != nil {
		t.Errorf("after a change: %v", c)
	}
	if groups, _ := c["groups"].([]any); len(groups) != 2 || c["department"] != "Support" {
		t.Errorf("groups %v, department %v", c["groups"], c["department"])
	}
}
