package login

import (
	"cmp"
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/throttle"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// ownBrowser tells whether the browser has a budget of its own for a method: the person
// proved a second step as strong there before. An email code opens none for the
// authenticator: a thief who has the mailbox would get a new budget with each browser.
func (s *signIn) ownBrowser(m idp.Method) bool {
	if mfa.IsStrong(m) {
		return s.AppBrowser
	}
	return s.OwnBrowser
}

// counters are what a guess is counted against: the browser's own budget where it has
// one, so that strangers can neither use it up nor get one; else that of the person's
// method, and the address's.
func (l *Login) counters(ctx context.Context, s *signIn, m idp.Method) []throttle.Counter {
	if s.ownBrowser(m) {
		return []throttle.Counter{l.Limiter.FactorInBrowser(throttle.Kind(m), s.User.ID, s.flow.BrowserHash)}
	}
	return []throttle.Counter{l.Limiter.Factor(throttle.Kind(m), s.User.ID), l.Limiter.Address(idp.VisitFrom(ctx).Address)}
}

// begin counts a guess before it is made. A *throttle.LimitedError: it may not be made.
func (l *Login) begin(ctx context.Context, s *signIn, m secondStep) (*throttle.Attempt, error) {
	a, err := l.Limiter.Begin(ctx, l.counters(ctx, s, m.id)...)
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		event := s.audit(m.throttled, map[string]string{"limit": string(limited.Kind)})
		if failed := l.Store.Audit(ctx, event); failed != nil {
			return nil, failed
		}
	}
	return a, err
}

// refuse records a wrong guess, disables the factor when its budget is used up, and
// shows what to do.
func (l *Login) refuse(c *gin.Context, s *signIn, m secondStep, g guess, a *throttle.Attempt, wrong *refusal) error {
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) error {
		if err := l.Store.Audit(ctx, s.audit(cmp.Or(wrong.kind, m.refused), nil)); err != nil || !a.Last() {
			return err
		}
		return l.disable(ctx, s, m.id, g.ids)
	})
	if err != nil {
		return err
	}
	if a.Last() {
		return l.toPage(c, s) // the page then offers what is left
	}
	return l.renderCode(c, s, codePage{method: m.id, codeError: wrong.text})
}

// disable stops what was guessed at at the cap of wrong guesses, and tells its owner.
// It still counts as enrolled: it cannot be replaced with a password alone.
func (l *Login) disable(ctx context.Context, s *signIn, m idp.Method, ids []string) error {
	disabled := false
	for _, id := range ids {
		first, err := l.Store.DisableFactor(ctx, id, idp.Now())
		if err != nil {
			return err
		}
		disabled = disabled || first
	}
	if !disabled {
		return nil
	}
	if err := l.Store.Audit(ctx, s.audit(idp.AuditFactorDisabled, map[string]string{"method": string(m)})); err != nil {
		return err
	}
	return l.Outbox.Notify(ctx, s.User, s.Population, ui.Mail{Kind: ui.MailFactorDisabled, Method: string(m)})
}

// canUse tells whether this browser may use a disabled factor.
func (s *signIn) canUse(factorID string) bool { return s.opened[factorID] }

// openFactors finds the disabled factors that this browser may use nevertheless: a browser
// that the account knows has a budget of its own, and an attacker who used up the others'
// does not lock the owner out of it.
func (l *Login) openFactors(ctx context.Context, s *signIn) error {
	s.opened = nil
	if !s.OwnBrowser {
		return nil
	}
	for _, f := range mfa.EnrolledOf(s.Population.Policy, s.enrolment, nil) {
		if f.State != mfa.Disabled || !s.ownBrowser(f.Method) {
			continue
		}
		capped, err := l.Limiter.Capped(ctx, l.counters(ctx, s, f.Method)[0])
		if err != nil {
			return err
		}
		if !capped {
			if s.opened == nil {
				s.opened = map[string]bool{}
			}
			s.opened[f.ID] = true
		}
	}
	return nil
}
