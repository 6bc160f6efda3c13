package entra_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // a thumbprint by definition (RFC 7515 section 4.1.7)
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
)

// refused wants an error of the token endpoint in Entra's shape.
func refused(t *testing.T, status int, body map[string]any, oauth string, code int) {
	t.Helper()
	codes, _ := body["error_codes"].([]any)
	text, _ := body["error_description"].(string)
	if status < 400 || body["error"] != oauth || len(codes) != 1 || codes[0] != float64(code) ||
		!strings.HasPrefix(text, fmt.Sprintf("AADSTS%d: ", code)) || !strings.Contains(text, "\r\nTrace ID: ") {
		t.Errorf("status %d, %v: want %s AADSTS%d", status, body, oauth, code)
	}
}

func TestTokenRequestsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		pairs []string
		oauth string
		code  int
	}{
		"secret":       {[]string{"client_secret", "another"}, "invalid_client", 7000215},
		"no secret":    {[]string{"client_secret", ""}, "invalid_client", 7000218},
		"client":       {[]string{"client_id", "nobody"}, "unauthorized_client", 700016},
		"another's":    {[]string{"client_id", idptest.OpenApp}, "invalid_grant", 70000},
		"code":         {[]string{"code", "1.another"}, "invalid_grant", 70000},
		"verifier":     {[]string{"code_verifier", idp.NewSecret()}, "invalid_grant", 50148},
		"no verifier":  {[]string{"code_verifier", ""}, "invalid_grant", 50148},
		"redirect URI": {[]string{"redirect_uri", callback + "/other"}, "invalid_grant", 50011},
		"grant type":   {[]string{"grant_type", "password"}, "unsupported_grant_type", 70003},
		"assertion":    {[]string{"client_assertion", "no.jwt.atall"}, "invalid_client", 700027},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			p := h.home(idptest.HomeApp)
			a := p.begin()
			left := h.SignIn(h.browser(), a.url, idptest.Alice)
			status, body := p.redeem(a, left, c.pairs...)
			refused(t, status, body, c.oauth, c.code)
		})
	}
}

func TestACodeWorksOnce(t *testing.T) {
	h := open(t)
	p := h.home(idptest.HomeApp)
	a := p.begin()
	left := h.SignIn(h.browser(), a.url, idptest.Alice)
	p.must(a, left)
	status, body := p.redeem(a, left)
	refused(t, status, body, "invalid_grant", 54005)
}

func TestACodeExpires(t *testing.T) {
	h := open(t)
	p := h.home(idptest.HomeApp)
	a := p.begin()
	left := h.SignIn(h.browser(), a.url, idptest.Alice)
	h.BreakOnce(entra.CodeExpired)
	status, body := p.redeem(a, left)
	refused(t, status, body, "invalid_grant", 70008)
}

func TestUserinfo(t *testing.T) {
	h := open(t)
	p := h.at(idptest.GenericApp, entra.Generic)
	a := p.begin()
	left := h.SignIn(h.browser(), a.url, idptest.Gina)
	_, body := p.redeem(a, left)
	ask := func(token string) (int, map[string]any) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.provider.UserInfoEndpoint(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return read(t, res)
	}
	access, _ := body["access_token"].(string)
	if status, info := ask(access); status != http.StatusOK || info["sub"] != "gina-1" || info["email"] != idptest.Gina {
		t.Errorf("status %d, %v", status, info)
	}
	if status, _ := ask("another"); status != http.StatusUnauthorized {
		t.Errorf("a token that is none: status %d", status)
	}
}

// certificate makes a key and its self-signed certificate.
func certificate(tb testing.TB) (*rsa.PrivateKey, *x509.Certificate) {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: idp.Now().Add(-time.Hour), NotAfter: idp.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return key, made
}

// assert signs a client assertion.
func assert(tb testing.TB, key crypto.PrivateKey, headers map[jose.HeaderKey]any, claims jwt.Claims) string {
	tb.Helper()
	options := &jose.SignerOptions{ExtraHeaders: headers}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: key}, options.WithType("JWT"))
	if err != nil {
		tb.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestPrivateKeyJWT(t *testing.T) {
	h := open(t)
	key, cert := certificate(t)
	other, _ := certificate(t)
	err := h.ChangeApp(idptest.HomeApp, func(a *entra.App) { a.Certificates, a.Secrets = []*x509.Certificate{cert}, nil })
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(cert.Raw)
	x5t := map[jose.HeaderKey]any{"x5t": base64.RawURLEncoding.EncodeToString(sum[:])}
	p := h.home(idptest.HomeApp)
	good := func() jwt.Claims {
		return jwt.Claims{
			Issuer: idptest.HomeApp, Subject: idptest.HomeApp, Audience: jwt.Audience{p.oauth.Endpoint.TokenURL}, ID: idp.NewSecret(),
			Expiry: jwt.NewNumericDate(idp.Now().Add(time.Minute)), NotBefore: jwt.NewNumericDate(idp.Now()),
		}
	}
	b := h.browser()
	try := func(assertion string) (int, map[string]any) {
		a := p.begin()
		return p.redeem(a, h.SignIn(b, a.url, idptest.Alice), "client_secret", "",
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", assertion)
	}
	used := assert(t, key, x5t, good())
	if status, body := try(used); status != http.StatusOK || body["id_token"] == nil {
		t.Fatalf("status %d, %v", status, body)
	}
	change := func(f func(*jwt.Claims)) jwt.Claims { c := good(); f(&c); return c }
	for name, c := range map[string]struct {
		assertion string
		code      int
	}{
		"replayed":    {used, 700027},
		"no x5t":      {assert(t, key, nil, good()), 700027},
		"another key": {assert(t, other, x5t, good()), 700027},
		"audience":    {assert(t, key, x5t, change(func(c *jwt.Claims) { c.Audience = jwt.Audience{h.URL} })), 700027},
		"issuer":      {assert(t, key, x5t, change(func(c *jwt.Claims) { c.Issuer = idptest.OpenApp })), 700027},
		"no jti":      {assert(t, key, x5t, change(func(c *jwt.Claims) { c.ID = "" })), 700027},
		"no exp":      {assert(t, key, x5t, change(func(c *jwt.Claims) { c.Expiry = nil })), 700024},
		"expired": {assert(t, key, x5t, change(func(c *jwt.Claims) {
			c.Expiry = jwt.NewNumericDate(idp.Now().Add(-time.Hour))
		})), 700024},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := try(c.assertion)
			refused(t, status, body, "invalid_client", c.code)
		})
	}
}
