package idp_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
)

const (
	tenant      = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a"
	otherTenant = "5fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3b"
)

// came is somebody who came through a trusted connection, when 3 was the number of the
// last change, and proved a second step there.
func came() (idp.Way, idp.Population, idp.Proof) {
	way := idp.Way{
		Connection: idp.Connection{
			ID: "entra", Kind: idp.EntraConnection, Enabled: true, Issuer: idp.EntraAuthority, Tenants: []string{tenant, otherTenant},
			Trust: idp.Trusted, Context: "c1", Domains: []string{"rtx.example"},
		},
		Subject: tenant + "/maya", Email: "maya@rtx.example",
	}
	proof := idp.Proof{
		Method: idp.MethodFederated, Via: "entra", Subject: tenant + "/maya", Version: 3, AMR: []string{"mfa"}, Evidence: idp.ACRMFA,
	}
	return way, idp.Population{Access: idp.Access{Password: true, Federated: true}}, proof
}

// What a federated sign-in counts for after a change of each thing that it rests on, and
// after the change was taken back: "all" of it, as a "password" does, or "nothing".
func TestFederatedProofIsWorthWhatItsConnectionIsNow(t *testing.T) {
	unproved := func(w *idp.Way, _ *idp.Population, p *idp.Proof) { p.AMR, p.Evidence = nil, "" }
	for name, c := range map[string]struct {
		first  func(*idp.Way, *idp.Population, *idp.Proof)
		change func(*idp.Connection, *idp.Access)
		now    string
		later  string
	}{
		"nothing":                     {nil, func(*idp.Connection, *idp.Access) {}, "all", "all"},
		"switched off":                {nil, func(c *idp.Connection, _ *idp.Access) { c.Enabled = false }, "nothing", "nothing"},
		"another issuer":              {nil, func(c *idp.Connection, _ *idp.Access) { c.Issuer = "https://login.other.example" }, "nothing", "nothing"},
		"the tenant is gone":          {nil, func(c *idp.Connection, _ *idp.Access) { c.Tenants = []string{otherTenant} }, "nothing", "nothing"},
		"another tenant is":           {nil, func(c *idp.Connection, _ *idp.Access) { c.Tenants = []string{tenant} }, "all", "all"},
		"no connections at all":       {nil, func(_ *idp.Connection, a *idp.Access) { a.Federated = false }, "nothing", "nothing"},
		"no passwords":                {nil, func(_ *idp.Connection, a *idp.Access) { a.Password = false }, "all", "all"},
		"the domain is gone":          {nil, func(c *idp.Connection, _ *idp.Access) { c.Domains = nil }, "nothing", "nothing"},
		"a local step":                {nil, func(c *idp.Connection, _ *idp.Access) { c.Trust = idp.LocalStep }, "password", "password"},
		"evidence, and it is there":   {nil, func(c *idp.Connection, _ *idp.Access) { c.Trust = idp.EvidenceRequired }, "all", "all"},
		"evidence, and there is none": {unproved, func(c *idp.Connection, _ *idp.Access) { c.Trust = idp.EvidenceRequired }, "nothing", "nothing"},
		"another context":             {nil, func(c *idp.Connection, _ *idp.Access) { c.Context = "c2" }, "federated", "federated"},
		"another name":                {nil, func(c *idp.Connection, _ *idp.Access) { c.Name = "Entra" }, "all", "all"},
		"any organisation, and it is named": {func(w *idp.Way, _ *idp.Population, _ *idp.Proof) {
			w.Connection.AnyTenant, w.Connection.Tenants = true, nil
		}, func(c *idp.Connection, _ *idp.Access) { c.AnyTenant, c.Tenants = false, []string{tenant} }, "all", "nothing"},
		"any organisation, and it is not": {func(w *idp.Way, _ *idp.Population, _ *idp.Proof) {
			w.Connection.AnyTenant, w.Connection.Tenants = true, nil
		}, func(c *idp.Connection, _ *idp.Access) { c.AnyTenant, c.Tenants = false, []string{otherTenant} }, "nothing", "nothing"},
		"personal accounts": {func(w *idp.Way, _ *idp.Population, p *idp.Proof) {
			w.Connection.PersonalAccounts, w.Subject, p.Subject = true, idp.PersonalTenant+"/maya", idp.PersonalTenant+"/maya"
		}, func(c *idp.Connection, _ *idp.Access) { c.PersonalAccounts = false }, "nothing", "nothing"},
	} {
		way, population, proof := came()
		if c.first != nil {
			c.first(&way, &population, &proof)
		}
		before, access := way.Connection, population.Access
		c.change(&way.Connection, &population.Access)
		way.Taken = way.Taken.With(4, idp.LostByConnection(before, way.Connection)...)
		population.Taken = population.Taken.With(4, idp.LostByAccess(access, population.Access)...)
		if got := worthOf(way, population, proof); got != c.now {
			t.Errorf("%s: %s, want %s", name, got, c.now)
		}
		newer := proof
		newer.Version = 5
		way.Connection, population.Access = before, access // it is given back
		if got := worthOf(way, population, proof); got != c.later {
			t.Errorf("%s, and back: %s, want %s", name, got, c.later)
		}
		if got := worthOf(way, population, newer); got != "all" {
			t.Errorf("%s, and back, and signed in again: %s", name, got)
		}
	}
}

func worthOf(w idp.Way, p idp.Population, proof idp.Proof) string {
	worth, lessened := w.Worth([]idp.Proof{{Method: idp.MethodTOTP}, proof}, p)
	switch {
	case !lessened && len(worth) == 2:
		return "all"
	case len(worth) == 1 && worth[0].Method == idp.MethodTOTP:
		return "nothing"
	case len(worth) == 2 && worth[1].LocalStep && worth[1].Evidence == "" && len(worth[1].AMR) == 0:
		return "password"
	case len(worth) == 2 && worth[1].Evidence == "" && len(worth[1].AMR) == 0:
		return "federated"
	}
	return "something else"
}

func TestProofOfSomebodyElseOrOfNoConnectionCountsForNothing(t *testing.T) {
	for name, change := range map[string]func(*idp.Way, *idp.Proof){
		"unlinked":                func(w *idp.Way, _ *idp.Proof) { w.Subject = "" },
		"linked to somebody else": func(w *idp.Way, _ *idp.Proof) { w.Subject = tenant + "/other" },
		"deleted":                 func(w *idp.Way, _ *idp.Proof) { *w = idp.Way{} },
		"through another":         func(_ *idp.Way, p *idp.Proof) { p.Via = "google" },
		"an issuer that is theirs no more": func(w *idp.Way, p *idp.Proof) {
			w.Connection.Kind, w.Connection.Issuer, w.Subject, p.Subject = idp.OIDCConnection, "https://b.example", "https://a.example|maya", ""
		},
	} {
		way, population, proof := came()
		change(&way, &proof)
		if got := worthOf(way, population, proof); got != "nothing" {
			t.Errorf("%s: %s", name, got)
		}
	}
	way, population, proof := came()
	way.Connection.Kind, way.Connection.Issuer, way.Subject, proof.Subject = idp.OIDCConnection, "https://a.example", "https://a.example|maya", ""
	if got := worthOf(way, population, proof); got != "all" {
		t.Errorf("an issuer that is theirs: %s", got)
	}
}

func TestScopesOfAGrantAreThoseThatTheAppHasHadSince(t *testing.T) {
	a := app()
	a.Scopes, a.Taken = []string{"openid", "email"}, idp.Taken{"scope:email": 4, "scope:openid": 3}
	for version, want := range map[int64]string{3: "openid", 4: "openid email"} {
		got := a.ScopesOf(idp.Grant{GivenVersion: version}, strings.Fields("openid email profile"))
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("given at %d: %q", version, got)
		}
	}
}

// A passkey in the place of a password goes with the way in by password. One that was a second
// step stays, and says nothing by itself.
func TestAPasskeyIsWorthWhatItsWayInIsNow(t *testing.T) {
	p := idp.Population{Access: idp.Access{Federated: true}}
	p.Taken = p.Taken.With(5, idp.LostByAccess(idp.Access{Password: true}, p.Access)...)
	first := idp.Proof{Method: idp.MethodPasskey, Verified: true, First: true, Version: 4}
	second := idp.Proof{Method: idp.MethodPasskey, Verified: true, Version: 4}
	kept, _ := idp.Way{}.Worth([]idp.Proof{first, second}, p)
	if len(kept) != 1 || kept[0].First {
		t.Errorf("%+v", kept)
	}
	first.Version = 5
	if kept, _ := (idp.Way{}).Worth([]idp.Proof{first}, p); len(kept) != 1 {
		t.Error("one of after counts for nothing")
	}
	if all := idp.WithProof([]idp.Proof{first}, second); len(all) != 2 {
		t.Errorf("a second use takes the first away: %+v", all)
	}
	if all := idp.WithProof([]idp.Proof{second, first}, first); len(all) != 1 {
		t.Errorf("%+v", all)
	}
}
