package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
)

// pairwise adds an app with pairwise subjects, at a host.
func (k *kit) pairwise(host string, c idp.Client) *idptest.Party {
	c.SubjectType, c.RedirectURIs = idp.PairwiseSubject, []string{"https://" + host + "/cb"}
	return k.AddParty(c)
}

func TestAPairwiseSubjectIsTheSameEverywhereAndAnotherInEachSector(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		all := idp.Client{GrantTypes: []string{"authorization_code", "refresh_token"}, Scopes: []string{"openid", "offline_access"}}
		one := k.pairwise("one.example", all)
		all.TokenFormat = idp.JWTToken
		tokens := k.tokens(one)
		sub := tokens.ID.Subject
		if sub == k.user.ID || len(sub) < 32 {
			t.Fatalf("the subject is %q", sub)
		}
		beside := k.pairwise("one.example", all) // of the same sector
		byJWT := k.tokens(beside)
		offline := k.tokens(one, "scope", "openid offline_access")
		again := k.refresh(one, offline.RefreshToken)
		for where, got := range map[string]any{
			"userinfo": k.userinfo(tokens.AccessToken).json["sub"], "introspection": k.introspect(one, tokens.AccessToken).json["sub"],
			"a refresh token": k.introspect(one, again.text("refresh_token")).json["sub"], "the second sign-in": offline.ID.Subject,
			"the ID token of a refresh": payload(t, again.text("id_token"))["sub"], "another app of the sector": byJWT.ID.Subject,
			"a JWT access token": payload(t, byJWT.AccessToken)["sub"], "its userinfo": k.userinfo(byJWT.AccessToken).json["sub"], "its introspection": k.introspect(beside, byJWT.AccessToken).json["sub"],
		} {
			if got != sub {
				t.Errorf("%s says %v, the ID token %s", where, got, sub)
			}
		}
		other := k.tokens(k.pairwise("two.example", idp.Client{}))
		if other.ID.Subject == sub || other.ID.Subject == k.user.ID {
			t.Errorf("another sector knows %q", other.ID.Subject)
		}
		if public := k.tokens(k.AddParty(idp.Client{})); public.ID.Subject != k.user.ID {
			t.Errorf("an app with public subjects knows %q", public.ID.Subject)
		}
		for _, token := range []string{tokens.AccessToken, byJWT.AccessToken} {
			if r := k.postTo("/revoke", one, url.Values{"token": {token}}); r.status != http.StatusOK && token == tokens.AccessToken {
				t.Errorf("revoking: %d", r.status)
			}
		}
		found, _, err := k.Manage.People.Users(t.Context(), authz.System(), people.UserQuery{Subject: sub})
		if err != nil || len(found) != 1 || found[0].ID != k.user.ID {
			t.Errorf("an admin finds %v, %v", found, err)
		}
		if found, _, err := k.Manage.People.Users(t.Context(), authz.System(), people.UserQuery{Subject: "x" + sub[1:]}); err != nil || len(found) != 0 {
			t.Errorf("an admin finds %v, %v", found, err)
		}
	})
}

func TestAPairwiseSubjectIsTakenBackAsAHint(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p, other := k.pairwise("one.example", idp.Client{}), k.pairwise("two.example", idp.Client{})
		tokens, foreign := k.tokens(p), k.tokens(other)
		raw := tokens.RawID
		claims := func(sub string) string { return `{"id_token":{"sub":{"value":"` + sub + `"}}}` }
		for what, pairs := range map[string][]string{"a hint": {"id_token_hint", raw}, "claims": {"claims", claims(tokens.ID.Subject)}, "both": {"id_token_hint", raw, "claims", claims(tokens.ID.Subject)}} {
			a := p.Begin(append(pairs, "prompt", "none")...)
			if left := k.browser.Get(a.URL).Left; left == nil || left.Query().Get("code") == "" {
				t.Errorf("%s is answered %v", what, left)
			}
		}
		for what, sub := range map[string]string{"the person's id": k.user.ID, "another sector's": foreign.ID.Subject, "an invented one": idp.NewSecret(), "a short one": "x"} {
			a := p.Begin("prompt", "none", "claims", claims(sub))
			if left := k.browser.Get(a.URL).Left; left == nil || left.Query().Get("error") != "login_required" {
				t.Errorf("claims with %s: answered %v", what, left)
			}
		}
	})
}

// An app without a sector, with public subjects, cannot try out those of sectors.
func TestAnAppWithoutASectorKnowsNobodyByAPairwiseSubject(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	sub := k.tokens(k.pairwise("one.example", idp.Client{})).ID.Subject
	for what, uris := range map[string][]string{
		"this machine": {"http://localhost:1/callback"}, "two hosts": {"https://three.example/cb", "https://four.example/cb"},
	} {
		p := k.AddParty(idp.Client{RedirectURIs: uris})
		for value, want := range map[string]string{sub: "login_required", k.user.ID: ""} {
			a := p.Begin("prompt", "none", "claims", `{"id_token":{"sub":{"value":"`+value+`"}}}`)
			if left := k.browser.Get(a.URL).Left; left == nil || left.Query().Get("error") != want {
				t.Errorf("%s with %s: answered %v", what, value, left)
			}
		}
	}
}

// An app that is told pairwise subjects from now on goes on with the old one where it has one.
func TestAGrantKeepsItsSubject(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{RedirectURIs: []string{"https://one.example/cb"}, GrantTypes: []string{"authorization_code", "refresh_token"}, Scopes: []string{"openid", "offline_access"}})
		before := k.tokens(p, "scope", "openid offline_access")
		k.change(p, func(c *idp.Client) { c.SubjectType = idp.PairwiseSubject })
		if got := payload(t, k.refresh(p, before.RefreshToken).text("id_token"))["sub"]; got != k.user.ID {
			t.Errorf("after the change a refresh says %v", got)
		}
		if got := k.tokens(p).ID.Subject; got == k.user.ID {
			t.Error("after the change a sign-in says the public subject")
		}
		raw := before.RawID
		if left := k.browser.Get(p.Begin("prompt", "none", "id_token_hint", raw).URL).Left; left == nil || left.Query().Get("code") == "" {
			t.Errorf("the old ID token as a hint is answered %v", left)
		}
	})
}

func TestASectorListsTheRedirectURIsOfItsApps(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		var body atomic.Value
		body.Store(`["https://one.example/cb","https://two.example/cb"]`)
		asked := new(atomic.Int64)
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.URL.Path != "/sector.json" {
				http.Redirect(w, r, "/sector.json", http.StatusFound)
				return
			}
			_, _ = w.Write([]byte(body.Load().(string)))
		}))
		t.Cleanup(site.Close)
		try := func(sector string, redirects ...string) error {
			_, _, err := k.Manage.Apps.CreateClient(t.Context(), idp.Client{Name: "App", Populations: []string{idp.Agents}, SubjectType: idp.PairwiseSubject, SectorIdentifierURI: sector, RedirectURIs: redirects})
			return err
		}
		at := site.URL + "/sector.json"
		idptest.Must(t, try(at, "https://one.example/cb", "https://two.example/cb"))
		for what, err := range map[string]error{
			"hosts without a sector":    try("", "https://one.example/cb", "https://two.example/cb"),
			"this machine":              try("", "http://localhost/cb"),
			"no redirect URI":           try(at),
			"a redirect URI not listed": try(at, "https://one.example/cb", "https://three.example/cb"),
			"a redirect of the sector":  try(site.URL+"/elsewhere", "https://one.example/cb"),
			"a fragment":                try(at+"#x", "https://one.example/cb"),
			"no address":                try("sector.json", "https://one.example/cb"),
			"a file":                    try("file:///etc/hosts", "https://one.example/cb"),
			"nobody there":              try("http://127.0.0.1:1/sector.json", "https://one.example/cb"),
		} {
			if err == nil || !strings.Contains(err.Error(), "sector") && !strings.Contains(err.Error(), "subject_type") {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, bad := range []string{``, `{}`, `null`, `"https://one.example/cb"`, `[1]`, `[`, strings.Repeat(" ", 1<<17) + `["https://one.example/cb"]`} {
			body.Store(bad)
			if err := try(at, "https://one.example/cb"); err == nil {
				t.Errorf("%.20q is a sector", bad)
			}
		}
		body.Store(`["https://one.example/cb"]`)
		c, _, err := k.Manage.Apps.CreateClient(t.Context(), idp.Client{Name: "App", Populations: []string{idp.Agents}, SubjectType: idp.PairwiseSubject, SectorIdentifierURI: at, RedirectURIs: []string{"https://one.example/cb"}})
		idptest.Must(t, err)
		entry, err := k.Manage.Apps.Client(t.Context(), authz.System(), c.ID)
		idptest.Must(t, err)
		before := asked.Load()
		entry.Name = "Renamed"
		entry, err = k.Manage.Apps.UpdateClient(t.Context(), authz.System(), entry)
		idptest.Must(t, err)
		if asked.Load() != before {
			t.Error("a change of the name asks the sector again")
		}
		entry.RedirectURIs = append(entry.RedirectURIs, "https://two.example/cb")
		if _, err := k.Manage.Apps.UpdateClient(t.Context(), authz.System(), entry); err == nil {
			t.Error("another redirect URI joins the sector unlisted")
		}
	})
}
