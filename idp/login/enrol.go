package login

import (
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/throttle"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// postBegin starts the set-up: advance makes the key.
func (l *Login) postBegin(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(NeedEnrolment); !ok {
		return l.here(c, s)
	}
	return l.advance(c, s, func(context.Context) error { return nil })
}

// prepareKey makes the authenticator's key when a set-up begins. It waits in the
// flow, sealed and bound to it, until a code confirms it.
func (l *Login) prepareKey(s *signIn, state NeedEnrolment) {
	if !state.Begun {
		s.notes.Key = l.Keyring.Seal(mfa.NewTOTPKey(), pendingAAD(s.flow.ID))
	}
}

func pendingAAD(flowID string) string { return keyring.AAD("flows", flowID, "data") }

// postEnrol confirms the set-up with a code; recovery codes come with it.
func (l *Login) postEnrol(c *gin.Context, s *signIn) error {
	state, ok := s.next().(NeedEnrolment)
	if !ok || !state.Begun {
		return l.here(c, s)
	}
	if problem := codeProblem(c.PostForm("code")); problem != nil {
		return l.renderEnrol(c, s, state, enrolPage{codeError: problem})
	}
	attempt, err := l.Limiter.Begin(c.Request.Context(), l.Limiter.SetUp(s.flow.ID))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return l.enrolLimited(c, s, state, limited)
	}
	if err != nil {
		return err
	}
	key, err := l.pendingKey(s)
	if err != nil {
		return err
	}
	step, err := mfa.MatchTOTP(key, c.PostForm("code"), idp.Now(), 0)
	if err != nil {
		return l.renderEnrol(c, s, state, enrolPage{codeError: codeError(err)})
	}
	return l.advance(c, s, func(ctx context.Context) error {
		if err := l.stillWithout(ctx, s); err != nil {
			return err
		}
		if err := l.storeFactor(ctx, s, key, step); err != nil {
			return err
		}
		s.notes.Key = nil
		s.prove(idp.MethodTOTP)
		return attempt.Succeeded(ctx)
	})
}

// stillWithout asks again, and holds until the transaction ends, that the person
// has no authenticator: another flow of theirs may be in its set-up too, and the
// password alone must not add a second one. The policy may have changed too: then
// an email code may have to come first.
func (l *Login) stillWithout(ctx context.Context, s *signIn) error {
	if err := l.Store.LockUser(ctx, s.User.ID); err != nil {
		return err
	}
	if err := l.surround(ctx, s); err != nil {
		return err
	}
	if _, ok := s.next().(NeedEnrolment); !ok {
		return idp.ErrConflict
	}
	return nil
}

// storeFactor keeps the confirmed authenticator, and sees to the recovery codes unless
// there is a set already: a second authenticator makes no new one.
func (l *Login) storeFactor(ctx context.Context, s *signIn, key []byte, step int64) error {
	id, now := idp.NewID(), idp.Now()
	err := l.Store.CreateFactor(ctx, idp.Factor{
		ID: id, UserID: s.User.ID, Method: idp.MethodTOTP, Name: s.label(),
		Secret: l.Keyring.Seal(key, keyring.AAD("factors", id, "secret")), LastStep: step, CreatedAt: now, LastUsedAt: now,
	})
	if err != nil {
		return err
	}
	if err := l.Manage.ForgetGuesses(ctx, s.User.ID, idp.MethodTOTP); err != nil {
		return err
	}
	events := []idp.AuditEvent{s.audit(idp.AuditFactorEnrolled, map[string]string{"method": string(idp.MethodTOTP)})}
	if s.enrolment.Recovery == nil {
		made, err := l.Manage.RecoveryCodesFor(ctx, s.User.ID)
		if err != nil {
			return err
		}
		if made {
			events = append(events, s.audit(idp.AuditRecoveryGenerated, nil))
		}
	}
	if err := l.Store.Audit(ctx, events...); err != nil {
		return err
	}
	return l.Outbox.Notify(ctx, s.User, s.Population, ui.Mail{Kind: ui.MailFactorEnrolled, Method: string(idp.MethodTOTP)})
}

// label is what the authenticator app calls the account: the policy's label, and
// the population's name where a client's override asks for an authenticator that
// the policy has not.
func (s *signIn) label() string {
	if s.Population.Policy.IssuerLabel != "" {
		return s.Population.Policy.IssuerLabel
	}
	return s.Population.Name
}
