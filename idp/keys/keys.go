package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/store"
)

// How keys live.
const (
	// PublishAhead is how long a new key is published before it signs, so that
	// relying parties that cache our keys have it by then.
	PublishAhead = 24 * time.Hour
	// KeepPublished is how long a key stays published after it stopped signing:
	// longer than any token that it signed, and so long that an old ID token
	// still says whom to sign out.
	KeepPublished = 30 * 24 * time.Hour
	// RotateAfter is the age at which a key gets a successor.
	RotateAfter = 90 * 24 * time.Hour
	// Staleness is how long a change by another replica may go unnoticed.
	Staleness = time.Second
)

const rsaBits = 2048

// TokenType is the typ header of a token that we sign.
type TokenType string

// The token types.
const (
	IDToken     TokenType = "JWT"
	AccessToken TokenType = "at+jwt"     // RFC 9068
	LogoutToken TokenType = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0
)

// Keys signs and publishes. It is safe for concurrent use.
type Keys struct {
	store   *store.Store
	keyring *keyring.Keyring
	// fresh makes a private key.
	fresh   func(idp.Algorithm) (crypto.Signer, error)
	current atomic.Pointer[snapshot]
}

// snapshot is all that the process knows of keys at one moment. It never
// changes; a reload replaces it.
type snapshot struct {
	rows     []store.SigningKey
	private  map[string]crypto.Signer
	public   map[string]jose.JSONWebKey
	signers  map[signerID]jose.Signer
	document []byte // JWK set (RFC 7517 section 5)
	// until is when another key begins to sign, which changes the document's order.
	until time.Time
	etag  string
}

type signerID struct {
	kid string
	typ TokenType
}

// Open loads the keys, and makes the first of each algorithm where there is
// none.
func Open(ctx context.Context, s *store.Store, ring *keyring.Keyring) (*Keys, error) {
	return OpenWith(ctx, s, ring, nil)
}

// OpenWith is Open with private keys from elsewhere; nil: Generate. Tests save the time
// that RSA takes.
func OpenWith(ctx context.Context, s *store.Store, ring *keyring.Keyring, fresh func(idp.Algorithm) (crypto.Signer, error)) (*Keys, error) {
	if fresh == nil {
		fresh = Generate
	}
	k := &Keys{store: s, keyring: ring, fresh: fresh}
	if err := k.ensure(ctx); err != nil {
		return nil, err
	}
	return k, k.Reload(ctx)
}

// ensure makes the first keys: they sign at once, since no app has fetched any yet.
// Replicas that start together do so one after the other.
func (k *Keys) ensure(ctx context.Context) error {
	return k.store.Do(ctx, func(ctx context.Context) error {
		if err := k.store.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := k.store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		for _, alg := range idp.Algorithms() {
			if newest(rows, alg) != nil {
				continue
			}
			now := idp.Now()
			if err := k.create(ctx, alg, now, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func newest(rows []store.SigningKey, alg idp.Algorithm) *store.SigningKey {
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].Algorithm == alg && rows[i].SignsUntil.IsZero() {
			return &rows[i]
		}
	}
	return nil
}

func (k *Keys) create(ctx context.Context, alg idp.Algorithm, now, signsFrom time.Time) error {
	private, err := k.fresh(alg)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("encode a signing key: %w", err)
	}
	id := idp.NewID()
	sealed := k.keyring.Seal(der, keyring.AAD("signing_keys", id, "private"))
	jwk := jose.JSONWebKey{Key: private.Public(), KeyID: id, Algorithm: string(alg), Use: "sig"}
	public, err := jwk.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode a public key: %w", err)
	}
	err = k.store.CreateSigningKey(ctx, store.SigningKey{
		ID: id, Algorithm: alg, Public: string(public), Private: sealed, CreatedAt: now, SignsFrom: signsFrom,
	})
	if err != nil {
		return err
	}
	return k.store.Audit(ctx, idp.AuditEvent{
		Kind: idp.AuditKeyCreated, Detail: map[string]string{"kid": id, "alg": string(alg)},
	})
}

// Generate makes a private key of an algorithm.
func Generate(alg idp.Algorithm) (crypto.Signer, error) {
	switch alg {
	case idp.RS256, idp.PS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case idp.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case idp.EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("%w: algorithm %q", idp.ErrInvalid, alg)
}

// Reload reads the keys again, and decrypts those that it has not seen.
func (k *Keys) Reload(ctx context.Context) error {
	rows, err := k.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	old := k.current.Load()
	if old != nil && same(old.rows, rows) && idp.Now().Before(old.until) {
		return nil
	}
	fresh, err := k.build(rows, old)
	if err != nil {
		return err
	}
	k.current.Store(fresh)
	return nil
}

func same(a, b []store.SigningKey) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID || !a[i].SignsFrom.Equal(b[i].SignsFrom) || !a[i].SignsUntil.Equal(b[i].SignsUntil) || !bytes.Equal(a[i].Private, b[i].Private) {
			return false
		}
	}
	return true
}

func (k *Keys) build(rows []store.SigningKey, old *snapshot) (*snapshot, error) {
	s := &snapshot{
		rows: rows, private: map[string]crypto.Signer{},
		public: map[string]jose.JSONWebKey{}, signers: map[signerID]jose.Signer{},
	}
	for _, row := range rows {
		var jwk jose.JSONWebKey
		if err := jwk.UnmarshalJSON([]byte(row.Public)); err != nil {
			return nil, fmt.Errorf("read public key %s: %w", row.ID, err)
		}
		s.public[row.ID] = jwk
		private, err := k.open(row, old)
		if err != nil {
			return nil, err
		}
		s.private[row.ID] = private
		if err := s.addSigners(row, private); err != nil {
			return nil, err
		}
	}
	var set jose.JSONWebKeySet
	now := idp.Now()
	s.until = now.AddDate(1, 0, 0)
	for _, row := range inOrder(rows, now) {
		set.Keys = append(set.Keys, s.public[row.ID])
		for _, change := range []time.Time{row.SignsFrom, row.SignsUntil} {
			if change.After(now) && change.Before(s.until) {
				s.until = change
			}
		}
	}
	var err error
	if s.document, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("encode the key set: %w", err)
	}
	sum := sha256.Sum256(s.document)
	s.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return s, nil
}

// addSigners makes the signers of a key once: making one costs as much as some
// signatures.
func (s *snapshot) addSigners(row store.SigningKey, private crypto.Signer) error {
	for _, typ := range []TokenType{IDToken, AccessToken, LogoutToken} {
		key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(row.Algorithm), Key: jose.JSONWebKey{Key: private, KeyID: row.ID}}
		signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return fmt.Errorf("make a signer of key %s: %w", row.ID, err)
		}
		s.signers[signerID{row.ID, typ}] = signer
	}
	return nil
}

func (k *Keys) open(row store.SigningKey, old *snapshot) (crypto.Signer, error) {
	if old != nil && old.private[row.ID] != nil {
		return old.private[row.ID], nil
	}
	der, err := k.keyring.Open(row.Private, keyring.AAD("signing_keys", row.ID, "private"))
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", row.ID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", row.ID, err)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: signing key %s cannot sign", idp.ErrInvalid, row.ID)
	}
	return private, nil
}

// NextRotations is, for each algorithm, when the key that signs now is due for a successor.
func (k *Keys) NextRotations() map[idp.Algorithm]time.Time {
	next, now := map[idp.Algorithm]time.Time{}, idp.Now()
	for _, r := range k.current.Load().rows {
		if !now.Before(r.SignsFrom) && (r.SignsUntil.IsZero() || now.Before(r.SignsUntil)) {
			next[r.Algorithm] = r.SignsFrom.Add(RotateAfter)
		}
	}
	return next
}

// Sign makes a compact JWS of a payload with the key that signs now.
func (k *Keys) Sign(alg idp.Algorithm, typ TokenType, payload []byte) (string, error) {
	s, now := k.current.Load(), idp.Now()
	var chosen *store.SigningKey
	for i := range s.rows {
		r := &s.rows[i]
		if r.Algorithm == alg && !now.Before(r.SignsFrom) && (r.SignsUntil.IsZero() || now.Before(r.SignsUntil)) {
			chosen = r // rows are oldest first: the newest that may sign
		}
	}
	if chosen == nil {
		return "", fmt.Errorf("%w: no key signs %s now", idp.ErrNotFound, alg)
	}
	jws, err := s.signers[signerID{chosen.ID, typ}].Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return jws.CompactSerialize()
}

// maxToken bounds what Verify parses.
const maxToken = 16 << 10

func signatureAlgorithms() (list []jose.SignatureAlgorithm) {
	for _, alg := range idp.Algorithms() {
		list = append(list, jose.SignatureAlgorithm(alg))
	}
	return list
}

// Verify checks that a compact JWS of the given type was signed by a key that is
// published, and decodes its payload, which must be a JSON object, into claims.
// What the claims say, the time above all, is the caller's to check.
func (k *Keys) Verify(token string, typ TokenType, claims any) error {
	if len(token) > maxToken {
		return fmt.Errorf("%w: token too long", idp.ErrInvalid)
	}
	jws, err := jose.ParseSignedCompact(token, signatureAlgorithms())
	if err != nil {
		return fmt.Errorf("%w: read the token: %w", idp.ErrInvalid, err)
	}
	header := jws.Signatures[0].Protected
	key, ok := k.current.Load().public[header.KeyID]
	if !ok || key.Algorithm != header.Algorithm {
		return fmt.Errorf("%w: token of an unknown key", idp.ErrInvalid)
	}
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != string(typ) {
		return fmt.Errorf("%w: token of type %q", idp.ErrInvalid, got)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return fmt.Errorf("%w: check the token's signature: %w", idp.ErrInvalid, err)
	}
	// A payload of "null" would leave claims as they are, or nil behind a pointer.
	if len(payload) == 0 || payload[0] != '{' {
		return fmt.Errorf("%w: token without claims", idp.ErrInvalid)
	}
	if err := json.Unmarshal(payload, claims); err != nil {
		return fmt.Errorf("%w: read the token's claims: %w", idp.ErrInvalid, err)
	}
	return nil
}

// Document is the JWK set, encoded once, with its ETag.
func (k *Keys) Document() (document []byte, etag string) {
	s := k.current.Load()
	return s.document, s.etag
}

// List returns the stored keys, oldest first.
func (k *Keys) List() []store.SigningKey { return k.current.Load().rows }

// Rotate makes a successor for every key: published now, signing from
// PublishAhead on; the old one stops then. Force rotates keys of any age, else
// only those older than RotateAfter. A key whose successor waits for its turn gets
// no second one: where that is so of every key, a forced rotation fails with a
// *idp.RotatingError. It returns the new number of rotated keys.
func (k *Keys) Rotate(ctx context.Context, force bool) (rotated int, err error) {
	err = k.store.Do(ctx, func(ctx context.Context) error {
		rotated = 0
		var waiting time.Time
		if err := k.store.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := k.store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		for _, alg := range idp.Algorithms() {
			old, now := newest(rows, alg), idp.Now()
			switch {
			case old == nil, !force && now.Sub(old.SignsFrom) < RotateAfter:
				continue
			case old.SignsFrom.After(now):
				waiting = old.SignsFrom
				continue
			}
			if err := k.succeed(ctx, *old, now); err != nil {
				return err
			}
			rotated++
		}
		if force && rotated == 0 && !waiting.IsZero() {
			return &idp.RotatingError{At: waiting}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return rotated, k.reloadAfter(ctx)
}

func (k *Keys) succeed(ctx context.Context, old store.SigningKey, now time.Time) error {
	takeover := now.Add(PublishAhead)
	if err := k.create(ctx, old.Algorithm, now, takeover); err != nil {
		return err
	}
	if err := k.store.RetireSigningKey(ctx, old.ID, takeover, takeover.Add(KeepPublished)); err != nil {
		return err
	}
	return k.store.Audit(ctx, idp.AuditEvent{
		Kind: idp.AuditKeyRotated, Detail: map[string]string{"kid": old.ID, "alg": string(old.Algorithm)},
	})
}

// Follow keeps the keys fresh until ctx ends: what another replica changed is
// seen within Staleness.
func (k *Keys) Follow(ctx context.Context) {
	tick := time.NewTicker(Staleness)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := k.Reload(ctx); err != nil && ctx.Err() == nil {
				slog.ErrorContext(ctx, "reload the signing keys", "cause", err)
			}
		}
	}
}
