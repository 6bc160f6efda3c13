package provider_test

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestRefreshRotatesAndARetryGetsTheSameSuccessor(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		first := k.tokens(p).RefreshToken
		r := k.refresh(p, first)
		second := r.text("refresh_token")
		if r.status != 200 || second == "" || second == first {
			t.Fatalf("answer %d %s", r.status, r.body)
		}
		retry := k.refresh(p, first)
		if retry.text("refresh_token") != second || retry.text("access_token") == r.text("access_token") {
			t.Errorf("retry %s, want the successor %s and an access token of its own", retry.body, second)
		}
		for _, r := range []*reply{r, retry} {
			if info := k.userinfo(r.text("access_token")); info.status != 200 {
				t.Errorf("userinfo %d %s", info.status, info.body)
			}
		}
		third := k.refresh(p, second).text("refresh_token")
		if third == "" || third == second {
			t.Errorf("third token %q", third)
		}
	})
}

func TestFiftyWhoRefreshAtOnceGetOneSuccessor(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		first := k.tokens(p).RefreshToken
		successors := map[string]int{}
		for _, r := range idptest.Race(50, func(int) *reply { return k.refresh(p, first) }) {
			r.want(t, 200, "")
			successors[r.text("refresh_token")]++
		}
		if len(successors) != 1 {
			t.Errorf("%d successors", len(successors))
		}
		if n := k.count("SELECT count(*) FROM tokens WHERE kind = 'refresh'"); n != 2 {
			t.Errorf("%d refresh tokens are stored, want the first and its successor", n)
		}
		for successor := range successors {
			k.refresh(p, successor).want(t, 200, "")
		}
	})
}

// A client that gave up while the database stalled, and one that crashed before it stored
// the answer, never had the successor.
func TestALostSuccessorIsGivenAgainAsLongAsNobodyUsedIt(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		first := k.tokens(p).RefreshToken
		second := k.refresh(p, first).text("refresh_token")
		for _, age := range []time.Duration{idp.RefreshGrace + 3*time.Second, idp.RefreshLost - 5*time.Second} {
			k.exec("UPDATE tokens SET created_at = " + ago(age))
			for _, r := range idptest.Race(5, func(int) *reply { return k.refresh(p, first) }) {
				if r.want(t, 200, ""); r.text("refresh_token") != second {
					t.Errorf("after %s: another successor", age)
				}
			}
		}
		k.exec("UPDATE tokens SET created_at = " + ago(idp.RefreshLost+time.Second))
		k.refresh(p, first).want(t, 400, "invalid_grant")
		if k.Audited(idp.AuditRefreshLate) != 1 || k.Audited(idp.AuditRefreshReused) != 0 {
			t.Errorf("audited late %d, reused %d", k.Audited(idp.AuditRefreshLate), k.Audited(idp.AuditRefreshReused))
		}
		k.refresh(p, second).want(t, 200, "") // the family stays
	})
}

// Clients that give up after five seconds and repeat: the grace counts from the end of a
// write that waited, not from before it.
func TestAStalledDatabaseMakesNoThieves(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		const honest = 8
		var tokens [honest]string
		for i := range tokens {
			tokens[i] = k.tokens(p).RefreshToken
		}
		release := stall(t, db)
		answers := make(chan []*reply)
		go func() {
			answers <- idptest.Race(3*honest, func(i int) *reply { return k.refresh(p, tokens[i%honest]) })
		}()
		released := make(chan time.Time, 1)
		time.AfterFunc(400*time.Millisecond, func() { released <- idp.Now(); release() })
		for _, r := range <-answers {
			r.want(t, 200, "")
		}
		if n := k.count("SELECT count(*) FROM tokens WHERE previous_id IS NOT NULL AND created_at < " + literal((<-released).Add(-300*time.Millisecond))); n > 0 {
			t.Errorf("%d rotations count from before the wait", n)
		}
		if n := k.Audited(idp.AuditRefreshReused); n != 0 {
			t.Errorf("%d grants were revoked as stolen", n)
		}
	})
}

// stall keeps all writers of tokens waiting until release is called.
func stall(t *testing.T, db *idptest.Database) (release func()) {
	t.Helper()
	tx, err := db.SQL().BeginTx(t.Context(), nil)
	idptest.Must(t, err)
	if db.Dialect() == "postgres" {
		_, err = tx.ExecContext(t.Context(), "LOCK TABLE tokens IN SHARE MODE")
		idptest.Must(t, err)
	}
	return func() { idptest.Must(t, tx.Rollback()) }
}

func TestReuseOfARefreshTokenEndsTheFamilyOnceItsSuccessorWasUsed(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{})
		first := k.tokens(p).RefreshToken
		r := k.refresh(p, first)
		r = k.refresh(p, r.text("refresh_token"))
		k.exec("UPDATE tokens SET created_at = " + ago(idp.RefreshGrace+time.Second))
		k.refresh(p, first).want(t, 400, "invalid_grant")
		k.refresh(p, r.text("refresh_token")).want(t, 400, "invalid_grant")
		k.userinfo(r.text("access_token")).want(t, 401, "invalid_token")
		k.refresh(p, first).want(t, 400, "invalid_grant")
		if n := k.Audited(idp.AuditRefreshReused); n != 1 {
			t.Errorf("%d audit events refresh.reused, want 1", n)
		}
	})
}

func TestRefreshTokensBelongToOneClientAndAreNothingElse(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, other := k.AddParty(idp.Client{}), k.AddParty(idp.Client{})
	tokens := k.tokens(p)
	k.refresh(other, tokens.RefreshToken).want(t, 400, "invalid_grant")
	k.refresh(p, tokens.AccessToken).want(t, 400, "invalid_grant")
	k.refresh(p, tokens.RawID).want(t, 400, "invalid_grant")
	k.refresh(p, "invented").want(t, 400, "invalid_grant")
	k.refresh(p, "").want(t, 400, "invalid_request")
	k.userinfo(tokens.RefreshToken).want(t, 401, "invalid_token")
	k.refresh(p, tokens.RefreshToken).want(t, 200, "")
}

func TestRefreshTokenExpires(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{})
	tokens := k.tokens(p)
	k.exec("UPDATE tokens SET expires_at = " + ago(time.Second))
	k.refresh(p, tokens.RefreshToken).want(t, 400, "invalid_grant")
	k.userinfo(tokens.AccessToken).want(t, 401, "invalid_token")
}

func TestRefreshNarrowsScopesAndNeverWidensThem(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{TokenFormat: idp.JWTToken})
	token := k.tokens(p, "scope", "openid email").RefreshToken
	k.refresh(p, token, "scope", "openid profile").want(t, 400, "invalid_scope")
	narrow := k.refresh(p, token, "scope", "openid")
	if narrow.text("scope") != "openid" {
		t.Errorf("answer %s", narrow.body)
	}
	if info := k.userinfo(narrow.text("access_token")); info.status != 200 || info.json["email"] != nil {
		t.Errorf("userinfo with scope openid: %d %s", info.status, info.body)
	}
	without := k.refresh(p, narrow.text("refresh_token"), "scope", "email")
	if without.status != 200 || without.text("id_token") != "" {
		t.Errorf("an ID token without scope openid: %s", without.body)
	}
	r := k.userinfo(without.text("access_token"))
	r.want(t, 403, "insufficient_scope")
	if got := r.header.Get("WWW-Authenticate"); got != `Bearer error="insufficient_scope", scope="openid"` {
		t.Errorf("userinfo without scope openid: WWW-Authenticate %q", got)
	}
	if full := k.refresh(p, without.text("refresh_token")); full.text("scope") != "openid email" {
		t.Errorf("scope %q after a narrow one, want what was granted", full.text("scope"))
	}
}

func TestRefreshEndsWithTheSessionUnlessOffline(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"ended_at = " + ago(0), "last_seen_at = " + ago(2*time.Hour)} {
		k := start(t, idptest.Migrated(t))
		p := k.AddParty(idp.Client{})
		online := k.tokens(p)
		offline := k.tokens(p, "scope", "openid offline_access")
		k.exec("UPDATE sessions SET " + end)
		k.refresh(p, online.RefreshToken).want(t, 400, "invalid_grant")
		k.userinfo(online.AccessToken).want(t, 401, "invalid_token")
		r := k.refresh(p, offline.RefreshToken)
		if r.want(t, 200, ""); k.userinfo(r.text("access_token")).status != 200 {
			t.Error("the new access token is refused")
		}
		k.exec("UPDATE users SET disabled = true")
		k.refresh(p, r.text("refresh_token")).want(t, 400, "invalid_grant")
		k.userinfo(r.text("access_token")).want(t, 401, "invalid_token")
	}
}

func TestTokensOfEveryFormAreVerifiedAndStayTheSameOverRefresh(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	for _, alg := range idp.Algorithms() {
		for _, format := range []idp.TokenFormat{idp.OpaqueToken, idp.JWTToken} {
			t.Run(string(alg)+" "+string(format), func(t *testing.T) {
				p := k.AddParty(idp.Client{SigningAlg: alg, TokenFormat: format})
				first := k.tokens(p, "acr_values", string(idp.ACRRefedsMFA))
				token, err := p.Refresh(first.RefreshToken)
				idptest.Must(t, err)
				second := p.Verify(token)
				if first.Claims["at_hash"] == second.Claims["at_hash"] {
					t.Error("at_hash is not of the new access token")
				}
				for _, name := range []string{"sub", "nonce", "acr", "auth_time", "sid", "iss", "aud", idp.PopulationClaim} {
					if first.Claims[name] == nil || first.Claims[name] != second.Claims[name] {
						t.Errorf("%s: %v, then %v", name, first.Claims[name], second.Claims[name])
					}
				}
				if got := len(second.Claims["amr"].([]any)); got != 3 || first.Claims["sid"] != k.session.ID {
					t.Errorf("amr %v, sid %v", second.Claims["amr"], first.Claims["sid"])
				}
				header := part(t, first.RawID, 0)
				if header["alg"] != string(alg) || header["kid"] == nil {
					t.Errorf("header %v", header)
				}
				if format == idp.JWTToken {
					wantRFC9068(t, k, p, first.AccessToken)
				}
				if info := k.userinfo(token.AccessToken); info.text("sub") != k.user.ID {
					t.Errorf("userinfo %s", info.body)
				}
			})
		}
	}
}

func wantRFC9068(t *testing.T, k *kit, p *idptest.Party, token string) {
	t.Helper()
	header, claims := part(t, token, 0), part(t, token, 1)
	if header["typ"] != "at+jwt" {
		t.Errorf("typ %v", header["typ"])
	}
	for name, want := range map[string]any{
		"iss": k.Issuer, "sub": k.user.ID, "client_id": p.Client.ID, "scope": "openid profile email",
		"acr": string(idp.ACRRefedsMFA), "sid": k.session.ID,
	} {
		if claims[name] != want {
			t.Errorf("%s %v, want %v", name, claims[name], want)
		}
	}
	for _, name := range []string{"aud", "exp", "iat", "jti", "auth_time", "amr"} {
		if claims[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	exp, _ := claims["exp"].(float64)
	iat, _ := claims["iat"].(float64)
	if exp-iat != 300 {
		t.Errorf("lives %v seconds, want 300", exp-iat)
	}
}

// expires_in counts from the answer on (RFC 6749 section 5.1), and the token's life from
// before the write that waited.
func TestAnAppIsToldHowLongATokenLivesFromTheAnswerOn(t *testing.T) {
	db := idptest.Alone(t)
	k := start(t, db.URL)
	p := k.AddParty(idp.Client{})
	first := k.tokens(p).RefreshToken
	release := stall(t, db)
	answer := make(chan *reply)
	go func() { answer <- k.refresh(p, first) }()
	time.AfterFunc(1200*time.Millisecond, release)
	r := <-answer
	if got, _ := r.json["expires_in"].(float64); r.status != 200 || got >= 900 || got < 800 {
		t.Errorf("expires_in %v after a wait: %s", got, r.body)
	}
}
