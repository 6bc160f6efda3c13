package ui

import "time"

// Approve names an app to a person who is signed in. It asks whether the app may have what
// it asks for, or, without Terms, whether it is they who open it.
type Approve struct {
	Frame
	Action     string // URL the form posts to
	DenyAction string // URL of the POST form that turns the app away
	Host       string // where the person goes from here
	PolicyURL  string // what it does with what it gets, may be empty
	TosURL     string // on which terms it works, may be empty
	Terms      []TermGroup
	Lasts      Message // how long the access lasts
}

func (p Approve) about() about { return about{template: "approve"} }

// TermGroup is what an app may have in one place: about the person, or at an API.
type TermGroup struct {
	API   string // its name; empty: about the person
	Word  string // stands for the API in a form
	Items []Term
}

// Term is one thing that an app may have.
type Term struct {
	Word string // stands for it in a form
	Text Message
	// Fixed: without it nothing else is of use.
	Fixed bool
}

// scopeTexts say what scopes of ours let an app do.
var scopeTexts = map[string]Key{
	"openid":          "consent.scope.openid",
	"profile":         "consent.scope.profile",
	"email":           "consent.scope.email",
	"roles":           "consent.scope.roles",
	"offline_access":  "consent.scope.offline_access",
	"gatehouse:admin": "consent.scope.admin",
}

// claimTexts say what claims are that an app asks for by name.
var claimTexts = map[string]Key{
	"name":               "consent.claim.name",
	"given_name":         "consent.claim.given_name",
	"family_name":        "consent.claim.family_name",
	"preferred_username": "consent.scope.email",
	"picture":            "consent.claim.picture",
	"zoneinfo":           "consent.claim.zoneinfo",
	"locale":             "consent.claim.locale",
	"updated_at":         "consent.claim.updated_at",
	"email":              "consent.scope.email",
	"email_verified":     "consent.claim.email_verified",
	"roles":              "consent.scope.roles",
	"groups":             "consent.scope.roles",
}

// ScopeText says in plain words what a scope of ours lets an app do; another is its name.
func ScopeText(scope string) Message { return said(scopeTexts, scope) }

// ClaimText says what a claim about a person is.
func ClaimText(claim string) Message { return said(claimTexts, claim) }

func said(texts map[string]Key, name string) Message {
	if key, ok := texts[name]; ok {
		return *key.With()
	}
	return Plain(name)
}

// AccountConsents lists the apps that the person lets have something, each with what that
// is. Form fields of SaveAction: consent, version, keep; of WithdrawAction: consent.
type AccountConsents struct {
	Console
	SaveAction, WithdrawAction string
	Consents                   []ConsentRow
}

func (p AccountConsents) about() about {
	return about{template: "account-consents", failed: anyOf(p.Alert), console: true}
}

// ConsentRow is what a person lets one app have.
type ConsentRow struct {
	ID, App          string
	Version          int64
	Terms            []TermGroup
	Since, ChangedAt time.Time
	PolicyURL        string
	WithdrawURL      string // in the console, absent when empty
}

// Partial tells whether a part can be taken back without the rest.
func (r ConsentRow) Partial() bool {
	for _, g := range r.Terms {
		for _, t := range g.Items {
			if g.API != "" || !t.Fixed {
				return true
			}
		}
	}
	return false
}
