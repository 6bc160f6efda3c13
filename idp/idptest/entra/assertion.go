package entra

import (
	"crypto/sha1" // a thumbprint by definition (RFC 7515 section 4.1.7)
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"gatehouse/idp"
)

// assertionType is that of JWTs (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionAlgorithms are those that Entra takes.
func assertionAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
}

// claimedClient is who an assertion says it is, before anything is checked.
func claimedClient(assertion string) string {
	token, err := jwt.ParseSigned(assertion, assertionAlgorithms())
	if err != nil {
		return ""
	}
	var c jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&c); err != nil {
		return ""
	}
	return c.Subject
}

// checkAssertion verifies a client assertion by a registered certificate ("Microsoft
// identity platform application authentication certificate credentials").
func (t *Tenant) checkAssertion(at place, app App, typ, assertion string) *failure {
	bad := func(why string) *failure {
		return refuseClient(700027, "The certificate with identifier used to sign the client assertion is not registered on application, "+
			"or the assertion is not valid. "+why)
	}
	if typ != assertionType {
		return bad("client_assertion_type must be " + assertionType + ".")
	}
	token, err := jwt.ParseSigned(assertion, assertionAlgorithms())
	if err != nil || len(token.Headers) != 1 {
		return bad("It is not a JWT signed with RS256 or PS256.")
	}
	certificate := named(app.Certificates, token.Headers[0], at.generic())
	if certificate == nil {
		return bad("x5t or x5t#S256 names no certificate of the app.")
	}
	var c jwt.Claims
	if err := token.Claims(certificate.PublicKey, &c); err != nil {
		return bad("Its signature is wrong.")
	}
	switch {
	case c.Issuer != app.ClientID || c.Subject != app.ClientID:
		return bad("iss and sub must both be the client id.")
	case !slices.ContainsFunc(c.Audience, func(s string) bool { return s == at.endpoints(t)+"/token" || s == at.issuer(t) }):
		return bad("aud must be the token endpoint.")
	case c.Expiry == nil || c.ValidateWithLeeway(jwt.Expected{Time: idp.Now()}, time.Minute) != nil:
		return refuseClient(700024, "Client assertion is not within its valid time range.")
	case c.ID == "" || !t.once(app.ClientID+" "+c.ID):
		return bad("jti is missing or was used before.")
	}
	return nil
}

// once reports whether something is seen for the first time.
func (t *Tenant) once(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, seen := t.used.get(what); seen {
		return false
	}
	t.used.put(what, struct{}{})
	return true
}

// named is the certificate that a header names by its thumbprint. The generic
// provider takes kid for it, too.
func named(certificates []*x509.Certificate, h jose.Header, generic bool) *x509.Certificate {
	short, _ := h.ExtraHeaders["x5t"].(string)
	long, _ := h.ExtraHeaders["x5t#S256"].(string)
	for _, c := range certificates {
		sum1, sum2 := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
		one, two := base64.RawURLEncoding.EncodeToString(sum1[:]), base64.RawURLEncoding.EncodeToString(sum2[:])
		if strings.TrimRight(short, "=") == one || strings.TrimRight(long, "=") == two {
			return c
		}
		if generic && (h.KeyID == one || h.KeyID == two) {
			return c
		}
	}
	return nil
}
