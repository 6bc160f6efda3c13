package server_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
)

// admitted is how many guesses one address may make at most within a time: twenty, then
// one after each wait.
func admitted(within time.Duration) int {
	n := 20
	for wait := time.Second; within >= wait; n++ {
		within -= wait
		wait = min(2*wait, 10*time.Second)
	}
	return n
}

// Guesses at once, from a fresh address and to two servers, get what the address may and
// no more; the others are told how long to wait.
func TestGuessesAtOnceGetTheTriesOfTheirAddress(t *testing.T) {
	const guesses = 200
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		apps := []*idptest.App{idptest.StartWith(t, cfg, ""), idptest.StartWith(t, cfg, "")}
		party := apps[0].AddParty(idp.Client{})
		browsers, forms := make([]*idptest.Browser, guesses), make([]*idptest.Page, guesses)
		for i := range guesses {
			browsers[i] = idptest.NewBrowser(t)
			forms[i] = browsers[i].Get(strings.Replace(party.Begin().URL, apps[0].Issuer, apps[i%2].Issuer, 1))
		}
		began := idp.Now()
		pages := idptest.Race(guesses, func(i int) *idptest.Page {
			return browsers[i].Submit(forms[i], "/password", "email", fmt.Sprintf("nobody%d@rtx.example", i), "password", "a guess")
		})
		most, through, busy := admitted(idp.Now().Sub(began)), 0, 0
		for _, page := range pages {
			wait, _ := strconv.Atoi(page.Header.Get("Retry-After"))
			switch page.Status {
			case http.StatusTooManyRequests:
				if wait < 1 || wait > 10 {
					t.Errorf("one waits %d s", wait)
				}
			case http.StatusServiceUnavailable: // there was no room for its hash: it was no guess
				busy++
			default:
				through++
			}
		}
		if through > most || through+busy < 20 {
			t.Errorf("%d of %d got through, want 20 to %d", through, guesses, most)
		}
		var counted int
		idptest.Must(t, db.SQL().QueryRowContext(t.Context(), "SELECT failures FROM throttles WHERE kind = 'address'").Scan(&counted))
		if counted != through {
			t.Errorf("%d got through, and %d were counted", through, counted)
		}
	})
}

// While guesses wait for their hashes, of which none begins, what needs no hash goes on.
func TestNothingElseWaitsForGuesses(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app, party, browser := signedIn(t, db)
		attempt := party.Begin()
		token := party.Exchange(attempt, browser.Get(attempt.URL).Left)
		hasher := app.Manage.Hasher
		resume := hasher.Suspend()
		ctx, cancel := context.WithCancel(t.Context())
		for range 300 {
			go func() { _, _, _ = hasher.Verify(ctx, "", "a guess") }()
		}
		for hasher.Waiting() < min(300, hasher.Room()) {
			if t.Context().Err() != nil {
				t.Fatal("the guesses do not wait")
			}
		}
		for _, path := range []string{"/livez", "/readyz"} {
			if page := browser.Get(app.Issuer + path); page.Status != http.StatusOK {
				t.Errorf("%s: %d", path, page.Status)
			}
		}
		if _, err := party.Refresh(token.RefreshToken); err != nil {
			t.Errorf("refresh: %v", err)
		}
		if n := hasher.Waiting(); n < min(300, hasher.Room()) {
			t.Errorf("%d guesses still wait", n)
		}
		cancel()
		resume()
	})
}
