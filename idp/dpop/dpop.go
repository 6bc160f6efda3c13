package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
)

const (
	// maxProof bounds a proof in bytes: one with an RSA key of 4096 bits has about 2,200.
	maxProof = 4096
	// maxClaim bounds jti and nonce.
	maxClaim = 512
	// The bounds of an RSA key in bits: a weaker one is no proof, and a larger one costs time.
	minRSA, maxRSA = 2048, 4096
)

const (
	// Age is how old a proof may be, and Ahead how far its clock before ours.
	Age   = 5 * time.Minute
	Ahead = time.Minute
)

// Algorithms are those that a proof may be signed with.
func Algorithms() []string { return []string{"ES256", "EdDSA", "RS256", "PS256"} }

var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256, jose.PS256}

// Proof is what a proof says.
type Proof struct {
	// JKT is the thumbprint of its key (RFC 7638), which tokens are bound to.
	JKT string
	// ID is the SHA-256 of key and jti: another key's proof of the same jti is another.
	ID       []byte
	Alg      string // that signed it
	IssuedAt time.Time
	Nonce    string // empty: none
	ath      string
}

// For is the request that a proof is for.
type For struct {
	Method string
	URL    string // without query and fragment
	Now    time.Time
}

type claims struct {
	ID       string       `json:"jti"`
	Method   string       `json:"htm"`
	URL      string       `json:"htu"`
	IssuedAt *json.Number `json:"iat"`
	Nonce    string       `json:"nonce"`
	ATH      string       `json:"ath"`
}

// Read checks a proof (RFC 9449 section 4.3) but for its being used once, its nonce, and
// the access token that it goes with. An error is an idp.ErrInvalid, and safe to tell.
func Read(proof string, f For) (Proof, error) {
	if len(proof) > maxProof {
		return Proof{}, invalid("it is too long")
	}
	jws, err := jose.ParseSignedCompact(proof, algorithms)
	if err != nil {
		return Proof{}, invalid("it is no JWS signed with " + strings.Join(Algorithms(), ", "))
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != "dpop+jwt" {
		return Proof{}, invalid("its typ is not dpop+jwt")
	}
	if err := sound(header.JSONWebKey, header.Algorithm); err != nil {
		return Proof{}, err
	}
	payload, err := jws.Verify(header.JSONWebKey)
	if err != nil {
		return Proof{}, invalid("its signature is not of its key")
	}
	var c claims
	if len(payload) == 0 || payload[0] != '{' || json.Unmarshal(payload, &c) != nil {
		return Proof{}, invalid("its claims cannot be read")
	}
	thumbprint, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return Proof{}, invalid("its key has no thumbprint")
	}
	proven, err := read(c, thumbprint, f)
	proven.Alg = header.Algorithm
	return proven, err
}

// sound checks the key of a proof: public, of the kind that its algorithm takes, and of a
// bearable size.
func sound(key *jose.JSONWebKey, alg string) error {
	if key == nil || !key.Valid() || !key.IsPublic() {
		return invalid("its header has no public key (jwk)")
	}
	fits := false
	switch k := key.Key.(type) {
	case *ecdsa.PublicKey:
		fits = alg == "ES256" && k.Curve.Params().BitSize == 256
	case ed25519.PublicKey:
		fits = alg == "EdDSA"
	case *rsa.PublicKey:
		bits := k.N.BitLen()
		fits = (alg == "RS256" || alg == "PS256") && bits >= minRSA && bits <= maxRSA && k.E >= 3
	}
	if !fits || key.Algorithm != "" && key.Algorithm != alg {
		return invalid("its key does not fit its alg, or is too small or too large")
	}
	return nil
}

func read(c claims, thumbprint []byte, f For) (Proof, error) {
	at, ok := c.issuedAt()
	switch {
	case c.ID == "" || len(c.ID) > maxClaim || len(c.Nonce) > maxClaim:
		return Proof{}, invalid("its jti is missing, or jti or nonce is too long")
	case c.Method != f.Method:
		return Proof{}, invalid("its htm is not " + f.Method)
	case !SameURL(c.URL, f.URL):
		return Proof{}, invalid("its htu is not " + f.URL)
	case !ok:
		return Proof{}, invalid("its iat is missing")
	case at.Before(f.Now.Add(-Age)) || at.After(f.Now.Add(Ahead)):
		return Proof{}, invalid("its iat is too old, or in the future")
	}
	jkt := base64.RawURLEncoding.EncodeToString(thumbprint)
	id := sha256.Sum256([]byte(jkt + "\x00" + c.ID))
	return Proof{JKT: jkt, ID: id[:], IssuedAt: at, Nonce: c.Nonce, ath: c.ATH}, nil
}

// issuedAt reads a NumericDate (RFC 7519 section 2).
func (c claims) issuedAt() (time.Time, bool) {
	if c.IssuedAt == nil {
		return time.Time{}, false
	}
	seconds, err := c.IssuedAt.Float64()
	const farthest = 1 << 40 // seconds; beyond, a time wraps around
	if err != nil || !(seconds > 0 && seconds < farthest) {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0).UTC(), true
}

// Expires is when the proof is too old by itself: so long its ID is kept.
func (p Proof) Expires() time.Time { return p.IssuedAt.Add(Age) }

// OfToken tells whether the proof goes with an access token (RFC 9449 section 4.2).
func (p Proof) OfToken(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(p.ath)) == 1
}

// SameURL compares two URLs without query and fragment (RFC 9449 section 4.3, RFC 3986
// section 6.2): case of scheme and host and the port that is the scheme's do not count.
func SameURL(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Host != "" && x.User == nil &&
		strings.EqualFold(x.Scheme, y.Scheme) && host(x) == host(y) && path(x) == path(y)
}

func host(u *url.URL) string {
	port := u.Port()
	if scheme := strings.ToLower(u.Scheme); scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		port = ""
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

func path(u *url.URL) string {
	if u.Path == "" {
		return "/"
	}
	return u.Path
}

func invalid(why string) error { return fmt.Errorf("%w: %s", idp.ErrInvalid, why) }
