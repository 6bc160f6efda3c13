package dpop_test

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
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/dpop"
	"gatehouse/idp/idptest"
)

const address = "https://id.example/sso/token"

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

type object = map[string]any

func public(key crypto.Signer) object {
	text, _ := json.Marshal(jose.JSONWebKey{Key: key.Public()})
	var jwk object
	_ = json.Unmarshal(text, &jwk)
	return jwk
}

func claims() object {
	return object{"jti": "j-1", "htm": "POST", "htu": address, "iat": now.Unix()}
}

func read(proof string) (dpop.Proof, error) {
	return dpop.Read(proof, dpop.For{Method: "POST", URL: address, Now: now})
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	idptest.Must(t, err)
	return key
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	idptest.Must(t, err)
	return key
}

func TestProofsOfEachAlgorithmAreRead(t *testing.T) {
	t.Parallel()
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	idptest.Must(t, err)
	large := rsaKey(t, 2048)
	keys := map[string]crypto.Signer{"ES256": ecKey(t), "EdDSA": edwards, "RS256": large, "PS256": large}
	for _, alg := range dpop.Algorithms() {
		key := keys[alg]
		proof, err := read(idptest.SignJWT(t, jose.SignatureAlgorithm(alg), key, object{"typ": "dpop+jwt", "jwk": public(key)}, claims()))
		thumbprint, _ := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
		if err != nil || proof.JKT != base64.RawURLEncoding.EncodeToString(thumbprint) || len(proof.ID) == 0 || !proof.IssuedAt.Equal(now) {
			t.Errorf("%s: %+v, %v", alg, proof, err)
		}
	}
}

func TestProofsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	key, other := ecKey(t), ecKey(t)
	good := object{"typ": "dpop+jwt", "jwk": public(key)}
	with := func(o object, name string, value any) object {
		changed := object{}
		for n, v := range o {
			changed[n] = v
		}
		changed[name] = value
		if value == nil {
			delete(changed, name)
		}
		return changed
	}
	made := func(header, payload object) string { return idptest.SignJWT(t, jose.ES256, key, header, payload) }
	private := public(key)
	d, err := key.Bytes()
	idptest.Must(t, err)
	private["d"] = base64.RawURLEncoding.EncodeToString(d)
	small := rsaKey(t, 1024)
	symmetric := idptest.SignJWT(t, jose.HS256, []byte(strings.Repeat("k", 32)), object{"typ": "dpop+jwt", "jwk": object{"kty": "oct", "k": "a2tr"}}, claims())
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	idptest.Must(t, err)
	parts := strings.Split(made(good, claims()), ".")
	for name, proof := range map[string]string{
		"nothing": "", "no JWS": "a.b.c", "unsigned": parts[0] + "." + parts[1] + ".",
		"another typ": made(with(good, "typ", "JWT"), claims()), "no typ": made(with(good, "typ", nil), claims()),
		"no key": made(with(good, "jwk", nil), claims()), "another's key": made(with(good, "jwk", public(other)), claims()),
		"a private key": made(with(good, "jwk", private), claims()), "an empty key": made(with(good, "jwk", object{}), claims()),
		"a symmetric key":       symmetric,
		"a short RSA key":       idptest.SignJWT(t, jose.RS256, small, object{"typ": "dpop+jwt", "jwk": public(small)}, claims()),
		"another curve":         idptest.SignJWT(t, jose.ES384, p384, object{"typ": "dpop+jwt", "jwk": public(p384)}, claims()),
		"a key for another alg": made(with(good, "jwk", with(public(key), "alg", "RS256")), claims()),
		"too long":              made(good, with(claims(), "x", strings.Repeat("x", 5000))),
		"no jti":                made(good, with(claims(), "jti", nil)), "an empty jti": made(good, with(claims(), "jti", "")),
		"a long jti": made(good, with(claims(), "jti", strings.Repeat("j", 513))), "a numeric jti": made(good, with(claims(), "jti", 1)),
		"another method": made(good, with(claims(), "htm", "GET")), "a method in lower case": made(good, with(claims(), "htm", "post")),
		"another path": made(good, with(claims(), "htu", "https://id.example/token")), "another scheme": made(good, with(claims(), "htu", "http://id.example/sso/token")),
		"another port": made(good, with(claims(), "htu", "https://id.example:8443/sso/token")), "no address": made(good, with(claims(), "htu", nil)),
		"a user":  made(good, with(claims(), "htu", "https://x@id.example/sso/token")),
		"no time": made(good, with(claims(), "iat", nil)), "a time of words": made(good, with(claims(), "iat", "now")), "an endless time": made(good, with(claims(), "iat", 1e300)),
		"too old": made(good, with(claims(), "iat", now.Add(-dpop.Age-time.Second).Unix())), "of the future": made(good, with(claims(), "iat", now.Add(dpop.Ahead+time.Second).Unix())),
		"null":   idptest.SignJWT(t, jose.ES256, key, good, nil),
		"a list": parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("[]")) + "." + parts[2],
	} {
		if got, err := read(proof); !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestAddressesAreComparedAsTheStandardHasIt(t *testing.T) {
	t.Parallel()
	for htu, same := range map[string]bool{
		"https://id.example/sso/token": true, "HTTPS://ID.Example/sso/token": true, "https://id.example:443/sso/token": true,
		"https://id.example/sso/token?x=y": true, "https://id.example/sso/token#x": true, "https://id.example/sso/%74oken": true,
		"https://id.example/sso/Token": false, "https://id.example/sso/token/": false, "https://id.example.evil/sso/token": false,
		"https://id.example/sso/x/../token": false, "//id.example/sso/token": false, "/sso/token": false, "https:/sso/token": false, "%zz": false,
	} {
		if dpop.SameURL(htu, address) != same {
			t.Errorf("%s: the same %t, want %t", htu, !same, same)
		}
	}
	if !dpop.SameURL("http://127.0.0.1", "http://127.0.0.1:80/") {
		t.Error("an empty path is not /")
	}
}

func TestAProofGoesWithOneToken(t *testing.T) {
	t.Parallel()
	key := ecKey(t)
	c := claims()
	c["ath"] = base64.RawURLEncoding.EncodeToString(idp.HashSecret("token"))
	proof, err := read(idptest.SignJWT(t, jose.ES256, key, object{"typ": "dpop+jwt", "jwk": public(key)}, c))
	if err != nil || !proof.OfToken("token") || proof.OfToken("another") || proof.OfToken("") {
		t.Errorf("%+v, %v", proof, err)
	}
	bare, err := read(idptest.SignJWT(t, jose.ES256, key, object{"typ": "dpop+jwt", "jwk": public(key)}, claims()))
	if err != nil || bare.OfToken("") || bare.OfToken("token") {
		t.Errorf("without ath: %+v, %v", bare, err)
	}
}

// FuzzProof: no proof panics, and none but ours counts.
func FuzzProof(f *testing.F) {
	key := ecKey(f)
	good := idptest.SignJWT(f, jose.ES256, key, object{"typ": "dpop+jwt", "jwk": public(key)}, claims())
	f.Add(good)
	for _, header := range []string{`{"alg":"ES256","typ":"dpop+jwt","jwk":null}`, `{"alg":"none","typ":"dpop+jwt"}`, `{"alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AA"}}`, `{"alg":"EdDSA","typ":"dpop+jwt","jwk":{"kty":"OKP","crv":"Ed25519","x":"AA"}}`, `null`, `[]`} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(header)) + ".e30.e30")
	}
	thumbprint := ""
	if proof, err := read(good); err == nil {
		thumbprint = proof.JKT
	}
	f.Fuzz(func(t *testing.T, proof string) {
		got, err := read(proof)
		if err == nil && got.JKT == thumbprint && !strings.HasPrefix(proof, strings.Join(strings.Split(good, ".")[:2], ".")) {
			t.Errorf("%s counts as a proof of a key that nobody else has", proof)
		}
	})
}
