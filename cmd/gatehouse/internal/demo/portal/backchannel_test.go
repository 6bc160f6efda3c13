package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

func (d desk) logoutByToken(t *testing.T, token string) page {
	t.Helper()
	return newBrowser(t).post(d.url+"/backchannel-logout", url.Values{"logout_token": {token}})
}

func TestBackchannelLogout(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	as := func(sub, sid string) browser {
		op.set(func() { op.claims["sub"], op.claims["sid"] = sub, sid })
		return signedIn(t, d)
	}
	tests := []struct {
		name    string
		changes map[string]any
		ended   []bool // the sessions user-1/sid-1, user-1/sid-2, user-2/sid-3
	}{
		{"sub and sid", nil, []bool{true, false, false}},
		{"sid alone", map[string]any{"sub": nil}, []bool{true, false, false}},
		{"sub alone", map[string]any{"sid": nil}, []bool{true, true, false}},
		{"another person's sid", map[string]any{"sub": "user-2"}, []bool{false, false, false}},
		{"a session that is gone", map[string]any{"sid": "sid-9"}, []bool{false, false, false}},
		{"audience as a list", map[string]any{"aud": []string{clientID, "other"}}, []bool{true, false, false}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			browsers := []browser{as("user-1", "sid-1"), as("user-1", "sid-2"), as("user-2", "sid-3")}
			p := d.logoutByToken(t, op.logoutToken(test.changes))
			wants(t, p, http.StatusOK)
			if got := p.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
			for i, b := range browsers {
				if ended := b.me(d) == http.StatusUnauthorized; ended != test.ended[i] {
					t.Errorf("session %d ended: %t, want %t", i+1, ended, test.ended[i])
				}
			}
		})
	}
}

func TestBackchannelLogoutRefuses(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	b := signedIn(t, d)
	with := func(name string, value any) string { return op.logoutToken(map[string]any{name: value}) }
	claims := op.logoutClaims(nil)
	tests := map[string]string{
		"nothing":              "",
		"no token":             "x.y.z",
		"wrong aud":            with("aud", "other"),
		"no aud":               with("aud", nil),
		"wrong iss":            with("iss", "https://evil.example"),
		"nonce present":        with("nonce", "n"),
		"empty nonce present":  with("nonce", ""),
		"missing events":       with("events", nil),
		"another event":        with("events", map[string]any{"http://schemas.example/other": map[string]any{}}),
		"event is null":        with("events", map[string]any{logoutEvent: nil}),
		"event is no object":   with("events", map[string]any{logoutEvent: "yes"}),
		"no jti":               with("jti", nil),
		"no exp":               with("exp", nil),
		"expired":              with("exp", now().Unix()-1),
		"no iat":               with("iat", nil),
		"issued in the future": with("iat", now().Unix()+3600),
		"neither sub nor sid":  op.logoutToken(map[string]any{"sub": nil, "sid": nil}),
		"alg none":             unsigned(claims),
		"shared key":           sign([]byte(strings.Repeat(clientSecret, 2)), "logout+jwt", claims),
		"another key":          sign(newKey(t), "logout+jwt", claims),
		"typ JWT":              sign(op.key, "JWT", claims),
		"no typ":               sign(op.key, "", claims),
		"an ID token":          op.idToken("", "access"),
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			p := d.logoutByToken(t, token)
			wants(t, p, http.StatusBadRequest, `"error": "invalid_request"`)
			if p.header.Get("Content-Type") != "application/json" || p.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", p.header)
			}
		})
	}
	if got := b.me(d); got != http.StatusOK {
		t.Errorf("/me answers %d: a refused token ended the session", got)
	}
	p := d.logoutByToken(t, strings.Repeat("x", maxBody))
	wants(t, p, http.StatusRequestEntityTooLarge, `"error"`)
}

// TestRepeatedLogoutToken sends one token twice, as a provider does whose first
// answer got lost. Its iat is that of the new session's ID token.
func TestRepeatedLogoutToken(t *testing.T) {
	op := newFakeProvider(t)
	op.claims["iat"] = now().Unix()
	d := newDesk(t, op.URL)
	old := signedIn(t, d)
	token := op.logoutToken(map[string]any{"iat": op.claims["iat"]})
	wants(t, d.logoutByToken(t, token), http.StatusOK)
	if got := old.me(d); got != http.StatusUnauthorized {
		t.Errorf("/me answers %d after the first token", got)
	}
	b := signedIn(t, d)
	for range 2 {
		wants(t, d.logoutByToken(t, token), http.StatusOK)
	}
	if got := b.me(d); got != http.StatusOK {
		t.Errorf("/me answers %d: a repeated token ended a new session", got)
	}
}

// TestLateLogoutToken sends a token that the provider issued before or after the
// sign-in that the portal has now, under the same sid.
func TestLateLogoutToken(t *testing.T) {
	at := now().Unix() - 100 // of the sign-in
	tests := []struct {
		name    string
		changes map[string]any
		refresh bool
		ended   bool
	}{
		{"a second before", map[string]any{"iat": at - 1}, false, false},
		{"in the same second", map[string]any{"iat": at}, false, true},
		{"a second after", map[string]any{"iat": at + 1}, false, true},
		{"before, for all sessions", map[string]any{"iat": at - 1, "sid": nil}, false, false},
		{"after, but before a refresh", map[string]any{"iat": at + 1}, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := newFakeProvider(t)
			op.claims["iat"] = at
			d := newDesk(t, op.URL)
			b := signedIn(t, d)
			if test.refresh {
				op.set(func() { delete(op.claims, "iat") })
				wants(t, b.post(d.url+"/refresh", nil), http.StatusOK, "Refreshed")
			}
			wants(t, d.logoutByToken(t, op.logoutToken(test.changes)), http.StatusOK)
			if ended := b.me(d) == http.StatusUnauthorized; ended != test.ended {
				t.Errorf("session ended: %t, want %t", ended, test.ended)
			}
		})
	}
}

func TestLogoutTokenInQueryIsIgnored(t *testing.T) {
	op := newFakeProvider(t)
	d := newDesk(t, op.URL)
	address := d.url + "/backchannel-logout?logout_token=" + op.logoutToken(nil)
	wants(t, newBrowser(t).post(address, nil), http.StatusBadRequest)
}

func FuzzLogoutToken(f *testing.F) {
	f.Add("x.y.z")
	f.Add(unsigned(map[string]any{"sub": "user-1", "events": map[string]any{logoutEvent: map[string]any{}}}))
	f.Add(sign([]byte(strings.Repeat(clientSecret, 2)), "logout+jwt", nil))
	f.Fuzz(func(t *testing.T, token string) {
		op := &provider{verifier: oidc.NewVerifier("https://id.rtx.example", &oidc.StaticKeySet{}, &oidc.Config{ClientID: clientID, Now: now})}
		if got, err := op.verifyLogout(t.Context(), token); err == nil {
			t.Errorf("accepted %+v without a key", got)
		}
	})
}
