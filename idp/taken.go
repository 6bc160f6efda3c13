package idp

import (
	"maps"
	"slices"
	"strings"
)

// Taken says what was taken from an app, a connection or a population, and with which
// number of the policies' sequence. What was given under a smaller number is gone, and
// does not come back with the same thing given again.
type Taken map[string]int64

// With is t and what is taken now, with its number.
func (t Taken) With(version int64, what ...string) Taken {
	after := Taken{}
	maps.Copy(after, t)
	for _, w := range what {
		after[w] = version
	}
	return after
}

// Newest is the number of the last change, 0 where nothing was taken.
func (t Taken) Newest() int64 {
	var newest int64
	for _, version := range t {
		newest = max(newest, version)
	}
	return newest
}

// What can be taken. Those that end in a colon are followed by a name.
const (
	takenKind          = "kind"
	takenScope         = "scope:"
	takenPopulation    = "population:"
	takenGrantType     = "grant_type:"
	takenResource      = "resource:"
	takenPassword      = "password"
	takenFederated     = "federated"
	takenConnection    = "connection"
	takenTenant        = "tenant:"
	takenAnyTenant     = "any_tenant"
	takenPersonal      = "personal_accounts"
	takenDomain        = "domain:"
	takenContext       = "context"
	takenTrust         = "trust"
	takenTrustEvidence = "trust_without_evidence"
)

// App is what of a client decides what its grants are worth, as it is now and not a
// second ago.
type App struct {
	Kind                            ClientKind
	GrantTypes, Scopes, Populations []string
	Taken                           Taken
	// Resources are the APIs that it may get tokens for.
	Resources []string
	// Claims are what it is told of people.
	Claims AppClaims
	// NeedsProof and FAPI are those of a Client.
	NeedsProof, FAPI bool
}

// gives tells whether one of a list is given, and was since a grant was made.
func (a App) gives(list []string, kind, name string, version int64) bool {
	return slices.Contains(list, name) && version >= a.Taken[kind+name]
}

// Takes tells whether the app still has what a grant lives by: the person's population,
// the kind that it had, the grant type of what a sign-in gave, and the API that it is for.
func (a App) Takes(g Grant) bool {
	return a.Kind.SignsIn() && (g.Resource == "" || a.gives(a.Resources, takenResource, g.Resource, g.GivenVersion)) && g.GivenVersion >= a.Taken[takenKind] &&
		a.gives(a.Populations, takenPopulation, g.PopulationID, g.GivenVersion) && a.Allows(g, g.Type())
}

// Allows tells whether a grant type is still the app's for a grant.
func (a App) Allows(g Grant, grantType string) bool {
	return a.gives(a.GrantTypes, takenGrantType, grantType, g.GivenVersion)
}

// Scopes are those of a list that are still the app's for a grant.
func (a App) ScopesOf(g Grant, scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool {
		return !a.gives(a.Scopes, takenScope, scope, g.GivenVersion)
	})
}

// LostByClient names what a change takes from a client.
func LostByClient(before, after Client) []string {
	var lost []string
	if before.Kind != after.Kind {
		lost = append(lost, takenKind)
	}
	lost = append(lost, missing(takenScope, before.Scopes, after.Scopes)...)
	lost = append(lost, missing(takenResource, before.Resources, after.Resources)...)
	lost = append(lost, missing(takenPopulation, before.Populations, after.Populations)...)
	return append(lost, missing(takenGrantType, before.GrantTypes, after.GrantTypes)...)
}

func missing(kind string, before, after []string) []string {
	var lost []string
	for _, name := range before {
		if !slices.Contains(after, name) {
			lost = append(lost, kind+name)
		}
	}
	return lost
}

// LostByAccess names the ways in that a change takes from a population.
func LostByAccess(before, after Access) []string {
	var lost []string
	if before.Password && !after.Password {
		lost = append(lost, takenPassword)
	}
	if before.Federated && !after.Federated {
		lost = append(lost, takenFederated)
	}
	return lost
}

// LostByConnection names what a change takes from those who came through a connection.
func LostByConnection(before, after Connection) []string {
	lost := slices.Concat(missing(takenTenant, before.Tenants, after.Tenants), missing(takenDomain, before.Domains, after.Domains))
	for what, taken := range map[string]bool{
		takenConnection:    before.Enabled && !after.Enabled || before.Issuer != after.Issuer || before.Kind != after.Kind,
		takenAnyTenant:     before.AnyTenant && !after.AnyTenant,
		takenPersonal:      before.PersonalAccounts && !after.PersonalAccounts,
		takenContext:       before.Context != "" && before.Context != after.Context,
		takenTrust:         before.Trust != LocalStep && after.Trust == LocalStep,
		takenTrustEvidence: before.Trust == Trusted && after.Trust == EvidenceRequired,
	} {
		if taken {
			lost = append(lost, what)
		}
	}
	return lost
}

// Way is the connection through which a person came, as it is now.
type Way struct {
	// Connection is empty where there is none any more. It comes without its secrets.
	Connection Connection
	// Subject and Email are the person's identity there; empty: they are not linked.
	Subject, Email string
	Taken          Taken
}

// Worth is what proofs count for now, in a population as it is now: what a way in that
// was closed since has proved does not count, and a trust that was lowered proves less.
// lessened: it is not what it was.
func (w Way) Worth(proofs []Proof, p Population) (worth []Proof, lessened bool) {
	for i, proof := range proofs {
		now, counts := w.worth(proof, p)
		if !lessened && counts && !lessens(proof, now) {
			continue
		}
		if !lessened {
			worth, lessened = slices.Clone(proofs[:i]), true
		}
		if counts {
			worth = append(worth, now)
		}
	}
	if !lessened {
		return proofs, false
	}
	return worth, true
}

// lessens tells whether a federated proof says less than it did.
func lessens(before, now Proof) bool {
	return before.LocalStep != now.LocalStep || before.Evidence != now.Evidence
}

func (w Way) worth(proof Proof, p Population) (Proof, bool) {
	if proof.Method == MethodPassword || proof.First {
		// One that a link for emergencies let in counts, and one that linked an account:
		// they were typed after passwords were taken away.
		return proof, proof.Version >= p.Taken[takenPassword]
	}
	if proof.Method != MethodFederated {
		return proof, true
	}
	if !p.Access.Federated || proof.Version < p.Taken[takenFederated] || !w.open(proof) {
		return proof, false
	}
	proof = w.believed(proof)
	return proof, proof.LocalStep || proof.Evidence != "" || !w.wantsEvidence(proof)
}

// open tells whether the way that a proof came is open to the person still, and was ever
// since.
func (w Way) open(proof Proof) bool {
	c := w.Connection
	if c.ID == "" || c.ID != proof.Via || !c.Enabled || proof.Version < w.Taken[takenConnection] {
		return false
	}
	if w.Subject == "" || proof.Subject != "" && proof.Subject != w.Subject {
		return false
	}
	if domain, err := MailDomain(w.Email); err == nil && proof.Version < w.Taken[takenDomain+domain] {
		return false
	}
	if c.Kind != EntraConnection {
		return strings.HasPrefix(w.Subject, c.Issuer+"|")
	}
	return w.takesTenant(proof)
}

// takesTenant tells whether people of the person's tenant may come still. A person who
// came when every tenant was welcome counts as long as theirs is named.
func (w Way) takesTenant(proof Proof) bool {
	tid, _, _ := strings.Cut(w.Subject, "/")
	taken := w.Taken[takenTenant+tid]
	switch {
	case tid == PersonalTenant:
		taken = w.Taken[takenPersonal]
	case !slices.Contains(w.Connection.Tenants, tid):
		taken = max(taken, w.Taken[takenAnyTenant])
	}
	return w.Connection.AllowsTenant(tid) && proof.Version >= taken
}

// believed is a proof by the trust of now, or by a lower one that there was since.
func (w Way) believed(proof Proof) Proof {
	if !proof.LocalStep && (w.Connection.Trust == LocalStep || proof.Version < w.Taken[takenTrust]) {
		proof.LocalStep, proof.AMR, proof.Evidence, proof.CanProve = true, nil, "", ""
	}
	if proof.Version < w.Taken[takenContext] { // by which it may have been proved
		proof.AMR, proof.Evidence, proof.CanProve = nil, "", ""
	}
	return proof
}

func (w Way) wantsEvidence(proof Proof) bool {
	return w.Connection.Trust == EvidenceRequired || proof.Version < w.Taken[takenTrustEvidence]
}

// Via is the connection that one of the proofs came through, empty for none.
func Via(proofs []Proof) string {
	for _, p := range proofs {
		if p.Method == MethodFederated {
			return p.Via
		}
	}
	return ""
}
