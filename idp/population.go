package idp

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The populations that every installation has.
const (
	Agents   = "agents"
	Contacts = "contacts"
)

// Population is a set of people with settings of their own. An email address is
// unique within one.
type Population struct {
	ID string // stable name, e.g. "agents"; part of cookie names
	Brand

	// SessionIdle and SessionLifetime end a session that was not used for so long, and
	// every session so long after its sign-in.
	SessionIdle, SessionLifetime time.Duration
	// KeepSignedIn offers a session that outlives the closing of the browser, with
	// limits of its own.
	KeepSignedIn           bool
	KeptIdle, KeptLifetime time.Duration
	// EndOthers ends a person's other sessions when they change their password.
	EndOthers bool

	Access Access
	// Passwords are the rules of new passwords, PasswordsAtSignIn those that a password
	// must meet at sign-in: a change may leave them behind.
	Passwords, PasswordsAtSignIn PasswordRules
	// ExpirySince is since when new passwords expire as Passwords say, zero for ever:
	// older ones do as PasswordsAtSignIn say.
	ExpirySince  time.Time
	Registration Registration

	Policy Policy
	// MinVersion refuses every session judged by an older policy version:
	// "Immediately" raises it to the version it saves.
	MinVersion int64
	// Taken are the ways in that Access had before.
	Taken Taken
}

// Brand is how a population shows itself on pages and in mails. All but the name may be
// empty.
type Brand struct {
	Name       string // what its people read, e.g. "RTX Solutions"
	BrandColor string // as #rrggbb
	Language   string // of pages and mails for those who say nothing of theirs; empty: English
	// URLs, https.
	LogoURL, HelpURL, PrivacyURL, SupportURL string
}

// Languages are those that pages and mails are written in, by their tags (BCP 47).
func Languages() []string { return []string{"en", "ar", "de", "es", "fr", "ja", "pt-BR"} }

// BrandLink is a link at the foot of a population's pages.
type BrandLink struct {
	Text  string // key of its text
	URL   string
	Mails bool // it stands at the foot of mails too
}

// Links are the links at the foot of a population's pages.
func (b Brand) Links() []BrandLink {
	return slices.DeleteFunc([]BrandLink{
		{"footer.privacy", b.PrivacyURL, false},
		{"footer.help", b.HelpURL, true},
		{"footer.support", b.SupportURL, true},
	}, func(l BrandLink) bool { return l.URL == "" })
}

// What a population begins with, should it offer to keep people signed in.
const (
	DefaultKeptIdle     = 30 * 24 * time.Hour
	DefaultKeptLifetime = 90 * 24 * time.Hour
)

// Limits are those of a session of the population. One that was kept has the others
// again once the population no longer offers that.
func (p Population) Limits(kept bool) (idle, lifetime time.Duration) {
	if kept && p.KeepSignedIn {
		return max(p.KeptIdle, p.SessionIdle), max(p.KeptLifetime, p.SessionLifetime)
	}
	return p.SessionIdle, p.SessionLifetime
}

// Access is how people of a population may sign in (the admins' "Portal access").
type Access struct {
	Password  bool // with email and password
	Federated bool // through the population's connections, such as Microsoft Entra
}

// PasswordRules are what passwords of a population must be, besides not being among
// the commonest and not made of the person's own names. All but MinLength are off by
// default, and kept for installations that have to have them (NIST SP 800-63B-4
// section 3.1.1.2 advises against).
type PasswordRules struct {
	MinLength                    int // characters, not bytes
	Upper, Lower, Digit, Special bool
	ExpiryDays                   int // 0: a password does not expire
	NoReuse                      int // how many of the last passwords are refused, 0 for none
}

// Registration is whether people may make themselves an account, and with an
// address of which domains, in the form that Domain gives them. See Admits.
type Registration struct {
	Open            bool
	Allowed, Denied []string
}

// Policy is an MFA policy of a population: which second factors are enabled and
// what the authenticator app calls the account. Each change takes the next
// integer Version, of one sequence for all policies and overrides. At least one
// method makes a second step mandatory for password sign-ins.
type Policy struct {
	Version       int64
	Authenticator bool
	IssuerLabel   string
	EmailCode     bool
	// TrustDays is for how many days people may have a browser trusted, so that it is not
	// asked for the second step again; 0: not at all.
	TrustDays int
	// Passkey: people may set up passkeys. Where it is the only method, everybody needs one.
	Passkey bool
	// PasskeyForRoles: who holds a permission needs one, whatever else is enabled.
	PasskeyForRoles bool
	// SecurityKeys are the models of authenticators (AAGUIDs, with spaces between) whose makers'
	// word counts, certified by SecurityKeyRoots (PEM): a passkey of one is in hardware. Texts,
	// so that policies can be compared.
	SecurityKeys, SecurityKeyRoots string
	// OnlySecurityKeys: people set up passkeys on these alone.
	OnlySecurityKeys bool
}

// AttestsKeys tells whether passkeys can be shown to be in hardware.
func (p Policy) AttestsKeys() bool { return p.SecurityKeys != "" && p.SecurityKeyRoots != "" }

// TrustsModel tells whether an AAGUID is of one of the models whose makers' word counts.
func (p Policy) TrustsModel(aaguid []byte) bool {
	id, err := uuid.FromBytes(aaguid)
	return err == nil && p.AttestsKeys() && slices.Contains(strings.Fields(p.SecurityKeys), id.String())
}

// Admits tells whether a person with an address of a domain (from MailDomain) may sign up.
// A rule of "rtx.example" is for that domain and for all below it, such as
// "north.rtx.example"; the denied go first, and no allowed ones means all.
func (r Registration) Admits(domain string) bool {
	covers := func(rule string) bool { return domain == rule || strings.HasSuffix(domain, "."+rule) }
	if !r.Open || slices.ContainsFunc(r.Denied, covers) {
		return false
	}
	return len(r.Allowed) == 0 || slices.ContainsFunc(r.Allowed, covers)
}

// Registers tells whether people may make themselves an account now: it takes a
// password to sign in with.
func (p Population) Registers() bool { return p.Registration.Open && p.Access.Password }

// FactorLabel is what an authenticator calls an account of the population: the policy's
// label, and the name where a client's override asks for an authenticator that the policy
// has not.
func (p Population) FactorLabel() string { return cmp.Or(p.Policy.IssuerLabel, p.Name) }

// SecondStep tells whether password sign-ins need a second factor.
func (p Policy) SecondStep() bool { return p.Authenticator || p.EmailCode || p.Passkey }
