package entra

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Directories that are not an organisation's.
const (
	// Consumers is the directory of personal Microsoft accounts.
	Consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"
	// Generic is the plain OpenID provider beside the directories.
	Generic = "generic"
)

// Authorities that stand for many directories (Microsoft identity platform,
// "Find your app's OpenID configuration document URI").
const (
	common        = "common"
	organizations = "organizations"
	consumers     = "consumers"
)

// Audience is whose accounts may sign in to an app: the manifest's signInAudience.
type Audience string

// The audiences.
const (
	MyOrg         Audience = "AzureADMyOrg"        // the app's own directory
	MultipleOrgs  Audience = "AzureADMultipleOrgs" // any organisation
	AnyAccount    Audience = "AzureADandPersonalMicrosoftAccount"
	PersonalsOnly Audience = "PersonalMicrosoftAccount"
)

// Config is what the simulation consists of. New copies it.
type Config struct {
	BaseURL     string // origin that browsers and apps see, such as http://localhost:8083
	Directories []Directory
	Apps        []App
	People      []Person
	// Console serves a page at / that lists people and apps with their secrets and has
	// the switches. For demos on loopback only.
	Console bool
}

// Directory is one organisation's tenant.
type Directory struct {
	ID      string   // the tenant's GUID
	Name    string   // shown to people
	Domains []string // verified domains; any of them names the tenant in a path
	// AuthContexts are the authentication contexts that Conditional Access knows
	// here, such as c1. A request for another one is issued a token without it.
	AuthContexts []string
}

// App is an app registration, and an enterprise application in every directory
// that its audience covers.
type App struct {
	ClientID  string
	Name      string
	Directory string   // where it is registered: a tenant's GUID, or Generic
	Audience  Audience // MyOrg when empty
	Secrets   []string
	// Certificates authenticate by private_key_jwt.
	Certificates           []*x509.Certificate
	RedirectURIs           []string // one that ends in "/*" stands for all that have one part more, which Entra has not
	PostLogoutRedirectURIs []string // beyond the redirect URIs
	FrontChannelLogoutURI  string
	BackChannelLogoutURI   string // Generic alone; the real Entra has none
	// AssignmentRequired refuses people whose Apps do not list this one (AADSTS50105).
	AssignmentRequired bool
	ConsentRequired    bool     // asks each person once
	OptionalClaims     []string // of ID tokens: email, xms_edov, acrs, login_hint, sid, auth_time, upn and others
	GroupClaims        bool     // the manifest's groupMembershipClaims
}

// Person is one account in one directory. A person with a guest account elsewhere is two
// of these.
type Person struct {
	Directory         string // tenant's GUID, Consumers or Generic
	OID               string // object id: a GUID, never used again; sub at Generic
	PreferredUsername string // what they type to sign in
	Email             string // what the directory says, which need not be theirs
	EmailVerified     bool   // xms_edov; email_verified at Generic
	Name              string
	GivenName         string
	FamilyName        string
	Department        string
	Password          string
	// Home marks a guest: the GUID of the tenant that authenticates them, Consumers
	// for a personal account.
	Home   string
	Groups []string // object ids
	Roles  []string // app roles, by value
	Apps   []string // client ids of apps that require assignment
	// ACRS are the authentication contexts whose policy this person can meet.
	ACRS []string
	AMR  []string // Generic alone: v2.0 tokens of Entra have none
	ACR  string   // Generic alone
}

// key names a person within a Tenant.
func (p Person) key() string { return p.Directory + "/" + p.OID }

// guest reports whether another directory authenticates this person.
func (p Person) guest() bool { return p.Home != "" }

// clone keeps what a caller holds apart from what the Tenant holds.
func (p Person) clone() Person {
	p.Groups, p.Roles, p.Apps = slices.Clone(p.Groups), slices.Clone(p.Roles), slices.Clone(p.Apps)
	p.ACRS, p.AMR = slices.Clone(p.ACRS), slices.Clone(p.AMR)
	return p
}

// registered reports whether a redirect URI is one of the app's.
func (a App) registered(uri string) bool {
	return slices.ContainsFunc(a.RedirectURIs, func(known string) bool {
		parent, all := strings.CutSuffix(known, "*")
		part, below := strings.CutPrefix(uri, parent)
		return known == uri || all && below && part != "" && !strings.ContainsAny(part, "/?#")
	})
}

// takes reports whether the app's audience covers a directory.
func (a App) takes(directory string) bool {
	switch {
	case a.Directory == Generic || directory == Generic:
		return a.Directory == directory
	case directory == Consumers:
		return a.Audience == AnyAccount || a.Audience == PersonalsOnly
	case a.Audience == MultipleOrgs || a.Audience == AnyAccount:
		return true
	default:
		return a.Audience != PersonalsOnly && a.Directory == directory
	}
}

// wants reports whether an optional claim is configured for ID tokens.
func (a App) wants(claim string) bool { return slices.Contains(a.OptionalClaims, claim) }

// check refuses a configuration that could not work.
func (c Config) check() error {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || strings.Trim(base.Path, "/") != "" || base.RawQuery != "" {
		return fmt.Errorf("base URL %q is not an origin", c.BaseURL)
	}
	known := map[string]bool{Consumers: true, Generic: true}
	for _, d := range c.Directories {
		if d.ID == "" || known[d.ID] {
			return fmt.Errorf("directory %q has no id of its own", d.Name)
		}
		known[d.ID] = true
	}
	seen := map[string]bool{}
	for _, a := range c.Apps {
		if a.ClientID == "" || seen[a.ClientID] || !known[a.Directory] {
			return fmt.Errorf("app %q needs a client id of its own and a known directory", a.Name)
		}
		seen[a.ClientID] = true
	}
	for _, p := range c.People {
		if p.OID == "" || seen[p.key()] || !known[p.Directory] {
			return fmt.Errorf("person %q needs an object id of their own and a known directory", p.Name)
		}
		if p.PreferredUsername == "" || p.Password == "" {
			return errors.New("a person needs a user name and a password")
		}
		seen[p.key()] = true
	}
	return nil
}
