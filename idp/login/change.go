package login

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/password"
	"gatehouse/idp/throttle"
	"gatehouse/ui"
)

// judge notes what is wrong about the password that was just accepted, by the rules
// of passwords in use. It cannot be known from a hash, nor at any other moment.
func (s *signIn) judge(plain string) {
	s.notes.Judged = s.Population.PasswordsAtSignIn
	s.notes.Weak = nil
	if s.Population.Access.Password || !s.notes.Pending.proved() { // one that links is never typed again
		s.notes.Weak = people.JudgeSignIn(s.Population, s.User, plain)
	}
}

// without drops the proofs by a method of a moment and later.
func without(proofs []idp.Proof, m idp.Method, at time.Time) []idp.Proof {
	var kept []idp.Proof
	for _, p := range proofs {
		if p.Method != m || p.At.Before(at) {
			kept = append(kept, p)
		}
	}
	return kept
}

// changePage is the page of ChangePassword, with what was wrong.
type changePage struct {
	state   ChangePassword
	broken  []password.Reason
	err     *ui.Message
	limited *throttle.LimitedError
	busy    bool
}

func (p changePage) status() int {
	switch {
	case p.limited != nil:
		return http.StatusTooManyRequests
	case p.busy:
		return http.StatusServiceUnavailable
	case p.err != nil:
		return unprocessable
	}
	return http.StatusOK
}

func (l *Login) renderChange(c *gin.Context, s *signIn, p changePage) error {
	rules, err := l.Manage.People.NewPasswordRules(c.Request.Context(), s.Population, s.User)
	if err != nil {
		return err
	}
	page := ui.ChangePassword{
		Frame: l.frame(c, s), Action: l.action(s, "change"), Email: s.User.Email, Why: *why(p.state.Reasons),
		EndsOthers: s.Population.EndOthers, RetryAfter: retryAfter(c, p.limited),
		New: ui.NewPassword{
			Rules: people.PasswordRuleList(rules, true, p.broken), HintURL: l.action(s, "judge"), Error: p.err,
		},
	}
	if p.limited != nil {
		page.Alert = ui.MsgTooManyAttempts.With(p.limited.Wait)
	}
	if p.busy {
		busyFor(c)
		page.Alert = ui.MsgBusy.With(idp.BusyWait)
	}
	return l.render(c, s, p.status(), page)
}

// why is the reason for a change: age where nothing else is wrong.
func why(reasons []password.Reason) *ui.Message {
	if len(reasons) == 1 && reasons[0].Kind == password.Expired {
		return ui.MsgPasswordExpired.With(reasons[0].Number)
	}
	return ui.MsgPasswordWeak.With()
}

// postChange replaces the password, and the sign-in goes on with it.
func (l *Login) postChange(c *gin.Context, s *signIn) error {
	state, ok := s.next().(ChangePassword)
	if !ok {
		return l.tooLate(c, s)
	}
	page, plain := changePage{state: state}, c.PostForm("password")
	if plain == "" {
		page.err = ui.MsgPasswordNew.With()
		return l.renderChange(c, s, page)
	}
	ctx := c.Request.Context()
	attempt, err := l.Limiter.Begin(ctx, l.Limiter.NewPassword(s.User.ID))
	if errors.As(err, &page.limited) {
		return l.renderChange(c, s, page)
	}
	if err != nil {
		return err
	}
	hash, err := l.Manage.People.HashReplacement(password.ForKnown(ctx), s.Population, s.User, plain)
	if page.busy = errors.Is(err, idp.ErrBusy); page.busy {
		if err := attempt.NotMade(ctx); err != nil {
			return err
		}
		return l.renderChange(c, s, page)
	}
	var weak *people.PasswordError
	if errors.As(err, &weak) {
		page.broken, page.err = weak.Reasons, ui.MsgPasswordBroken.With()
		return l.renderChange(c, s, page)
	}
	if err != nil {
		return err
	}
	err = l.advance(c, s, func(ctx context.Context) error {
		s.notes.Weak = nil
		spared := people.Spared{Session: s.flow.SessionID, Flow: s.flow.ID}
		e := s.audit(idp.AuditPasswordChanged, map[string]string{"why": describe(state.Reasons)})
		if err := l.Manage.People.ReplacePassword(ctx, s.Population, s.User, hash, spared, e); err != nil {
			return err
		}
		return attempt.Succeeded(ctx)
	})
	if errors.Is(err, idp.ErrUsed) { // another tab finished the sign-in
		return l.tooLate(c, s)
	}
	return err
}

// describe is what the audit log says was wrong: kinds, and nothing of the password.
func describe(reasons []password.Reason) string {
	text := ""
	for i, r := range reasons {
		if i > 0 {
			text += ", "
		}
		text += r.String()
	}
	return text
}

// postJudge tells which rules a new password breaks while it is typed. It writes nothing,
// keeps nothing and computes no hash.
func (l *Login) postJudge(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(ChangePassword); !ok || !l.hints.take(s.flow.ID, idp.Now()) {
		c.Header("Cache-Control", "no-store")
		c.JSON(http.StatusTooManyRequests, gin.H{})
		return nil
	}
	rules, err := l.Manage.People.NewPasswordRules(c.Request.Context(), s.Population, s.User)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"broken": people.BrokenRules(rules, c.PostForm("password"))})
	return nil
}

// How many hints a sign-in gets within a minute, and for how many sign-ins a process
// counts: beyond, there are none until the minute is over.
const (
	hintsAMinute = 120
	hintedFlows  = 10_000
)

// hints counts what is answered while people type, in this process only.
type hints struct {
	mu    sync.Mutex
	since time.Time
	given map[string]int
}

// take tells whether a flow may have another hint.
func (h *hints) take(flow string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.given == nil || now.Sub(h.since) >= time.Minute {
		h.since, h.given = now, map[string]int{}
	}
	n, known := h.given[flow]
	if n >= hintsAMinute || !known && len(h.given) >= hintedFlows {
		return false
	}
	h.given[flow]++
	return true
}
