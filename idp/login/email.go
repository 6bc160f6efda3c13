package login

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// prepareEmail sends a code when the person is about to be asked for one and has
// none that works: entering the state sends, looking at the page does not. When
// another sign-in of theirs had one sent just now, the page says when to ask.
func (l *Login) prepareEmail(ctx context.Context, s *signIn) error {
	codes, err := l.Store.EmailCodes(ctx, s.flow.ID, s.User.ID)
	if err != nil || len(codes) > 0 && emailProblem(codes[0], idp.Now()) == nil {
		return err
	}
	err = l.sendEmailCode(ctx, s)
	if errors.Is(err, idp.ErrUsed) {
		return nil
	}
	return err
}

// sendEmailCode makes a code for this flow and stores the mail that brings it.
// idp.ErrUsed: one was sent to this person less than mfa.ResendAfter ago.
func (l *Login) sendEmailCode(ctx context.Context, s *signIn) error {
	factor, err := l.emailFactor(ctx, s)
	if err != nil {
		return err
	}
	now := idp.Now()
	if err := l.Store.MarkEmailSent(ctx, factor.ID, now.Add(-mfa.ResendAfter), now); err != nil {
		return err
	}
	code, id := mfa.NewEmailCode(), idp.NewID()
	err = l.Store.ReplaceEmailCode(ctx, idp.EmailCode{
		ID: id, FlowID: s.flow.ID, UserID: s.User.ID, MAC: mfa.EmailCodeMAC(l.EmailKey, s.flow.ID, s.User.ID, code),
		CreatedAt: now, ExpiresAt: now.Add(mfa.EmailCodeLifetime),
	})
	if err != nil {
		return err
	}
	err = l.Outbox.Mail(ctx, outbox.Letter{
		ID: id, To: s.User.Email, UserID: s.User.ID, Lifetime: mfa.EmailCodeLifetime,
		Mail: ui.Mail{
			MailFrame: outbox.FrameFor(ctx, s.User, s.Population), Kind: ui.MailCode, Code: code,
			Minutes: int(mfa.EmailCodeLifetime / time.Minute), App: s.client.Name,
		},
	})
	if err != nil {
		return err
	}
	return l.Store.Audit(ctx, s.audit(idp.AuditEmailSent, nil))
}

// emailFactor is the row that counts a person's email codes; the first code makes
// it.
func (l *Login) emailFactor(ctx context.Context, s *signIn) (idp.Factor, error) {
	if f := s.enrolment.First(idp.MethodEmail); f != nil {
		return *f, nil
	}
	// Two flows at once would make two.
	if err := l.Store.LockUser(ctx, s.User.ID); err != nil {
		return idp.Factor{}, err
	}
	enrolment, err := l.Store.Enrolment(ctx, s.User.ID)
	if err != nil {
		return idp.Factor{}, err
	}
	if f := enrolment.First(idp.MethodEmail); f != nil {
		return *f, nil
	}
	now := idp.Now()
	f := idp.Factor{ID: idp.NewID(), UserID: s.User.ID, Method: idp.MethodEmail, CreatedAt: now, LastUsedAt: now}
	return f, l.Store.CreateFactor(ctx, f)
}

// postResend sends a new code, which replaces the one before.
func (l *Login) postResend(c *gin.Context, s *signIn) error {
	if !s.accepts(idp.MethodEmail) {
		return l.tooLate(c, s)
	}
	err := l.advance(c, s, func(ctx context.Context) error { return l.sendEmailCode(ctx, s) })
	if errors.Is(err, idp.ErrUsed) {
		wait := resendIn(s.enrolment.First(idp.MethodEmail), idp.Now())
		c.Header("Retry-After", strconv.Itoa(wait))
		return l.renderCode(c, s, codePage{
			method: idp.MethodEmail, tooSoon: true, alert: ui.MsgResendTooSoon.With(time.Duration(wait) * time.Second),
		})
	}
	return err
}

// resendIn is how many seconds a person waits until the next code may be sent, at
// least one while it may not.
func resendIn(f *idp.Factor, now time.Time) int {
	if f == nil || f.SentAt.IsZero() {
		return 0
	}
	left := f.SentAt.Add(mfa.ResendAfter).Sub(now)
	return int((max(left, 0) + time.Second - 1) / time.Second)
}

// guessEmail readies the check of an email code. Where none was sent for this sign-in, the
// page offers to send one.
func (l *Login) guessEmail(ctx context.Context, s *signIn) (guess, error) {
	codes, err := l.Store.EmailCodes(ctx, s.flow.ID, s.User.ID)
	factor := s.enrolment.First(idp.MethodEmail)
	if err != nil || len(codes) == 0 || factor == nil {
		return guess{}, err
	}
	return guess{
		ids: []string{factor.ID},
		check: func(ctx context.Context, typed string) (func(context.Context) error, error) {
			problem, err := l.matchEmailCode(ctx, s, codes, typed)
			if err == nil && problem != nil {
				err = &refusal{text: problem}
			}
			return func(ctx context.Context) error { return l.useEmailCode(ctx, s, factor.ID, codes[0]) }, err
		},
	}, nil
}

func (l *Login) useEmailCode(ctx context.Context, s *signIn, factorID string, code idp.EmailCode) error {
	now := idp.Now()
	err := l.Store.UseEmailCode(ctx, code.ID, now)
	if errors.Is(err, idp.ErrUsed) { // a parallel request was faster
		return &refusal{text: ui.MsgEmailCodeUsed.With()}
	}
	if err != nil {
		return err
	}
	if !s.User.EmailVerified {
		if err := l.Store.MarkEmailVerified(ctx, s.User.ID); err != nil {
			return err
		}
	}
	return l.Store.MarkFactorUsed(ctx, factorID, now)
}

// matchEmailCode compares what was typed with the newest code of this flow. A code
// of another flow is as wrong as any; an earlier one says that there is a newer one.
// The try is counted before it is made.
func (l *Login) matchEmailCode(ctx context.Context, s *signIn, codes []idp.EmailCode, input string) (*ui.Message, error) {
	digits, err := mfa.CodeDigits(input)
	if err != nil {
		return ui.MsgCodeFormat.With(), nil
	}
	mac := mfa.EmailCodeMAC(l.EmailKey, s.flow.ID, s.User.ID, digits)
	for _, old := range codes[1:] {
		if mfa.SameMAC(mac, old.MAC) && !mfa.SameMAC(mac, codes[0].MAC) {
			return ui.MsgEmailCodeReplaced.With(), nil
		}
	}
	if problem := emailProblem(codes[0], idp.Now()); problem != nil {
		return problem, nil
	}
	err = l.Store.TryEmailCode(ctx, codes[0].ID, mfa.EmailCodeTries)
	switch {
	case errors.Is(err, idp.ErrUsed):
		return ui.MsgEmailCodeTooMany.With(), nil
	case err != nil:
		return nil, err
	case mfa.SameMAC(mac, codes[0].MAC):
		return nil, nil
	case codes[0].Tries+1 >= mfa.EmailCodeTries:
		return ui.MsgEmailCodeTooMany.With(), nil
	}
	return ui.MsgEmailCodeWrong.With(), nil
}

// emailProblem is why a code cannot be used any more, nil when it can.
func emailProblem(code idp.EmailCode, now time.Time) *ui.Message {
	switch {
	case !code.UsedAt.IsZero():
		return ui.MsgEmailCodeUsed.With()
	case !now.Before(code.ExpiresAt):
		return ui.MsgEmailCodeExpired.With()
	case code.Tries >= mfa.EmailCodeTries:
		return ui.MsgEmailCodeTooMany.With()
	}
	return nil
}

// renderEmail is the page that asks for an email code, or offers to send one.
func (l *Login) renderEmail(c *gin.Context, s *signIn, p codePage, state NeedCode) error {
	methods := l.methods(s, state, p.method)
	codes, err := l.Store.EmailCodes(c.Request.Context(), s.flow.ID, s.User.ID)
	if err != nil {
		return err
	}
	page := ui.EmailCode{
		Frame: l.frame(c, s), Action: l.action(s, "email"), MaskedEmail: idp.MaskEmail(s.User.Email),
		CodeError: p.codeError, Alert: p.alert, RetryAfter: retryAfter(c, p.limited), Methods: methods,
		ResendAction: l.action(s, "resend"), ResendIn: resendIn(s.enrolment.First(idp.MethodEmail), idp.Now()),
		Unsent: len(codes) == 0, LastResort: len(methods) == 0, Trust: s.trustOffer(c, p.method),
	}
	if len(codes) > 1 {
		page.News = ui.MsgEmailCodeSent.With()
	}
	if state.BeforeApp {
		page.News = ui.MsgEmailBeforeApp.With()
	}
	if len(codes) > 0 && page.Alert == nil {
		if page.Alert, err = l.mailTrouble(c.Request.Context(), codes[0]); err != nil {
			return err
		}
	}
	return l.render(c, s, p.status(), page)
}

// lateAfter is how long a mail without a complaint may take.
const lateAfter = 5 * time.Second

// mailTrouble is what to say about a mail that did not leave at its first attempt,
// nil when it did or has just been given to the server.
func (l *Login) mailTrouble(ctx context.Context, code idp.EmailCode) (*ui.Message, error) {
	d, err := l.Store.Delivery(ctx, code.ID)
	switch {
	case errors.Is(err, idp.ErrNotFound), err == nil && d.Outcome == store.Delivered:
		return nil, nil
	case err != nil:
		return nil, err
	case !d.DoneAt.IsZero():
		return ui.MsgMailFailed.With(), nil
	case d.LastError != "" || idp.Now().Sub(d.CreatedAt) > lateAfter:
		return ui.MsgMailMayBeLate.With(), nil
	}
	troubled, err := l.Store.Troubled(ctx, outbox.MailLane)
	if err != nil || !troubled {
		return nil, err
	}
	return ui.MsgMailMayBeLate.With(), nil
}
