package entra_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"gatehouse/idp/idptest/entra"
)

func TestSignInAtADirectory(t *testing.T) {
	h := open(t, nil)
	p, v := h.contoso(strictApp), h.visitor()
	a := p.begin()
	v.signIn(a, alice)
	c := p.must(a, v.answer)
	for name, want := range map[string]any{
		"ver": "2.0", "tid": contoso, "oid": aliceOID, "preferred_username": alice, "email": alice, "xms_edov": true, "name": "Alice",
		"given_name": "Al", "aud": strictApp, "iss": h.Issuer(contoso),
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
	if v.answer.Get("iss") != "" || v.answer.Get("session_state") == "" {
		t.Errorf("answer %v: Entra sends session_state and no iss", v.answer)
	}
	if c["iat"].(float64)+300 > c["exp"].(float64)-3600 || c["sub"] == aliceOID {
		t.Errorf("iat %v, exp %v, sub %v: want backdated times and a pairwise subject", c["iat"], c["exp"], c["sub"])
	}
}

func TestSignInAtTheGenericProvider(t *testing.T) {
	h := open(t, nil)
	p, v := h.at(genericApp, h.Issuer(entra.Generic)), h.visitor()
	a := p.begin()
	v.signIn(a, gina)
	c := p.must(a, v.answer)
	if c["sub"] != "gina-1" || c["email_verified"] != true || c["acr"] != "gold" || c["tid"] != nil || c["oid"] != nil {
		t.Errorf("claims %v", c)
	}
	if amr, _ := c["amr"].([]any); len(amr) != 2 || amr[0] != "pwd" {
		t.Errorf("amr = %v", c["amr"])
	}
	if v.answer.Get("iss") != h.Issuer(entra.Generic) {
		t.Errorf("answer %v: want iss (RFC 9207)", v.answer)
	}
	if h.visitor().signIn(p.begin(), alice).answer != nil {
		t.Error("an account of a directory signed in at the generic provider")
	}
}

func TestSingleSignOn(t *testing.T) {
	h := open(t, nil)
	p, other, v := h.contoso(strictApp), h.contoso(openApp), h.visitor()
	a := p.begin()
	v.signIn(a, alice)
	first := p.must(a, v.answer)

	a = other.begin()
	second := other.must(a, v.get(a.url).answer)
	if second["sid"] != first["sid"] || second["oid"] != first["oid"] || second["sub"] == first["sub"] {
		t.Errorf("second sign-in %v: want the same sid and oid and another sub", second)
	}
	for _, prompt := range []string{"login", "select_account", "consent"} {
		if v.get(p.begin("prompt", prompt).url).answer != nil {
			t.Errorf("prompt=%s showed nothing", prompt)
		}
	}
	if v.get(p.begin("max_age", "0").url).answer != nil {
		t.Error("max_age=0 was answered with an old session")
	}
	a = p.begin("prompt", "login")
	v.signIn(a, alice)
	if p.must(a, v.answer)["sid"] != first["sid"] {
		t.Error("prompt=login made another session for the same account")
	}
	if h.visitor().get(p.begin().url).answer != nil {
		t.Error("another browser was signed in, too")
	}
}

func TestPickingAnAccountIsNoWayAroundAPassword(t *testing.T) {
	h := open(t, nil)
	p, v := h.contoso(strictApp), h.visitor()
	v.signIn(p.begin(), alice)
	v.get(p.begin("prompt", "select_account").url)
	sid := regexp.MustCompile(`name="sid" value="([^"]+)"`).FindStringSubmatch(v.body)
	if sid == nil {
		t.Fatal("no tile of the account that is signed in")
	}
	if v.press("pick", "sid", sid[1]).answer.Get("code") == "" {
		t.Error("picking an account did not sign in")
	}
	for _, pair := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
		if v.get(p.begin(pair...).url).press("pick", "sid", sid[1]).answer != nil {
			t.Errorf("%v: picked an account without its password", pair)
		}
	}
}

func TestPromptNone(t *testing.T) {
	h := open(t, nil)
	strict, all, v := h.contoso(strictApp), h.at(openApp, h.Issuer(contoso)), h.visitor()
	ask := func(p *party, pairs ...string) string {
		q := v.get(p.begin(append(pairs, "prompt", "none")...).url).answer
		code := regexp.MustCompile(`AADSTS\d+`).FindString(q.Get("error_description"))
		return strings.TrimSpace(q.Get("error") + " " + code)
	}
	acrs := `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}`
	blocked := `{"id_token":{"acrs":{"essential":true,"value":"c2"}}}`
	if got := ask(strict); got != "login_required AADSTS50058" {
		t.Errorf("nobody signed in: %s", got)
	}
	v.signIn(strict.begin(), alice)
	v.get(strict.begin("prompt", "login").url) // the session is older than 0 seconds now
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"signed in":      {nil, ""},
		"old":            {[]string{"max_age", "0"}, "login_required AADSTS70044"},
		"another person": {[]string{"login_hint", bob}, "login_required AADSTS50058"},
		"the person":     {[]string{"login_hint", alice}, ""},
		"context":        {[]string{"claims", acrs}, "interaction_required AADSTS50076"},
		"blocked":        {[]string{"claims", blocked}, "interaction_required AADSTS53003"},
	} {
		if got := ask(strict, c.pairs...); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := ask(h.contoso(assignedApp)); got != "interaction_required AADSTS50105" {
		t.Errorf("not assigned: %s", got)
	}
	v.signIn(h.at(openApp, h.Issuer(entra.Consumers)).begin(), dora)

	many := *all
	many.oauth.Endpoint.AuthURL = h.base + "/common/oauth2/v2.0/authorize"
	if got := ask(&many); got != "interaction_required AADSTS16000" {
		t.Errorf("two accounts: %s", got)
	}
	if got := ask(&many, "domain_hint", "consumers"); got != "" {
		t.Errorf("two accounts and a domain hint: %s", got)
	}
}

func TestAuthenticationContext(t *testing.T) {
	h := open(t, nil)
	p, v := h.contoso(strictApp), h.visitor()
	claims := func(value string) []string {
		return []string{"claims", `{"id_token":{"acrs":{"essential":true,"value":"` + value + `"}}}`}
	}
	a := p.begin(claims("c1")...)
	v.signIn(a, alice)
	if v.answer != nil {
		t.Fatal("c1 was met without another step")
	}
	c := p.must(a, v.press("approve").answer)
	if acrs, _ := c["acrs"].([]any); len(acrs) != 1 || acrs[0] != "c1" {
		t.Errorf("acrs = %v, want [c1]", c["acrs"])
	}
	a = p.begin(claims("c1")...)
	if c = p.must(a, v.get(a.url).answer); c["acrs"] == nil {
		t.Error("c1 was met in this session, and is gone")
	}
	a = p.begin()
	if c = p.must(a, v.get(a.url).answer); c["acrs"] != nil {
		t.Errorf("acrs = %v without being asked", c["acrs"])
	}
	a = p.begin(claims("c9")...)
	if c = p.must(a, v.get(a.url).answer); c["acrs"] != nil {
		t.Errorf("acrs = %v for a context that the directory does not know", c["acrs"])
	}
	v.get(p.begin(claims("c2")...).url)
	if q := v.press("return").answer; q.Get("error") != "access_denied" || !strings.HasPrefix(q.Get("error_description"), "AADSTS53003: ") {
		t.Errorf("c2: %v", q)
	}
}

func TestResponseModeFormPost(t *testing.T) {
	h := open(t, nil)
	p, v := h.contoso(strictApp), h.visitor()
	a := p.begin("response_mode", "form_post")
	v.signIn(a, alice)
	if v.form != callback {
		t.Fatalf("form to %q, want %q", v.form, callback)
	}
	answer := url.Values{}
	for _, m := range regexp.MustCompile(`name="([^"]+)" value="([^"]+)"`).FindAllStringSubmatch(v.body, -1) {
		answer.Set(m[1], m[2])
	}
	p.must(a, answer)
}
