package server_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// contenders is how many try the same thing at once.
const contenders = 50

// race runs something as often as there are contenders, all at once.
func race(try func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(contenders)
	for i := range contenders {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			try(i)
		})
	}
	done.Wait()
}

// signedIn is a person who finished a first sign-in at an app.
func signedIn(t *testing.T, db *idptest.Database) (*idptest.App, *idptest.Party, *idptest.Browser) {
	t.Helper()
	app := idptest.Start(t, db.URL, "")
	app.AddUser(idp.Agents, "maya@rtx.example")
	party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
	attempt := party.Begin()
	page, _, _ := idptest.Enrol(browser, party, attempt, "maya@rtx.example")
	party.Exchange(attempt, page.Left)
	return app, party, browser
}

func TestOneCodeIsRedeemedOnceAndTheSecondUseRevokesIt(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app, party, browser := signedIn(t, db)
		attempt := party.Begin()
		code := party.Code(attempt, browser.Get(attempt.URL).Left)
		var mu sync.Mutex
		var won []*oauth2.Token
		race(func(int) {
			token, err := party.OAuth.Exchange(t.Context(), code, oauth2.VerifierOption(attempt.Verifier))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, token)
				return
			}
			wantOAuthError(t, err, "invalid_grant")
		})
		if len(won) != 1 {
			t.Fatalf("%d redeemed the code, want 1", len(won))
		}
		if got := userinfo(t, app, won[0].AccessToken); got != http.StatusUnauthorized {
			t.Errorf("userinfo after the code came twice: status %d, want 401", got)
		}
		if n := app.Audited(idp.AuditCodeReused); n != 1 {
			t.Errorf("%d audit events of a reused code, want 1", n)
		}
	})
}

func TestOneRefreshTokenHasOneSuccessorAndReuseEndsTheFamily(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app, party, browser := signedIn(t, db)
		attempt := party.Begin()
		first := party.Exchange(attempt, browser.Get(attempt.URL).Left)
		var mu sync.Mutex
		successors := map[string]int{}
		var last *oauth2.Token
		race(func(int) {
			token, err := party.Refresh(first.RefreshToken)
			if err != nil {
				t.Errorf("refresh within the grace: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			successors[token.RefreshToken]++
			last = token
		})
		if len(successors) != 1 {
			t.Fatalf("%d different successors, want 1", len(successors))
		}
		again := party.Verify(last)
		for _, claim := range []string{"sub", "nonce", "acr", "auth_time", "sid"} {
			if again.Claims[claim] != first.Claims[claim] {
				t.Errorf("%s changed by the refresh: %v, was %v", claim, again.Claims[claim], first.Claims[claim])
			}
		}
		last, err := party.Refresh(last.RefreshToken) // the successor is used
		idptest.Must(t, err)
		db.Age(t, "tokens", 11*time.Second, "created_at")
		_, err = party.Refresh(first.RefreshToken)
		wantOAuthError(t, err, "invalid_grant")
		_, err = party.Refresh(last.RefreshToken)
		wantOAuthError(t, err, "invalid_grant")
		if n := app.Audited(idp.AuditRefreshReused); n != 1 {
			t.Errorf("%d audit events of a reused refresh token, want 1", n)
		}
	})
}

// atCode brings as many browsers as there are contenders to the second step.
func atCode(t *testing.T, party *idptest.Party) ([]*idptest.Browser, []*idptest.Page) {
	t.Helper()
	browsers, pages := make([]*idptest.Browser, contenders), make([]*idptest.Page, contenders)
	for i := range contenders {
		browsers[i] = idptest.NewBrowser(t)
		pages[i] = browsers[i].Submit(browsers[i].Get(party.Begin().URL), "/password",
			"email", "maya@rtx.example", "password", idptest.Password)
	}
	return browsers, pages
}

func TestOneTimeStepAndOneRecoveryCodeLetOneIn(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		app.AddUser(idp.Agents, "maya@rtx.example")
		party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
		_, phone, codes := idptest.Enrol(browser, party, party.Begin(), "maya@rtx.example")

		browsers, pages := atCode(t, party)
		code := phone.Code(1)
		if n := countIn(func(i int) bool { return browsers[i].Submit(pages[i], "/totp", "code", code).Left != nil }); n != 1 {
			t.Errorf("%d signed in with one time step, want 1", n)
		}
		browsers, pages = atCode(t, party)
		for i := range contenders {
			pages[i] = browsers[i].Submit(pages[i], "/method")
		}
		if n := countIn(func(i int) bool {
			return browsers[i].Submit(pages[i], "/recovery", "code", codes[0]).Status == http.StatusOK
		}); n != 1 {
			t.Errorf("%d signed in with one recovery code, want 1", n)
		}
		if n := app.Audited(idp.AuditRecoveryUsed); n != 1 {
			t.Errorf("%d audit events of a used recovery code, want 1", n)
		}
	})
}

// countIn counts the contenders who got in.
func countIn(try func(i int) bool) int {
	var mu sync.Mutex
	in := 0
	race(func(i int) {
		if try(i) {
			mu.Lock()
			in++
			mu.Unlock()
		}
	})
	return in
}

func wantOAuthError(t *testing.T, err error, code string) {
	t.Helper()
	var got *oauth2.RetrieveError
	if !errors.As(err, &got) || got.ErrorCode != code {
		t.Errorf("error %v, want %s", err, code)
	}
}

func userinfo(t *testing.T, app *idptest.App, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.Issuer+"/userinfo", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return app.Do(req).StatusCode
}
