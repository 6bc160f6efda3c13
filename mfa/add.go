package mfa

import (
	"time"

	"gatehouse/idp"
)

// MostPossessions is how many possessions a person may have.
const MostPossessions = 10

// Adding says what is missing before a person adds a possession by themselves.
type Adding int

// What may be missing.
const (
	// AddNow: nothing.
	AddNow Adding = iota
	// AddAfterProof: a fresh proof as strong as their strongest.
	AddAfterProof
	// AddAnew: it is their first, and takes a sign-in of its own: the password, and where the
	// policy has email codes one of those.
	AddAnew
	// AddNone: they may have no more of the method, or none here: what they have is kept where
	// they came from.
	AddNone
)

// CanHave tells whether a person with such factors can have another of a method. Where the
// policy has none, only those can who had to set one up for an app.
func CanHave(p idp.Policy, e Enrolled, m idp.Method) bool {
	possessions := 0
	for _, f := range e {
		if row(f.Method).Kind == Possession {
			possessions++
		}
	}
	return possessions < MostPossessions && (row(m).On(p) || e.Has(m))
}

// MayAdd is the rule of adding a possession by oneself, at the account and after a sign-in. A
// proof is fresh for within.
func MayAdd(p idp.Policy, e Enrolled, m idp.Method, proofs []idp.Proof, now time.Time, within time.Duration) Adding {
	if trusts(proofs) || !CanHave(p, e, m) {
		return AddNone
	}
	if e.Possesses() {
		if _, proved := ProveAgain(p, e, proofs, now, within); !proved {
			return AddAfterProof
		}
		return AddNow
	}
	q := Question{Policy: p, Demand: idp.Demand{MaxAge: idp.NoMaxAge}, Proofs: proofs, Enrolled: e, Now: now}
	if SetUpNow(q).Outcome != SetUp {
		return AddAnew
	}
	return AddNow
}
