package login

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/throttle"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// postMethod switches to another second step that will do.
func (l *Login) postMethod(c *gin.Context, s *signIn) error {
	method := idp.Method(c.PostForm("method"))
	if !slices.Contains(choices(s.next()), method) {
		return l.here(c, s)
	}
	return l.advance(c, s, func(context.Context) error {
		s.notes.Method = method
		return nil
	})
}

// choices are the methods that a state lets the person pick.
func choices(state State) []idp.Method {
	switch state := state.(type) {
	case NeedCode:
		return slices.Concat(state.Methods, state.Instead)
	case ChooseMethod:
		return state.Methods
	case NeedEnrolment:
		return state.Instead
	case ChooseSession, NeedPassword, ConfirmEmail, ChangePassword, ShowCodes, ShowLeft, Stuck, Unmet, Done:
	}
	return nil
}

// accepts tells whether a method would do now.
func (s *signIn) accepts(m idp.Method) bool {
	state, ok := s.next().(NeedCode)
	return ok && slices.Contains(state.Methods, m)
}

// postTOTP checks a code of the authenticator app.
func (l *Login) postTOTP(c *gin.Context, s *signIn) error {
	if !s.accepts(idp.MethodTOTP) {
		return l.here(c, s)
	}
	if problem := codeProblem(c.PostForm("code")); problem != nil {
		return l.renderCode(c, s, codePage{method: idp.MethodTOTP, codeError: problem})
	}
	factors := s.authenticators()
	var ids []string
	for _, f := range factors {
		ids = append(ids, f.ID)
	}
	g := totpGuess(ids...)
	attempt, limited, err := l.begin(c, s, g)
	if limited || err != nil {
		return err
	}
	factorID, step, err := l.matchAny(factors, c.PostForm("code"))
	if isWrongCode(err) {
		return l.totpRefused(c, s, g, attempt, err)
	}
	if errors.Is(err, idp.ErrUnreadable) {
		slog.ErrorContext(c.Request.Context(), "check an authenticator code", "cause", err)
		return l.renderCode(c, s, codePage{method: idp.MethodTOTP, codeError: ui.MsgCodeUnreadable.With()})
	}
	if err != nil {
		return err
	}
	err = l.advance(c, s, func(ctx context.Context) error {
		if err := l.Store.AcceptStep(ctx, factorID, step, idp.Now()); err != nil {
			return err
		}
		s.prove(idp.MethodTOTP)
		return attempt.Succeeded(ctx)
	})
	if errors.Is(err, idp.ErrUsed) { // a parallel request was faster
		return l.totpRefused(c, s, g, attempt, mfa.ErrReplayed)
	}
	return err
}

// authenticators are those that this browser may use.
func (s *signIn) authenticators() []idp.Factor {
	var list []idp.Factor
	for _, f := range s.enrolment.Of(idp.MethodTOTP) {
		if f.DisabledAt.IsZero() || s.mayUse(f.ID) {
			list = append(list, f)
		}
	}
	return list
}

// matchAny finds the authenticator that shows a code. A code that one of them has
// shown before is a replay, unless it is another's.
func (l *Login) matchAny(factors []idp.Factor, code string) (factorID string, step int64, err error) {
	var refused error
	for _, f := range factors {
		key, err := l.Keyring.Open(f.Secret, keyring.AAD("factors", f.ID, "secret"))
		if errors.Is(err, idp.ErrUnreadable) { // another one may still do
			refused = cmp.Or(refused, err)
			continue
		}
		if err != nil {
			return "", 0, err
		}
		step, err := mfa.MatchTOTP(key, code, idp.Now(), f.LastStep)
		if err == nil {
			return f.ID, step, nil
		}
		if refused == nil || errors.Is(err, mfa.ErrReplayed) || errors.Is(refused, idp.ErrUnreadable) {
			refused = err
		}
	}
	return "", 0, refused
}

// isWrongCode tells whether it is the code that is wrong, and not us.
func isWrongCode(err error) bool {
	return errors.Is(err, mfa.ErrReplayed) || errors.Is(err, mfa.ErrCodeFormat) || errors.Is(err, mfa.ErrWrongCode)
}

// codeProblem is what is wrong with six digits before anybody compares them: what
// cannot be a code is no guess, and is not counted as one.
func codeProblem(input string) *ui.Message {
	if strings.TrimSpace(input) == "" {
		return ui.MsgCodeMissing.With()
	}
	_, err := mfa.CodeDigits(input)
	switch {
	case errors.Is(err, mfa.ErrTwoCodes):
		return ui.MsgCodeTwo.With()
	case err != nil:
		return ui.MsgCodeFormat.With()
	}
	return nil
}

// totpRefused says what was wrong with a code.
func (l *Login) totpRefused(c *gin.Context, s *signIn, g guess, a *throttle.Attempt, cause error) error {
	text := codeError(cause)
	if errors.Is(cause, mfa.ErrReplayed) {
		g.refused = idp.AuditCodeReplayed
	}
	return l.refuse(c, s, g, a, text)
}

// codeError is the text beside the field.
func codeError(cause error) *ui.Message {
	switch {
	case errors.Is(cause, mfa.ErrReplayed):
		return ui.MsgCodeUsed.With(mfa.NextCodeIn(idp.Now()))
	case errors.Is(cause, mfa.ErrCodeFormat):
		return ui.MsgCodeFormat.With()
	}
	return ui.MsgCodeWrong.With()
}

// postRecovery checks a recovery code, which works once.
func (l *Login) postRecovery(c *gin.Context, s *signIn) error {
	if !s.accepts(idp.MethodRecovery) {
		return l.here(c, s)
	}
	if problem := recoveryProblem(c.PostForm("code")); problem != nil {
		return l.renderCode(c, s, codePage{method: idp.MethodRecovery, codeError: problem})
	}
	g := recoveryGuess(s.enrolment.Recovery.ID)
	attempt, limited, err := l.begin(c, s, g)
	if limited || err != nil {
		return err
	}
	code, err := l.findRecoveryCode(c.Request.Context(), s, c.PostForm("code"))
	if err == nil {
		err = l.advance(c, s, func(ctx context.Context) error { return l.useRecoveryCode(ctx, s, code, attempt) })
	}
	switch {
	case errors.Is(err, idp.ErrUsed):
		return l.refuse(c, s, g, attempt, ui.MsgRecoveryCodeUsed.With())
	case errors.Is(err, idp.ErrNotFound):
		return l.refuse(c, s, g, attempt, ui.MsgRecoveryCodeWrong.With())
	}
	return err
}

func recoveryProblem(input string) *ui.Message {
	if strings.TrimSpace(input) == "" {
		return ui.MsgRecoveryCodeMissing.With()
	}
	_, err := mfa.NormalizeRecoveryCode(input)
	switch {
	case errors.Is(err, mfa.ErrTwoCodes):
		return ui.MsgCodeTwo.With()
	case err != nil:
		return ui.MsgRecoveryCodeFormat.With()
	}
	return nil
}

func (l *Login) useRecoveryCode(ctx context.Context, s *signIn, code idp.RecoveryCode, a *throttle.Attempt) error {
	if err := l.Store.UseRecoveryCode(ctx, code.ID, idp.Now()); err != nil {
		return err
	}
	s.prove(idp.MethodRecovery)
	if err := a.Succeeded(ctx); err != nil {
		return err
	}
	if err := l.Store.Audit(ctx, s.audit(idp.AuditRecoveryUsed, nil)); err != nil {
		return err
	}
	enrolment, err := l.Store.Enrolment(ctx, s.User.ID)
	if err != nil {
		return err
	}
	return l.Outbox.Notify(ctx, s.User, s.Population, ui.Mail{Kind: ui.MailRecoveryUsed, Left: enrolment.RecoveryLeft})
}

func (l *Login) findRecoveryCode(ctx context.Context, s *signIn, input string) (idp.RecoveryCode, error) {
	code, err := mfa.NormalizeRecoveryCode(input)
	if err != nil {
		return idp.RecoveryCode{}, err
	}
	found, err := l.Store.RecoveryCodeByMAC(ctx, s.User.ID, mfa.RecoveryMAC(l.Manage.RecoveryKey, s.User.ID, code))
	if err == nil && !found.UsedAt.IsZero() {
		err = idp.ErrUsed
	}
	return found, err
}
