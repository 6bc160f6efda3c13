package provider_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
	"gatehouse/idp/provider"
)

func (k *kit) revoke(p *idptest.Party, token string, pairs ...string) *reply {
	k.t.Helper()
	form := url.Values{"token": {token}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return k.postTo("/revoke", p, form)
}

// wantDone checks an answer that says as much as RFC 7009 section 2.2 asks for.
func (r *reply) wantDone(t testing.TB) {
	t.Helper()
	if r.status != 200 || r.body != "" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer %d %q, Cache-Control %q", r.status, r.body, r.header.Get("Cache-Control"))
	}
}

func TestRevokingARefreshTokenEndsItsGrant(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, c := range []idp.Client{
			{}, {TokenFormat: idp.JWTToken}, {Kind: idp.NativeClient}, {Kind: idp.SPAClient}, {AuthMethod: idp.ClientSecretPost},
		} {
			p := k.AddParty(c)
			tokens, other := k.tokens(p, "scope", "openid offline_access"), k.tokens(p)
			before := k.Audited(idp.AuditTokenRevoked)
			k.revoke(p, tokens.RefreshToken, "token_type_hint", "access_token").wantDone(t) // a hint may be wrong
			k.refresh(p, tokens.RefreshToken).want(t, 400, "invalid_grant")
			k.userinfo(tokens.AccessToken).want(t, 401, "invalid_token")
			k.revoke(p, tokens.RefreshToken).wantDone(t)
			k.refresh(p, other.RefreshToken).want(t, 200, "")
			events, err := k.Store.AuditEvents(t.Context(), idp.AuditTokenRevoked, "", 100)
			idptest.Must(t, err)
			if len(events) != before+1 || events[0].UserID != k.user.ID || events[0].ClientID != p.Client.ID ||
				events[0].SessionID != k.session.ID || events[0].Detail["token"] != "refresh" || events[0].Detail["grant"] == "" {
				t.Errorf("%d events, the last %+v", len(events)-before, events[0])
			}
		}
	})
}

func TestRevokingARotatedRefreshTokenEndsItsGrantToo(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	first := k.tokens(p).RefreshToken
	next := k.refresh(p, first)
	k.revoke(p, first).wantDone(t)
	k.refresh(p, next.text("refresh_token")).want(t, 400, "invalid_grant")
	k.userinfo(next.text("access_token")).want(t, 401, "invalid_token")
}

func TestRevokingAnAccessTokenEndsItself(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range formats {
			p, tokens := k.adminTokens(format)
			next := k.refresh(p, tokens.RefreshToken)
			before := k.Audited(idp.AuditTokenRevoked)
			k.revoke(p, tokens.AccessToken).wantDone(t)
			k.revoke(p, tokens.AccessToken).wantDone(t)
			k.userinfo(tokens.AccessToken).want(t, 401, "invalid_token")
			k.introspect(p, tokens.AccessToken).wantInactive(t)
			k.admits(t, tokens.AccessToken, provider.ErrTokenInvalid)
			if r := k.userinfo(next.text("access_token")); r.status != 200 {
				t.Errorf("%s: the next access token: %d %s", format, r.status, r.body)
			}
			k.refresh(p, next.text("refresh_token")).want(t, 200, "")
			events, err := k.Store.AuditEvents(t.Context(), idp.AuditTokenRevoked, k.user.ID, 100)
			idptest.Must(t, err)
			if len(events) != before+1 || events[0].ClientID != p.Client.ID || events[0].Detail["token"] != "access" {
				t.Errorf("%s: events %+v", format, events)
			}
		}
		if n := k.count("SELECT count(*) FROM tokens WHERE id LIKE '%.%' AND revoked_at IS NOT NULL"); n != 1 {
			t.Errorf("%d rows of a revoked JWT", n)
		}
	})
}

func TestRevokingAServicesToken(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range formats {
			p, other := k.service(idp.Client{TokenFormat: format}), k.service(idp.Client{})
			token, next := k.ask(p).text("access_token"), k.ask(p).text("access_token")
			before := k.Audited(idp.AuditTokenRevoked)
			k.revoke(other, token).wantDone(t)
			k.admits(t, token, nil)
			k.revoke(p, token).wantDone(t)
			k.revoke(p, token).wantDone(t)
			k.admits(t, token, provider.ErrTokenInvalid)
			k.introspect(p, token).wantInactive(t)
			k.admits(t, next, nil)
			if n := k.Audited(idp.AuditTokenRevoked) - before; n != 1 {
				t.Errorf("%s: %d audit events", format, n)
			}
		}
	})
}

func TestATokenOfAnotherClientStays(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	for _, format := range formats {
		p, tokens := k.adminTokens(format)
		for _, other := range []*idptest.Party{
			k.AddParty(idp.Client{}), k.AddParty(idp.Client{Kind: idp.NativeClient}), k.service(idp.Client{}),
		} {
			before := k.Audited(idp.AuditRevocationRefused)
			k.revoke(other, tokens.AccessToken).wantDone(t)
			k.revoke(other, tokens.RefreshToken).wantDone(t)
			if n := k.Audited(idp.AuditRevocationRefused) - before; n != 2 {
				t.Errorf("%d audit events, want 2", n)
			}
		}
		if r := k.userinfo(tokens.AccessToken); r.status != 200 {
			t.Errorf("%s: %d %s", format, r.status, r.body)
		}
		k.refresh(p, tokens.RefreshToken).want(t, 200, "")
	}
	if n := k.Audited(idp.AuditTokenRevoked); n != 0 {
		t.Errorf("%d tokens were revoked", n)
	}
}

func TestRevokingWhatIsNoToken(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p, tokens := k.adminTokens(idp.JWTToken)
		claims := part(t, tokens.AccessToken, 1)
		for name, token := range map[string]string{
			"invented": idp.NewSecret(), "invented for a service": "service~x", "no text": "\x00\xff", "dots": "...",
			"null": k.raw("null"), "expired": k.forge(keys.AccessToken, with(claims, "exp", idp.Now().Unix())),
			"another issuer's":     k.forge(keys.AccessToken, with(claims, "iss", "https://evil.example")),
			"of a grant that left": k.forge(keys.AccessToken, with(claims, "jti", idp.NewID()+".x")),
			"of no grant":          k.forge(keys.AccessToken, with(claims, "jti", idp.NewID())),
		} {
			k.revoke(p, token).wantDone(t)
			if n := k.count("SELECT count(*) FROM tokens WHERE revoked_at IS NOT NULL"); n != 0 {
				t.Errorf("%s: %d tokens are revoked", name, n)
			}
		}
		k.revoke(p, tokens.RawID).want(t, 400, "unsupported_token_type")
		k.revoke(p, k.forge(keys.LogoutToken, claims)).want(t, 400, "unsupported_token_type")
		if r := k.userinfo(tokens.AccessToken); r.status != 200 {
			t.Errorf("the token itself: %d %s", r.status, r.body)
		}
	})
}

// A JWT can be written in more than one way: each is the same token.
func TestRevokedJWTStaysRevokedHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{TokenFormat: idp.JWTToken, SigningAlg: idp.ES256})
	token := k.tokens(p).AccessToken
	dot := strings.LastIndex(token, ".") + 1
	signature, err := base64.RawURLEncoding.DecodeString(token[dot:])
	idptest.Must(t, err)
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	twin := token[:dot] + base64.RawURLEncoding.EncodeToString(signature)
	if r := k.userinfo(twin); r.status != 200 {
		t.Fatalf("the twin is no token: %d %s", r.status, r.body)
	}
	k.revoke(p, token).wantDone(t)
	k.userinfo(twin).want(t, 401, "invalid_token")
	k.userinfo(token).want(t, 401, "invalid_token")
}

func TestWhoRefreshesWhileAnotherRevokesKeepsNothing(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range formats {
			p := k.AddParty(idp.Client{TokenFormat: format})
			tokens := k.tokens(p)
			before := k.Audited(idp.AuditTokenRevoked)
			got := idptest.Race(30, func(i int) *reply {
				if i%3 == 0 {
					r := k.revoke(p, tokens.RefreshToken)
					r.wantDone(t)
					return r
				}
				return k.refresh(p, tokens.RefreshToken)
			})
			for i, r := range got {
				switch {
				case i%3 == 0:
				case r.status == 200:
					k.userinfo(r.text("access_token")).want(t, 401, "invalid_token")
					k.refresh(p, r.text("refresh_token")).want(t, 400, "invalid_grant")
				default:
					r.want(t, 400, "invalid_grant")
				}
			}
			if n := k.Audited(idp.AuditTokenRevoked) - before; n != 1 {
				t.Errorf("%s: %d audit events, want 1", format, n)
			}
			if n := k.Audited(idp.AuditRefreshReused); n != 0 {
				t.Errorf("%d of reuse", n)
			}
		}
	})
}

func TestOneOfManyWhoRevokeIsRecorded(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range formats {
			p, tokens := k.adminTokens(format)
			service := k.service(idp.Client{TokenFormat: format})
			own := k.ask(service).text("access_token")
			before := k.Audited(idp.AuditTokenRevoked)
			idptest.Race(20, func(i int) bool {
				if i%2 == 0 {
					k.revoke(p, tokens.AccessToken).wantDone(t)
				} else {
					k.revoke(service, own).wantDone(t)
				}
				return true
			})
			if n := k.Audited(idp.AuditTokenRevoked) - before; n != 2 {
				t.Errorf("%s: %d audit events, want one for each token", format, n)
			}
		}
	})
}

func TestRevocationThatFailsHalfwayLeavesTheToken(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p, tokens := k.adminTokens(idp.JWTToken)
		k.exec("ALTER TABLE audit_events RENAME TO audit_away")
		k.revoke(p, tokens.AccessToken).want(t, 500, "server_error")
		k.revoke(p, tokens.RefreshToken).want(t, 500, "server_error")
		k.exec("ALTER TABLE audit_away RENAME TO audit_events")
		k.admits(t, tokens.AccessToken, nil)
		k.refresh(p, tokens.RefreshToken).want(t, 200, "")
	})
}

func TestRecordsOfRevokedJWTsGoWithTheToken(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, tokens := k.adminTokens(idp.JWTToken)
	k.revoke(p, tokens.AccessToken).wantDone(t)
	var expires time.Time
	if exp, ok := part(t, tokens.AccessToken, 1)["exp"].(float64); ok {
		expires = time.Unix(int64(exp), 0).UTC()
	}
	want := expires.Format("2006-01-02 15:04:05")
	if n := k.count("SELECT count(*) FROM tokens WHERE id LIKE '%.%' AND expires_at LIKE '" + want + "%'"); n != 1 {
		t.Errorf("no record until %s", want)
	}
}
