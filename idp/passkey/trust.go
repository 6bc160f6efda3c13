package passkey

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/idp"
)

// Trust is whose word about an authenticator counts.
type Trust struct {
	// AAGUIDs are the kinds of authenticators, Roots those who certify them.
	AAGUIDs [][]byte
	Roots   *x509.CertPool
	// Only: a passkey of anything else is refused.
	Only bool
}

// TrustOf is what a policy trusts. only: nothing else will do here, whatever it says.
func TrustOf(p idp.Policy, only bool) Trust {
	t := Trust{Only: only || p.OnlySecurityKeys}
	for text := range strings.FieldsSeq(p.SecurityKeys) {
		if id, err := uuid.Parse(text); err == nil {
			t.AAGUIDs = append(t.AAGUIDs, id[:])
		}
	}
	// A root that has expired since it was given certifies nothing any more: the check of a
	// chain sees that.
	roots, _ := certificates(p.SecurityKeyRoots)
	for _, root := range roots {
		if t.Roots == nil {
			t.Roots = x509.NewCertPool()
		}
		t.Roots.AddCert(root)
	}
	return t
}

// Asks tells whether there is anybody whose word counts.
func (t Trust) Asks() bool { return len(t.AAGUIDs) > 0 && t.Roots != nil }

// lists tells whether a kind is one of those that are trusted.
func (t Trust) lists(aaguid []byte) bool {
	return slices.ContainsFunc(t.AAGUIDs, func(id []byte) bool { return bytes.Equal(id, aaguid) })
}

// RootProblem is what is wrong about a certificate of a maker.
type RootProblem int

// The problems.
const (
	RootUnreadable RootProblem = iota
	RootNotCA
	RootExpired
)

// RootError says what is wrong about a certificate of a maker, and which it is.
type RootError struct {
	Problem RootProblem
	Name    string
}

// Error implements error.
func (e *RootError) Error() string {
	return fmt.Sprintf("certificate %q of a maker: problem %d", e.Name, e.Problem)
}

// Roots are the certificates of makers in a text of PEM, none in an empty one. An error is a
// *RootError.
func Roots(text string, now time.Time) ([]*x509.Certificate, error) {
	list, err := certificates(text)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		switch {
		case !c.BasicConstraintsValid || !c.IsCA:
			return nil, &RootError{RootNotCA, c.Subject.String()}
		case now.After(c.NotAfter):
			return nil, &RootError{RootExpired, c.Subject.String()}
		}
	}
	return list, nil
}

// certificates reads PEM that has nothing but certificates.
func certificates(text string) (list []*x509.Certificate, err error) {
	for rest := []byte(text); len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return nil, &RootError{Problem: RootUnreadable}
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &RootError{Problem: RootUnreadable}
		}
		list = append(list, c)
	}
	return list, nil
}

// TidyRoots writes certificates as they are kept, each once; a text that has others stays.
func TidyRoots(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	list, err := certificates(text)
	if err != nil {
		return text
	}
	var blocks []string
	for _, c := range list {
		block := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
		if !slices.Contains(blocks, block) {
			blocks = append(blocks, block)
		}
	}
	return strings.TrimSpace(strings.Join(blocks, ""))
}
