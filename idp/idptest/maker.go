package idptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"gatehouse/idp"
)

// Maker certifies devices of a model.
type Maker struct {
	Root *x509.Certificate
	// Chain is what its devices show: the certificate of their key.
	Chain []any
	key   *ecdsa.PrivateKey
	tb    testing.TB
}

// NewMaker is one whose devices are of a model (AAGUID); change changes their certificate.
func NewMaker(tb testing.TB, aaguid [16]byte, change ...func(leaf *x509.Certificate)) Maker {
	tb.Helper()
	m := Maker{tb: tb}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Must(tb, err)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Keys Root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: idp.Now().Add(-time.Hour), NotAfter: idp.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &rootKey.PublicKey, rootKey)
	Must(tb, err)
	m.Root, err = x509.ParseCertificate(der)
	Must(tb, err)
	m.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Must(tb, err)
	id, err := asn1.Marshal(aaguid[:])
	Must(tb, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: root.NotBefore, NotAfter: root.NotAfter, BasicConstraintsValid: true,
		Subject:         pkix.Name{Country: []string{"SE"}, Organization: []string{"Keys"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Keys"},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: id}},
	}
	for _, c := range change {
		c(leaf)
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, m.Root, &m.key.PublicKey, rootKey)
	Must(tb, err)
	m.Chain = []any{der}
	return m
}

// PEM is its root, as admins give it.
func (m Maker) PEM() string { return PEM(m.Root.Raw) }

// PEM writes a certificate.
func PEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Vouch has it vouch for a device.
func (m Maker) Vouch() func(*string, map[string]any, []byte, []byte) {
	return func(format *string, statement map[string]any, authData, client []byte) {
		digest := sha256.Sum256(slices.Concat(authData, client))
		signature, err := ecdsa.SignASN1(rand.Reader, m.key, digest[:])
		Must(m.tb, err)
		*format = "packed"
		statement["alg"], statement["sig"], statement["x5c"] = -7, signature, m.Chain
	}
}
