package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// signingKey is a key of an app's.
type signingKey struct {
	alg     jose.SignatureAlgorithm
	private crypto.Signer
	kid     string
}

var rsaOfApps = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newKey(t testing.TB, alg jose.SignatureAlgorithm, kid string) signingKey {
	t.Helper()
	k := signingKey{alg: alg, kid: kid}
	var err error
	switch alg {
	case jose.EdDSA:
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		k.private = rsaOfApps()
	}
	idptest.Must(t, err)
	return k
}

// jwks is the set of some keys' public halves.
func jwks(t testing.TB, keys ...signingKey) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid})
	}
	raw, err := json.Marshal(set)
	idptest.Must(t, err)
	return string(raw)
}

// sign makes an assertion of claims as they are. pairs are more headers.
func (k signingKey) sign(t testing.TB, claims any, pairs ...string) string {
	t.Helper()
	headers := map[string]any{}
	if k.kid != "" {
		headers["kid"] = k.kid
	}
	for i := 0; i < len(pairs); i += 2 {
		headers[pairs[i]] = pairs[i+1]
	}
	return idptest.SignJWT(t, k.alg, k.private, headers, claims)
}

// claimsOf are good ones of a client.
func (k *kit) claimsOf(id string) map[string]any {
	now := idp.Now().Unix()
	return map[string]any{"iss": id, "sub": id, "aud": k.Issuer, "iat": now, "exp": now + 60, "jti": idp.NewID()}
}

// own is the key of parties that have one.
func (k *kit) own() signingKey {
	k.t.Helper()
	if k.key.private == nil {
		k.key = newKey(k.t, jose.ES256, "own")
	}
	return k.key
}

// withKey is a client whose parties use own.
func (k *kit) withKey(c idp.Client) idp.Client {
	if c.AuthMethod == idp.PrivateKeyJWT {
		c.JWKS = jwks(k.t, k.own())
	}
	return c
}

// change saves a client that was changed.
func (k *kit) change(p *idptest.Party, change func(*idp.Client)) {
	k.t.Helper()
	v, err := k.Store.VersionedClient(k.t.Context(), p.Client.ID)
	idptest.Must(k.t, err)
	change(&v.Client)
	idptest.Must(k.t, k.Store.SaveClient(k.t.Context(), v.Version, v.Client))
}

func asserted(form url.Values, token string) url.Values {
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", token)
	return form
}

// askWith asks for a service's token with an assertion.
func (k *kit) askWith(token string, pairs ...string) *reply {
	k.t.Helper()
	form := asserted(url.Values{"grant_type": {"client_credentials"}}, token)
	for i := 0; i < len(pairs); i += 2 {
		form.Del(pairs[i])
		if pairs[i+1] != "" {
			form.Set(pairs[i], pairs[i+1])
		}
	}
	return k.send("POST", "/token", form.Encode())
}

// keyed is a service that authenticates by a key.
func (k *kit) keyed(keys ...signingKey) *idptest.Party {
	k.t.Helper()
	return k.service(idp.Client{AuthMethod: idp.PrivateKeyJWT, JWKS: jwks(k.t, keys...)})
}

func TestAppsAuthenticateByTheirOwnKey(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
		key := newKey(t, alg, "")
		p := k.AddParty(idp.Client{AuthMethod: idp.PrivateKeyJWT, JWKS: jwks(t, key)})
		if p.Secret != "" {
			t.Error("an app with a key got a secret, too")
		}
		with := func(path string, form url.Values) *reply {
			return k.send("POST", path, asserted(form, key.sign(t, k.claimsOf(p.Client.ID))).Encode())
		}
		a, code := k.code(p)
		r := with("/token", codeForm(p, code, a.Verifier))
		r.want(t, 200, "")
		r = with("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r.text("refresh_token")}, "client_id": {p.Client.ID}})
		r.want(t, 200, "")
		if r = with("/introspect", url.Values{"token": {r.text("access_token")}}); r.json["active"] != true {
			t.Errorf("%s: introspection says %s", alg, r.body)
		}
		with("/revoke", url.Values{"token": {"x"}}).want(t, 200, "")
	}
	key := newKey(t, jose.ES256, "one")
	p := k.keyed(newKey(t, jose.EdDSA, "two"), key)
	for name, aud := range map[string]any{
		"the issuer": k.Issuer, "the token endpoint": k.Issuer + "/token", "a list": []string{k.Issuer}, "both": []string{k.Issuer, k.Issuer + "/token"},
	} {
		claims := k.claimsOf(p.Client.ID)
		claims["aud"] = aud
		if r := k.askWith(key.sign(t, claims, "typ", "JWT")); r.status != 200 {
			t.Errorf("for %s: %s", name, r.body)
		}
	}
	claims := k.claimsOf(p.Client.ID)
	claims["iat"], claims["nbf"] = idp.Now().Unix()+10, idp.Now().Unix()+10
	k.askWith(key.sign(t, claims, "typ", "client-authentication+jwt")).want(t, 200, "")
	delete(claims, "iat")
	delete(claims, "nbf")
	claims["jti"] = "another"
	k.askWith(key.sign(t, claims)).want(t, 200, "")
}

func TestAssertionsThatProveNothing(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	key, other := newKey(t, jose.ES256, "one"), newKey(t, jose.ES256, "one")
	p, stranger := k.keyed(key), k.keyed(other)
	id, now := p.Client.ID, float64(idp.Now().Unix())
	for name, change := range map[string]map[string]any{
		"another iss": {"iss": stranger.Client.ID}, "another sub": {"sub": stranger.Client.ID}, "no iss": {"iss": nil},
		"another aud": {"aud": "https://other.example"}, "ours and another aud": {"aud": []string{k.Issuer, "https://other.example"}},
		"no aud": {"aud": nil}, "an empty list": {"aud": []string{}}, "aud of another type": {"aud": 5}, "a slash behind": {"aud": k.Issuer + "/"},
		"no exp": {"exp": nil}, "expired": {"exp": now - 1}, "an hour": {"exp": now + 3600}, "for ever": {"exp": 1e300}, "exp of another type": {"exp": "soon"},
		"older than five minutes, and good for five more": {"iat": now - 200, "exp": now + 200}, "exp of before": {"exp": -1e300},
		"from the future": {"iat": now + 90, "exp": now + 100}, "not yet": {"nbf": now + 90, "exp": now + 100},
		"no jti": {"jti": nil}, "an empty jti": {"jti": ""}, "a huge jti": {"jti": strings.Repeat("j", 257)}, "jti of another type": {"jti": 5},
	} {
		claims := k.claimsOf(id)
		maps.Copy(claims, change)
		if r := k.askWith(key.sign(t, claims), "client_id", id); r.status != 400 || r.text("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	good := key.sign(t, k.claimsOf(id))
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	hmacOf := func(secret []byte) string {
		return signHMAC(t, secret, k.claimsOf(id))
	}
	for name, token := range map[string]string{
		"another's key": other.sign(t, k.claimsOf(id)), "another kid": signingKey{key.alg, key.private, "none"}.sign(t, k.claimsOf(id)),
		"alg none":            b64([]byte(`{"alg":"none"}`)) + "." + payload + ".",
		"HMAC by the JWK set": hmacOf([]byte(p.Client.JWKS)), "HMAC by the client id": hmacOf([]byte(strings.Repeat(id, 2))),
		"no signature":      head + "." + payload + ".",
		"another payload":   head + "." + b64([]byte(strings.Replace(string(decoded(t, payload)), "jti", "JTI", 1))) + "." + signature,
		"an access token":   key.sign(t, k.claimsOf(id), "typ", "at+jwt"),
		"an unknown crit":   key.sign(t, k.claimsOf(id), "crit", "exp"),
		"a payload of null": key.sign(t, nil),
		"a list":            key.sign(t, []any{1}),
		"nothing":           "x", "dots": "..", "huge": strings.Repeat("x", 9000), "JSON": `{"payload":"` + payload + `"}`,
		"our own ID token": k.tokens(k.AddParty(idp.Client{})).RawID,
	} {
		if r := k.askWith(token, "client_id", id); r.status != 400 || r.text("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	for name, c := range map[string]struct {
		pairs []string
		code  string
	}{
		"another type":              {[]string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "invalid_client"},
		"no type":                   {[]string{"client_assertion_type", ""}, "invalid_client"},
		"no assertion":              {[]string{"client_assertion", ""}, "invalid_client"},
		"another's client_id":       {[]string{"client_id", stranger.Client.ID}, "invalid_client"},
		"a secret beside it":        {[]string{"client_secret", "x"}, "invalid_request"},
		"its key for somebody else": {[]string{"client_id", k.AddParty(idp.Client{}).Client.ID}, "invalid_client"},
		"in place of being public":  {[]string{"client_id", k.AddParty(idp.Client{Kind: idp.SPAClient}).Client.ID}, "invalid_client"},
	} {
		if r := k.askWith(key.sign(t, k.claimsOf(id)), c.pairs...); r.status != 400 || r.text("error") != c.code {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	form := asserted(url.Values{"grant_type": {"client_credentials"}}, key.sign(t, k.claimsOf(id)))
	k.send("POST", "/token", form.Encode(), "Authorization", basic(id, "x")).want(t, 400, "invalid_request")
	k.send("POST", "/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {"x"}}.Encode()).want(t, 400, "invalid_client")
	k.send("POST", "/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}}.Encode()).want(t, 400, "invalid_client")
	k.send("POST", "/token?client_assertion=x", url.Values{"grant_type": {"client_credentials"}}.Encode()).want(t, 400, "invalid_request")
	k.send("POST", "/revoke", asserted(url.Values{"token": {"x"}, "client_secret": {"x"}}, good).Encode()).want(t, 400, "invalid_request")
	k.send("POST", "/introspect", asserted(url.Values{"token": {"x"}}, "x.y.z").Encode()).want(t, 401, "invalid_client")
	k.askWith(good).want(t, 200, "")
}

func decoded(t testing.TB, s string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(s)
	idptest.Must(t, err)
	return raw
}

func signHMAC(t testing.TB, secret []byte, claims any) string {
	t.Helper()
	return idptest.SignJWT(t, jose.HS256, secret, map[string]any{"kid": "one"}, claims)
}

func TestAnAssertionCountsOnceAtAllReplicasTogether(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		k := signedIn(t, idptest.StartWith(t, cfg, ""), db.URL)
		key := newKey(t, jose.ES256, "")
		p, twin := k.keyed(key), k.keyed(key)
		replicas := []http.Handler{replica(k, cfg), replica(k, cfg)}
		claims := k.claimsOf(p.Client.ID)
		token := key.sign(t, claims)
		var good atomic.Int32
		idptest.Race(6, func(i int) int {
			rec := httptest.NewRecorder()
			replicas[i%2].ServeHTTP(rec, k.request("POST", k.Issuer+"/token", asserted(url.Values{"grant_type": {"client_credentials"}}, token)))
			if rec.Code == 200 {
				good.Add(1)
			}
			return rec.Code
		})
		if good.Load() != 1 {
			t.Errorf("one assertion authenticated %d requests", good.Load())
		}
		k.askWith(token).want(t, 400, "invalid_client")
		k.send("POST", "/revoke", asserted(url.Values{"token": {"x"}}, token).Encode()).want(t, 400, "invalid_client")
		claims["iss"], claims["sub"] = twin.Client.ID, twin.Client.ID // the jti is another client's as well
		k.askWith(key.sign(t, claims)).want(t, 200, "")
		k.exec("UPDATE used_ids SET expires_at = " + ago(time.Minute))
		_, err := k.Store.Sweep(t.Context(), idp.Now(), store.Retention{})
		idptest.Must(t, err)
		if n := k.count("SELECT count(*) FROM used_ids"); n != 0 {
			t.Errorf("%d ids are kept for ever", n)
		}
	})
}

func TestAKeyThatIsTakenAwayEndsAtOnce(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	old, next := newKey(t, jose.ES256, "old"), newKey(t, jose.EdDSA, "next")
	p := k.keyed(old, next)
	ask := func(key signingKey, status int) {
		t.Helper()
		if r := k.askWith(key.sign(t, k.claimsOf(p.Client.ID))); r.status != status {
			t.Errorf("%s: %d %s", key.kid, r.status, r.body)
		}
	}
	ask(old, 200)
	ask(next, 200)
	k.change(p, func(c *idp.Client) { c.JWKS = jwks(t, next) })
	ask(old, 400)
	ask(next, 200)
	k.change(p, func(c *idp.Client) { c.JWKS, c.AuthMethod = "", idp.ClientSecretBasic })
	ask(next, 400)
	k.change(p, func(c *idp.Client) { c.JWKS, c.AuthMethod = jwks(t, next), idp.PrivateKeyJWT })
	ask(next, 200)
}

func TestKeysOfAnAddressAreReadAgainForANewOne(t *testing.T) {
	t.Parallel()
	var document atomic.Pointer[string]
	var asked atomic.Int32
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(*document.Load()))
	}))
	t.Cleanup(published.Close)
	k := signedIn(t, idptest.StartWith(t, server.Config{
		DatabaseURL: idptest.Migrated(t), MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k")), PrivateNetworks: true,
	}, ""), "")
	old, next := newKey(t, jose.ES256, "old"), newKey(t, jose.ES256, "next")
	set := func(text string) { document.Store(&text) }
	set(strings.Replace(jwks(t, old), `"keys":[`, `"keys":[{"kty":"LATTICE"},{"kty":"oct","k":"c2VjcmV0"},`, 1))
	p := k.service(idp.Client{AuthMethod: idp.PrivateKeyJWT, JWKSURI: published.URL + "/jwks"})
	ask := func(key signingKey, status int) {
		t.Helper()
		if r := k.askWith(key.sign(t, k.claimsOf(p.Client.ID))); r.status != status {
			t.Errorf("%s: %d %s", key.kid, r.status, r.body)
		}
	}
	ask(old, 200)
	ask(old, 200)
	if n := asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	set(jwks(t, next))
	ask(next, 200)
	ask(old, 400)
	before := asked.Load()
	for range 20 {
		ask(newKey(t, jose.ES256, idp.NewID()), 400)
	}
	if n := asked.Load() - before; n > 5 {
		t.Errorf("strangers had the keys fetched %d times", n)
	}
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: next.private, KeyID: "next"}}})
	idptest.Must(t, err)
	set(string(private))
	leaky := k.service(idp.Client{AuthMethod: idp.PrivateKeyJWT, JWKSURI: published.URL + "/private"})
	k.askWith(next.sign(t, k.claimsOf(leaky.Client.ID))).want(t, 400, "invalid_client")
}

func TestKeysAreNotFetchedFromAPrivateAddress(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(inside.Close)
	k := start(t, idptest.Migrated(t))
	p := k.service(idp.Client{AuthMethod: idp.PrivateKeyJWT, JWKSURI: inside.URL + "/jwks"})
	r := k.askWith(newKey(t, jose.ES256, "").sign(t, k.claimsOf(p.Client.ID)))
	r.want(t, 400, "invalid_client")
	if strings.Contains(r.body, "127.0.0.1") || asked.Load() != 0 {
		t.Errorf("it was asked %d times, and the answer is %s", asked.Load(), r.body)
	}
	_, _, err := k.Manage.Apps.CreateClient(t.Context(), idp.Client{
		Name: "App", AuthMethod: idp.PrivateKeyJWT, Populations: []string{idp.Agents}, JWKSURI: k.Issuer + "/keys",
	})
	if !errors.Is(err, idp.ErrInvalid) {
		t.Errorf("our own keys as an app's: %v", err)
	}
}

// An assertion of any form is refused as the specification says, and never fails.
func FuzzClientAssertion(f *testing.F) {
	k := start(f, idptest.Migrated(f))
	key := newKey(f, jose.EdDSA, "")
	p := k.keyed(key)
	good := k.claimsOf(p.Client.ID)
	for name := range good {
		odd := maps.Clone(good)
		for _, value := range []any{nil, -1, 1e300, "", []any{}, map[string]any{}, []any{nil}} {
			odd[name] = value
			raw, err := json.Marshal(odd)
			idptest.Must(f, err)
			f.Add(raw, true)
		}
	}
	f.Add([]byte("e30.e30.e30"), false)
	f.Add([]byte(k.tokens(k.AddParty(idp.Client{})).RawID), false)
	f.Fuzz(func(t *testing.T, raw []byte, signed bool) {
		token := string(raw)
		if signed {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key.private}, nil)
			idptest.Must(t, err)
			jws, err := signer.Sign(raw)
			idptest.Must(t, err)
			if token, err = jws.CompactSerialize(); err != nil {
				t.Skip() // this raw text cannot be a payload: nothing to send
			}
		}
		form := asserted(url.Values{"grant_type": {"client_credentials"}}, token)
		r := httptest.NewRequest("POST", "/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		k.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
		if rec.Code != 200 && (rec.Code != 400 || !strings.Contains(rec.Body.String(), `"invalid_`)) {
			t.Errorf("%q: %d %s", raw, rec.Code, rec.Body)
		}
	})
}
