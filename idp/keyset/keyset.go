package keyset

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
)

// The limits of others' keys.
const (
	minModulus, maxModulus = 2048, 8192 // bits of an RSA key (RFC 7518 section 3.3)
	// rotationBurst fetches for a key that is not known are free, then one follows every
	// rotationEvery: an unknown kid costs its sender nothing.
	rotationBurst = 3
	rotationEvery = 3 * time.Second
	// failureFor is how long a failure is answered without asking again.
	failureFor = 3 * time.Second
)

// Rules say which keys are taken.
type Rules struct {
	// Algorithms are those that their signatures may have: none without a key pair.
	Algorithms []string
	// Most is how many keys of a set are used.
	Most int
	// Fresh is how long a document is used, and Stale how long in place of one that cannot be
	// fetched.
	Fresh, Stale time.Duration
	// PublicOnly leaves out a key that is published with its private half: every reader of the
	// document has it.
	PublicOnly bool
}

// OfClients are the rules for the keys by which apps authenticate.
func OfClients() Rules {
	return Rules{
		Algorithms: []string{"RS256", "PS256", "ES256", "EdDSA"}, Most: 20,
		Fresh: 5 * time.Minute, Stale: time.Hour, PublicOnly: true,
	}
}

// ErrNone: the document was read, and none of its keys can be used. ErrPrivate: a key has its
// private half.
var (
	ErrNone    = errors.New("no key of the key set can be used")
	ErrPrivate = errors.New("it has its private half")
)

// Set holds published keys, and fetches them again when they are old, or when a token
// names one that is not among them. A key that cannot be used is left out, and the others
// still work (RFC 7517 section 5). It implements oidc.KeySet.
type Set struct {
	client  *http.Client
	address string
	rules   Rules

	mu      sync.Mutex // held while they are fetched: others wait for the same answer
	keys    []jose.JSONWebKey
	fetched time.Time // zero for never
	paid    time.Time // until when fetches for unknown keys are paid for
	failed  time.Time
	failure error
}

// New is the set at an address, which client fetches.
func (r Rules) New(client *http.Client, address string) *Set {
	return &Set{client: client, address: address, rules: r}
}

// Of is the set of a document that is at hand: it is never fetched. What cannot be used of it
// is left out.
func (r Rules) Of(document string) *Set {
	var d struct {
		Keys []json.RawMessage `json:"keys"`
	}
	s := &Set{rules: r}
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		s.failure = fmt.Errorf("read the keys: %w", err)
		return s
	}
	s.keys, _ = r.usable(d.Keys)
	return s
}

// VerifySignature implements oidc.KeySet.
func (s *Set) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, s.rules.signatures())
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	keys, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	if payload, ok := verified(signed, keys); ok {
		return payload, nil
	}
	// The key may be newer than what is known (OpenID Connect Core 1.0 section 10.1.1).
	if keys, err = s.newer(ctx); err != nil {
		return nil, err
	}
	if payload, ok := verified(signed, keys); ok {
		return payload, nil
	}
	return nil, fmt.Errorf("none of %d keys made the signature", len(keys))
}

func (r Rules) signatures() (list []jose.SignatureAlgorithm) {
	for _, name := range r.Algorithms {
		list = append(list, jose.SignatureAlgorithm(name))
	}
	return list
}

// verified tries the keys that may have made a signature. Several may have one kid, and
// a key or a token may have none.
func verified(signed *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	header := signed.Signatures[0].Header
	for _, key := range keys {
		if key.KeyID != "" && header.KeyID != "" && key.KeyID != header.KeyID || !fits(key, header.Algorithm) {
			continue
		}
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// current are the keys as far as they are known, fetched where they are older than
// s.rules.Fresh.
func (s *Set) current(ctx context.Context) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := idp.Now(); s.client != nil && now.Sub(s.fetched) > s.rules.Fresh && now.Sub(s.failed) > failureFor {
		s.fetch(ctx)
	}
	return s.known()
}

// newer are the keys after another look, as far as one is due.
func (s *Set) newer(ctx context.Context) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := idp.Now(); s.client != nil && now.Sub(s.failed) > failureFor && s.pay(now) {
		s.fetch(ctx)
	}
	return s.known()
}

// pay tells whether another fetch for an unknown key is due, and counts it.
func (s *Set) pay(now time.Time) bool {
	if s.paid.Before(now) {
		s.paid = now
	}
	next := s.paid.Add(rotationEvery)
	if next.Sub(now) > rotationBurst*rotationEvery {
		return false
	}
	s.paid = next
	return true
}

// known are the keys of the last document, for as long as it stands in for one that
// cannot be fetched.
func (s *Set) known() ([]jose.JSONWebKey, error) {
	switch {
	case s.failure != nil && (s.fetched.IsZero() || idp.Now().Sub(s.fetched) > s.rules.Stale):
		return nil, s.failure
	case len(s.keys) == 0:
		return nil, ErrNone
	}
	return s.keys, nil
}

// Unusable tells whether the document has no key that can be used.
func (s *Set) Unusable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.fetched.IsZero() && len(s.keys) == 0
}

// fetch reads the document. A failure leaves what is known.
func (s *Set) fetch(ctx context.Context) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err := fetch.JSON(context.WithoutCancel(ctx), s.client, s.address, "", &document)
	if err == nil && document.Keys == nil {
		err = fetch.ErrNotJSON
	}
	if err != nil {
		s.failure, s.failed = fmt.Errorf("fetch the keys: %w", fetch.Brief(err)), idp.Now()
		return
	}
	keys, left := s.rules.usable(document.Keys)
	if len(left) > 0 {
		slog.WarnContext(ctx, "keys that somebody publishes were left out", "address", s.address, "usable", len(keys), "left_out", len(left),
			"causes", left[:min(len(left), 10)])
	}
	s.keys, s.fetched, s.failure = keys, idp.Now(), nil
}

// usable are the keys that can check a signature, and why the others cannot.
func (r Rules) usable(list []json.RawMessage) (keys []jose.JSONWebKey, left []string) {
	for i, raw := range list {
		key, err := r.Read(raw)
		if err == nil && len(keys) == r.Most {
			err = fmt.Errorf("more than %d", r.Most)
		}
		if err != nil {
			left = append(left, fmt.Sprintf("key %d: %s", i, fetch.Brief(err)))
			continue
		}
		keys = append(keys, key)
	}
	return keys, left
}

// Read reads a public key for signatures of the algorithms that are taken.
func (r Rules) Read(raw json.RawMessage) (key jose.JSONWebKey, err error) {
	var about struct {
		Use        string   `json:"use"`
		Algorithm  string   `json:"alg"`
		Operations []string `json:"key_ops"`
	}
	if err := json.Unmarshal(raw, &about); err != nil {
		return key, fmt.Errorf("it is no key: %w", err)
	}
	switch {
	case about.Use != "" && about.Use != "sig":
		return key, fmt.Errorf("its use is %.20q", about.Use)
	case len(about.Operations) > 0 && !slices.Contains(about.Operations, "verify"):
		return key, fmt.Errorf("its operations are %.100q", about.Operations)
	case about.Algorithm != "" && !slices.Contains(r.Algorithms, about.Algorithm):
		return key, fmt.Errorf("its algorithm is %.20q", about.Algorithm)
	}
	if err := json.Unmarshal(raw, &key); err != nil {
		return key, fmt.Errorf("it cannot be read: %w", err)
	}
	if r.PublicOnly && !key.IsPublic() {
		return key, ErrPrivate
	}
	// A private key that was published by mistake checks signatures as its public half.
	if key = key.Public(); !key.Valid() {
		return key, errors.New("it is not a public key")
	}
	if err := checkStrength(key.Key); err != nil {
		return key, err
	}
	if !slices.ContainsFunc(r.Algorithms, func(alg string) bool { return fits(key, alg) }) {
		return key, errors.New("no algorithm that is taken goes with it")
	}
	return key, nil
}

// fits tells whether a key makes signatures of an algorithm (RFC 7518 section 3.1, RFC 8037
// section 3.1).
func fits(key jose.JSONWebKey, alg string) bool {
	if key.Algorithm != "" && key.Algorithm != alg {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		return alg == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return alg == string(jose.EdDSA)
	}
	return false
}

// checkStrength refuses keys that are no pair's, or too weak, or dear to compute with.
func checkStrength(key any) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minModulus || bits > maxModulus {
			return fmt.Errorf("an RSA key of %d bits", bits)
		}
		if k.E < 3 || k.E%2 == 0 {
			return fmt.Errorf("an RSA key with exponent %d", k.E)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return fmt.Errorf("it is a %s", strings.TrimPrefix(fmt.Sprintf("%T", key), "*"))
	}
	return nil
}
