package provider_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
	"gatehouse/idp/server"
)

const fapiRedirect = "https://app.example/cb"

// fapi is an app with FAPI on, and what its developer holds.
type fapi struct {
	*kit
	*idptest.Party
	key    signingKey // by which it authenticates
	holder *possessor // by which its tokens are bound
	nonce  string
}

// fapiApp is one more app of its own.
func (k *kit) fapiApp(t testing.TB, c idp.Client) *fapi {
	t.Helper()
	key := newKey(t, jose.PS256, "")
	c.FAPI, c.JWKS = true, jwks(t, key)
	if c.Kind.SignsIn() && len(c.RedirectURIs) == 0 {
		c.RedirectURIs = []string{fapiRedirect}
	}
	f := &fapi{kit: k, Party: k.AddParty(c), key: key, holder: possessing(t)}
	f.nonce = f.send("POST", "/token", "grant_type=authorization_code", "DPoP", f.holder.proof("POST", k.Issuer+"/token", nil)).header.Get("DPoP-Nonce")
	return f
}

// assertion is a client assertion. change changes its claims.
func (f *fapi) assertion(t testing.TB, change map[string]any) string {
	t.Helper()
	claims := f.claimsOf(f.Client.ID)
	maps.Copy(claims, change)
	return f.key.sign(t, claims)
}

// proof is a DPoP proof for an endpoint.
func (f *fapi) proof(path string) string {
	return f.holder.proof("POST", f.Issuer+path, map[string]any{"nonce": f.nonce})
}

// call calls an endpoint as the app, with a proof; an empty one is none.
func (f *fapi) call(t testing.TB, path string, form url.Values, proof string) *reply {
	t.Helper()
	return f.send("POST", path, asserted(form, f.assertion(t, nil)).Encode(), "DPoP", proof)
}

// begin is an authorization request that is not pushed yet.
func (f *fapi) begin(pairs ...string) (idptest.Attempt, url.Values) {
	a := f.Begin(pairs...)
	u, _ := url.Parse(a.URL) // ours
	return a, u.Query()
}

// pushes makes a request whose URL is to be opened. pairs are more parameters.
func (f *fapi) pushes(t testing.TB, pairs ...string) idptest.Attempt {
	t.Helper()
	a, form := f.begin(pairs...)
	r := f.call(t, "/par", form, "")
	r.want(t, 201, "")
	a.URL = f.opening(f.Party, r.text("request_uri"))
	return a
}

// fresh is a new code, with the form that redeems it.
func (f *fapi) fresh(t testing.TB, pairs ...string) url.Values {
	t.Helper()
	a := f.pushes(t, pairs...)
	return codeForm(f.Party, f.Code(a, f.opens(a.URL).Left), a.Verifier)
}

// signsIn are the tokens of a new request.
func (f *fapi) signsIn(t testing.TB, pairs ...string) *reply {
	t.Helper()
	r := f.call(t, "/token", f.fresh(t, pairs...), f.proof("/token"))
	r.want(t, 200, "")
	return r
}

// refreshes redeems a refresh token.
func (f *fapi) refreshes(t testing.TB, token string) *reply {
	t.Helper()
	return f.call(t, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, f.proof("/token"))
}

// userinfo presents an access token with a proof.
func (f *fapi) presents(token string) *reply {
	return f.present("DPoP", token, f.holder.proof("GET", f.Issuer+"/userinfo", ath(token)))
}

// refused says that a client is not to be saved.
func (k *kit) refusedFAPI(t testing.TB, c idp.Client, field string) {
	t.Helper()
	c.Name, c.FAPI = "Refused", true
	if c.Kind.SignsIn() {
		c.Populations = []string{idp.Agents}
	}
	if _, _, err := k.Manage.Apps.CreateClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), field) {
		t.Errorf("an app is refused with %v, want %s", err, field)
	}
}

// The clauses of the FAPI 2.0 Security Profile (Final) that are about a provider. Section 5.2
// is about the network, section 5.3.3 about clients.
var fapiClauses = []struct {
	name  string
	holds func(t *testing.T, k *kit)
}{
	{"5.3.2.1-1 discovery metadata", fapiDiscovery},
	{"5.3.2.1-2 no password grant", fapiNoPasswordGrant},
	{"5.3.2.1-3 confidential clients only", fapiConfidential},
	{"5.3.2.1-4 sender-constrained access tokens only", fapiSenderConstrained},
	{"5.3.2.1-5 by DPoP", fapiByDPoP},
	{"5.3.2.1-6 client authentication by private_key_jwt", fapiPrivateKeyJWT},
	{"5.3.2.1-7 no open redirector", fapiNoOpenRedirector},
	{"5.3.2.1-8 aud of assertions is the issuer, as one string", fapiAudience},
	{"5.3.2.1-9 refresh tokens do not rotate", fapiNoRotation},
	{"5.3.2.1-10 a nonce of the provider's", fapiNonce},
	{"5.3.2.1-11 codes live 60 seconds at most", fapiCodeLifetime},
	{"5.3.2.1-12 codes are bound to a DPoP key", fapiCodeBinding},
	{"5.3.2.1-13 iat and nbf up to 10 seconds ahead, none over 60", fapiClocks},
	{"5.3.2.1-14 privileges that were asked for", fapiPrivileges},
	{"5.3.2.2-1 response_type code", fapiResponseType},
	{"5.3.2.2-2 client-authenticated pushed requests", fapiPushed},
	{"5.3.2.2-3 no request that was not pushed", fapiOnlyPushed},
	{"5.3.2.2-4 no pushed request without client authentication", fapiPushedByWhom},
	{"5.3.2.2-5 PKCE with S256", fapiPKCE},
	{"5.3.2.2-6 redirect_uri in pushed requests", fapiRedirectURI},
	{"5.3.2.2-7 iss in the authorization response", fapiIss},
	{"5.3.2.2-8 no redirect URI by http", fapiHTTPS},
	{"5.3.2.2-9 a code counts once", fapiCodeOnce},
	{"5.3.2.2-10 no status 307", fapiRedirectStatus},
	{"5.3.2.2-12 expires_in below 600 seconds", fapiExpiresIn},
	{"5.3.2.2-13 people see who asks and for what", fapiInformed},
	{"5.3.2.3 the person's identifier by OpenID Connect", fapiIDToken},
	{"5.3.4-1 access tokens in the header", fapiHeader},
	{"5.3.4-2 none in the query", fapiQuery},
	{"5.3.4-3 validity, expiry and revocation", fapiValidity},
	{"5.3.4-4 what a token is for", fapiSufficient},
	{"5.3.4-5 by DPoP", fapiResourceByDPoP},
	{"5.4.1-1 PS256, ES256 or EdDSA, and never none", fapiAlgorithms},
	{"5.4.1-2 RSA keys of 2048 bits and elliptic curve keys of 224", fapiKeySizes},
	{"5.4.1-4 128 bits of entropy", fapiEntropy},
	{"5.4.3 no kid twice", fapiKeyIDs},
}

func TestFAPI20SecurityProfile(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, clause := range fapiClauses {
			t.Run(clause.name, func(t *testing.T) { clause.holds(t, k) })
		}
	})
}

func fapiDiscovery(t *testing.T, k *kit) {
	for _, path := range []string{documentPath, "/.well-known/oauth-authorization-server"} {
		d := k.send("GET", path, "").json
		if d["issuer"] != k.Issuer || d["pushed_authorization_request_endpoint"] != k.Issuer+"/par" || d["authorization_response_iss_parameter_supported"] != true {
			t.Errorf("%s: %v", path, d)
		}
		for _, alg := range []string{"PS256", "ES256", "EdDSA"} {
			for _, field := range []string{"dpop_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported", "id_token_signing_alg_values_supported"} {
				if !strings.Contains(strings.Join(words(d[field]), " "), alg) {
					t.Errorf("%s: %s is %v", path, field, d[field])
				}
			}
		}
	}
}

func fapiNoPasswordGrant(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	f.call(t, "/token", url.Values{"grant_type": {"password"}, "username": {"maya@rtx.example"}, "password": {idptest.Password}}, f.proof("/token")).want(t, 400, "unsupported_grant_type")
}

func fapiConfidential(t *testing.T, k *kit) {
	for _, kind := range []idp.ClientKind{idp.SPAClient, idp.NativeClient, idp.APIClient} {
		k.refusedFAPI(t, idp.Client{Kind: kind, RedirectURIs: []string{fapiRedirect}}, "fapi: ")
	}
}

func fapiSenderConstrained(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	if !f.Client.DPoPBound {
		t.Error("the app does not say that its tokens are bound")
	}
	form := f.fresh(t)
	f.call(t, "/token", maps.Clone(form), "").want(t, 400, "invalid_dpop_proof")
	r := f.call(t, "/token", form, f.proof("/token"))
	r.want(t, 200, "")
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r.text("refresh_token")}}
	f.call(t, "/token", refresh, "").want(t, 400, "invalid_dpop_proof")
	service := k.fapiApp(t, idp.Client{Kind: idp.ServiceClient, Scopes: []string{"tickets:read"}})
	service.call(t, "/token", url.Values{"grant_type": {"client_credentials"}}, "").want(t, 400, "invalid_dpop_proof")
	service.call(t, "/token", url.Values{"grant_type": {"client_credentials"}}, service.proof("/token")).want(t, 200, "")
}

func fapiByDPoP(t *testing.T, k *kit) {
	for _, format := range formats {
		f := k.fapiApp(t, idp.Client{TokenFormat: format})
		r := f.signsIn(t)
		if secs, _ := r.json["expires_in"].(float64); r.text("token_type") != "DPoP" || secs > idp.FAPIAccessTTL.Seconds() {
			t.Errorf("%s: %s", format, r.body)
		}
		seen := f.call(t, "/introspect", url.Values{"token": {r.text("access_token")}}, "").json
		if cnf, _ := seen["cnf"].(map[string]any); cnf["jkt"] != f.holder.jkt() {
			t.Errorf("%s: introspection %v", format, seen)
		}
	}
}

func fapiPrivateKeyJWT(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	for _, method := range []idp.AuthMethod{idp.ClientSecretBasic, idp.ClientSecretPost} {
		k.refusedFAPI(t, idp.Client{AuthMethod: method, RedirectURIs: []string{fapiRedirect}}, "auth_method: ")
	}
	for name, r := range map[string]*reply{
		"a secret in the header": f.send("POST", "/token", f.fresh(t).Encode(), "DPoP", f.proof("/token"), "Authorization", basic(f.Client.ID, "secret")),
		"a secret in the form":   f.send("POST", "/token", f.fresh(t).Encode()+"&client_secret=secret&client_id="+f.Client.ID, "DPoP", f.proof("/token")),
		"its id alone":           f.send("POST", "/token", f.fresh(t).Encode()+"&client_id="+f.Client.ID, "DPoP", f.proof("/token")),
	} {
		if r.text("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

func fapiNoOpenRedirector(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	_, form := f.begin()
	form.Set("redirect_uri", "https://evil.example/")
	f.call(t, "/par", form, "").want(t, 400, "invalid_request")
	a := f.pushes(t)
	for _, target := range []string{
		edit(a.URL, "request_uri", pushedURI+"unknown", "redirect_uri", "https://evil.example/"),
		edit(a.URL, "request_uri", "", "redirect_uri", "https://evil.example/"),
	} {
		if page := k.browser.Get(target); page.Left != nil || page.Status < 400 {
			t.Errorf("%s leads to %v", target, page.Left)
		}
	}
	if page := k.browser.Get(edit(a.URL, "redirect_uri", "https://evil.example/")); page.Left == nil || page.Left.Host != "app.example" {
		t.Errorf("what stands beside the request_uri leads to %v", page.Left)
	}
}

func fapiAudience(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{Kind: idp.ServiceClient, Scopes: []string{"tickets:read"}})
	for _, path := range []string{"/token", "/introspect", "/revoke", "/par"} {
		for name, aud := range map[string]any{
			"a list": []string{k.Issuer}, "the token endpoint": k.Issuer + "/token", "the endpoint": k.Issuer + path, "the issuer with a slash": k.Issuer + "/",
			"both": []string{k.Issuer, k.Issuer + "/token"}, "null": nil,
		} {
			form := asserted(url.Values{"grant_type": {"client_credentials"}, "token": {"x"}}, f.assertion(t, map[string]any{"aud": aud}))
			if r := f.send("POST", path, form.Encode(), "DPoP", f.proof(path)); r.text("error") != "invalid_client" {
				t.Errorf("%s, for %s: %d %s", path, name, r.status, r.body)
			}
		}
	}
	f.call(t, "/token", url.Values{"grant_type": {"client_credentials"}}, f.proof("/token")).want(t, 200, "")
}

func fapiNoRotation(t *testing.T, k *kit) {
	for _, format := range formats {
		f := k.fapiApp(t, idp.Client{TokenFormat: format, RefreshTTL: 2 * time.Hour})
		first := f.signsIn(t).text("refresh_token")
		k.exec("UPDATE tokens SET expires_at = " + literal(idp.Now().Add(time.Minute)) + " WHERE kind = 'refresh'")
		seen := map[string]bool{}
		for range 3 {
			r := f.refreshes(t, first)
			r.want(t, 200, "")
			if r.text("refresh_token") != first || seen[r.text("access_token")] {
				t.Errorf("%s: answer %s", format, r.body)
			}
			seen[r.text("access_token")] = true
			f.presents(r.text("access_token")).want(t, 200, "")
		}
		if n := k.count("SELECT count(*) FROM tokens WHERE kind = 'refresh' AND previous_id IS NOT NULL"); n != 0 {
			t.Errorf("%s: %d successors", format, n)
		}
		if n := k.count("SELECT count(*) FROM tokens WHERE kind = 'refresh' AND expires_at > " + literal(idp.Now().Add(30*time.Minute))); n == 0 {
			t.Errorf("%s: the use of a refresh token does not keep it", format)
		}
		other := k.fapiApp(t, idp.Client{})
		other.refreshes(t, first).want(t, 400, "invalid_grant")
		f.call(t, "/revoke", url.Values{"token": {first}}, "").want(t, 200, "")
		f.refreshes(t, first).want(t, 400, "invalid_grant")
		k.exec("DELETE FROM tokens")
	}
}

func fapiNonce(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	form := f.fresh(t)
	r := f.call(t, "/token", maps.Clone(form), f.holder.proof("POST", k.Issuer+"/token", nil))
	r.want(t, 400, "use_dpop_nonce")
	f.nonce = r.header.Get("DPoP-Nonce")
	f.call(t, "/token", form, f.proof("/token")).want(t, 200, "")
	_, pushed := f.begin()
	r = f.call(t, "/par", pushed, f.holder.proof("POST", k.Issuer+"/par", nil))
	if r.want(t, 400, "use_dpop_nonce"); r.header.Get("DPoP-Nonce") == "" {
		t.Error("no nonce at /par")
	}
}

func fapiCodeLifetime(t *testing.T, k *kit) {
	if idp.CodeLifetime > time.Minute {
		t.Errorf("codes live %s", idp.CodeLifetime)
	}
	f := k.fapiApp(t, idp.Client{})
	form := f.fresh(t)
	if n := k.count("SELECT count(*) FROM grants WHERE code_expires_at > " + literal(idp.Now().Add(time.Minute))); n != 0 {
		t.Errorf("%d codes live longer", n)
	}
	k.exec("UPDATE grants SET code_expires_at = " + ago(time.Second))
	f.call(t, "/token", form, f.proof("/token")).want(t, 400, "invalid_grant")
}

// RFC 9449 sections 10 and 10.1.
func fapiCodeBinding(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	thief := possessing(t)
	stolen := func() string { return thief.proof("POST", k.Issuer+"/token", map[string]any{"nonce": f.nonce}) }
	form := f.fresh(t, "dpop_jkt", f.holder.jkt())
	f.call(t, "/token", maps.Clone(form), stolen()).want(t, 400, "invalid_grant")
	f.call(t, "/token", form, f.proof("/token")).want(t, 200, "")

	for _, pairs := range [][]string{nil, {"dpop_jkt", f.holder.jkt()}} {
		a, pushed := f.begin(pairs...)
		r := f.call(t, "/par", pushed, f.proof("/par"))
		r.want(t, 201, "")
		form = codeForm(f.Party, f.Code(a, f.opens(f.opening(f.Party, r.text("request_uri"))).Left), a.Verifier)
		f.call(t, "/token", maps.Clone(form), stolen()).want(t, 400, "invalid_grant")
		f.call(t, "/token", form, f.proof("/token")).want(t, 200, "")
	}
	_, pushed := f.begin("dpop_jkt", thief.jkt())
	f.call(t, "/par", pushed, f.proof("/par")).want(t, 400, "invalid_dpop_proof")
}

func fapiClocks(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{Kind: idp.ServiceClient, Scopes: []string{"tickets:read"}})
	ask := func(claims map[string]any, proof int64) *reply {
		form := asserted(url.Values{"grant_type": {"client_credentials"}}, f.assertion(t, claims))
		return f.send("POST", "/token", form.Encode(), "DPoP", f.holder.proof("POST", k.Issuer+"/token", map[string]any{"nonce": f.nonce, "iat": idp.Now().Unix() + proof}))
	}
	for _, ahead := range []int64{0, 8, 10} {
		at := idp.Now().Unix() + ahead
		ask(map[string]any{"iat": at}, ahead).want(t, 200, "")
		ask(map[string]any{"nbf": at}, ahead).want(t, 200, "")
	}
	for _, ahead := range []int64{70, 90, 290} {
		at := idp.Now().Unix() + ahead
		ask(map[string]any{"iat": at, "exp": at + 5}, 0).want(t, 400, "invalid_client")
		ask(map[string]any{"nbf": at, "exp": at + 5}, 0).want(t, 400, "invalid_client")
		ask(nil, ahead).want(t, 400, "invalid_dpop_proof")
	}
}

func fapiPrivileges(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{Scopes: []string{"openid", "email", "profile"}})
	r := f.signsIn(t, "scope", "openid email")
	if info := f.presents(r.text("access_token")).json; r.text("scope") != "openid email" || info["email"] == nil || info["name"] != nil {
		t.Errorf("scope %q, userinfo %v", r.text("scope"), info)
	}
}

// fapiKeySizes: TestKeysThatAnAppMayAuthenticateBy and the tests of idp/dpop have the others.
func fapiKeySizes(t *testing.T, k *kit) {
	for _, key := range published(t, k) {
		switch public := key.Key.(type) {
		case *rsa.PublicKey:
			if public.N.BitLen() < 2048 {
				t.Errorf("key %s has %d bits", key.KeyID, public.N.BitLen())
			}
		case *ecdsa.PublicKey:
			if public.Params().BitSize < 224 {
				t.Errorf("key %s has %d bits", key.KeyID, public.Params().BitSize)
			}
		}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	idptest.Must(t, err)
	k.refusedFAPI(t, idp.Client{JWKS: jwks(t, signingKey{jose.PS256, weak, ""}), RedirectURIs: []string{fapiRedirect}}, "jwks: ")
	f := k.fapiApp(t, idp.Client{})
	form := f.fresh(t)
	f.holder = &possessor{t, jose.PS256, weak}
	f.call(t, "/token", form, f.proof("/token")).want(t, 400, "invalid_dpop_proof")
}

func published(t *testing.T, k *kit) []jose.JSONWebKey {
	t.Helper()
	var set jose.JSONWebKeySet
	idptest.Must(t, json.Unmarshal([]byte(k.send("GET", "/keys", "").body), &set))
	return set.Keys
}

func fapiAlgorithms(t *testing.T, k *kit) {
	f := k.fapiApp(t, idp.Client{})
	k.refusedFAPI(t, idp.Client{SigningAlg: idp.RS256, RedirectURIs: []string{fapiRedirect}}, "signing_alg: ")
	if alg := part(t, f.signsIn(t).text("id_token"), 0)["alg"]; alg != "PS256" {
		t.Errorf("ID tokens are signed with %v", alg)
	}
	for _, path := range []string{"/token", "/par"} {
		rsa := f.key
		rsa.alg = jose.RS256
		form := asserted(url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}, rsa.sign(t, f.claimsOf(f.Client.ID)))
		f.send("POST", path, form.Encode(), "DPoP", f.proof(path)).want(t, 400, "invalid_client")
		unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(f.assertion(t, nil), ".")[1] + "."
		f.send("POST", path, asserted(form, unsigned).Encode(), "DPoP", f.proof(path)).want(t, 400, "invalid_client")
	}
	key, err := keys.Generate(idp.RS256)
	idptest.Must(t, err)
	f.holder = &possessor{t, jose.RS256, key}
	form := f.fresh(t)
	f.call(t, "/token", maps.Clone(form), f.proof("/token")).want(t, 400, "invalid_dpop_proof")
	_, pushed := f.begin()
	f.call(t, "/par", pushed, f.proof("/par")).want(t, 400, "invalid_dpop_proof")
	f.holder.alg = jose.PS256
	r := f.call(t, "/token", form, f.proof("/token"))
	r.want(t, 200, "")
	f.presents(r.text("access_token")).want(t, 200, "")
	f.holder.alg = jose.RS256
	f.presents(r.text("access_token")).wantChallenge(t, "invalid_dpop_proof")
}

// FAPI asks for all of it by itself, whatever the settings beside it say in the row.
func TestFAPIHoldsWhateverStandsBesideIt(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	f := k.fapiApp(t, idp.Client{})
	k.change(f.Party, func(c *idp.Client) { c.DPoPBound, c.RequirePKCE, c.RequirePushed = false, false, false })
	fapiOnlyPushedBy(t, f)
	_, form := f.begin()
	form.Del("code_challenge")
	form.Del("code_challenge_method")
	f.call(t, "/par", form, "").want(t, 400, "invalid_request")
	f.call(t, "/token", f.fresh(t), "").want(t, 400, "invalid_dpop_proof")
}

// A refresh token that stays may be presented by several at once.
func TestARefreshTokenThatStaysIsPresentedAtOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		f := k.fapiApp(t, idp.Client{})
		token := f.signsIn(t).text("refresh_token")
		for _, r := range idptest.Race(6, func(int) *reply { return f.refreshes(t, token) }) {
			if r.want(t, 200, ""); r.text("refresh_token") != token {
				t.Errorf("answer %s", r.body)
			}
		}
		// One that rotated before goes on as it is, and the one before it ends.
		p := k.AddParty(idp.Client{AuthMethod: idp.PrivateKeyJWT, JWKS: jwks(t, f.key), RedirectURIs: []string{fapiRedirect}})
		plain := &fapi{kit: k, Party: p, key: f.key, holder: f.holder, nonce: f.nonce}
		old := plain.signsIn(t).text("refresh_token")
		next := plain.refreshes(t, old).text("refresh_token")
		k.change(p, func(c *idp.Client) { c.FAPI, c.SigningAlg = true, idp.ES256 })
		for range 2 {
			if r := plain.refreshes(t, next); r.text("refresh_token") != next {
				t.Errorf("answer %d %s", r.status, r.body)
			}
		}
		k.exec("UPDATE tokens SET created_at = " + ago(time.Hour))
		plain.refreshes(t, old).want(t, 400, "invalid_grant")
	})
}

// A JWT for an API is signed as the API is set to: not for an app with FAPI by RS256.
func TestAnAppWithFAPIGetsNoTokenThatIsSignedByRS256(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	api := k.AddParty(idp.Client{Kind: idp.APIClient, Identifier: "https://api.example/", TokenFormat: idp.JWTToken, Scopes: []string{"read"}, SigningAlg: idp.ES256})
	slow := k.AddParty(idp.Client{Kind: idp.APIClient, Identifier: "https://slow.example/", Scopes: []string{"read"}, AccessTTL: 10 * time.Hour})
	f := k.fapiApp(t, idp.Client{Resources: []string{"https://api.example/", slow.Client.Identifier}})
	r := f.signsIn(t, "resource", "https://api.example/", "scope", "openid read")
	if alg := part(t, r.text("access_token"), 0)["alg"]; alg != "ES256" {
		t.Errorf("signed with %v", alg)
	}
	if secs, _ := f.signsIn(t, "resource", slow.Client.Identifier).json["expires_in"].(float64); secs > idp.FAPIAccessTTL.Seconds() {
		t.Errorf("a token lives %v seconds", secs)
	}
	k.change(api, func(c *idp.Client) { c.SigningAlg = idp.RS256 })
	f.refreshes(t, r.text("refresh_token")).want(t, 400, "invalid_target")
	f.call(t, "/token", f.fresh(t, "resource", "https://api.example/"), f.proof("/token")).want(t, 400, "invalid_target")
}

// An assertion costs one statement, and a proof one: the rest is as without.
func TestStatementsOfAnAppWithFAPI(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		k := signedIn(t, idptest.StartWith(t, cfg, ""), db.URL)
		f := k.fapiApp(t, idp.Client{})
		call := func(path string, form url.Values, proof string, status, most int) {
			t.Helper()
			r := k.request("POST", k.Issuer+path, asserted(form, f.assertion(t, nil)))
			if proof != "" {
				r.Header.Set("DPoP", proof)
			}
			statements(t, replica(k, cfg), r, status, most)
		}
		_, form := f.begin()
		call("/par", form, "", http.StatusCreated, 3)
		_, form = f.begin()
		call("/par", form, f.proof("/par"), http.StatusCreated, 4)
		refresh := f.signsIn(t).text("refresh_token")
		call("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}, f.proof("/token"), 200, 5)
	})
}
