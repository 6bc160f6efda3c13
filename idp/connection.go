package idp

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ConnectionKind is what stands at the other end of a connection.
type ConnectionKind string

// The kinds of connections.
const (
	EntraConnection ConnectionKind = "entra" // Microsoft Entra ID
	OIDCConnection  ConnectionKind = "oidc"  // any other OpenID provider
)

// Trust is what a sign-in through a connection counts for.
type Trust string

// The states of trust.
const (
	// Trusted: a second step is the other side's business; none is asked for here.
	Trusted Trust = "trusted"
	// EvidenceRequired: the other side's token must prove a second step, or the
	// sign-in is refused.
	EvidenceRequired Trust = "evidence"
	// LocalStep: the sign-in counts as a password does, and the population's second
	// step follows.
	LocalStep Trust = "local"
)

// EntraAuthority is where Microsoft's tenants are found.
const EntraAuthority = "https://login.microsoftonline.com"

// PersonalTenant is the tid of personal Microsoft accounts.
const PersonalTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// FederationCallback is the path, below the issuer, to which other providers send
// people back; a connection with a redirect URI of its own has a part of it, by its id.
const FederationCallback = "/federation/callback"

// Connection is how people of a population sign in through another provider.
type Connection struct {
	ID           string
	PopulationID string
	Kind         ConnectionKind
	// Name stands on the button: "Sign in with <Name>".
	Name    string
	Enabled bool
	// Issuer of an OpenID provider. Of Entra: the authority, below which the tenants
	// are.
	Issuer string
	// Tenants are the tids that may come (Entra). AnyTenant lets every organisation
	// in, PersonalAccounts personal accounts too.
	Tenants                     []string
	AnyTenant, PersonalAccounts bool

	ClientID string
	// Secret is the client's secret, sealed; or Key is the private key (PKCS #8),
	// sealed, that belongs to Certificate (PEM), for private_key_jwt. One of both.
	Secret, Key []byte
	Certificate string

	Trust Trust
	// Context is the authentication context that Entra is asked for when a second
	// step has to be proved ("c1"), empty for none.
	Context string
	// Domains are those whose addresses belong to this directory, in an admin's word:
	// an address of one counts as confirmed. In lower case.
	Domains []string
	// CreateUsers makes an account for a person who comes for the first time.
	CreateUsers bool
	Claims      ClaimNames
	// Roles gives roles to members of groups, and to holders of the other side's app
	// roles. Those and no others follow the other side at each sign-in.
	Roles []RoleMapping
	// EndUpstream: signing out here signs out there as well.
	EndUpstream bool
	DomainHint  string
	// UndatedSince is since when the other side has not said when people signed in there
	// (auth_time), zero where it says so: their sign-ins are not fresh by that.
	UndatedSince time.Time
	// OwnRedirect: its other side sends people back to an address that no other
	// connection has, so that no other provider's answer can pass for its own (RFC 9700
	// section 4.4). Connections that are older than these share one.
	OwnRedirect bool
	CreatedAt   time.Time
	Version     int64
}

// ClaimNames say where a profile is found in an ID token; empty for the usual name.
type ClaimNames struct {
	Name, Email, Department string
}

// RoleMapping gives a role to a person who has a value in a claim.
type RoleMapping struct {
	Claim  string // "groups" or "roles"
	Value  string
	RoleID string
}

// CallbackPath is where, below the issuer, people come back to from the other side.
func (c Connection) CallbackPath() string { return CallbackPath(c.ID, c.OwnRedirect) }

// CallbackPath is where people come back to from a connection, at an address of its own
// or at the one that several share.
func CallbackPath(connectionID string, own bool) string {
	if own {
		return FederationCallback + "/" + connectionID
	}
	return FederationCallback
}

// Same tells whether two connections lead the same people to the same place: the
// organisations of one authority at Entra, one client of one issuer elsewhere.
func (c Connection) Same(other Connection) bool { return c.place() == other.place() }

// place names who comes through a connection, and where they sign in.
func (c Connection) place() string {
	issuer := strings.ToLower(strings.TrimRight(c.Issuer, "/"))
	if c.Kind != EntraConnection {
		return strings.Join([]string{c.PopulationID, string(c.Kind), issuer, c.ClientID}, "\n")
	}
	return fmt.Sprint(c.PopulationID, "\n", c.Kind, "\n", issuer, "\n", slices.Sorted(slices.Values(c.Tenants)), c.AnyTenant, c.PersonalAccounts)
}

// Distinct are those of a list that are switched on, the first of those that are the same.
func Distinct(list []Connection) []Connection {
	var kept []Connection
	for _, c := range list {
		if c.Enabled && !slices.ContainsFunc(kept, c.Same) {
			kept = append(kept, c)
		}
	}
	return kept
}

// NamesTenants tells whether an Entra connection is for named organisations alone.
func (c Connection) NamesTenants() bool {
	return c.Kind == EntraConnection && len(c.Tenants) > 0 && !c.AnyTenant && !c.PersonalAccounts
}

// AllowsTenant tells whether people of an Entra tenant may come.
func (c Connection) AllowsTenant(tid string) bool {
	if tid == PersonalTenant {
		return c.PersonalAccounts
	}
	return c.AnyTenant || slices.Contains(c.Tenants, tid)
}

// OwnsAddress tells whether an admin said that addresses of this domain belong to
// the directory at the other end.
func (c Connection) OwnsAddress(email string) bool {
	domain, err := MailDomain(email)
	return err == nil && slices.Contains(c.Domains, domain)
}

// Identity is who a person is at the other end of a connection.
type Identity struct {
	ConnectionID string
	// Subject is "tid/oid" at Entra, "issuer|sub" elsewhere: never an address.
	Subject    string
	UserID     string
	Email      string // as the other side last wrote it, to recognise the account by
	CreatedAt  time.Time
	LastSeenAt time.Time
	// Unproved: only an actor said whose it is.
	Unproved bool
}

// Assertion is a person whom another provider vouches for, as its ID token says.
type Assertion struct {
	Subject string
	Email   string
	// EmailConfirmed: the address is the person's, by the other side's word where
	// that can be believed.
	EmailConfirmed   bool
	Name, Department string
	Locale           string
	// Profile has what of it can be an account's.
	Profile
	Groups, AppRoles []string
	// Overage: there are more groups than the token holds.
	Overage bool
	SID     string
	// SignOut is what the other side is told at sign-out, sealed; empty where the
	// connection does not sign out there.
	SignOut []byte
	Proof   Proof
	// Dated: the other side says when it signed the person in (auth_time).
	Dated bool
}

// FederationError is what can be wrong with a person who arrives. Each has words of its
// own on the page, and stands in the audit log.
type FederationError struct {
	Reason FederationReason
	Cause  error
	// MadeUp: it hangs on what the browser brought, which anybody can make up. It is no
	// fault of ours or of the other side's.
	MadeUp bool
}

// FederationReason names it.
type FederationReason string

// The reasons.
const (
	FederationDown       FederationReason = "unavailable"  // the other side does not answer
	FederationDenied     FederationReason = "denied"       // the person said no, or was told no
	FederationAssignment FederationReason = "not_assigned" // not assigned to the app at the other side
	FederationToken      FederationReason = "token"        // its answer cannot be believed
	FederationKeys       FederationReason = "keys"         // it publishes no key that its answer can be checked with
	FederationTenant     FederationReason = "tenant"       // an organisation that may not come
	FederationEvidence   FederationReason = "evidence"     // no second step proved
	FederationStale      FederationReason = "stale"        // asked to sign in again, it did not
	FederationUnknown    FederationReason = "unknown"      // no account here
	FederationDisabled   FederationReason = "disabled"     // the account here is disabled
	FederationNoEmail    FederationReason = "no_email"     // no address came along
	FederationTaken      FederationReason = "taken"        // the account belongs to another identity
	FederationOther      FederationReason = "other_person" // not who was asked to confirm
	FederationLost       FederationReason = "lost"         // the answer to another question
	FederationProof      FederationReason = "proof"        // the account here cannot prove that it is theirs
	FederationLimited    FederationReason = "limited"      // too many codes were sent or tried
	FederationSetup      FederationReason = "setup"        // we are not set up there, or it here
)

// Error implements error.
func (e *FederationError) Error() string {
	if e.Cause == nil {
		return "federation: " + string(e.Reason)
	}
	return "federation: " + string(e.Reason) + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *FederationError) Unwrap() error { return e.Cause }

// EntraSubject is the subject of a person at Entra: who they are in an organisation, and
// nothing that they or their admin can edit.
func EntraSubject(tid, oid string) string { return tid + "/" + oid }

// OIDCSubject is the subject of a person at another provider (OpenID Connect Core 1.0
// section 5.7: iss and sub together, and nothing else).
func OIDCSubject(issuer, sub string) string { return issuer + "|" + sub }

// Ask is one question to another provider: who is this?
type Ask struct {
	// State, Nonce and Verifier bind the answer to the question and to the browser (RFC
	// 9700 section 4.7, OpenID Connect Core 1.0 section 3.1.2.1, RFC 7636).
	State, Nonce, Verifier string
	// Callback is the path, below the issuer, to which the answer comes.
	Callback string
	// At is when the app asked: ages count from there.
	At time.Time
	// Anew: they must sign in there again. MaxAge: no longer before At than that,
	// negative for no matter when.
	Anew   bool
	MaxAge time.Duration
	// Choose: the person who is signed in there may not be who is meant; they are asked
	// which account it shall be.
	Choose bool
	// SecondStep: proof of a second step is wanted, too.
	SecondStep           bool
	LoginHint, UILocales string
}
