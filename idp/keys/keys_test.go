package keys_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
	"gatehouse/idp/store"
)

// masterKey is a master key made of one letter.
func masterKey(letter string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, keyring.KeySize)))
}

func ring(t testing.TB, letters ...string) *keyring.Keyring {
	t.Helper()
	var list []string
	for _, l := range letters {
		list = append(list, masterKey(l))
	}
	k, err := keyring.Parse(strings.Join(list, ","))
	idptest.Must(t, err)
	return k
}

func open(t testing.TB, s *store.Store) *keys.Keys {
	t.Helper()
	k, err := keys.Open(t.Context(), s, ring(t, "a"))
	idptest.Must(t, err)
	return k
}

// all is how many keys sign.
const all = 4

func sqlite(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), idptest.SQLite(t))
	idptest.Must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	idptest.Must(t, s.Migrate(t.Context()))
	return s
}

func sign(t testing.TB, k *keys.Keys, alg idp.Algorithm, typ keys.TokenType) string {
	t.Helper()
	token, err := k.Sign(alg, typ, []byte(`{"sub":"maya"}`))
	idptest.Must(t, err)
	return token
}

// header is the protected header of a token.
func header(t testing.TB, token string) map[string]any {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(first)
	idptest.Must(t, err)
	var h map[string]any
	idptest.Must(t, json.Unmarshal(raw, &h))
	return h
}

func kid(t testing.TB, token string) string {
	t.Helper()
	id, _ := header(t, token)["kid"].(string)
	return id
}

func verify(k *keys.Keys, token string) error {
	return k.Verify(token, keys.IDToken, &struct{}{})
}

// published lists the keys of the document by their ids.
func published(t testing.TB, k *keys.Keys) map[string]jose.JSONWebKey {
	t.Helper()
	document, _ := k.Document()
	var set jose.JSONWebKeySet
	idptest.Must(t, json.Unmarshal(document, &set))
	byID := map[string]jose.JSONWebKey{}
	for _, key := range set.Keys {
		byID[key.KeyID] = key
	}
	return byID
}

func TestReplicasThatStartTogetherMakeOneKeyOfEachAlgorithm(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		const replicas = 8
		stores := []*store.Store{db.Store, db.Replica(t), db.Replica(t)}
		documents := idptest.Race(replicas, func(i int) string {
			k, err := keys.Open(t.Context(), stores[i%len(stores)], ring(t, "a"))
			if err != nil {
				return err.Error()
			}
			document, _ := k.Document()
			return string(document)
		})
		for _, d := range documents {
			if d != documents[0] {
				t.Fatalf("two replicas publish %s and %s", documents[0], d)
			}
		}
		rows, err := db.SigningKeys(t.Context())
		idptest.Must(t, err)
		var algorithms []idp.Algorithm
		for _, r := range rows {
			algorithms = append(algorithms, r.Algorithm)
		}
		if !slices.Equal(algorithms, idp.Algorithms()) {
			t.Errorf("the keys are of %v", algorithms)
		}
		events, err := db.AuditEvents(t.Context(), idp.AuditKeyCreated, "", 10)
		if err != nil || len(events) != len(idp.Algorithms()) {
			t.Errorf("%d audit events (%v)", len(events), err)
		}
	})
}

func TestAnAlgorithmThatADatabaseHasNoKeyOfGetsOneAtTheStart(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	before := open(t, db.Store)
	ps256 := kid(t, sign(t, before, idp.PS256, keys.IDToken))
	idptest.Must(t, db.DeleteSigningKey(t.Context(), ps256))
	after := open(t, db.Store)
	if got := kid(t, sign(t, after, idp.PS256, keys.IDToken)); got == ps256 || len(after.List()) != all {
		t.Errorf("%s signs, of %d keys", got, len(after.List()))
	}
	if err := verify(after, sign(t, before, idp.RS256, keys.IDToken)); err != nil {
		t.Error(err)
	}
}

func TestWhatIsSignedVerifies(t *testing.T) {
	t.Parallel()
	k := open(t, sqlite(t))
	for _, alg := range idp.Algorithms() {
		for _, typ := range []keys.TokenType{keys.IDToken, keys.AccessToken, keys.LogoutToken} {
			token := sign(t, k, alg, typ)
			var claims struct {
				Subject string `json:"sub"`
			}
			if err := k.Verify(token, typ, &claims); err != nil || claims.Subject != "maya" {
				t.Errorf("%s %s: %v, %q", alg, typ, err, claims.Subject)
			}
			h := header(t, token)
			if h["alg"] != string(alg) || h["typ"] != string(typ) || len(h) != 3 {
				t.Errorf("%s %s has the header %v", alg, typ, h)
			}
			// Another library takes it with the key that we publish.
			jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			idptest.Must(t, err)
			if _, err := jws.Verify(published(t, k)[kid(t, token)]); err != nil {
				t.Errorf("%s %s for others: %v", alg, typ, err)
			}
		}
	}
	if _, err := k.Sign("HS256", keys.IDToken, []byte("{}")); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("an algorithm without a key: %v", err)
	}
}

func TestTokenOfOneTypeIsNoneOfAnother(t *testing.T) {
	t.Parallel()
	k := open(t, sqlite(t))
	types := []keys.TokenType{keys.IDToken, keys.AccessToken, keys.LogoutToken, "", "jwt"}
	for _, signed := range types[:3] {
		for _, wanted := range types {
			err := k.Verify(sign(t, k, idp.ES256, signed), wanted, &struct{}{})
			if (err == nil) != (signed == wanted) || err != nil && !errors.Is(err, idp.ErrInvalid) {
				t.Errorf("%s as %s: %v", signed, wanted, err)
			}
		}
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	k := open(t, sqlite(t))
	genuine := sign(t, k, idp.RS256, keys.IDToken)
	parts := strings.Split(genuine, ".")
	encode := base64.RawURLEncoding.EncodeToString
	key := published(t, k)[kid(t, genuine)]
	publicJWK, err := key.MarshalJSON()
	idptest.Must(t, err)
	payload := func(p string) string {
		token, err := k.Sign(idp.EdDSA, keys.IDToken, []byte(p))
		idptest.Must(t, err)
		return token
	}
	stranger := open(t, sqlite(t))
	ecKID := kid(t, sign(t, k, idp.ES256, keys.IDToken))

	for name, token := range map[string]string{
		"nothing":                   "",
		"dots":                      "..",
		"truncated":                 genuine[:len(genuine)-5],
		"no signature":              parts[0] + "." + parts[1] + ".",
		"two parts":                 parts[0] + "." + parts[1],
		"four parts":                genuine + ".x",
		"another payload":           parts[0] + "." + encode([]byte(`{"sub":"admin"}`)) + "." + parts[2],
		"alg none":                  encode([]byte(`{"alg":"none","typ":"JWT","kid":"`+key.KeyID+`"}`)) + "." + parts[1] + ".",
		"HS256 with the public key": hmacToken(t, publicJWK, key.KeyID),
		"a stranger's key":          sign(t, stranger, idp.RS256, keys.IDToken),
		"a stranger's with our kid": signedBy(t, stranger, key.KeyID),
		"kid of another algorithm":  withHeader(t, genuine, map[string]any{"alg": "RS256", "typ": "JWT", "kid": ecKID}),
		"no kid":                    withHeader(t, genuine, map[string]any{"alg": "RS256", "typ": "JWT"}),
		"key in the header":         withHeader(t, genuine, map[string]any{"alg": "RS256", "typ": "JWT", "jwk": key}),
		"payload null":              payload("null"),
		"payload list":              payload(`[{"sub":"maya"}]`),
		"payload text":              payload(`"sub"`),
		"payload number":            payload("1"),
		"payload empty":             payload(""),
		"payload broken":            payload(`{"sub":`),
		"payload twice":             payload(`{"sub":"maya"}{}`),
		"payload with a space":      payload(` {"sub":"maya"}`),
		"too long":                  payload(`{"sub":"` + strings.Repeat("m", 16<<10) + `"}`),
	} {
		claims := map[string]any{"untouched": true}
		if err := k.Verify(token, keys.IDToken, &claims); !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if len(claims) != 1 {
			t.Errorf("%s: claims became %v", name, claims)
		}
	}
	if err := verify(k, genuine); err != nil {
		t.Errorf("the genuine one: %v", err)
	}
}

// hmacToken signs with a public key as if it were a shared secret.
func hmacToken(t *testing.T, secret []byte, id string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: secret, KeyID: id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	idptest.Must(t, err)
	jws, err := signer.Sign([]byte(`{"sub":"admin"}`))
	idptest.Must(t, err)
	token, err := jws.CompactSerialize()
	idptest.Must(t, err)
	return token
}

// signedBy is a token of k whose header names another's key.
func signedBy(t *testing.T, k *keys.Keys, id string) string {
	t.Helper()
	token := sign(t, k, idp.RS256, keys.IDToken)
	return withHeader(t, token, map[string]any{"alg": "RS256", "typ": "JWT", "kid": id})
}

func withHeader(t *testing.T, token string, h map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(h)
	idptest.Must(t, err)
	_, rest, _ := strings.Cut(token, ".")
	return base64.RawURLEncoding.EncodeToString(raw) + "." + rest
}

// Whatever passes is a payload that we signed.
func FuzzVerify(f *testing.F) {
	k := open(f, sqlite(f))
	signed := map[string]bool{}
	for _, alg := range idp.Algorithms() {
		for i, p := range []string{`{"sub":"maya"}`, `{}`, "null", "[]"} {
			token, err := k.Sign(alg, []keys.TokenType{keys.IDToken, keys.AccessToken}[i%2], []byte(p))
			idptest.Must(f, err)
			signed[p] = true
			f.Add(token)
		}
	}
	f.Add("")
	f.Add("e30.e30.")
	f.Add(`{"payload":"e30","protected":"e30","signature":""}`)
	f.Fuzz(func(t *testing.T, token string) {
		var claims map[string]any
		if err := k.Verify(token, keys.IDToken, &claims); err != nil {
			if !errors.Is(err, idp.ErrInvalid) {
				t.Errorf("%q: %v", token, err)
			}
			return
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil || !signed[string(payload)] || claims == nil {
			t.Errorf("%q passes with %v", token, claims)
		}
	})
}

func TestDocumentHoldsPublicKeysOnly(t *testing.T) {
	t.Parallel()
	k := open(t, sqlite(t))
	document, etag := k.Document()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	idptest.Must(t, json.Unmarshal(document, &set))
	if len(set.Keys) != all {
		t.Fatalf("%d keys", len(set.Keys))
	}
	for i, alg := range idp.Algorithms() {
		key := set.Keys[i]
		if key["alg"] != string(alg) || key["use"] != "sig" || key["kid"] == "" {
			t.Errorf("key %d is %v", i, key)
		}
		for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, ok := key[secret]; ok {
				t.Errorf("the %s key shows %s", alg, secret)
			}
		}
	}
	if again, same := k.Document(); etag != same || &again[0] != &document[0] {
		t.Error("the document is made anew for each reader")
	}
	if len(etag) < 10 || etag[0] != '"' || etag[len(etag)-1] != '"' {
		t.Errorf("the ETag %s is not a quoted string", etag)
	}
}

func TestPrivateKeysAreSealedToTheirRows(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		open(t, db.Store)
		if _, err := keys.Open(t.Context(), db.Store, ring(t, "b")); !errors.Is(err, keyring.ErrUnknownKey) {
			t.Errorf("under another master key: %v", err)
		}
		// Who can write to the database cannot exchange two keys.
		_, err := db.SQL().ExecContext(t.Context(), `UPDATE signing_keys SET private = (SELECT s.private FROM signing_keys s WHERE s.algorithm = 'ES256')`)
		idptest.Must(t, err)
		if _, err := keys.Open(t.Context(), db.Store, ring(t, "a")); !errors.Is(err, keyring.ErrCorrupt) {
			t.Errorf("with a key in another's row: %v", err)
		}
	})
}

func TestAnotherReplicaSeesARotationWithinASecond(t *testing.T) {
	t.Parallel()
	address := idptest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), address)
		idptest.Must(t, err)
		defer func() { _ = s.Close() }()
		idptest.Must(t, s.Migrate(t.Context()))
		here, there := open(t, s), open(t, s)
		go there.Follow(t.Context())
		_, before := there.Document()
		_, err = here.Rotate(t.Context(), true)
		idptest.Must(t, err)
		_, want := here.Document()
		if want == before {
			t.Error("the rotation left the ETag as it was")
		}
		time.Sleep(keys.Staleness + time.Millisecond)
		synctest.Wait()
		if _, got := there.Document(); got != want {
			t.Errorf("the other replica publishes %s, want %s", got, want)
		}
		token := sign(t, here, idp.ES256, keys.IDToken)
		if err := verify(there, token); err != nil {
			t.Error(err)
		}
	})
}

func TestReloadWithoutChangeKeepsTheDocument(t *testing.T) {
	t.Parallel()
	k := open(t, sqlite(t))
	before, _ := k.Document()
	idptest.Must(t, k.Reload(t.Context()))
	if after, _ := k.Document(); &after[0] != &before[0] {
		t.Error("nothing changed and everything was made anew")
	}
	if got := fmt.Sprint(len(k.List())); got != "4" {
		t.Errorf("%s keys are listed", got)
	}
}
