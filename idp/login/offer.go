package login

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// offerAgain is how long a person who was offered a passkey is not offered another.
const offerAgain = 30 * 24 * time.Hour

// passkeysField is the hidden field of all forms in which the script says what the browser can
// do with passkeys.
const passkeysField = "passkeys"

// canDo is what a browser can do with passkeys, empty while no script has said so.
type canDo string

// What it can do.
const (
	withPasskeys canDo = "yes"  // it has them, be it those on a phone
	keepsThem    canDo = "here" // it can keep them on its own device
)

// offer is how far the offer of a passkey has got in a sign-in, empty before.
type offer string

// How far it got.
const (
	offerMade     offer = "made"
	offerAnswered offer = "answered"
)

// hear notes what the script says. Whoever lies there is offered what their browser cannot do.
func (s *signIn) hear(said string) {
	if can := canDo(said); can == withPasskeys || can == keepsThem {
		s.notes.Passkeys = can
	}
}

// offers tells whether a sign-in that lacks nothing ends with the offer of a passkey. Once it
// was made it waits for an answer, whatever happens: nothing but a step moves a sign-in on.
func (f Facts) offers() bool {
	switch f.Notes.Offer {
	case offerAnswered:
		return false
	case offerMade:
		return true
	}
	recent := !f.OfferedAt.IsZero() && f.At.Sub(f.OfferedAt) < offerAgain
	return !f.Continues && !recent && f.lacksPasskey() && f.unassisted() && f.mayAdd()
}

// lacksPasskey tells whether the person has none, or none on the device that they sit at.
func (f Facts) lacksPasskey() bool {
	if !f.Enrolled.Has(idp.MethodPasskey) {
		return f.Notes.Passkeys != ""
	}
	return f.Notes.Passkeys == keepsThem && f.Notes.Elsewhere
}

// unassisted tells whether the person came by nothing but what they have here: without another
// provider, a mail that set their password, a recovery code or a trusted browser. Who has set
// something up in this sign-in has done enough.
func (f Facts) unassisted() bool {
	assisted := func(p idp.Proof) bool {
		return p.Method == idp.MethodFederated || p.ByMail || mfa.StandsIn(p.Method)
	}
	q := f.Question
	q.Trusted = ""
	return f.Notes.Pending == nil && f.EnrolledAt.Before(f.Began) && !slices.ContainsFunc(f.Proofs, assisted) &&
		mfa.Decide(q).Outcome == mfa.Satisfied
}

// mayAdd is the rule of the person's account, on what this sign-in proved.
func (f Facts) mayAdd() bool {
	return f.Population.Access.Password && f.Population.Policy.Passkey &&
		mfa.MayAdd(f.Population.Policy, f.Enrolled, idp.MethodPasskey, f.Proofs, f.At, authz.FreshSecondStep) == mfa.AddNow
}

// lastEnrolled is when a person last set something up, zero for never.
func lastEnrolled(factors []idp.Factor) (at time.Time) {
	for _, f := range mfa.Possessions(factors) {
		if f.CreatedAt.After(at) {
			at = f.CreatedAt
		}
	}
	return at
}

// noteOffer records that the person is offered a passkey, in the transaction of the step that
// leads there.
func (l *Login) noteOffer(ctx context.Context, s *signIn, state NeedEnrolment) error {
	if !state.Offered || s.notes.Offer != "" {
		return nil
	}
	s.notes.Offer = offerMade
	now := idp.Now()
	err := l.Store.OfferPasskey(ctx, s.User.ID, now.Add(-offerAgain), now)
	if errors.Is(err, idp.ErrUsed) { // another sign-in did this moment: the next try goes without
		return idp.ErrConflict
	}
	return err
}

// offerPage is the offer without its form, which one who took too long does not get.
func (l *Login) offerPage(c *gin.Context, s *signIn, p enrolPage) ui.PasskeyOffer {
	return ui.PasskeyOffer{
		Frame: l.frame(c, s), Alert: p.alert, RetryAfter: retryAfter(c, p.limited), LaterAction: l.action(s, "later"),
		Another: len(s.enrolment.Of(idp.MethodPasskey)) > 0, Codes: s.enrolment.Recovery == nil,
	}
}

// postLater goes on without the passkey that was offered.
func (l *Login) postLater(c *gin.Context, s *signIn) error {
	if state, ok := s.next().(NeedEnrolment); !ok || !state.Offered {
		return l.tooLate(c, s)
	}
	return l.advance(c, s, func(context.Context) error {
		s.notes.Offer = offerAnswered
		return nil
	})
}
