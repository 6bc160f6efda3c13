package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
	"gatehouse/idp/web"
)

// behindWire is a provider that reaches its PostgreSQL by a wire, with little patience, and an
// app with tokens.
type behindWire struct {
	doors
	*idptest.Wire
	party  *idptest.Party
	tokens idptest.Tokens
}

const littlePatience = 2 * time.Second

func onAWire(t *testing.T, test func(behindWire)) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if db.Dialect() != "postgres" {
			return // a file needs no network
		}
		w := idptest.NewWire(t, db.URL)
		app := idptest.StartWith(t, server.Config{
			DatabaseURL: w.URL, DataDir: t.TempDir(), Thrift: server.Thrift{AnswerWithin: littlePatience},
		}, "")
		app.AddUser(idp.Agents, "maya@rtx.example")
		party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
		attempt := party.Begin()
		page, _, _ := idptest.Enrol(browser, party, attempt, "maya@rtx.example")
		test(behindWire{doors{t: t, app: app, browser: browser}, w, party, party.Exchange(attempt, page.Left)})
	})
}

// userinfo reads, and refresh writes.
func (b *behindWire) userinfo() *http.Response {
	b.t.Helper()
	return b.ask(http.MethodGet, "/userinfo", "Bearer "+b.tokens.AccessToken, nil)
}

func (b *behindWire) refresh() *http.Response {
	b.t.Helper()
	return b.ask(http.MethodPost, "/token", "", url.Values{
		"client_id": {b.party.OAuth.ClientID}, "client_secret": {b.party.OAuth.ClientSecret},
		"grant_type": {"refresh_token"}, "refresh_token": {b.tokens.RefreshToken},
	})
}

// A network that answers nothing: each request is told so within its time, /readyz says it,
// and all works again without a restart, though no old connection is heard of any more.
func TestANetworkThatSwallowsAllIsAnsweredWith503AndHeals(t *testing.T) {
	t.Parallel()
	onAWire(t, func(b behindWire) {
		b.Swallow(true)
		var asking sync.WaitGroup
		for range 20 { // more than are idle: some of them make a connection
			for _, ask := range []func() *http.Response{b.userinfo, b.refresh} {
				asking.Go(func() {
					began := idp.Now()
					want503(b.t, "swallowed", ask())
					if took := idp.Now().Sub(began); took > web.AnswerWithin {
						b.t.Errorf("answered after %s", took)
					}
				})
			}
		}
		asking.Wait()
		if res := b.ask(http.MethodGet, "/readyz", "", nil); res.StatusCode != http.StatusServiceUnavailable {
			b.t.Errorf("/readyz: %d", res.StatusCode)
		}
		b.Swallow(false)
		b.wantHealed()
	})
}

// wantHealed waits for less than a minute until requests and /readyz are answered again.
func (b *behindWire) wantHealed() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	began := idp.Now()
	for _, ask := range []func() *http.Response{
		b.userinfo, b.refresh, func() *http.Response { return b.ask(http.MethodGet, "/readyz", "", nil) },
	} {
		for res := ask(); res.StatusCode != http.StatusOK; res = ask() {
			if ctx.Err() != nil {
				b.t.Fatalf("%s: still %d", res.Request.URL.Path, res.StatusCode)
			}
		}
	}
	b.t.Logf("healed after %s", idp.Now().Sub(began))
}

// Connections that were cut while nobody used them, as firewalls and poolers do, are found out
// before a statement is sent on one: no request fails.
func TestConnectionsThatWereCutWhileIdleFailNoRequest(t *testing.T) {
	t.Parallel()
	onAWire(t, func(b behindWire) {
		for range 20 {
			var asking sync.WaitGroup
			for range 8 { // so that several are idle, and were in use a moment ago
				asking.Go(func() { b.userinfo() })
			}
			asking.Wait()
			b.Cut()
			for _, res := range []*http.Response{
				b.userinfo(), b.refresh(), b.ask(http.MethodGet, b.party.Begin().URL, "", nil), b.ask(http.MethodGet, "/readyz", "", nil),
			} {
				if res.StatusCode >= 400 || strings.Contains(res.Header.Get("Location"), "error=") {
					b.t.Fatalf("%s: %d to %q", res.Request.URL.Path, res.StatusCode, res.Header.Get("Location"))
				}
			}
		}
	})
}
