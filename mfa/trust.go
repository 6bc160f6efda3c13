package mfa

import (
	"slices"

	"gatehouse/idp"
)

// excused tells whether the second step that d asks for may be left out in a browser that the
// person trusts. The request is met by the proofs alone, and so is all that goes beyond the
// population's policy. A person who has to set something up has nothing that they could have
// proved there: they are never excused. At most a policy's "mfa" is left out: a browser that is
// known resists no phishing.
func (q Question) excused(s *proven, d Decision) bool {
	policy := q.policyRank()
	switch {
	case q.Override.Mode == idp.OverrideRequired, s.rank() < q.AtLeast.Rank(), q.unproved(), q.passwordByMail():
		return false
	case policy > min(q.Trusted.Rank(), rankMFA):
		return false
	case d.Outcome == Challenge:
		return true
	}
	return d.Outcome == Choose && slices.ContainsFunc(Mailboxes(), q.Enrolled.Has)
}

// MayTrust tells whether a person who proves a second step by a method now could leave it out
// here from then on, if they trusted the browser. What stands in for a factor is for the day
// without it, and perhaps typed in a browser of somebody else's.
func MayTrust(q Question, m idp.Method) bool {
	if q.Trusted = row(m).ACR; !row(m).second() || row(m).Kind == StandIn {
		return false
	}
	now := q
	now.Trusted = ""
	return Decide(now).Outcome != Satisfied && Decide(q).Outcome == Satisfied
}
