package federation

import (
	"context"
	"crypto/sha1" // #nosec G505 -- x5t is defined with it (RFC 7515 section 4.1.7)
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/fetch"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keyset"
)

// clockSkew is how far the other side's clock may be off.
const clockSkew = 2 * time.Minute

// tokenAge is the oldest that an ID token may be: it answers a question of a sign-in
// that is under way. Entra's say that they are five minutes older than they are.
const tokenAge = idp.FlowLifetime

// algorithms that ID tokens may be signed with: none without a key pair.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

func untrusted(format string, args ...any) error {
	return &idp.FederationError{Reason: idp.FederationToken, Cause: fmt.Errorf(format, args...)}
}

// doubt says why a token is not believed: its own fault, or that of the keys.
func (d *description) doubt(err error) error {
	if s, ok := d.keys.(*keyset.Set); ok && s.Unusable() {
		return &idp.FederationError{Reason: idp.FederationKeys, Cause: keyset.ErrNone}
	}
	return untrusted("%w", fetch.Brief(err))
}

// Receive takes the answer of another provider, as its parameters say, and returns who
// it says the person is. An error is an *idp.FederationError.
func (f *Federation) Receive(ctx context.Context, c idp.Connection, ask idp.Ask, answer url.Values) (idp.Assertion, error) {
	if err := f.checkAnswer(ctx, c, answer); err != nil {
		return idp.Assertion{}, err
	}
	if err := refusal(answer); err != nil {
		return idp.Assertion{}, err
	}
	d, err := f.provider(ctx, c)
	if err != nil {
		return idp.Assertion{}, err
	}
	if d.IssParameter && !answer.Has("iss") {
		return idp.Assertion{}, madeUp("the answer names no issuer, and that provider's do")
	}
	token, err := f.exchange(ctx, d, c, ask, answer.Get("code"))
	if err != nil {
		return idp.Assertion{}, err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return idp.Assertion{}, untrusted("the answer has no ID token")
	}
	said, err := d.read(ctx, c, raw)
	if err != nil {
		return idp.Assertion{}, err
	}
	if subtle.ConstantTimeCompare([]byte(said.Nonce), []byte(ask.Nonce)) != 1 {
		return idp.Assertion{}, untrusted("the nonce is not that of the question")
	}
	if err := said.checkAccessToken(token.AccessToken); err != nil {
		return idp.Assertion{}, err
	}
	if err := f.complete(ctx, d, c, token.AccessToken, &said); err != nil {
		return idp.Assertion{}, err
	}
	a, err := said.arrival(c, ask, idp.Now())
	if err == nil && c.EndUpstream {
		a.SignOut = f.sealSignOut(signOut{Token: raw, Hint: said.text("login_hint")}, keyring.AAD("flows", c.ID, "upstream_sign_out"))
	}
	return a, err
}

// checkAnswer refuses an answer that names another issuer: it must not be taken for this
// one's (RFC 9207 section 2.4). No parameter comes twice (RFC 6749 section 3.1).
func (f *Federation) checkAnswer(ctx context.Context, c idp.Connection, answer url.Values) error {
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(answer[name]) > 1 {
			return madeUp("the answer has more than one %s", name)
		}
	}
	if iss := answer.Get("iss"); answer.Has("iss") && !f.isIssuer(ctx, c, iss) {
		return madeUp("the answer names issuer %.200q", iss)
	}
	return nil
}

// exchange gets the tokens for a code (RFC 6749 section 4.1.3).
func (f *Federation) exchange(ctx context.Context, d *description, c idp.Connection, ask idp.Ask, code string) (*oauth2.Token, error) {
	if code == "" {
		return nil, madeUp("the answer has no code")
	}
	client := f.client(d, c, ask)
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(ask.Verifier)}
	if len(c.Key) > 0 {
		assertion, err := f.assertion(d, c)
		if err != nil {
			return nil, &idp.FederationError{Reason: idp.FederationSetup, Cause: err}
		}
		client.Endpoint.AuthStyle = oauth2.AuthStyleInParams
		options = append(options, param("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), param("client_assertion", assertion))
	} else {
		secret, err := f.cfg.Keyring.Open(c.Secret, keyring.AAD("connections", c.ID, "secret"))
		if err != nil {
			return nil, &idp.FederationError{Reason: idp.FederationSetup, Cause: fmt.Errorf("open the client secret: %w", err)}
		}
		client.ClientSecret, client.Endpoint.AuthStyle = string(secret), oauth2.AuthStyleInHeader
		if d.takes("client_secret_post") {
			client.Endpoint.AuthStyle = oauth2.AuthStyleInParams
		}
	}
	token, err := client.Exchange(oidc.ClientContext(ctx, f.cfg.Client), code, options...)
	if err != nil {
		return nil, exchangeError(err)
	}
	return token, nil
}

// exchangeError tells a provider that is down from one that refuses us.
func exchangeError(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return &idp.FederationError{Reason: idp.FederationDown, Cause: fmt.Errorf("exchange the code: %w", fetch.Brief(err))}
	}
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	// The description may hold an address: its code says enough.
	cause := fmt.Errorf("exchange the code: status %d, error %.60q %s", status, refused.ErrorCode, microsoftCode(refused.ErrorDescription))
	code := aboutTheCode(refused.ErrorCode, status)
	switch {
	case refused.ErrorCode == "invalid_grant":
		return &idp.FederationError{Reason: idp.FederationLost, Cause: cause}
	case refused.ErrorCode == "" || status >= http.StatusInternalServerError:
		return &idp.FederationError{Reason: idp.FederationDown, Cause: cause, MadeUp: code}
	}
	return &idp.FederationError{Reason: idp.FederationSetup, Cause: cause, MadeUp: code}
}

// aboutTheCode tells whether a provider may refuse the code, which the browser brought,
// and not us.
func aboutTheCode(code string, status int) bool {
	switch {
	case code == "invalid_client", code == "unauthorized_client", code == "unsupported_grant_type":
		return false
	case status == http.StatusUnauthorized, status == http.StatusTooManyRequests:
		return false
	}
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError
}

// madeUp is untrusted about what the browser brought.
func madeUp(format string, args ...any) error {
	return &idp.FederationError{Reason: idp.FederationToken, Cause: fmt.Errorf(format, args...), MadeUp: true}
}

// assertionLifetime is how long a client assertion is good for.
const assertionLifetime = 5 * time.Minute

// assertion proves who we are by the connection's key (private_key_jwt, RFC 7523
// section 3). Entra finds the certificate by its thumbprint.
func (f *Federation) assertion(d *description, c idp.Connection) (string, error) {
	der, err := f.cfg.Keyring.Open(c.Key, keyring.AAD("connections", c.ID, "private_key"))
	if err != nil {
		return "", fmt.Errorf("open the connection's key: %w", err)
	}
	key, err := certificate.ParseKey(der)
	if err != nil {
		return "", err
	}
	parsed, err := certificate.Parse(c.Certificate)
	if err != nil {
		return "", err
	}
	thumbprint, strong := sha1.Sum(parsed.Raw), sha256.Sum256(parsed.Raw) // #nosec G401 -- see the import
	x5t := base64.RawURLEncoding.EncodeToString(thumbprint[:])
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("x5t", x5t).
		WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(strong[:])).WithHeader("kid", x5t)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options)
	if err != nil {
		return "", fmt.Errorf("sign a client assertion: %w", err)
	}
	now := idp.Now()
	signed, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: c.ClientID, Subject: c.ClientID, Audience: jwt.Audience{d.Token}, ID: idp.NewSecret(),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLifetime)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a client assertion: %w", err)
	}
	return signed, nil
}

// read checks an ID token (OpenID Connect Core 1.0 section 3.1.3.7) and reads its
// claims. At Entra its issuer follows from the directory that it names.
func (d *description) read(ctx context.Context, c idp.Connection, raw string) (claims, error) {
	token, err := oidc.NewVerifier(d.Issuer, d.keys, &oidc.Config{
		ClientID: c.ClientID, SupportedSigningAlgs: algorithms(), SkipIssuerCheck: true, Now: idp.Now,
	}).Verify(ctx, raw)
	if err != nil {
		return claims{}, d.doubt(err)
	}
	said, err := readClaims(token.Claims)
	if err != nil {
		return said, err
	}
	if err := said.checkIssuer(d.Issuer, token.Issuer, c); err != nil {
		return said, err
	}
	if err := checkIssuedAt(token.IssuedAt, tokenAge); err != nil {
		return said, err
	}
	said.token = token
	switch {
	case said.AuthorizedParty != "" && said.AuthorizedParty != c.ClientID, len(token.Audience) > 1 && said.AuthorizedParty == "":
		return said, untrusted("the token is another party's: %.100q", said.AuthorizedParty)
	case token.Subject == "" || !slices.Contains(token.Audience, c.ClientID):
		return said, untrusted("the token names nobody")
	}
	return said, nil
}

// checkIssuedAt refuses a token without iat, which every ID token and logout token has
// (OpenID Connect Core 1.0 section 2), one of the future, and one that is too old.
func checkIssuedAt(at time.Time, oldest time.Duration) error {
	now := idp.Now()
	switch {
	case at.IsZero():
		return untrusted("the token does not say when it was issued (iat)")
	case at.After(now.Add(clockSkew)):
		return untrusted("the token was issued in the future, at %s", at)
	case at.Before(now.Add(-oldest - clockSkew)):
		return untrusted("the token was issued too long ago, at %s", at)
	}
	return nil
}

// complete asks for the profile where the ID token left out the address (OpenID
// Connect Core 1.0 section 5.3). Entra's claims are those of the token alone.
func (f *Federation) complete(ctx context.Context, d *description, c idp.Connection, accessToken string, said *claims) error {
	if c.Kind == idp.EntraConnection || d.Userinfo == "" || said.text(emailClaim(c)) != "" {
		return nil
	}
	more := map[string]any{}
	if err := fetch.JSON(ctx, f.cfg.Client, d.Userinfo, accessToken, &more); err != nil {
		return &idp.FederationError{Reason: idp.FederationDown, Cause: fetch.Brief(err)}
	}
	if more["sub"] != said.Subject {
		return untrusted("userinfo is of somebody else")
	}
	return said.add(more)
}
