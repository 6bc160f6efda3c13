package login

import (
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/throttle"
	"gatehouse/mfa"
)

// postBegin starts the set-up: advance makes the key.
func (l *Login) postBegin(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(NeedEnrolment); !ok {
		return l.tooLate(c, s)
	}
	return l.advance(c, s, func(context.Context) error { return nil })
}

// prepareSecret makes what is confirmed when a set-up begins. It waits in the flow, sealed
// and bound to it, until a code confirms it.
func (l *Login) prepareSecret(s *signIn, state NeedEnrolment) {
	if newSecret := mfa.Of(state.Method).NewSecret; newSecret != nil && !state.Begun {
		s.notes.Key, s.notes.KeyOf = l.Keyring.Seal(newSecret(), pendingAAD(s.flow.ID)), state.Method
	}
}

func pendingAAD(flowID string) string { return keyring.AAD("flows", flowID, "data") }

// postEnrol confirms the set-up with a code; recovery codes come with it.
func (l *Login) postEnrol(c *gin.Context, s *signIn) error {
	state, ok := s.next().(NeedEnrolment)
	if !ok {
		return l.tooLate(c, s)
	}
	m, typed := secondStepOf(state.Method), c.PostForm("code")
	if m.enrol != nil {
		return m.enrol(l, c, s, state)
	}
	if !state.Begun {
		return l.tooLate(c, s)
	}
	if problem := m.problem(typed); problem != nil {
		return m.setUp(l, c, s, state, enrolPage{codeError: problem})
	}
	attempt, err := l.Limiter.Begin(c.Request.Context(), l.Limiter.SetUp(s.flow.ID))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return l.enrolLimited(c, s, state, limited)
	}
	if err != nil {
		return err
	}
	secret, err := l.pendingSecret(s)
	if err != nil {
		return err
	}
	now := idp.Now()
	last, err := mfa.Of(m.id).Match(secret, typed, now, 0)
	if err != nil {
		return m.setUp(l, c, s, state, enrolPage{codeError: m.wrong(err)})
	}
	return l.advance(c, s, func(ctx context.Context) error {
		if err := l.stillWithout(ctx, s, m.id); err != nil {
			return err
		}
		f := factors.NewFactor{ID: idp.NewID(), Method: m.id, Secret: secret, LastStep: last, At: now}
		if err := l.Manage.Factors.Enrol(ctx, s.User, s.Population, f, s.audit("", nil)); err != nil {
			return err
		}
		s.notes.Key, s.notes.KeyOf = nil, ""
		s.prove(m.id)
		return attempt.Succeeded(ctx)
	})
}

// stillWithout asks again, and holds until the transaction ends, that the person
// has no authenticator: another flow of theirs may be in its set-up too, and the
// password alone must not add a second one. The policy may have changed too: then
// an email code may have to come first, or another method be due.
func (l *Login) stillWithout(ctx context.Context, s *signIn, m idp.Method) error {
	if err := l.Store.LockUser(ctx, s.User.ID); err != nil {
		return err
	}
	if err := l.loadContext(ctx, s); err != nil {
		return err
	}
	if state, ok := s.next().(NeedEnrolment); !ok || state.Method != m || state.Late {
		return idp.ErrConflict
	}
	return nil
}

// label is what the authenticator app calls the account.
func (s *signIn) label() string { return s.Population.FactorLabel() }
