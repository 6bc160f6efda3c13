package keyset

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
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
)

var rules = Rules{
	Algorithms: []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}, Most: 100, Fresh: time.Hour, Stale: 24 * time.Hour,
}

// published is a key set that a test may change, and how often it was fetched.
type published struct {
	*Set
	keys  atomic.Pointer[string] // the document
	asked atomic.Int32
	down  atomic.Bool
}

func publish(t *testing.T) *published {
	t.Helper()
	p := &published{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		if p.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(*p.keys.Load()))
	}))
	t.Cleanup(srv.Close)
	p.Set = rules.New(srv.Client(), srv.URL)
	return p
}

// set publishes keys, as values or JSON.
func (p *published) set(t *testing.T, keys ...any) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	p.keys.Store(&text)
}

// age makes the keys that are known older.
func (p *published) age(by time.Duration) {
	p.fetched, p.failed, p.paid = p.fetched.Add(-by), p.failed.Add(-by), p.paid.Add(-by)
}

func jwk(t *testing.T, key crypto.PublicKey, id string, change func(map[string]any)) map[string]any {
	t.Helper()
	raw, err := jose.JSONWebKey{Key: key, KeyID: id}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(fields)
	}
	return fields
}

// pair is a key that signs.
type pair struct {
	private *ecdsa.PrivateKey
	id      string
}

func newPair(t *testing.T, id string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair{key, id}
}

func (k pair) token(t *testing.T) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if k.id != "" {
		options.WithHeader("kid", k.id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.private}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (k pair) jwk(t *testing.T, change func(map[string]any)) map[string]any {
	return jwk(t, k.private.Public(), k.id, change)
}

// oddKeys are those that a provider may publish beside its own, of which none can check
// a signature.
func oddKeys(t *testing.T) map[string]any {
	t.Helper()
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve := newPair(t, "odd")
	modulus := func(bits int) func(map[string]any) {
		n := make([]byte, bits/8)
		_, _ = rand.Read(n)
		n[0], n[len(n)-1] = n[0]|0x80, n[len(n)-1]|1
		return func(f map[string]any) { f["n"] = base64.RawURLEncoding.EncodeToString(n) }
	}
	set := func(name string, value any) func(map[string]any) { return func(f map[string]any) { f[name] = value } }
	drop := func(name string) func(map[string]any) { return func(f map[string]any) { delete(f, name) } }
	rsaKey := func(change func(map[string]any)) any { return jwk(t, &strong.PublicKey, "odd", change) }
	return map[string]any{
		"null": nil, "a number": 5, "text": "x", "a list": []any{}, "an empty key": map[string]any{},
		"an unknown kty":        map[string]any{"kty": "LATTICE", "kid": "odd", "x": "AA"},
		"kty of another type":   map[string]any{"kty": 7},
		"an unknown curve":      map[string]any{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
		"an unknown OKP":        map[string]any{"kty": "OKP", "crv": "Ed448", "x": "AA"},
		"an unknown alg":        curve.jwk(t, set("alg", "ES256K")),
		"alg of another type":   curve.jwk(t, set("alg", 5)),
		"a symmetric key":       map[string]any{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"},
		"HS256":                 map[string]any{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I", "alg": "HS256"},
		"a key for encryption":  rsaKey(set("use", "enc")),
		"use of another type":   rsaKey(set("use", []string{"sig"})),
		"operations of another": rsaKey(set("key_ops", []string{"wrapKey"})),
		"a certificate alone":   map[string]any{"kty": "RSA", "x5c": []string{"AAAA"}},
		"a broken certificate":  rsaKey(set("x5c", []string{"AAAA"})),
		"no modulus":            rsaKey(drop("n")),
		"no exponent":           rsaKey(drop("e")),
		"no base64":             rsaKey(set("n", "%%%")),
		"an even exponent":      rsaKey(set("e", "Ag")),
		"exponent one":          rsaKey(set("e", "AQ")),
		"512 bits":              rsaKey(modulus(512)),
		"1024 bits":             rsaKey(modulus(1024)),
		"16384 bits":            rsaKey(modulus(16384)),
		"a point off the curve": curve.jwk(t, set("y", curve.jwk(t, nil)["x"])),
	}
}

// A key that cannot be used is left out, and the others still work (RFC 7517 section 5).
func TestAKeyThatCannotBeUsedIsLeftOut(t *testing.T) {
	t.Parallel()
	good, all := newPair(t, "good"), []any{}
	for name, odd := range oddKeys(t) {
		t.Run(name, func(t *testing.T) {
			p := publish(t)
			p.set(t, odd, good.jwk(t, nil), odd)
			if _, err := p.VerifySignature(t.Context(), good.token(t)); err != nil {
				t.Errorf("beside it a good key does not work: %v", err)
			}
			if n := len(p.Set.keys); n != 1 {
				t.Errorf("%d keys count as usable, want the good one", n)
			}
			alone := publish(t)
			alone.set(t, odd)
			if _, err := alone.VerifySignature(t.Context(), good.token(t)); !errors.Is(err, ErrNone) {
				t.Errorf("alone: %v, want %v", err, ErrNone)
			}
		})
		all = append(all, odd)
	}
	p := publish(t)
	p.set(t, append(all, good.jwk(t, nil))...)
	if _, err := p.VerifySignature(t.Context(), good.token(t)); err != nil {
		t.Errorf("beside all of them: %v", err)
	}
}

func TestWhichKeysAreTried(t *testing.T) {
	t.Parallel()
	good, other := newPair(t, "good"), newPair(t, "good")
	set := func(name string, value any) func(map[string]any) { return func(f map[string]any) { f[name] = value } }
	for name, c := range map[string]struct {
		keys  []any
		token pair
		taken bool
	}{
		"another key of the same id":  {[]any{other.jwk(t, nil), good.jwk(t, nil)}, good, true},
		"a key without an id":         {[]any{good.jwk(t, func(f map[string]any) { delete(f, "kid") })}, good, true},
		"a token without an id":       {[]any{other.jwk(t, nil), good.jwk(t, nil)}, pair{good.private, ""}, true},
		"the key's own algorithm":     {[]any{good.jwk(t, set("alg", "ES256"))}, good, true},
		"a use and operations":        {[]any{good.jwk(t, func(f map[string]any) { f["use"], f["key_ops"] = "sig", []string{"verify"} })}, good, true},
		"another algorithm":           {[]any{good.jwk(t, set("alg", "ES384"))}, good, false},
		"another id":                  {[]any{good.jwk(t, set("kid", "other"))}, good, false},
		"another key of the same one": {[]any{other.jwk(t, nil)}, good, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(t)
			p.set(t, c.keys...)
			if _, err := p.VerifySignature(t.Context(), c.token.token(t)); (err == nil) != c.taken {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnEd25519Key(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := signed.CompactSerialize()
	p := publish(t)
	p.set(t, jwk(t, public, "ed", nil))
	if _, err := p.VerifySignature(t.Context(), raw); err != nil {
		t.Error(err)
	}
}

// The document is no key set: what is known stays, for as long as it may.
func TestAKeySetThatCannotBeRead(t *testing.T) {
	t.Parallel()
	good := newPair(t, "good")
	for _, text := range []string{"", "x", "<html>", "[]", "{}", `{"keys":null}`, `{"keys":5}`, `{"keys":[{"kty":`} {
		p := publish(t)
		p.keys.Store(&text)
		if _, err := p.VerifySignature(t.Context(), good.token(t)); err == nil || errors.Is(err, ErrNone) || p.Unusable() {
			t.Errorf("%q: %v", text, err)
		}
		p.age(time.Minute)
		p.set(t, good.jwk(t, nil))
		if _, err := p.VerifySignature(t.Context(), good.token(t)); err != nil {
			t.Errorf("%q, a minute later: %v", text, err)
		}
		p.age(2 * time.Hour)
		p.keys.Store(&text)
		if _, err := p.VerifySignature(t.Context(), good.token(t)); err != nil {
			t.Errorf("%q, after keys that were good: %v", text, err)
		}
		p.age(rules.Stale)
		if _, err := p.VerifySignature(t.Context(), good.token(t)); err == nil {
			t.Errorf("%q: keys of yesterday are believed", text)
		}
	}
}

// A key that the other side took back is not believed for ever, and a new one is at once.
func TestKeysFollowTheOtherSide(t *testing.T) {
	t.Parallel()
	old, next := newPair(t, "old"), newPair(t, "next")
	p := publish(t)
	p.set(t, old.jwk(t, nil))
	verify := func(k pair, want bool) {
		t.Helper()
		if _, err := p.VerifySignature(t.Context(), k.token(t)); (err == nil) != want {
			t.Errorf("%s: %v", k.id, err)
		}
	}
	verify(old, true)
	p.set(t, next.jwk(t, nil))
	verify(old, true)
	if n := p.asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times at once", n)
	}
	p.age(2 * time.Hour)
	verify(old, false)
	verify(next, true)
	last := newPair(t, "last")
	p.set(t, last.jwk(t, nil))
	verify(last, true)
}

// Tokens whose key nobody knows have the keys fetched again, but not each of them.
func TestUnknownKeysAreAskedForWithinBounds(t *testing.T) {
	t.Parallel()
	good := newPair(t, "good")
	p := publish(t)
	p.set(t, good.jwk(t, nil))
	began := idp.Now()
	for i := range 50 {
		if _, err := p.VerifySignature(t.Context(), newPair(t, fmt.Sprint(i)).token(t)); err == nil {
			t.Fatal("a stranger's key is believed")
		}
	}
	due := int32(1 + rotationBurst + idp.Now().Sub(began)/rotationEvery) // on a machine of any speed
	if n := p.asked.Load(); n > due {
		t.Errorf("the keys were fetched %d times for 50 tokens, want at most %d", n, due)
	}
	p.down.Store(true)
	p.age(time.Minute)
	before := p.asked.Load()
	for i := range 50 {
		_, _ = p.VerifySignature(t.Context(), newPair(t, fmt.Sprint(i)).token(t))
	}
	if n := p.asked.Load() - before; n > 1+int32(idp.Now().Sub(began)/failureFor) {
		t.Errorf("a provider that is down was asked %d times", n)
	}
	if _, err := p.VerifySignature(t.Context(), good.token(t)); err != nil {
		t.Errorf("what is known does not count meanwhile: %v", err)
	}
}

func TestTooManyKeys(t *testing.T) {
	t.Parallel()
	good := newPair(t, "good")
	list := []any{}
	for range 3 * rules.Most {
		list = append(list, map[string]any{"kty": "oct", "k": "AAAA"})
	}
	for range 2 * rules.Most {
		list = append(list, good.jwk(t, nil))
	}
	p := publish(t)
	p.set(t, list...)
	if _, err := p.VerifySignature(t.Context(), good.token(t)); err != nil || len(p.Set.keys) != rules.Most {
		t.Errorf("%d keys, %v", len(p.Set.keys), err)
	}
}
