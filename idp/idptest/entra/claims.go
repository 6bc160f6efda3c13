package entra

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// backdated is how much Entra's tokens say they are older than they are.
	backdated = 5 * time.Minute
	// maxGroups is how many groups fit into a JWT ("Groups overage claim").
	maxGroups = 200
)

// claims are those of the ID token of a grant.
func (t *Tenant) claims(g *grant, p Person, accessToken string) map[string]any {
	if g.request.at.generic() {
		return t.genericClaims(g, p, accessToken)
	}
	r, now := g.request, t.faults.skewed()
	c := map[string]any{
		"ver": "2.0", "iss": t.Issuer(p.Directory), "aud": r.app.ClientID, "tid": p.Directory, "sub": pairwise(r.app, p),
		"iat": now.Add(-backdated).Unix(), "nbf": now.Add(-backdated).Unix(), "exp": now.Add(tokenLifetime).Unix(),
		"uti": newToken()[:22], "rh": "1." + newToken(), "aio": newToken(),
	}
	if r.nonce != "" {
		c["nonce"] = r.nonce
	}
	if r.has("profile") {
		c["oid"], c["name"], c["preferred_username"] = p.OID, p.Name, p.PreferredUsername
	}
	if p.guest() {
		c["idp"] = "https://sts.windows.net/" + p.Home + "/"
	}
	if p.Email != "" && (r.has("email") || r.app.wants("email") || p.guest()) {
		c["email"] = p.Email
	}
	if len(p.Roles) > 0 {
		c["roles"] = p.Roles
	}
	t.addGroups(c, r.app, p)
	addOptional(c, g, p)
	return c
}

// addOptional adds the optional claims that the app configured ("Optional claims
// reference"), and what the request made necessary.
func addOptional(c map[string]any, g *grant, p Person) {
	r := g.request
	optional := map[string]any{
		"login_hint": opaqueHint(p), "sid": g.sid, "auth_time": g.authTime.Unix(), "given_name": p.GivenName,
		"family_name": p.FamilyName, "department": p.Department, "acct": 0, "upn": p.PreferredUsername,
	}
	if p.guest() {
		optional["acct"], optional["upn"] = 1, externalName(p)
	}
	if _, has := c["email"]; has {
		optional["xms_edov"] = p.EmailVerified
	}
	for name, value := range optional {
		if r.app.wants(name) && value != "" {
			c[name] = value
		}
	}
	if r.maxAge >= 0 {
		c["auth_time"] = g.authTime.Unix() // OpenID Connect Core 1.0 section 2
	}
	met := slices.DeleteFunc(slices.Clone(g.acrs), func(a string) bool {
		return !slices.Contains(r.acrs, a) && !r.app.wants("acrs")
	})
	if len(met) > 0 {
		c["acrs"] = met
	}
}

// addGroups adds the groups, or where they can be had when they are too many.
func (t *Tenant) addGroups(c map[string]any, app App, p Person) {
	switch {
	case !app.GroupClaims || len(p.Groups) == 0:
	case len(p.Groups) <= maxGroups:
		c["groups"] = p.Groups
	default:
		c["_claim_names"] = map[string]string{"groups": "src1"}
		c["_claim_sources"] = map[string]any{"src1": map[string]string{
			"endpoint": "https://graph.windows.net/" + p.Directory + "/users/" + p.OID + "/getMemberObjects",
		}}
	}
}

// genericClaims are those of a provider without habits of its own (OpenID Connect
// Core 1.0 section 2).
func (t *Tenant) genericClaims(g *grant, p Person, accessToken string) map[string]any {
	r, now := g.request, t.faults.skewed()
	sum := sha256.Sum256([]byte(accessToken))
	c := map[string]any{
		"iss": t.Issuer(Generic), "sub": p.OID, "aud": r.app.ClientID, "iat": now.Unix(), "exp": now.Add(tokenLifetime).Unix(),
		"auth_time": g.authTime.Unix(), "sid": g.sid, "at_hash": base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]),
	}
	if r.nonce != "" {
		c["nonce"] = r.nonce
	}
	if len(p.AMR) > 0 {
		c["amr"] = p.AMR
	}
	if p.ACR != "" {
		c["acr"] = p.ACR
	}
	if len(p.Roles) > 0 {
		c["roles"] = p.Roles
	}
	if r.app.GroupClaims && len(p.Groups) > 0 {
		c["groups"] = p.Groups
	}
	maps.Copy(c, genericProfile(r, p))
	return c
}

// genericProfile are the claims that scopes ask for (section 5.4).
func genericProfile(r request, p Person) map[string]any {
	c := map[string]any{}
	if r.has("profile") {
		c["name"], c["preferred_username"] = p.Name, p.PreferredUsername
		for name, value := range map[string]string{"given_name": p.GivenName, "family_name": p.FamilyName} {
			if value != "" {
				c[name] = value
			}
		}
	}
	if r.has("email") && p.Email != "" {
		c["email"], c["email_verified"] = p.Email, p.EmailVerified
	}
	return c
}

// pairwise is the person's subject at one app (OpenID Connect Core 1.0 section 8.1).
func pairwise(app App, p Person) string {
	sum := sha256.Sum256([]byte(app.ClientID + "\n" + p.Directory + "\n" + p.OID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// externalName is a guest's user principal name in the directory that they visit.
func externalName(p Person) string {
	return strings.ReplaceAll(p.PreferredUsername, "@", "_") + "#EXT#@" + p.Directory + ".onmicrosoft.invalid"
}

const hintMark = "O."

// opaqueHint is the login_hint claim: apps send it back and do not look inside.
func opaqueHint(p Person) string {
	return hintMark + base64.RawURLEncoding.EncodeToString([]byte(p.PreferredUsername))
}

// hinted is who a login_hint means, in either form.
func hinted(hint string) string {
	encoded, opaque := strings.CutPrefix(hint, hintMark)
	if !opaque {
		return hint
	}
	name, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return hint
	}
	return string(name)
}

// sign makes the ID token, with the faults of signatures.
func (t *Tenant) sign(directory string, claims map[string]any) (string, error) {
	key, err := t.keys.signer(directory)
	if err != nil {
		return "", err
	}
	switch {
	case t.faults.take(AlgNone):
		return unsigned(claims)
	case t.faults.take(AlgHS256):
		return confused(key, claims)
	case t.faults.take(UnknownKey):
		if key, err = t.keys.stranger(); err != nil {
			return "", err
		}
	}
	token, err := key.sign("JWT", claims)
	if err == nil && t.faults.take(BadSignature) {
		token = spoilSignature(token)
	}
	return token, err
}

// sign makes a JWT of a type.
func (k *signingKey) sign(typ string, claims map[string]any) (string, error) {
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", k.id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: k.private}, options)
	if err != nil {
		return "", fmt.Errorf("making a signer: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("writing claims: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return signed.CompactSerialize()
}

// spoilSignature changes one bit in the middle of the signature.
func spoilSignature(token string) string {
	head, encoded, _ := cutLast(token)
	signature, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return token
	}
	signature[len(signature)/2] ^= 1
	return head + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func cutLast(token string) (before, after string, found bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return token, "", false
	}
	return token[:i], token[i+1:], true
}

// unsigned makes an unsecured JWT (RFC 7519 section 6), which must not be accepted.
func unsigned(claims map[string]any) (string, error) {
	return compact(map[string]any{"typ": "JWT", "alg": "none"}, claims, func(string) []byte { return nil })
}

// confused signs with the public key as a shared secret: the classic trick against
// verifiers that let the token choose its algorithm.
func confused(key *signingKey, claims map[string]any) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.private.PublicKey)
	if err != nil {
		return "", fmt.Errorf("writing a public key: %w", err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return compact(map[string]any{"typ": "JWT", "alg": "HS256", "kid": key.id}, claims, func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	})
}

func compact(header, claims map[string]any, seal func(string) []byte) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("writing a header: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("writing claims: %w", err)
	}
	input := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	return input + "." + base64.RawURLEncoding.EncodeToString(seal(input)), nil
}
