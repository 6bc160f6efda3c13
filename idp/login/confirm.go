package login

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/outbox"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// pending is a person who came through another provider with an address that it does not
// confirm, as a flow remembers them. Whether there is an account with that address is
// looked at only once they have read what is sent there.
type pending struct {
	Connection string        `json:"connection"`
	Name       string        `json:"name"` // of the connection
	Who        idp.Assertion `json:"who"`
	MAC        []byte        `json:"mac"` // of the code
	SentAt     time.Time     `json:"sent"`
	Tries      int           `json:"tries"`
	// Proved: they have read it. The account with the address proves itself now.
	Proved bool `json:"proved,omitempty"`
}

func (a *pending) waits() bool  { return a != nil && !a.Proved }
func (a *pending) proved() bool { return a != nil && a.Proved }

// beginConfirm remembers who came, and sends the code. It answers alike whether there
// is an account with the address or not.
func (l *Login) beginConfirm(ctx context.Context, s *signIn, c idp.Connection, a idp.Assertion) error {
	if err := l.choosePopulation(ctx, s, c.PopulationID); err != nil {
		return err
	}
	a.Groups, a.AppRoles = mapped(c, "groups", a.Groups), mapped(c, "roles", a.AppRoles)
	s.notes.Pending = &pending{Connection: c.ID, Name: c.Name, Who: a}
	if err := l.sendConfirmation(ctx, s); err != nil {
		return err
	}
	e := s.audit(idp.AuditFederatedPending, map[string]string{"connection": c.ID, "subject": a.Subject, "email": idp.MaskEmail(a.Email)})
	return l.Store.Audit(ctx, e)
}

// mapped keeps what the connection gives roles for: nothing else need be remembered.
func mapped(c idp.Connection, claim string, values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		return !slices.ContainsFunc(c.Roles, func(r idp.RoleMapping) bool { return r.Claim == claim && r.Value == v })
	})
}

// sendConfirmation sends a code to the address. Mails to an address are counted, and so
// are those that one network address causes: no mailbox can be flooded from here.
func (l *Login) sendConfirmation(ctx context.Context, s *signIn) error {
	a := s.notes.Pending
	_, err := l.Limiter.Begin(ctx, l.Limiter.Confirmation(throttle.ConfirmMail, s.Population.ID, a.Who.Email),
		l.Limiter.MailFrom(idp.VisitFrom(ctx).Address))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return &idp.FederationError{Reason: idp.FederationLimited, Cause: limited}
	}
	if err != nil {
		return err
	}
	code, now := mfa.NewEmailCode(), idp.Now()
	a.MAC, a.SentAt, a.Tries = mfa.EmailCodeMAC(l.EmailKey, s.flow.ID, a.Who.Email, code), now, 0
	recipient := idp.User{Email: a.Who.Email, Name: a.Who.Name, Locale: a.Who.Locale}
	return l.Outbox.Mail(ctx, outbox.Letter{
		To: a.Who.Email, Lifetime: mfa.EmailCodeLifetime,
		Mail: ui.Mail{
			MailFrame: outbox.FrameFor(ctx, recipient, s.Population), Kind: ui.MailCode, Code: code,
			Minutes: int(mfa.EmailCodeLifetime / time.Minute), App: s.client.Name,
		},
	})
}

// postReconfirm sends another code, which replaces the one before.
func (l *Login) postReconfirm(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(ConfirmEmail); !ok || s.notes.Pending.resendIn(idp.Now()) > 0 {
		return l.tooLate(c, s)
	}
	err := l.advance(c, s, func(ctx context.Context) error { return l.sendConfirmation(ctx, s) })
	var refused *idp.FederationError
	if errors.As(err, &refused) {
		return l.renderConfirm(c, s, confirmPage{alert: ui.MsgUpstreamLimited.With()})
	}
	return err
}

func (a *pending) resendIn(now time.Time) int {
	return resendIn(&idp.Factor{SentAt: a.SentAt}, now)
}

// postConfirm checks the code. The try is counted in the flow, whose next version only
// one of several at once can write, and against the address.
func (l *Login) postConfirm(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(ConfirmEmail); !ok {
		return l.tooLate(c, s)
	}
	if problem := web.CodeProblem(c.PostForm("code")); problem != nil {
		return l.renderConfirm(c, s, confirmPage{codeError: problem})
	}
	ctx := c.Request.Context()
	attempt, err := l.Limiter.Begin(ctx,
		l.Limiter.Confirmation(throttle.ConfirmCode, s.Population.ID, s.notes.Pending.Who.Email),
		l.Limiter.Address(idp.VisitFrom(ctx).Address))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return l.renderConfirm(c, s, confirmPage{limited: limited, alert: ui.MsgTooManyAttempts.With(limited.Wait)})
	}
	if err != nil {
		return err
	}
	if problem := l.matchConfirmation(s, c.PostForm("code")); problem != nil {
		return l.confirmRefused(c, s, problem)
	}
	var connection idp.Connection
	err = l.advance(c, s, func(ctx context.Context) (err error) {
		if err := attempt.Succeeded(ctx); err != nil {
			return err
		}
		// Switched off or deleted, say, while they looked for the mail.
		if connection, err = l.openConnection(ctx, s, s.notes.Pending.Connection); err != nil {
			return err
		}
		return l.confirmed(ctx, s, connection)
	})
	var refused *idp.FederationError
	if errors.As(err, &refused) {
		return l.forget(c, s, connection, refused)
	}
	return err
}

// matchConfirmation is what is wrong with a code, nil for the right one.
func (l *Login) matchConfirmation(s *signIn, input string) *ui.Message {
	a := s.notes.Pending
	digits, err := mfa.CodeDigits(input)
	switch {
	case err != nil:
		return ui.MsgCodeFormat.With()
	case a.Tries >= mfa.EmailCodeTries:
		return ui.MsgEmailCodeTooMany.With()
	case !idp.Now().Before(a.SentAt.Add(mfa.EmailCodeLifetime)):
		return ui.MsgEmailCodeExpired.With()
	case !mfa.SameMAC(a.MAC, mfa.EmailCodeMAC(l.EmailKey, s.flow.ID, a.Who.Email, digits)):
		return ui.MsgEmailCodeWrong.With()
	}
	return nil
}

// confirmRefused counts a wrong code and shows the page again.
func (l *Login) confirmRefused(c *gin.Context, s *signIn, problem *ui.Message) error {
	tries := s.notes.Pending.Tries + 1
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) error {
		s.notes.Pending.Tries = tries
		s.flow.Data = s.notes.encode()
		if err := l.Store.AdvanceFlow(ctx, s.flow); err != nil {
			return err
		}
		return l.Store.Audit(ctx, s.audit(idp.AuditEmailRefused, map[string]string{"connection": s.notes.Pending.Connection}))
	})
	if errors.Is(err, idp.ErrConflict) {
		return l.tooLate(c, s)
	}
	if err != nil {
		return err
	}
	return l.renderConfirm(c, s, confirmPage{codeError: problem})
}

// confirmed goes on with a person who has read the code.
func (l *Login) confirmed(ctx context.Context, s *signIn, c idp.Connection) error {
	a := s.notes.Pending
	user, signIn, err := l.Manage.Connections.Confirmed(ctx, c, a.Who)
	if err != nil {
		return err
	}
	if !signIn {
		return l.welcome(ctx, s, c, a.Who, user)
	}
	a.Proved, a.MAC = true, nil
	s.flow.UserID, s.User, s.flow.Proofs = user.ID, user, nil
	return nil
}

// forget begins the sign-in anew for a person who confirmed their address and may not come
// in nevertheless.
func (l *Login) forget(c *gin.Context, s *signIn, connection idp.Connection, refused *idp.FederationError) error {
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) error {
		s.notes = Notes{}
		s.flow.Kind, s.flow.Data = NeedPassword{}.kind(), s.notes.encode()
		return l.Store.AdvanceFlow(ctx, s.flow)
	})
	if errors.Is(err, idp.ErrConflict) {
		return l.tooLate(c, s)
	}
	if err != nil {
		return err
	}
	return l.turnedAway(c, s, connection, refused)
}

// linkAssertion links the account that was signed in to with where the person came from.
func (l *Login) linkAssertion(ctx context.Context, s *signIn) error {
	if !s.notes.Pending.proved() {
		return nil
	}
	connection, err := l.openConnection(ctx, s, s.notes.Pending.Connection)
	if err == nil {
		err = l.Manage.Connections.LinkProved(ctx, connection, s.notes.Pending.Who, s.User)
	}
	var refused *idp.FederationError
	if errors.As(err, &refused) { // linked, switched off or deleted meanwhile: they are signed in nevertheless
		logFailure(ctx, "link an account", err)
		return nil
	}
	return err
}

// confirmPage is the page as it is shown again: what was wrong.
type confirmPage struct {
	codeError, alert *ui.Message
	limited          *throttle.LimitedError
}

func (l *Login) renderConfirm(c *gin.Context, s *signIn, p confirmPage) error {
	a := s.notes.Pending
	page := ui.ConfirmEmail{
		Frame: l.sideFrame(c, s), Action: l.action(s, "confirm"), ResendAction: l.action(s, "reconfirm"),
		Email: a.Who.Email, Upstream: a.Name, CodeError: p.codeError, Alert: p.alert,
		ResendIn: a.resendIn(idp.Now()), RetryAfter: retryAfter(c, p.limited),
	}
	page.Account, page.NotYouAction = a.Who.Email, l.action(s, "restart")
	status := passwordPage{alert: p.alert, emailError: p.codeError, limited: p.limited}.status()
	return l.render(c, s, status, page)
}
