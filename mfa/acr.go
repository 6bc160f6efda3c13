package mfa

import (
	"slices"
	"time"

	"gatehouse/idp"
)

// moment is a time that may not have come. It is zero for a proof of an unknown time: such
// a one makes no other older, and is as old as what goes with it.
type moment struct {
	at time.Time
	ok bool
}

// later is the later of two moments, if any: one of them is enough.
func (m moment) later(o moment) moment {
	if !m.ok || (o.ok && o.at.After(m.at)) {
		return o
	}
	return m
}

// earlier is the earlier of two moments, if both came: both are needed.
func (m moment) earlier(o moment) moment {
	switch {
	case !m.ok || !o.ok:
		return moment{}
	case m.at.IsZero(), o.at.Before(m.at) && !o.at.IsZero():
		return o
	}
	return m
}

// The ranks of idp.ACR.Rank, as indexes.
const (
	rankOne = iota + 1 // password, federated
	rankTwoStep
	rankMFA
	rankPasskey
	rankHardware
	ranks
)

// proven is what a list of proofs amounts to: for each rank, the latest proof
// that meets it alone, and the latest that meets it as second step after a first
// one.
type proven struct {
	first               moment // a first step that a second one adds to
	standsIn            moment // what stands in for a possession
	password, federated bool   // one is among the proofs
	alone               [ranks]moment
	second              [ranks]moment
}

func provenBy(proofs []idp.Proof) (s proven) {
	for i := range proofs {
		s.add(&proofs[i])
	}
	return s
}

func (s *proven) add(p *idp.Proof) {
	at, m := moment{p.ProvedAt(), true}, row(p.Method)
	rank := rankOf(p)
	if m.Kind == StandIn {
		s.standsIn = s.standsIn.later(at)
	}
	if m.second() && !standsAlone(p) {
		raise(&s.second, rank, at)
		return
	}
	if m.Upstream {
		rank = max(rank, p.Evidence.Rank())
	}
	raise(&s.alone, rank, at)
	if m.ACR.Rank() == rankOne || standsAlone(p) {
		s.first = s.first.later(at)
	}
	s.password = s.password || m.ACR == idp.ACRPassword
	s.federated = s.federated || m.ACR == idp.ACRFederated
}

// rankOf is how strong a proof of ours is.
func rankOf(p *idp.Proof) int {
	m := row(p.Method)
	if slices.Contains(m.Says, "hwk") && slices.Contains(p.AMR, "hwk") {
		return rankHardware
	}
	return m.ACR.Rank()
}

// isBoth tells whether a proof shows two factors: what the person has, and that it is they
// who use it. standsAlone: it was taken for the first step as well.
func isBoth(p *idp.Proof) bool      { return p.Verified && row(p.Method).Alone }
func standsAlone(p *idp.Proof) bool { return p.First && isBoth(p) }

// standIn has what stands in for a possession count as a person's strongest one.
func (s *proven) standIn(e Enrolled) {
	if s.standsIn.ok {
		raise(&s.second, e.reach(), s.standsIn)
	}
}

// raise notes a proof for every rank up to the one it reaches.
func raise(ranked *[ranks]moment, rank int, at moment) {
	for r := rankOne; r <= rank; r++ {
		ranked[r] = ranked[r].later(at)
	}
}

// met is since when a rank is met: of the ways to meet it the one whose oldest
// proof is the latest.
func (s *proven) met(rank int) moment {
	if rank < rankOne || rank >= ranks {
		return moment{}
	}
	return s.alone[rank].later(s.first.earlier(s.second[rank]))
}

// meets tells whether a class is met: by itself and by everything stronger. Password and
// federated are equally strong, and neither is the other.
func (s *proven) meets(acr idp.ACR) bool {
	if acr.Rank() == rankOne && !s.counts(acr) {
		return s.met(rankTwoStep).ok
	}
	return s.met(acr.Rank()).ok
}

// counts tells whether the person came in the way that one of the two weakest classes is
// about. The others are about no way.
func (s *proven) counts(acr idp.ACR) bool {
	switch acr {
	case idp.ACRPassword:
		return s.password
	case idp.ACRFederated:
		return s.federated
	case idp.ACRTwoStep, idp.ACRMFA, idp.ACRPasskey, idp.ACRHardware, idp.ACRRefedsMFA:
	}
	return true
}

// meetsDemand tells whether one of the classes that a request asks for is met.
func (s *proven) meetsDemand(d idp.Demand) bool {
	return len(d.ACRValues) == 0 || slices.ContainsFunc(d.ACRValues, s.meets)
}

func (s *proven) rank() int {
	for r := ranks - 1; r >= rankOne; r-- {
		if s.met(r).ok {
			return r
		}
	}
	return 0
}

// acrOf is the class of a rank; of the two weakest, the one that says how the
// person came.
func (s *proven) acrOf(rank int) idp.ACR {
	switch {
	case rank == rankHardware:
		return idp.ACRHardware
	case rank == rankPasskey:
		return idp.ACRPasskey
	case rank == rankMFA:
		return idp.ACRMFA
	case rank == rankTwoStep:
		return idp.ACRTwoStep
	case rank == rankOne && s.password:
		return idp.ACRPassword
	case rank == rankOne:
		return idp.ACRFederated
	}
	return ""
}

// Achieved is the highest class that proofs amount to, empty for none: an
// authenticator, recovery or email code says nothing without a first step, nor does a passkey
// whose owner was not verified. An upstream's sign-in is a first step like a password, and as
// much more as its own token proves and no more.
// The alias idp.ACRRefedsMFA is never the answer.
func Achieved(proofs []idp.Proof) idp.ACR {
	s := provenBy(proofs)
	return s.acrOf(s.rank())
}

// TokenACR is the acr of a token: the first requested value that the proofs meet, as it
// was requested (alias included), else the highest achieved. A value is met by anything
// stronger, so "password" is what a client that asked for no more is told of password and
// code; but no token says "federated" of a person who came by password, or the reverse: it
// then says what they achieved. Unknown values are passed over (OpenID Connect Core 1.0
// section 3.1.2.1, acr_values).
func TokenACR(requested []idp.ACR, proofs []idp.Proof) idp.ACR {
	s := provenBy(proofs)
	for _, acr := range requested {
		if !s.meets(acr) {
			continue
		}
		if !s.counts(acr) {
			break
		}
		return acr
	}
	return s.acrOf(s.rank())
}

// AuthTime is the auth_time that belongs to an acr: the time of the oldest proof that it
// rests on (OpenID Connect Core 1.0 section 2). It is zero where the proofs do not meet
// the acr, and where it rests on nothing but a sign-in elsewhere at an unknown time.
//
// A class can rest on several sets of proofs, and a method can have been proved several
// times. Of a method the latest counts: typing the password again makes the sign-in that
// much fresher. Of the sets that meet the class the one counts whose oldest proof is the
// latest: after password and code at nine and a passkey at ten, "mfa" was proved as a
// whole at ten. A second step at ten after a password at nine leaves "mfa" at nine,
// because it needs both, and a class that needs only the password at nine as well. So a
// client that sends max_age gets an auth_time within it whenever the proofs that Fresh
// leaves meet the acr.
func AuthTime(proofs []idp.Proof, acr idp.ACR) time.Time {
	s := provenBy(proofs)
	return s.met(acr.Rank()).at
}

// Fresh keeps the proofs that a request accepts: max_age discards older ones and
// prompt=login (Demand.Since) those before it (OpenID Connect Core 1.0 section
// 3.1.2.1). A proof exactly as old as max_age counts. The argument is not
// changed; it is itself the result where nothing is discarded, so that the usual
// request allocates nothing.
//
// A sign-in must pass as now the time at which the request arrived: a person who
// needs longer than max_age to find their phone would be asked for the password
// again for ever, and max_age=0 could not be met at all. Proofs later than now
// are fresh.
//
// A federated sign-in is as old as the other side says. Where that does not say, the
// proof stays as long as the person's coming here is young enough, and Decide asks for
// a second step of ours beside it. One that answers this very request and is too old
// nevertheless becomes such a one: asking the other side again would not end.
func Fresh(proofs []idp.Proof, demand idp.Demand, now time.Time) []idp.Proof {
	young := func(at time.Time) bool {
		return (demand.MaxAge < 0 || now.Sub(at) <= demand.MaxAge) && !at.Before(demand.Since)
	}
	kept := func(p idp.Proof) bool { return young(p.At) && (p.Undated || young(p.ProvedAt())) }
	if !slices.ContainsFunc(proofs, func(p idp.Proof) bool { return !kept(p) }) {
		return slices.Clip(proofs) // appending to the result must not write behind the argument
	}
	list := make([]idp.Proof, 0, len(proofs))
	for _, p := range proofs {
		if !kept(p) && young(p.At) && !p.At.Before(now) { // too old where it was made
			p.Undated, p.UpstreamAt = true, time.Time{}
		}
		if kept(p) {
			list = append(list, p)
		}
	}
	return list
}

// AMR lists the authentication methods references of proofs (RFC 8176 section 2)
// without repetitions, in the order of the table of methods: pwd otp user mca, then mfa,
// hwk and swk, then fed and what the upstreams' tokens prove, in their order. "mfa"
// appears for a verified passkey and for a second step after a first one. It is not nil,
// because the claim is an array.
func AMR(proofs []idp.Proof) []string {
	amr := appendAMR(make([]string, 0, 8), proofs, false)
	if several(proofs) {
		amr = append(amr, "mfa")
	}
	for i := range methods {
		for _, value := range methods[i].Says {
			if slices.ContainsFunc(proofs, func(p idp.Proof) bool { return p.Method == methods[i].ID && slices.Contains(p.AMR, value) }) {
				amr = appendOnce(amr, value)
			}
		}
	}
	return appendAMR(amr, proofs, true)
}

// several tells whether proofs show several factors: a second step beside a first one,
// or one that is both.
func several(proofs []idp.Proof) bool {
	first, second := false, false
	for i := range proofs {
		m := row(proofs[i].Method)
		if isBoth(&proofs[i]) {
			return true
		}
		first, second = first || m.Kind == First, second || m.second()
	}
	return first && second
}

// appendAMR adds what proofs of ours, or those of upstreams, stand for.
func appendAMR(amr []string, proofs []idp.Proof, upstream bool) []string {
	for i := range methods {
		if m := &methods[i]; m.Upstream == upstream && has(proofs, m.ID) {
			amr = appendOnce(amr, m.AMR...)
		}
	}
	for i := range proofs {
		if upstream && row(proofs[i].Method).Upstream {
			amr = appendOnce(amr, proofs[i].AMR...)
		}
	}
	return amr
}

func appendOnce(list []string, values ...string) []string {
	for _, v := range values {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// SecondStepAt is when something other than a password was last proved, zero for
// never.
func SecondStepAt(proofs []idp.Proof) (at time.Time) {
	for _, p := range proofs {
		m := row(p.Method)
		first := m.Kind == First && m.ACR.Rank() == rankOne && (!m.Upstream || p.LocalStep)
		if proved := p.ProvedAt(); !first && proved.After(at) {
			at = proved
		}
	}
	return at
}
