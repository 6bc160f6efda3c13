package federation_test

import (
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/connections"
)

// wrongTypes are values that no claim may have that has to be there.
func wrongTypes(name string) map[string]any {
	values := map[string]any{"null": nil, "true": true, "an object": map[string]any{"a": 1}, "a list of numbers": []int{1}, "empty": ""}
	if name == "iat" || name == "exp" {
		values["text"], values["zero"], values["below zero"], values["endless"] = "yesterday", 0, -5, 1e300
	} else {
		values["a number"] = 5
	}
	return values
}

// Each claim that an ID token has to have (OpenID Connect Core 1.0 section 2, and Entra's
// own), left out and of another type.
func TestEachRequiredClaimIsRequired(t *testing.T) {
	t.Parallel()
	for kind, required := range map[string][]string{
		"entra": {"iss", "aud", "exp", "iat", "nonce", "tid", "oid", "sub"}, "generic": {"iss", "sub", "aud", "exp", "iat", "nonce"},
	} {
		h := open(t, idptest.Alone(t), nil)
		id, who := h.connection.ID, idptest.Alice
		if kind == "generic" {
			id, who = h.connect(func(n *connections.ConnectionChange) { h.generic(n); n.Domains = []string{"generic.example"} }).ID, idptest.Gina
		}
		come := func(t *testing.T, change func(map[string]any)) {
			t.Helper()
			h.t = t
			h.entra.Mutate(change)
			b := idptest.NewBrowser(t)
			page := b.Get(h.party.Begin().URL)
			h.refused(h.back(b, h.entra.SignIn(b, b.Get(page.URL.String()+"/federate?c="+id).Left, who)), badGateway, idp.FederationToken)
			h.forgetTries()
		}
		for _, name := range required {
			t.Run(kind+"/"+name+"/left out", func(t *testing.T) {
				come(t, func(c map[string]any) { delete(c, name) })
			})
			for what, value := range wrongTypes(name) {
				t.Run(kind+"/"+name+"/"+what, func(t *testing.T) { come(t, func(c map[string]any) { c[name] = value }) })
			}
		}
	}
}

func (h *house) forgetTries() {
	h.t.Helper()
	_, err := h.db.SQL().ExecContext(h.t.Context(), "DELETE FROM throttles")
	idptest.Must(h.t, err)
}

type bentToken struct {
	change func(map[string]any)
	taken  bool
}

// tokensOfAnotherMomentOrParty have all claims that they have to have.
func tokensOfAnotherMomentOrParty() map[string]bentToken {
	now := idp.Now().Unix()
	return map[string]bentToken{
		"issued yesterday":             {func(c map[string]any) { c["iat"] = now - 86400 }, false},
		"issued before the sign-in":    {func(c map[string]any) { c["iat"] = now - 33*60 }, false},
		"issued ten minutes ahead":     {func(c map[string]any) { c["iat"] = now + 600 }, false},
		"a clock that is a minute off": {func(c map[string]any) { c["iat"] = now + 60 }, true},
		"a fraction of a second":       {func(c map[string]any) { c["iat"] = float64(now) + 0.5 }, true},
		"two audiences, no azp":        {func(c map[string]any) { c["aud"] = []string{idptest.GenericApp, "other"} }, false},
		"two audiences, azp of another": {func(c map[string]any) {
			c["aud"], c["azp"] = []string{idptest.GenericApp, "other"}, "other"
		}, false},
		"two audiences, azp ours":         {func(c map[string]any) { c["aud"], c["azp"] = []string{idptest.GenericApp, "other"}, idptest.GenericApp }, true},
		"a list of one audience":          {func(c map[string]any) { c["aud"] = []string{idptest.GenericApp} }, true},
		"at_hash of another token":        {func(c map[string]any) { c["at_hash"] = strings.Repeat("A", 22) }, false},
		"at_hash of another type":         {func(c map[string]any) { c["at_hash"] = 5 }, false},
		"no at_hash":                      {func(c map[string]any) { delete(c, "at_hash") }, true},
		"a zero byte in sub":              {func(c map[string]any) { c["sub"] = "a\x00b" }, false},
		"a sub without end":               {func(c map[string]any) { c["sub"] = strings.Repeat("a", 256) }, false},
		"a zero byte in what is optional": {func(c map[string]any) { c["name"], c["locale"], c["sid"] = "a\x00b", "\x00", "\x00" }, true},
	}
}

func TestTokensOfAnotherMomentOrParty(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, nil)
		generic := h.connect(func(n *connections.ConnectionChange) {
			h.generic(n)
			n.Trust, n.Domains, n.CreateUsers = idp.Trusted, []string{"generic.example"}, true
		})
		for name, c := range tokensOfAnotherMomentOrParty() {
			t.Run(name, func(t *testing.T) {
				h.t = t
				h.entra.Mutate(c.change)
				h.forgetTries()
				b, before := idptest.NewBrowser(t), h.count("sessions")
				page := b.Get(h.party.Begin().URL)
				p := h.back(b, h.entra.SignIn(b, b.Get(page.URL.String()+"/federate?c="+generic.ID).Left, idptest.Gina))
				if c.taken != (p.Left != nil) || c.taken != (h.count("sessions") > before) {
					t.Errorf("she is at %q (%d) %s, left for %v", p.Heading(), p.Status, alert(p), p.Left)
				}
				if got := h.lastRefusal().Detail["reason"]; !c.taken && (p.Status != badGateway || got != string(idp.FederationToken)) {
					t.Errorf("status %d, the audit log says %q", p.Status, got)
				}
			})
		}
	})
}
