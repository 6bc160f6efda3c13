package idptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
)

// Key is a private key of an app's: by it the app authenticates, or its tokens are bound to it.
type Key struct {
	Alg     jose.SignatureAlgorithm
	private crypto.Signer
	tb      testing.TB
}

// NewKey makes one for ES256, PS256 or RS256.
func NewKey(tb testing.TB, alg jose.SignatureAlgorithm) *Key {
	tb.Helper()
	k := &Key{Alg: alg, tb: tb}
	var err error
	if alg == jose.ES256 {
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	Must(tb, err)
	return k
}

// By is the same key with another algorithm.
func (k *Key) By(alg jose.SignatureAlgorithm) *Key { return &Key{alg, k.private, k.tb} }

func (k *Key) public() jose.JSONWebKey { return jose.JSONWebKey{Key: k.private.Public()} }

// JWKS is the JWK set of its public half.
func (k *Key) JWKS() string {
	k.tb.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.public()}})
	Must(k.tb, err)
	return string(raw)
}

// JWK is the key with its private half, as a JWK.
func (k *Key) JWK() []byte {
	k.tb.Helper()
	raw, err := json.Marshal(jose.JSONWebKey{Key: k.private, Algorithm: string(k.Alg)})
	Must(k.tb, err)
	return raw
}

// JKT is its thumbprint (RFC 7638).
func (k *Key) JKT() string {
	k.tb.Helper()
	public := k.public()
	sum, err := public.Thumbprint(crypto.SHA256)
	Must(k.tb, err)
	return base64.RawURLEncoding.EncodeToString(sum)
}

// SignJWT makes a JWT of claims as they are, with headers of its own (RFC 7519).
func SignJWT(tb testing.TB, alg jose.SignatureAlgorithm, key any, headers map[string]any, claims any) string {
	tb.Helper()
	options := &jose.SignerOptions{}
	for name, value := range headers {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	Must(tb, err)
	payload, err := json.Marshal(claims)
	Must(tb, err)
	signed, err := signer.Sign(payload)
	Must(tb, err)
	token, err := signed.CompactSerialize()
	Must(tb, err)
	return token
}

// Assertion is a client assertion (RFC 7523). change changes claims; nil leaves one out.
func (k *Key) Assertion(issuer, clientID string, change map[string]any) string {
	k.tb.Helper()
	now := idp.Now().Unix()
	return SignJWT(k.tb, k.Alg, k.private, nil, changed(map[string]any{
		"iss": clientID, "sub": clientID, "aud": issuer, "iat": now, "exp": now + 60, "jti": idp.NewID(),
	}, change))
}

// Proof is a DPoP proof for a request (RFC 9449). change changes claims; nil leaves one out.
func (k *Key) Proof(method, address string, change map[string]any) string {
	k.tb.Helper()
	public := k.public()
	return SignJWT(k.tb, k.Alg, k.private, map[string]any{"typ": "dpop+jwt", "jwk": &public},
		changed(map[string]any{"jti": idp.NewID(), "htm": method, "htu": address, "iat": idp.Now().Unix()}, change))
}

func changed(claims, change map[string]any) map[string]any {
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}
