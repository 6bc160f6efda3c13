package server_test

import (
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestFirstSignInLeadsThroughSetUpAndTheTokenSaysSo(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		user := app.AddUser(idp.Agents, "maya@rtx.example")
		party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)

		attempt := party.Begin()
		page := browser.Submit(browser.Get(attempt.URL), "/password", "email", "maya@rtx.example", "password", idptest.Password)
		phone := idptest.Scan(t, page)
		setUp := phone.Code(0)
		page = browser.Submit(page, "/enrol", "code", setUp)
		codes := idptest.RecoveryCodes(page)
		page = browser.Submit(page, "/saved", "saved", "yes")
		if len(codes) != 10 {
			t.Fatalf("%d recovery codes, want 10: %v", len(codes), codes)
		}
		tokens := party.Exchange(attempt, page.Left)
		wantClaims(t, tokens, user.ID, "urn:gatehouse:acr:mfa", "pwd", "otp", "mfa")

		// A second sign-in, elsewhere: password and the next code.
		other := idptest.NewBrowser(t)
		attempt = party.Begin()
		page = other.Submit(other.Get(attempt.URL), "/password", "email", "MAYA@rtx.example", "password", idptest.Password)
		replayed := other.Submit(page, "/totp", "code", setUp)
		if replayed.Left != nil {
			t.Fatal("the set-up's code was accepted a second time")
		}
		page = other.Submit(replayed, "/totp", "code", phone.Code(1))
		wantClaims(t, party.Exchange(attempt, page.Left), user.ID, "urn:gatehouse:acr:mfa", "pwd", "otp", "mfa")

		// Single sign-on: another app is answered at once.
		second := app.AddParty(idp.Client{SigningAlg: idp.EdDSA, TokenFormat: idp.JWTToken})
		attempt = second.Begin()
		page = other.Get(attempt.URL)
		wantClaims(t, second.Exchange(attempt, page.Left), user.ID, "urn:gatehouse:acr:mfa", "pwd", "otp", "mfa")
	})
}

func wantClaims(t *testing.T, tokens idptest.Tokens, sub, acr string, amr ...any) {
	t.Helper()
	if tokens.ID.Subject != sub || tokens.Claims["acr"] != acr {
		t.Errorf("sub %v acr %v, want %v %v", tokens.ID.Subject, tokens.Claims["acr"], sub, acr)
	}
	got, _ := tokens.Claims["amr"].([]any)
	if len(got) != len(amr) {
		t.Fatalf("amr %v, want %v", got, amr)
	}
	for i := range amr {
		if got[i] != amr[i] {
			t.Errorf("amr %v, want %v", got, amr)
		}
	}
	for _, name := range []string{"sid", "auth_time", "at_hash"} {
		if tokens.Claims[name] == nil {
			t.Errorf("no %s in the ID token", name)
		}
	}
}
