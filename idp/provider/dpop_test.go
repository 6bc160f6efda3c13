package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
	"gatehouse/idp/provider"
	"gatehouse/idp/store"
)

// possessor holds a private key, and makes proofs of it.
type possessor struct {
	t   testing.TB
	alg jose.SignatureAlgorithm
	key crypto.Signer
}

func possessing(t testing.TB) *possessor {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	idptest.Must(t, err)
	return &possessor{t, jose.ES256, key}
}

func (h *possessor) jwk() *jose.JSONWebKey { return &jose.JSONWebKey{Key: h.key.Public()} }

func (h *possessor) jkt() string {
	h.t.Helper()
	sum, err := h.jwk().Thumbprint(crypto.SHA256)
	idptest.Must(h.t, err)
	return base64.RawURLEncoding.EncodeToString(sum)
}

// proof is one for a request. claims are more, or others.
func (h *possessor) proof(method, address string, claims map[string]any) string {
	h.t.Helper()
	all := map[string]any{"jti": idp.NewID(), "htm": method, "htu": address, "iat": idp.Now().Unix()}
	maps.Copy(all, claims)
	return idptest.SignJWT(h.t, h.alg, h.key, map[string]any{"typ": "dpop+jwt", "jwk": h.jwk()}, all)
}

func ath(token string) map[string]any {
	return map[string]any{"ath": base64.RawURLEncoding.EncodeToString(idp.HashSecret(token))}
}

// prove calls the token endpoint with a proof; an empty one is none.
func (k *kit) prove(p *idptest.Party, form url.Values, proof string) *reply {
	k.t.Helper()
	form.Set("client_id", p.Client.ID)
	if !p.Client.Public() {
		form.Set("client_secret", p.Secret)
	}
	return k.send("POST", "/token", form.Encode(), "DPoP", proof)
}

// bound are the tokens of a new request, bound to a key.
func (k *kit) bound(p *idptest.Party, h *possessor, pairs ...string) *reply {
	k.t.Helper()
	a, code := k.code(p, pairs...)
	r := k.prove(p, codeForm(p, code, a.Verifier), h.proof("POST", k.Issuer+"/token", nil))
	r.want(k.t, 200, "")
	return r
}

// present calls userinfo.
func (k *kit) present(scheme, token, proof string) *reply {
	k.t.Helper()
	return k.send("GET", "/userinfo", "", "Authorization", scheme+" "+token, "DPoP", proof)
}

func (r *reply) wantChallenge(t *testing.T, code string) {
	t.Helper()
	r.want(t, 401, "invalid_token")
	if got, want := r.header.Get("WWW-Authenticate"), `DPoP error="`+code+`", algs="ES256 EdDSA RS256 PS256"`; got != want || r.header.Get("DPoP-Nonce") == "" {
		t.Errorf("WWW-Authenticate %q, want %q, with a nonce", got, want)
	}
}

func TestTokensThatCameWithAProofGoWithTheirKeyAlone(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, format := range formats {
			p, h, thief := k.AddParty(idp.Client{TokenFormat: format}), possessing(t), possessing(t)
			r := k.bound(p, h)
			token := r.text("access_token")
			if r.text("token_type") != "DPoP" || r.header.Get("DPoP-Nonce") == "" {
				t.Errorf("token_type %s, nonce %q", r.text("token_type"), r.header.Get("DPoP-Nonce"))
			}
			if format == idp.JWTToken {
				if cnf, _ := part(t, token, 1)["cnf"].(map[string]any); cnf["jkt"] != h.jkt() {
					t.Errorf("cnf %v", cnf)
				}
			}
			seen := k.introspect(p, token).json
			if cnf, _ := seen["cnf"].(map[string]any); seen["token_type"] != "DPoP" || cnf["jkt"] != h.jkt() {
				t.Errorf("introspection %v", seen)
			}
			address := k.Issuer + "/userinfo"
			proof := h.proof("GET", address, ath(token))
			k.present("DPoP", token, proof).want(t, 200, "")
			k.present("DPoP", token, proof).wantChallenge(t, "invalid_dpop_proof") // once
			k.present("dpop", token, h.proof("GET", address, ath(token))).want(t, 200, "")
			k.present("Bearer", token, "").wantChallenge(t, "invalid_token")
			k.present("Bearer", token, h.proof("GET", address, ath(token))).wantChallenge(t, "invalid_token")
			k.present("DPoP", token, "").wantChallenge(t, "invalid_dpop_proof")
			k.present("DPoP", token, "no proof").wantChallenge(t, "invalid_dpop_proof")
			k.present("DPoP", token, thief.proof("GET", address, ath(token))).wantChallenge(t, "invalid_token")
			k.present("DPoP", token, h.proof("GET", address, nil)).wantChallenge(t, "invalid_token")
			k.present("DPoP", token, h.proof("GET", address, ath("another"))).wantChallenge(t, "invalid_token")
			k.present("DPoP", token, h.proof("POST", address, ath(token))).wantChallenge(t, "invalid_dpop_proof")
			k.present("DPoP", token, h.proof("GET", k.Issuer+"/token", ath(token))).wantChallenge(t, "invalid_dpop_proof")
			form := url.Values{"access_token": {token}}.Encode()
			k.send("POST", "/userinfo", form, "DPoP", h.proof("POST", address, ath(token))).wantChallenge(t, "invalid_token")

			plain := k.tokens(p).AccessToken
			k.present("DPoP", plain, h.proof("GET", address, ath(plain))).wantChallenge(t, "invalid_token")
			k.userinfo(plain).want(t, 200, "")
		}
	})
}

func TestTheAdminAPITakesABoundTokenWithItsKeyAlone(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	h := possessing(t)
	for _, format := range formats {
		service := k.service(idp.Client{TokenFormat: format})
		r := k.prove(service, url.Values{"grant_type": {"client_credentials"}}, h.proof("POST", k.Issuer+"/token", nil))
		r.want(t, 200, "")
		token, address := r.text("access_token"), k.adminAPI()+"/users"
		ask := func(scheme, proof string) *reply {
			return k.send("GET", "/admin/api/v1/users", "", "Authorization", scheme+" "+token, "DPoP", proof)
		}
		proof := h.proof("GET", address+"?limit=1", ath(token))
		if r := ask("DPoP", proof); r.status == 401 {
			t.Errorf("%s: %d %s", format, r.status, r.body)
		}
		for name, r := range map[string]*reply{
			"the same proof": ask("DPoP", proof), "as a Bearer token": ask("Bearer", ""), "no proof": ask("DPoP", ""),
			"another path": ask("DPoP", h.proof("GET", k.adminAPI()+"/roles", ath(token))), "another key": ask("DPoP", possessing(t).proof("GET", address, ath(token))),
		} {
			if r.status != 401 || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "DPoP error=") || r.header.Get("DPoP-Nonce") == "" {
				t.Errorf("%s, %s: %d %v", format, name, r.status, r.header)
			}
		}
		k.admits(t, token, provider.ErrTokenInvalid)
	}
}

func TestAProofIsGoodForOneTokenRequest(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p, h := k.AddParty(idp.Client{Kind: idp.NativeClient}), possessing(t)
		proof := h.proof("POST", k.Issuer+"/token", nil)
		won := 0
		attempts := make([]url.Values, 5)
		for i := range attempts {
			a, code := k.code(p)
			attempts[i] = codeForm(p, code, a.Verifier)
		}
		for _, r := range idptest.Race(len(attempts), func(i int) *reply { return k.prove(p, attempts[i], proof) }) {
			if r.status == 200 {
				won++
			} else {
				r.want(t, 400, "invalid_dpop_proof")
			}
		}
		if won != 1 {
			t.Errorf("%d requests with one proof got tokens", won)
		}
		// The others' codes were not used up.
		again := 0
		for _, form := range attempts {
			if r := k.prove(p, form, h.proof("POST", k.Issuer+"/token", nil)); r.status == 200 {
				again++
			}
		}
		if again < len(attempts)-1 {
			t.Errorf("%d codes are left", again)
		}
	})
}

func TestRefreshTokensOfPublicClientsAreBound(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	public, h, thief := k.AddParty(idp.Client{Kind: idp.NativeClient}), possessing(t), possessing(t)
	refresh := func(p *idptest.Party, token, proof string) *reply {
		return k.prove(p, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, proof)
	}
	address := k.Issuer + "/token"
	r := k.bound(public, h)
	refresh(public, r.text("refresh_token"), "").want(t, 400, "invalid_grant")
	refresh(public, r.text("refresh_token"), thief.proof("POST", address, nil)).want(t, 400, "invalid_grant")
	r = refresh(public, r.text("refresh_token"), h.proof("POST", address, nil))
	if r.want(t, 200, ""); r.text("token_type") != "DPoP" {
		t.Errorf("token_type %s", r.text("token_type"))
	}
	refresh(public, r.text("refresh_token"), thief.proof("POST", address, nil)).want(t, 400, "invalid_grant")
	refresh(public, r.text("refresh_token"), h.proof("POST", address, nil)).want(t, 200, "")

	// A client with a secret proves who it is, and may change its key.
	web := k.AddParty(idp.Client{})
	r = k.bound(web, h)
	refresh(web, r.text("refresh_token"), thief.proof("POST", address, nil)).want(t, 200, "")
}

func TestACodeIsBoundByDPoPJKT(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, h := k.AddParty(idp.Client{}), possessing(t)
	a := p.Begin("dpop_jkt", "short")
	k.wantError(t, p, a, k.browser.Get(a.URL), "invalid_request")
	a, code := k.code(p, "dpop_jkt", h.jkt())
	form := codeForm(p, code, a.Verifier)
	k.prove(p, form, "").want(t, 400, "invalid_grant")
	k.prove(p, form, possessing(t).proof("POST", k.Issuer+"/token", nil)).want(t, 400, "invalid_grant")
	k.prove(p, form, h.proof("POST", k.Issuer+"/token", nil)).want(t, 200, "")
}

// RFC 9449 section 10.1, for every app.
func TestACodeIsBoundByAProofAtThePushedRequest(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, c := range []idp.Client{{}, {Kind: idp.NativeClient, RedirectURIs: []string{"https://app.example/cb"}}} {
			p, h, thief := k.AddParty(c), possessing(t), possessing(t)
			push := func(proof string, pairs ...string) (idptest.Attempt, *reply) {
				a := p.Begin(pairs...)
				u, err := url.Parse(a.URL)
				idptest.Must(t, err)
				form := u.Query()
				if !p.Client.Public() {
					form.Set("client_secret", p.Secret)
				}
				return a, k.send("POST", "/par", form.Encode(), "DPoP", proof)
			}
			proof := h.proof("POST", k.Issuer+"/par", nil)
			a, r := push(proof)
			r.want(t, 201, "")
			form := codeForm(p, p.Code(a, k.browser.Get(k.opening(p, r.text("request_uri"))).Left), a.Verifier)
			k.prove(p, form, "").want(t, 400, "invalid_grant")
			k.prove(p, form, thief.proof("POST", k.Issuer+"/token", nil)).want(t, 400, "invalid_grant")
			k.prove(p, form, h.proof("POST", k.Issuer+"/token", nil)).want(t, 200, "")

			for name, r := range map[string]*reply{
				"the same proof":   second(push(proof)),
				"for another path": second(push(h.proof("POST", k.Issuer+"/token", nil))),
				"no proof":         second(push("x")),
				"of another key":   second(push(h.proof("POST", k.Issuer+"/par", nil), "dpop_jkt", thief.jkt())),
			} {
				if r.status != 400 || r.text("error") != "invalid_dpop_proof" {
					t.Errorf("%s: %d %s", name, r.status, r.body)
				}
			}
			second(push(h.proof("POST", k.Issuer+"/par", nil), "dpop_jkt", h.jkt())).want(t, 201, "")
		}
	})
}

func TestAnAppThatIsSetToProvesEachTimeWithOurNonce(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, h, address := k.AddParty(idp.Client{DPoPBound: true}), possessing(t), k.Issuer+"/token"
	a, code := k.code(p)
	form := codeForm(p, code, a.Verifier)
	k.prove(p, form, "").want(t, 400, "invalid_dpop_proof")
	r := k.prove(p, form, h.proof("POST", address, nil))
	r.want(t, 400, "use_dpop_nonce")
	nonce := map[string]any{"nonce": r.header.Get("DPoP-Nonce")}
	k.prove(p, form, h.proof("POST", address, map[string]any{"nonce": "invented"})).want(t, 400, "use_dpop_nonce")
	r = k.prove(p, form, h.proof("POST", address, nonce))
	r.want(t, 200, "")
	k.prove(p, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r.text("refresh_token")}}, "").want(t, 400, "invalid_dpop_proof")
	k.prove(p, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r.text("refresh_token")}}, h.proof("POST", address, nonce)).want(t, 200, "")
	token := r.text("access_token")
	k.present("DPoP", token, h.proof("GET", k.Issuer+"/userinfo", ath(token))).want(t, 200, "")
}

func TestTokensWithoutAKeyEndWhenTheAppsAreToBeBound(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	for _, format := range formats {
		p := k.AddParty(idp.Client{TokenFormat: format})
		token := k.tokens(p).AccessToken
		bound := k.bound(p, possessing(t)).text("access_token")
		k.userinfo(token).want(t, 200, "")
		v, err := k.Store.VersionedClient(t.Context(), p.Client.ID)
		idptest.Must(t, err)
		v.Client.DPoPBound = true
		idptest.Must(t, k.Store.SaveClient(t.Context(), v.Version, v.Client))
		k.userinfo(token).want(t, 401, "invalid_token")
		if k.introspect(p, token).json["active"] != false || k.introspect(p, bound).json["active"] != true {
			t.Errorf("%s: introspection says another thing", format)
		}
	}
}

func TestProofsCostOneStatementMore(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p, h := k.AddParty(idp.Client{}), possessing(t)
		k.noted(p)
		count := func(r *http.Request) int {
			r.SetBasicAuth(p.Client.ID, p.Secret)
			return k.statementsOf(t, r)
		}
		cost := func(proof string) int {
			a, code := k.code(p)
			r := k.request("POST", k.Issuer+"/token", codeForm(p, code, a.Verifier))
			if proof != "" {
				r.Header.Set("DPoP", proof)
			}
			return count(r)
		}
		if plain, proved := cost(""), cost(h.proof("POST", k.Issuer+"/token", nil)); proved != plain+1 {
			t.Errorf("%d statements with a proof, %d without", proved, plain)
		}
		token := k.bound(p, h).text("access_token")
		r := k.request("GET", k.Issuer+"/userinfo", nil)
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", h.proof("GET", k.Issuer+"/userinfo", ath(token)))
		if n := k.statementsOf(t, r); n > 3 {
			t.Errorf("%d statements at userinfo", n)
		}
	})
}

// statementsOf serves a request and counts.
func (k *kit) statementsOf(t *testing.T, r *http.Request) int {
	t.Helper()
	ctx, n := store.CountStatements(r.Context())
	rec := httptest.NewRecorder()
	k.Handler().ServeHTTP(rec, r.WithContext(ctx))
	if rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return int(n.Load())
}

func TestABrowsersAppReadsTheNonce(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	k.AddParty(idp.Client{Kind: idp.SPAClient, RedirectURIs: []string{"https://spa.example/cb"}})
	for _, path := range []string{"/token", "/userinfo", "/par"} {
		h := k.send("OPTIONS", path, "", "Origin", "https://spa.example").header
		if !strings.Contains(h.Get("Access-Control-Allow-Headers"), "DPoP") || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// proofWorks: a proof of an algorithm binds a token.
func proofWorks(t *testing.T, k *kit, alg string) bool {
	kinds := map[string]idp.Algorithm{"ES256": idp.ES256, "EdDSA": idp.EdDSA, "RS256": idp.RS256, "PS256": idp.RS256}
	kind, known := kinds[alg]
	if !known { // TestProofsThatAreNoneAreRefused has the others
		return false
	}
	key, err := keys.Generate(kind)
	idptest.Must(t, err)
	h := &possessor{t, jose.SignatureAlgorithm(alg), key}
	p := k.AddParty(idp.Client{})
	a, code := k.code(p)
	return k.prove(p, codeForm(p, code, a.Verifier), h.proof("POST", k.Issuer+"/token", nil)).text("token_type") == "DPoP"
}

// FuzzDPoP: no proof is our fault, and none but a right one opens anything.
func FuzzDPoP(f *testing.F) {
	k := start(f, idptest.Migrated(f))
	p, h := k.AddParty(idp.Client{ID: "app", Kind: idp.NativeClient}), possessing(f)
	token := k.bound(p, h).text("access_token")
	f.Add("no proof", token)
	f.Add(h.proof("GET", "https://elsewhere.example/userinfo", ath(token)), token)
	f.Add(h.proof("POST", k.Issuer+"/token", map[string]any{"iat": -1}), token)
	f.Add(h.proof("POST", k.Issuer+"/token", map[string]any{"nonce": strings.Repeat("\x00", 10)}), "x")
	f.Add("", "\x00\xff")
	f.Fuzz(func(t *testing.T, proof, presented string) {
		form := httptest.NewRequest("POST", "/token", strings.NewReader("client_id=app&grant_type=refresh_token&refresh_token=x"))
		form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		pushed := httptest.NewRequest("POST", "/par", strings.NewReader("client_id=app&response_type=code&scope=openid"))
		pushed.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, r := range []*http.Request{
			form, pushed, httptest.NewRequest("GET", "/userinfo", http.NoBody), httptest.NewRequest("GET", "/admin/api/v1/users", http.NoBody),
		} {
			r.Header["Dpop"] = []string{proof}
			if r.Method == "GET" {
				r.Header["Authorization"] = []string{"DPoP " + presented}
			}
			rec := httptest.NewRecorder()
			k.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
			if rec.Code >= 500 || rec.Code < 400 {
				t.Errorf("%s: %d %s", r.URL, rec.Code, rec.Body)
			}
		}
	})
}
