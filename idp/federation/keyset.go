package federation

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
)

// The limits of another provider's keys.
const (
	maxKeys                = 100
	minModulus, maxModulus = 2048, 8192 // bits of an RSA key (RFC 7518 section 3.3)
	// rotationBurst fetches for a key that is not known are free, then one follows every
	// rotationEvery: an unknown kid costs its sender nothing.
	rotationBurst = 3
	rotationEvery = 3 * time.Second
)

// errNoKeys: the document was read, and none of its keys can be used.
var errNoKeys = errors.New("no key of the key set can be used")

// keySet holds the keys that a provider publishes, and fetches them again when they are
// old, or when a token names one that is not among them. A key that cannot be used is
// left out, and the others still work (RFC 7517 section 5). It implements oidc.KeySet.
type keySet struct {
	client  *http.Client
	address string

	mu      sync.Mutex // held while they are fetched: others wait for the same answer
	keys    []jose.JSONWebKey
	fetched time.Time // zero for never
	paid    time.Time // until when fetches for unknown keys are paid for
	failed  time.Time
	failure error
}

// VerifySignature implements oidc.KeySet.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, signatureAlgorithms())
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

func signatureAlgorithms() []jose.SignatureAlgorithm {
	var list []jose.SignatureAlgorithm
	for _, name := range algorithms() {
		list = append(list, jose.SignatureAlgorithm(name))
	}
	return list
}

// verified tries the keys that may have made a signature. Several may have one kid, and
// a key or a token may have none.
func verified(signed *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	header := signed.Signatures[0].Header
	for _, key := range keys {
		if key.KeyID != "" && header.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// current are the keys as far as they are known, fetched where they are older than
// freshFor.
func (s *keySet) current(ctx context.Context) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := idp.Now(); now.Sub(s.fetched) > freshFor && now.Sub(s.failed) > failureFor {
		s.fetch(ctx)
	}
	return s.known()
}

// newer are the keys after another look, as far as one is due.
func (s *keySet) newer(ctx context.Context) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := idp.Now(); now.Sub(s.failed) > failureFor && s.pay(now) {
		s.fetch(ctx)
	}
	return s.known()
}

// pay tells whether another fetch for an unknown key is due, and counts it.
func (s *keySet) pay(now time.Time) bool {
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
func (s *keySet) known() ([]jose.JSONWebKey, error) {
	switch {
	case s.failure != nil && (s.fetched.IsZero() || idp.Now().Sub(s.fetched) > staleFor):
		return nil, s.failure
	case len(s.keys) == 0:
		return nil, errNoKeys
	}
	return s.keys, nil
}

// unusable tells whether the document has no key that can be used.
func (s *keySet) unusable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.fetched.IsZero() && len(s.keys) == 0
}

// fetch reads the document. A failure leaves what is known.
func (s *keySet) fetch(ctx context.Context) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err := fetchJSON(context.WithoutCancel(ctx), s.client, s.address, "", &document)
	if err == nil && document.Keys == nil {
		err = errNotJSON
	}
	if err != nil {
		s.failure, s.failed = fmt.Errorf("fetch the keys: %w", brief(err)), idp.Now()
		return
	}
	keys, left := usable(document.Keys)
	if len(left) > 0 {
		slog.WarnContext(ctx, "keys of another provider were left out", "address", s.address, "usable", len(keys), "left_out", len(left),
			"causes", left[:min(len(left), 10)])
	}
	s.keys, s.fetched, s.failure = keys, idp.Now(), nil
}

// usable are the keys that can check a signature, and why the others cannot.
func usable(list []json.RawMessage) (keys []jose.JSONWebKey, left []string) {
	for i, raw := range list {
		key, err := readKey(raw)
		if err == nil && len(keys) == maxKeys {
			err = fmt.Errorf("more than %d", maxKeys)
		}
		if err != nil {
			left = append(left, fmt.Sprintf("key %d: %s", i, brief(err)))
			continue
		}
		keys = append(keys, key)
	}
	return keys, left
}

// readKey reads a public key for signatures of the algorithms that we take.
func readKey(raw json.RawMessage) (key jose.JSONWebKey, err error) {
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
	case about.Algorithm != "" && !slices.Contains(algorithms(), about.Algorithm):
		return key, fmt.Errorf("its algorithm is %.20q", about.Algorithm)
	}
	if err := json.Unmarshal(raw, &key); err != nil {
		return key, fmt.Errorf("it cannot be read: %w", err)
	}
	// A private key that was published by mistake checks signatures as its public half.
	if key = key.Public(); !key.Valid() {
		return key, errors.New("it is not a public key")
	}
	return key, checkStrength(key.Key)
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

// doubt says why a token is not believed: its own fault, or that of the keys.
func (d *description) doubt(err error) error {
	if s, ok := d.keys.(*keySet); ok && s.unusable() {
		return &idp.FederationError{Reason: idp.FederationKeys, Cause: errNoKeys}
	}
	return untrusted("%w", brief(err))
}
