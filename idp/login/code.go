package login

import (
	"context"
	"errors"
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
	state, ok := s.next().(NeedCode)
	method := idp.Method(c.PostForm("method"))
	if !ok || !slices.Contains(state.Methods, method) {
		return l.here(c, s)
	}
	return l.advance(c, s, func(context.Context) error {
		s.notes.Method = method
		return nil
	})
}

// postTOTP checks a code of the authenticator app.
func (l *Login) postTOTP(c *gin.Context, s *signIn) error {
	if !s.accepts(idp.MethodTOTP) {
		return l.here(c, s)
	}
	if strings.TrimSpace(c.PostForm("code")) == "" {
		return l.renderCode(c, s, codePage{method: idp.MethodTOTP, codeError: ui.MsgCodeMissing.With()})
	}
	ctx, factor := c.Request.Context(), s.enrolment.Authenticator()
	attempt, err := l.Limiter.Begin(ctx, l.Limiter.Factor(throttle.Authenticator, factor.ID))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return l.codeLimited(c, s, idp.AuditCodeThrottled, limited)
	}
	if err != nil {
		return err
	}
	key, err := l.Keyring.Open(factor.Secret, keyring.AAD("factors", factor.ID, "secret"))
	if err != nil {
		return err
	}
	step, err := mfa.MatchTOTP(key, c.PostForm("code"), idp.Now(), factor.LastStep)
	if err != nil {
		return l.totpRefused(c, s, factor, attempt, err)
	}
	err = l.advance(c, s, func(ctx context.Context) error {
		if err := l.Store.AcceptStep(ctx, factor.ID, step, idp.Now()); err != nil {
			return err
		}
		s.prove(idp.MethodTOTP)
		return attempt.Succeeded(ctx)
	})
	if errors.Is(err, idp.ErrUsed) { // a parallel request was faster
		return l.totpRefused(c, s, factor, attempt, mfa.ErrReplayed)
	}
	return err
}

// accepts tells whether a method would do now.
func (s *signIn) accepts(m idp.Method) bool {
	state, ok := s.next().(NeedCode)
	return ok && slices.Contains(state.Methods, m)
}

// totpRefused says what was wrong with a code, and disables the factor when its
// budget is used up.
func (l *Login) totpRefused(c *gin.Context, s *signIn, f *idp.Factor, a *throttle.Attempt, cause error) error {
	kind := idp.AuditCodeRefused
	if errors.Is(cause, mfa.ErrReplayed) {
		kind = idp.AuditCodeReplayed
	}
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) error {
		if err := l.Store.Audit(ctx, s.audit(kind, nil)); err != nil || !a.Last() {
			return err
		}
		if _, err := l.Store.DisableFactor(ctx, f.ID, idp.Now()); err != nil {
			return err
		}
		return l.Store.Audit(ctx, s.audit(idp.AuditFactorDisabled, map[string]string{"method": string(idp.MethodTOTP)}))
	})
	if err != nil {
		return err
	}
	if a.Last() {
		return l.here(c, s) // the page then offers what is left
	}
	return l.renderCode(c, s, codePage{method: idp.MethodTOTP, codeError: codeError(cause)})
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

func (l *Login) codeLimited(c *gin.Context, s *signIn, kind idp.AuditKind, limited *throttle.LimitedError) error {
	event := s.audit(kind, map[string]string{"by": string(limited.Kind)})
	if err := l.Store.Audit(c.Request.Context(), event); err != nil {
		return err
	}
	method := idp.MethodTOTP
	if limited.Kind == throttle.Recovery {
		method = idp.MethodRecovery
	}
	return l.renderCode(c, s, codePage{method: method, limited: limited, alert: ui.MsgTooManyAttempts.With(limited.Wait)})
}

// postRecovery checks a recovery code, which works once.
func (l *Login) postRecovery(c *gin.Context, s *signIn) error {
	if !s.accepts(idp.MethodRecovery) {
		return l.here(c, s)
	}
	if strings.TrimSpace(c.PostForm("code")) == "" {
		return l.renderCode(c, s, codePage{method: idp.MethodRecovery, codeError: ui.MsgRecoveryCodeMissing.With()})
	}
	ctx, set := c.Request.Context(), s.enrolment.Recovery
	attempt, err := l.Limiter.Begin(ctx, l.Limiter.Factor(throttle.Recovery, set.ID))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return l.codeLimited(c, s, idp.AuditRecoveryThrottled, limited)
	}
	if err != nil {
		return err
	}
	code, err := l.findRecoveryCode(ctx, s, c.PostForm("code"))
	if err == nil {
		err = l.advance(c, s, func(ctx context.Context) error {
			if err := l.Store.UseRecoveryCode(ctx, code.ID, idp.Now()); err != nil {
				return err
			}
			s.prove(idp.MethodRecovery)
			if err := attempt.Succeeded(ctx); err != nil {
				return err
			}
			return l.Store.Audit(ctx, s.audit(idp.AuditRecoveryUsed, nil))
		})
	}
	switch {
	case errors.Is(err, idp.ErrUsed):
		return l.recoveryRefused(c, s, attempt, ui.MsgRecoveryCodeUsed)
	case errors.Is(err, idp.ErrNotFound):
		return l.recoveryRefused(c, s, attempt, ui.MsgRecoveryCodeWrong)
	case errors.Is(err, mfa.ErrCodeFormat):
		return l.recoveryRefused(c, s, attempt, ui.MsgRecoveryCodeFormat)
	}
	return err
}

func (l *Login) findRecoveryCode(ctx context.Context, s *signIn, input string) (idp.RecoveryCode, error) {
	code, err := mfa.NormalizeRecoveryCode(input)
	if err != nil {
		return idp.RecoveryCode{}, err
	}
	found, err := l.Store.RecoveryCodeByMAC(ctx, s.user.ID, mfa.RecoveryMAC(l.RecoveryKey, s.user.ID, code))
	if err == nil && !found.UsedAt.IsZero() {
		err = idp.ErrUsed
	}
	return found, err
}

func (l *Login) recoveryRefused(c *gin.Context, s *signIn, a *throttle.Attempt, text ui.Key) error {
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) error {
		if err := l.Store.Audit(ctx, s.audit(idp.AuditRecoveryRefused, nil)); err != nil || !a.Last() {
			return err
		}
		if _, err := l.Store.DisableRecovery(ctx, s.enrolment.Recovery.ID, idp.Now()); err != nil {
			return err
		}
		return l.Store.Audit(ctx, s.audit(idp.AuditFactorDisabled, map[string]string{"method": string(idp.MethodRecovery)}))
	})
	if err != nil {
		return err
	}
	if a.Last() {
		return l.here(c, s)
	}
	return l.renderCode(c, s, codePage{method: idp.MethodRecovery, codeError: text.With()})
}
