package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

const maya = "maya@rtx.example"

var (
	noMFA   = idp.Policy{}
	byApp   = idp.Policy{Authenticator: true}
	offline = []string{"openid", "email", "offline_access"}
)

// visitor is somebody who has signed in to an app, with what came of it.
type visitor struct {
	*idptest.Browser
	party   *idptest.Party
	tokens  idptest.Tokens
	offline idptest.Tokens
}

// signInByPassword signs maya in where the password is enough.
func signInByPassword(t *testing.T, party *idptest.Party) visitor {
	t.Helper()
	s := visitor{Browser: idptest.NewBrowser(t), party: party}
	attempt := party.Begin()
	page := s.Submit(s.Get(attempt.URL), "/password", "email", maya, "password", idptest.Password)
	s.tokens = party.Exchange(attempt, page.Left)
	withOffline := *party
	withOffline.OAuth.Scopes = offline
	attempt = withOffline.Begin()
	s.offline = withOffline.Exchange(attempt, s.Get(attempt.URL).Left)
	return s
}

// wantDead fails unless nothing of a sign-in is good for anything any more.
func (s visitor) wantDead(t *testing.T, issuer string) {
	t.Helper()
	for name, tokens := range map[string]idptest.Tokens{"token": s.tokens, "offline token": s.offline} {
		if status := idptest.Userinfo(t, issuer, tokens.AccessToken); status != http.StatusUnauthorized {
			t.Errorf("userinfo takes the old access %s: %d", name, status)
		}
		if _, err := s.party.Refresh(tokens.RefreshToken); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
			t.Errorf("the old refresh %s: %v", name, err)
		}
	}
}

// silently asks for a code without any page, and returns the error.
func (s visitor) silently(party *idptest.Party, pairs ...string) string {
	page := s.Get(party.Begin(append([]string{"prompt", "none"}, pairs...)...).URL)
	if page.Left == nil {
		return "a page: " + page.Heading()
	}
	return page.Left.Query().Get("error")
}

// world is a provider on a database, with maya, and one app.
func world(t *testing.T, db *idptest.Database, p idp.Policy) (*idptest.App, *idptest.Party) {
	t.Helper()
	app := idptest.Start(t, db.URL, "")
	app.SetPolicy(idp.Agents, p, populations.OnNextLogin)
	app.AddUser(idp.Agents, maya)
	return app, app.AddParty(idp.Client{})
}

func TestImmediatelySignsEverybodyOut(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app, party := world(t, db, noMFA)
		s := signInByPassword(t, party)
		if status := idptest.Userinfo(t, app.Issuer, s.tokens.AccessToken); status != http.StatusOK {
			t.Fatalf("before: %d", status)
		}
		app.SetPolicy(idp.Agents, byApp, populations.Immediately)
		s.wantDead(t, app.Issuer)
		if got := s.silently(party); got != "login_required" {
			t.Errorf("single sign-on after it: %q", got)
		}
		// The next sign-in meets the new policy.
		attempt := party.Begin()
		page, _, _ := idptest.Enrol(s.Browser, party, attempt, maya)
		tokens := party.Exchange(attempt, page.Left)
		if tokens.Claims["acr"] != string(idp.ACRMFA) || tokens.Claims["sid"] == s.tokens.Claims["sid"] {
			t.Errorf("the new sign-in is %v", tokens.Claims)
		}
	})
}

func TestOnNextLoginLeavesSessionsAlone(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		app, party := world(t, db, noMFA)
		s := signInByPassword(t, party)
		app.SetPolicy(idp.Agents, byApp, populations.OnNextLogin)
		if status := idptest.Userinfo(t, app.Issuer, s.tokens.AccessToken); status != http.StatusOK {
			t.Errorf("userinfo: %d", status)
		}
		if _, err := party.Refresh(s.tokens.RefreshToken); err != nil {
			t.Errorf("refresh: %v", err)
		}
		// Single sign-on goes on, at an app that came later too.
		for _, p := range []*idptest.Party{party, app.AddParty(idp.Client{})} {
			if got := s.silently(p); got != "" {
				t.Errorf("single sign-on: %q", got)
			}
		}
		// Signing in anew meets the new policy: in another browser, and in this one.
		elsewhere := idptest.NewBrowser(t)
		page := elsewhere.Submit(elsewhere.Get(party.Begin().URL), "/password", "email", maya, "password", idptest.Password)
		if page.Heading() != "Protect your account with an authenticator app" {
			t.Errorf("a new sign-in leads to %q", page.Heading())
		}
		page = s.Submit(s.Get(party.Begin("prompt", "login").URL), "/password", "password", idptest.Password)
		if page.Heading() != "Protect your account with an authenticator app" {
			t.Errorf("prompt=login leads to %q", page.Heading())
		}
	})
}

// A later change that applies at once ends what an earlier one spared.
func TestEveryOrderOfChanges(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		app, party := world(t, db, noMFA)
		first := signInByPassword(t, party)
		app.SetPolicy(idp.Agents, noMFA, populations.OnNextLogin)
		second := signInByPassword(t, party)
		app.SetPolicy(idp.Agents, noMFA, populations.Immediately)
		first.wantDead(t, app.Issuer)
		second.wantDead(t, app.Issuer)
		third := signInByPassword(t, party)
		app.SetPolicy(idp.Agents, byApp, populations.OnNextLogin)
		if got := third.silently(party); got != "" {
			t.Errorf("a session of between the changes: %q", got)
		}
		app.SetPolicy(idp.Contacts, byApp, populations.Immediately)
		if got := third.silently(party); got != "" {
			t.Errorf("another population's change ended it: %q", got)
		}
		app.SetPolicy(idp.Agents, noMFA, populations.Immediately)
		third.wantDead(t, app.Issuer)
	})
}

func TestASignInUnderWayMeetsTheNewPolicyAndIsTold(t *testing.T) {
	for _, apply := range []populations.Apply{populations.Immediately, populations.OnNextLogin} {
		t.Run(string(apply), func(t *testing.T) {
			idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
				app, box := idptest.StartWithMail(t, db.URL)
				app.SetPolicy(idp.Agents, idp.Policy{EmailCode: true}, populations.OnNextLogin)
				app.AddUser(idp.Agents, maya)
				party, b := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
				page := b.Submit(b.Get(party.Begin().URL), "/password", "email", maya, "password", idptest.Password)
				code := box.Code(maya)
				app.SetPolicy(idp.Agents, byApp, apply)
				// Looking at the page again, or answering what it asked: both say why.
				for _, page := range []*idptest.Page{b.Get(page.URL.String()), b.Submit(page, "/email", "code", code)} {
					if !strings.Contains(page.Body, "sign-in rules have just changed") || page.Left != nil {
						t.Errorf("%q does not say why:\n%s", page.Heading(), page.Body)
					}
				}
				page = b.Get(page.URL.String())
				if apply == populations.Immediately { // everybody is out, and so is who stands in the middle
					page = b.Submit(page, "/password", "password", idptest.Password)
				} else {
					page = b.Submit(page, "/begin")
				}
				phone := idptest.Scan(t, page)
				page = b.Submit(page, "/enrol", "code", phone.Code(0))
				if page = b.Submit(page, "/saved", "saved", "yes"); page.Left == nil {
					t.Errorf("the sign-in did not end: %s", page.Heading())
				}
			})
		})
	}
}

// The last step of a sign-in and a change that applies at once come together: who
// gets in was judged by the policy that stands afterwards, or is out at once.
func TestNoSignInSlipsPastAChange(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app, party := world(t, db, noMFA)
		for range 10 {
			app.SetPolicy(idp.Agents, noMFA, populations.OnNextLogin)
			b, attempt := idptest.NewBrowser(t), party.Begin()
			form := b.Get(attempt.URL)
			got := idptest.Race(2, func(i int) *idptest.Page {
				if i == 0 {
					app.SetPolicy(idp.Agents, byApp, populations.Immediately)
					return nil
				}
				return b.Submit(form, "/password", "email", maya, "password", idptest.Password)
			})
			if page := got[1]; page.Left == nil && page.Heading() != "Protect your account with an authenticator app" {
				t.Fatalf("the sign-in ended on %q", page.Heading())
			}
			if page := b.Get(party.Begin("prompt", "none").URL); page.Left.Query().Get("error") != "login_required" {
				t.Fatalf("there is a session after all: %s", page.Left)
			}
		}
	})
}

// Clocks decide nothing: rows from a replica whose clock is ten minutes off, either
// way, are judged like any other.
func TestClocksOfReplicasDoNotMatter(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app, party := world(t, db, noMFA)
		for _, off := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
			app.SetPolicy(idp.Agents, noMFA, populations.OnNextLogin)
			s := signInByPassword(t, party)
			app.SetPolicy(idp.Agents, byApp, populations.Immediately)
			for _, table := range []string{"policies", "sessions", "grants", "tokens"} {
				db.Age(t, table, off, "created_at")
			}
			s.wantDead(t, app.Issuer)
			if got := s.silently(party); got != "login_required" {
				t.Errorf("rows that are %s old: %q", off, got)
			}
		}
	})
}

func TestAnOverrideAppliesAtItsClientAlone(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		app, strict := world(t, db, noMFA)
		lax := app.AddParty(idp.Client{})
		s := signInByPassword(t, strict)
		there := lax.Begin()
		elsewhere := lax.Exchange(there, s.Get(there.URL).Left)

		// On next login: the session that exists goes on at both.
		app.SetOverride(strict.Client.ID, idp.Override{Mode: idp.OverrideRequired}, populations.OnNextLogin)
		for _, p := range []*idptest.Party{strict, lax} {
			if got := s.silently(p); got != "" {
				t.Errorf("on next login: %q", got)
			}
		}
		// Immediately: the client's grants are dead, and older proofs count there no
		// more; elsewhere single sign-on goes on.
		app.SetOverride(strict.Client.ID, idp.Override{Mode: idp.OverrideRequired}, populations.Immediately)
		s.wantDead(t, app.Issuer)
		if got := s.silently(strict); got != "login_required" {
			t.Errorf("at the client: %q", got)
		}
		if status := idptest.Userinfo(t, app.Issuer, elsewhere.AccessToken); status != http.StatusOK {
			t.Errorf("the other client's token: %d", status)
		}
		if got := s.silently(lax); got != "" {
			t.Errorf("at the other client: %q", got)
		}
		// There the password is asked for again, and the second step.
		attempt := strict.Begin()
		page := s.Submit(s.Get(attempt.URL), "/password", "password", idptest.Password)
		phone := idptest.Scan(t, page)
		page = s.Submit(s.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
		tokens := strict.Exchange(attempt, page.Left)
		if tokens.Claims["acr"] != string(idp.ACRMFA) {
			t.Errorf("acr %v", tokens.Claims["acr"])
		}
		if status := idptest.Userinfo(t, app.Issuer, elsewhere.AccessToken); status != http.StatusOK {
			t.Errorf("the other client's token after the step-up: %d", status)
		}
	})
}

// A session from before two changes is judged, at each app, by what stood when it
// was created; another app's stricter rule of that time still asks for more.
func TestAStricterAppStillStepsUp(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		app, lax := world(t, db, noMFA)
		strict := app.AddParty(idp.Client{})
		app.SetOverride(strict.Client.ID, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.OnNextLogin)
		s := signInByPassword(t, lax)
		app.SetPolicy(idp.Agents, byApp, populations.OnNextLogin)
		if got := s.silently(lax); got != "" {
			t.Errorf("the lax app: %q", got)
		}
		if got := s.silently(strict); got != "interaction_required" {
			t.Errorf("the strict app: %q", got)
		}
		attempt := strict.Begin()
		page := s.Get(attempt.URL) // the password was given just now: only the second step is missing
		page = s.Submit(page, "/begin")
		phone := idptest.Scan(t, page)
		page = s.Submit(s.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
		if tokens := strict.Exchange(attempt, page.Left); tokens.Claims["acr"] != string(idp.ACRMFA) {
			t.Errorf("acr %v", tokens.Claims["acr"])
		}
	})
}

func TestResetMFALeadsThroughSetUpAgain(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		app, box := idptest.StartWithMail(t, db.URL)
		user := app.AddUser(idp.Agents, maya)
		party, b := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
		attempt := party.Begin()
		page, _, codes := idptest.Enrol(b, party, attempt, maya)
		s := visitor{Browser: b, party: party, tokens: party.Exchange(attempt, page.Left)}
		s.offline = s.tokens
		box.Next(maya)
		idptest.Must(t, app.Manage.Factors.ResetMFA(context.WithoutCancel(t.Context()), authz.System(), user.ID, "lost phone"))
		s.wantDead(t, app.Issuer)
		if subject := box.Next(maya).Subject; !strings.Contains(subject, "reset") {
			t.Errorf("the notice is %q", subject)
		}
		attempt = party.Begin()
		page, _, fresh := idptest.Enrol(b, party, attempt, maya)
		party.Exchange(attempt, page.Left)
		if len(fresh) != 10 || fresh[0] == codes[0] {
			t.Errorf("the codes after the reset are %v", fresh)
		}
	})
}
