package login

import (
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/throttle"
	"gatehouse/ui"
)

// guess is one attempt at a second step: which factors it is tried against, how it is
// counted and what the audit log calls it. A code of an authenticator is tried against
// all that the person has, and is one guess.
type guess struct {
	method    idp.Method
	kind      throttle.Kind
	factorIDs []string
	refused   idp.AuditKind
	throttled idp.AuditKind
}

func totpGuess(ids ...string) guess {
	return guess{idp.MethodTOTP, throttle.Authenticator, ids, idp.AuditCodeRefused, idp.AuditCodeThrottled}
}

func recoveryGuess(setID string) guess {
	return guess{idp.MethodRecovery, throttle.Recovery, []string{setID}, idp.AuditRecoveryRefused, idp.AuditRecoveryThrottled}
}

func emailGuess(id string) guess {
	return guess{idp.MethodEmail, throttle.EmailCode, []string{id}, idp.AuditEmailRefused, idp.AuditEmailThrottled}
}

// ownBrowser tells whether the browser has a budget of its own for a method: the person
// proved a second step as strong there before. An email code opens none for the
// authenticator: a thief who has the mailbox would get a new budget with each browser.
func (s *signIn) ownBrowser(m idp.Method) bool {
	if m == idp.MethodEmail {
		return s.OwnBrowser
	}
	return s.AppBrowser
}

// counters are what a guess is counted against: the browser's own budget where it has
// one, so that strangers can neither use it up nor get one; else that of the person's
// method, and the address's.
func (l *Login) counters(ctx context.Context, s *signIn, g guess) []throttle.Counter {
	if s.ownBrowser(g.method) {
		return []throttle.Counter{l.Limiter.FactorInBrowser(g.kind, s.User.ID, s.flow.BrowserHash)}
	}
	return []throttle.Counter{l.Limiter.Factor(g.kind, s.User.ID), l.Limiter.Address(idp.VisitFrom(ctx).Address)}
}

// begin counts a guess before it is made. limited: it may not be made, and the page
// that says so has been shown.
func (l *Login) begin(c *gin.Context, s *signIn, g guess) (a *throttle.Attempt, limited bool, err error) {
	ctx := c.Request.Context()
	a, err = l.Limiter.Begin(ctx, l.counters(ctx, s, g)...)
	var refused *throttle.LimitedError
	if !errors.As(err, &refused) {
		return a, false, err
	}
	if err := l.Store.Audit(ctx, s.audit(g.throttled, map[string]string{"limit": string(refused.Kind)})); err != nil {
		return nil, false, err
	}
	return nil, true, l.renderCode(c, s, codePage{
		method: g.method, limited: refused, alert: ui.MsgTooManyAttempts.With(refused.Wait),
	})
}

// refuse records a wrong guess, disables the factor when its budget is used up, and
// shows what to do.
func (l *Login) refuse(c *gin.Context, s *signIn, g guess, a *throttle.Attempt, text *ui.Message) error {
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) error {
		if err := l.Store.Audit(ctx, s.audit(g.refused, nil)); err != nil || !a.Last() {
			return err
		}
		return l.disable(ctx, s, g)
	})
	if err != nil {
		return err
	}
	if a.Last() {
		return l.here(c, s) // the page then offers what is left
	}
	return l.renderCode(c, s, codePage{method: g.method, codeError: text})
}

// disable stops what was guessed at at the cap of wrong guesses, and tells its owner.
// It still counts as enrolled: it cannot be replaced with a password alone.
func (l *Login) disable(ctx context.Context, s *signIn, g guess) error {
	disable := l.Store.DisableFactor
	if g.method == idp.MethodRecovery {
		disable = l.Store.DisableRecovery
	}
	disabled := false
	for _, id := range g.factorIDs {
		first, err := disable(ctx, id, idp.Now())
		if err != nil {
			return err
		}
		disabled = disabled || first
	}
	if !disabled {
		return nil
	}
	if err := l.Store.Audit(ctx, s.audit(idp.AuditFactorDisabled, map[string]string{"method": string(g.method)})); err != nil {
		return err
	}
	return l.Outbox.Notify(ctx, s.User, s.Population, ui.Mail{Kind: ui.MailFactorDisabled, Method: string(g.method)})
}

// mayUse tells whether this browser may use a disabled factor.
func (s *signIn) mayUse(factorID string) bool { return s.opened[factorID] }

// openFactors finds the disabled factors that this browser may use nevertheless: a
// browser that the account knows has a budget of its own, and whoever used up the
// others' does not lock the owner out of it.
func (l *Login) openFactors(ctx context.Context, s *signIn) error {
	s.opened = nil
	if !s.OwnBrowser {
		return nil
	}
	var disabled []guess
	for _, f := range s.enrolment.Factors {
		switch {
		case f.DisabledAt.IsZero():
		case f.Method == idp.MethodEmail:
			disabled = append(disabled, emailGuess(f.ID))
		default:
			disabled = append(disabled, totpGuess(f.ID))
		}
	}
	if set := s.enrolment.Recovery; set != nil && !set.DisabledAt.IsZero() {
		disabled = append(disabled, recoveryGuess(set.ID))
	}
	for _, g := range disabled {
		if !s.ownBrowser(g.method) {
			continue
		}
		capped, err := l.Limiter.Capped(ctx, l.counters(ctx, s, g)[0])
		if err != nil {
			return err
		}
		if !capped {
			if s.opened == nil {
				s.opened = map[string]bool{}
			}
			s.opened[g.factorIDs[0]] = true
		}
	}
	return nil
}
