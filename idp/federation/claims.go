package federation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
)

// claims are what we read of an ID token.
type claims struct {
	Issuer          string `json:"iss"`
	Subject         string `json:"sub"`
	AuthorizedParty string `json:"azp"`
	Nonce           string `json:"nonce"`
	SID             string `json:"sid"`
	Locale          string `json:"locale"`
	// Of Entra: the directory, the person in it, and for guests where they come from.
	TenantID string `json:"tid"`
	ObjectID string `json:"oid"`
	Home     string `json:"idp"`

	EmailVerified truth      `json:"email_verified"`
	OwnsDomain    truth      `json:"xms_edov"` // the directory has proved that the address is its own
	AuthTime      seconds    `json:"auth_time"`
	ACR           string     `json:"acr"`
	Contexts      stringList `json:"acrs"`
	AMR           stringList `json:"amr"`
	Groups        stringList `json:"groups"`
	Roles         stringList `json:"roles"`
	HasGroups     truth      `json:"hasgroups"`
	// Elsewhere names claims that did not fit into the token (OpenID Connect Core 1.0
	// section 5.6.2).
	Elsewhere map[string]json.RawMessage `json:"_claim_names"`

	all   map[string]any
	token *oidc.IDToken
}

// readClaims reads the claims of a token that was verified.
func readClaims(into func(any) error) (claims, error) {
	var c claims
	if err := into(&c); err != nil {
		return c, untrusted("read the claims: %w", fetch.Brief(err))
	}
	if err := into(&c.all); err != nil {
		return c, untrusted("read the claims: %w", err)
	}
	for _, id := range []string{c.Subject, c.TenantID, c.ObjectID} {
		if len(id) > maxSubject || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
			return c, untrusted("%.60q is nobody's name", id)
		}
	}
	return c, nil
}

// checkAccessToken refuses an ID token that came with another's access token, where it
// says which (OpenID Connect Core 1.0 section 3.1.3.8).
func (c *claims) checkAccessToken(accessToken string) error {
	if c.token.AccessTokenHash == "" {
		return nil
	}
	if err := c.token.VerifyAccessToken(accessToken); err != nil {
		return untrusted("at_hash: %w", fetch.Brief(err))
	}
	return nil
}

// add takes over claims that the token left out.
func (c *claims) add(more map[string]any) error {
	for name, value := range more {
		if _, has := c.all[name]; !has {
			c.all[name] = value
		}
	}
	// Of what decides something, only whether the address is confirmed comes from there.
	b, err := json.Marshal(map[string]any{"email_verified": c.all["email_verified"]})
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil {
		return untrusted("read userinfo: %w", err)
	}
	return nil
}

// text is a claim that is one line of text, empty for none.
func (c *claims) text(name string) string {
	value, _ := c.all[name].(string)
	if !utf8.ValidString(value) {
		return ""
	}
	return strings.Join(strings.FieldsFunc(value, func(r rune) bool { return unicode.IsControl(r) || r == ' ' }), " ")
}

// checkIssuer refuses a token of another issuer. Documents for many directories have
// a template in its place.
func (c *claims) checkIssuer(described, issuer string, conn idp.Connection) error {
	if conn.Kind != idp.EntraConnection {
		if issuer != described {
			return untrusted("the token is of issuer %.200q", issuer)
		}
		return nil
	}
	if c.TenantID == "" || c.ObjectID == "" || strings.Contains(c.TenantID+c.ObjectID, "/") {
		return untrusted("the token says neither directory nor person (tid, oid)")
	}
	if issuer != conn.Issuer+"/"+c.TenantID+"/v2.0" {
		return untrusted("the token is of issuer %.200q, its directory %.60q", issuer, c.TenantID)
	}
	if !conn.AllowsTenant(c.TenantID) {
		return &idp.FederationError{Reason: idp.FederationTenant, Cause: fmt.Errorf("directory %.60q", c.TenantID)}
	}
	return nil
}

// The limits of what is taken over.
const (
	maxSubject    = 255 // bytes (OpenID Connect Core 1.0 section 2)
	maxName       = 200
	maxGroups     = 1000
	maxSID        = 200
	maxReferences = 20
)

// arrival reads from claims who a person is, and what their sign-in proves.
func (c *claims) arrival(conn idp.Connection, ask idp.Ask, now time.Time) (idp.Assertion, error) {
	a := idp.Assertion{
		Subject: c.subject(conn), Email: address(c.text(emailClaim(conn))),
		Name: shown(shortened(c.text(either(conn.Claims.Name, "name")), maxName)), Locale: c.Locale,
		Groups: first(c.Groups, maxGroups), AppRoles: first(c.Roles, maxGroups), Overage: c.overage(), SID: c.SID, Dated: c.AuthTime != 0,
	}
	if conn.Claims.Department != "" {
		a.Department = shortened(c.text(conn.Claims.Department), maxName)
	}
	a.Profile = idp.Profile{
		GivenName: shown(shortened(c.text("given_name"), maxName)), FamilyName: shown(shortened(c.text("family_name"), maxName)),
		Zoneinfo: c.text("zoneinfo"), Picture: c.text("picture"),
	}
	if len(a.SID) > maxSID || strings.ContainsFunc(a.SID, unicode.IsControl) {
		a.SID = ""
	}
	a.EmailConfirmed = a.Email != "" && c.confirms(conn, a.Email)
	var err error
	a.Proof, err = c.proof(conn, ask, now)
	return a, err
}

// subject is who a person is at a connection.
func (c *claims) subject(conn idp.Connection) string {
	if conn.Kind == idp.EntraConnection {
		return idp.EntraSubject(c.TenantID, c.ObjectID)
	}
	return idp.OIDCSubject(conn.Issuer, c.Subject)
}

func emailClaim(c idp.Connection) string { return either(c.Claims.Email, "email") }

// confirms tells whether an address is the person's. Entra lets people and admins of
// other directories write any address into theirs: only its own word that the domain
// was proved counts (xms_edov), or our admin's that the directory owns the domain.
func (c *claims) confirms(conn idp.Connection, email string) bool {
	usual := emailClaim(conn) == "email" // both claims speak of that one
	if conn.Kind == idp.EntraConnection {
		return usual && bool(c.OwnsDomain) || conn.NamesTenants() && conn.OwnsAddress(email) && c.Home == ""
	}
	return usual && bool(c.EmailVerified) && conn.OwnsAddress(email)
}

// overage tells whether the person is in more groups than the token holds.
func (c *claims) overage() bool {
	_, elsewhere := c.Elsewhere["groups"]
	return elsewhere || bool(c.HasGroups) || len(c.Groups) > maxGroups
}

// proof is what the sign-in counts for.
func (c *claims) proof(conn idp.Connection, ask idp.Ask, now time.Time) (idp.Proof, error) {
	p := idp.Proof{Method: idp.MethodFederated, At: now, Via: conn.ID, Issuer: c.Issuer, LocalStep: conn.Trust == idp.LocalStep}
	var err error
	if p.UpstreamAt, p.Undated, err = c.signedInAt(ask); err != nil || p.LocalStep {
		return p, err
	}
	p.AMR = references(c.AMR)
	switch {
	case c.provesSecondStep(conn):
		p.Evidence = idp.ACRMFA
		if !slices.Contains(p.AMR, "mfa") {
			p.AMR = append(p.AMR, "mfa")
		}
	case conn.Trust == idp.EvidenceRequired:
		return p, &idp.FederationError{Reason: idp.FederationEvidence, Cause: fmt.Errorf("acr %.60q, acrs %.200q, amr %.200q", c.ACR, c.Contexts, c.AMR)}
	case conn.Context != "" && !ask.SecondStep:
		p.CanProve = idp.ACRMFA
	}
	return p, nil
}

// provesSecondStep: the context that was asked for, or "mfa" in so many words (RFC 8176
// section 2).
func (c *claims) provesSecondStep(conn idp.Connection) bool {
	if slices.Contains(c.AMR, "mfa") {
		return true
	}
	if conn.Kind == idp.EntraConnection {
		return conn.Context != "" && slices.Contains(c.Contexts, conn.Context)
	}
	return conn.Context != "" && c.ACR == conn.Context
}

// signedInAt is when the person signed in there, zero for just now. undated: that is not
// said. Asked for a new sign-in, the other side names a moment that is not before the
// question (of which auth_time has the whole seconds): one that is, by no more than its
// clock may be off, is as good as none, since the wish for a new sign-in can be taken out
// of the address. What is too long ago for the question is refused.
func (c *claims) signedInAt(ask idp.Ask) (at time.Time, undated bool, err error) {
	if c.AuthTime == 0 {
		return time.Time{}, true, nil
	}
	at = time.Unix(int64(c.AuthTime), 0).UTC()
	if !at.Before(ask.At.Truncate(time.Second)) {
		return time.Time{}, false, nil
	}
	oldest := ask.At.Add(-clockSkew)
	if ask.Anew && at.Before(oldest) || ask.MaxAge >= 0 && at.Before(oldest.Add(-ask.MaxAge)) {
		return at, false, &idp.FederationError{Reason: idp.FederationStale, Cause: fmt.Errorf("signed in there at %s", at)}
	}
	if ask.Anew {
		return time.Time{}, true, nil
	}
	if ask.MaxAge >= 0 { // within the skew it is as old as it may be, or they would be asked for ever
		if least := ask.At.Add(-ask.MaxAge); at.Before(least) {
			return least, false, nil
		}
	}
	return at, false, nil
}

// registered are the values that amr may have (RFC 8176 section 2): others would be
// claims that no standard stands for.
var registered = strings.Fields("face fpt geo hwk iris kba mca mfa otp pin pop pwd rba retina sc sms swk tel user vbm wia")

func references(amr []string) []string {
	var list []string
	for _, value := range first(amr, maxReferences) {
		if slices.Contains(registered, value) && !slices.Contains(list, value) {
			list = append(list, value)
		}
	}
	return list
}

// address is an email address, or empty. What would have to be mended first is none: the
// other side confirmed what it wrote, and no other mailbox.
func address(s string) string {
	kept, err := idp.ParseEmail(s)
	if err != nil || !idp.SameMailbox(kept, s) {
		return ""
	}
	return kept
}

// shown is a name that shows something, and nothing else than it says, or empty.
func shown(name string) string {
	if !idp.Shows(name) {
		return ""
	}
	return idp.PlainName(name)
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func shortened(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most])
	}
	return s
}

func first(list []string, most int) []string { return list[:min(len(list), most)] }

// truth is a boolean that some providers write as text or number.
type truth bool

// UnmarshalJSON implements json.Unmarshaler.
func (t *truth) UnmarshalJSON(b []byte) error {
	*t = truth(slices.Contains([]string{`true`, `"true"`, `"True"`, `1`, `"1"`}, string(b)))
	return nil
}

// seconds is a NumericDate (RFC 7519 section 2), which some providers write as text.
type seconds int64

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal([]byte(strings.Trim(string(b), `"`)), &n); err != nil {
		return fmt.Errorf("read a time: %w", err)
	}
	if n == "" {
		*s = 0
		return nil
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1e11 {
		return fmt.Errorf("%.40s is no time", b)
	}
	*s = seconds(f)
	return nil
}

// stringList is a list of text, of which some providers write a single one alone.
type stringList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *stringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = nil
		if one != "" {
			*l = stringList{one}
		}
		return nil
	}
	var many []any
	if err := json.Unmarshal(b, &many); err != nil {
		return fmt.Errorf("read a list: %w", err)
	}
	*l = nil
	for _, v := range many {
		if text, ok := v.(string); ok {
			*l = append(*l, text)
		}
	}
	return nil
}
