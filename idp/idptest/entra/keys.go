package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // a thumbprint by definition (RFC 7517 section 4.8)
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"gatehouse/idp"
)

// signingKey is a key with its self-signed certificate, as Microsoft publishes them.
type signingKey struct {
	id      string // thumbprint of the certificate: kid and x5t
	private *rsa.PrivateKey
	der     []byte
}

const keyBits = 2048

func newSigningKey() (*signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	now := idp.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "accounts.accesscontrol.invalid"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(5, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	sum := sha1.Sum(der)
	return &signingKey{id: base64.RawURLEncoding.EncodeToString(sum[:]), private: private, der: der}, nil
}

// keyring makes keys when they are first needed: one set that signs for every
// organisation, one for personal accounts, one for the generic provider.
type keyring struct {
	mu    sync.Mutex
	sets  map[string][]*signingKey // newest first; the newest signs
	rogue *signingKey              // never published
}

// keySet names the set that signs for a directory.
func keySet(directory string) string {
	if directory == Consumers || directory == Generic {
		return directory
	}
	return organizations
}

func (k *keyring) set(name string) ([]*signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.sets[name]) == 0 {
		if err := k.add(name); err != nil {
			return nil, err
		}
	}
	return append([]*signingKey(nil), k.sets[name]...), nil
}

// add puts a new key in front. The caller holds the lock.
func (k *keyring) add(name string) error {
	made, err := newSigningKey()
	if err != nil {
		return err
	}
	if k.sets == nil {
		k.sets = map[string][]*signingKey{}
	}
	k.sets[name] = append([]*signingKey{made}, k.sets[name]...)
	return nil
}

// signer is the key that signs for a directory.
func (k *keyring) signer(directory string) (*signingKey, error) {
	set, err := k.set(keySet(directory))
	if err != nil {
		return nil, err
	}
	return set[0], nil
}

// stranger is a key that no document publishes.
func (k *keyring) stranger() (made *signingKey, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rogue == nil {
		k.rogue, err = newSigningKey()
	}
	return k.rogue, err
}

// RotateKeys makes a new key sign at once for the directory's set, as Microsoft
// does without notice. The older ones stay published beside it; with forget, they
// are gone.
func (t *Tenant) RotateKeys(directory string, forget bool) error {
	name := keySet(directory)
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	if forget {
		delete(t.keys.sets, name)
	}
	return t.keys.add(name)
}

// publicKey is a key in Microsoft's keys document. issuer says whose tokens it may
// sign (Microsoft identity platform, "Validate the issuer").
type publicKey struct {
	KeyType string   `json:"kty"`
	Use     string   `json:"use"`
	ID      string   `json:"kid"`
	Thumb   string   `json:"x5t"`
	N       string   `json:"n"`
	E       string   `json:"e"`
	Chain   []string `json:"x5c"`
	Issuer  string   `json:"issuer,omitempty"`
}

func (k *signingKey) public(issuer string) publicKey {
	return publicKey{
		KeyType: "RSA", Use: "sig", ID: k.id, Thumb: k.id,
		N:      base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
		E:      base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		Chain:  []string{base64.StdEncoding.EncodeToString(k.der)},
		Issuer: issuer,
	}
}

// jwks answers an authority's keys.
func (t *Tenant) jwks(w http.ResponseWriter, r *http.Request) {
	t.remember("keys", r.URL.Query())
	at, failure := t.place(r)
	if failure != nil {
		t.fail(w, failure)
		return
	}
	if t.spoil(w, r, KeysDown, KeysHang, KeysHuge) {
		return
	}
	var keys []any
	for _, directory := range at.keySets() {
		set, err := t.keys.set(keySet(directory))
		if err != nil {
			t.fail(w, serverError(err))
			return
		}
		for _, k := range set {
			keys = append(keys, k.public(at.keyIssuer(t, directory)))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": t.bendKeys(keys)})
}
