package account

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/password"
	"gatehouse/idp/throttle"
	"gatehouse/ui"
)

// password is the form to change it.
func (v *visit) password() error {
	if !v.local() {
		return self.ErrElsewhere
	}
	if err := v.provedStep(); err != nil {
		return err
	}
	return v.renderPassword(http.StatusOK, ui.AccountPassword{})
}

// provedStep asks for the second step of a person who has one. The form asks for the
// present password.
func (v *visit) provedStep() error {
	acr, proved, err := v.pages.Manage.Self.StepUp(v.Request.Context(), v.self)
	if err == nil && acr != "" && !proved {
		err = authz.ErrStepUp
	}
	return err
}

func (v *visit) renderPassword(status int, page ui.AccountPassword, broken ...password.Reason) error {
	alert := page.Alert
	page.Console = v.frame("/password")
	page.Alert = alert
	page.Action, page.Email = v.path("/password"), v.viewer.User.Email
	page.New.NoFocus = true
	rules, err := v.pages.Manage.People.NewPasswordRules(v.Request.Context(), v.viewer.Population, v.viewer.User)
	if err != nil {
		return err
	}
	page.New.Rules = people.PasswordRuleList(rules, true, broken)
	page.EndsOthers = v.viewer.Population.EndOthers
	return v.render(status, page)
}

// postPassword changes the password for the present one. Tries are counted against the
// browser's own budget at the account, as at a sign-in.
func (v *visit) postPassword() error {
	current, plain := v.PostForm("current"), v.PostForm("password")
	if !v.local() {
		return self.ErrElsewhere
	}
	if err := v.provedStep(); err != nil {
		return err
	}
	if current == "" {
		return v.renderPassword(http.StatusUnprocessableEntity, ui.AccountPassword{CurrentError: ui.Key("account.password.missing").With()})
	}
	ctx, user := v.Request.Context(), v.viewer.User
	attempt, err := v.pages.Limiter.Begin(ctx, v.pages.Limiter.Browser(user.PopulationID, user.Email, v.viewer.Session.BrowserHash))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return v.passwordLimited(limited)
	}
	if err != nil {
		return err
	}
	err = v.pages.Manage.Self.ChangePassword(ctx, v.self, current, plain)
	if errors.Is(err, self.ErrWrongPassword) {
		return v.passwordRefused()
	}
	if errors.Is(err, idp.ErrBusy) {
		return v.passwordBusy(attempt)
	}
	// The password was right, whatever is wrong about the new one.
	field, text := fieldError(err)
	if err != nil && field == "" {
		return err
	}
	if err := attempt.Succeeded(ctx); err != nil {
		return err
	}
	switch {
	case text != nil:
		return v.refusedPassword(err)
	case v.viewer.Population.EndOthers:
		return v.done("/password", "account.done.password_others")
	}
	return v.done("/password", "account.done.password")
}

func (v *visit) passwordRefused() error {
	if err := v.audit(idp.AuditPasswordRefused, map[string]string{"reason": "wrong_password"}); err != nil {
		return err
	}
	return v.renderPassword(http.StatusUnprocessableEntity, ui.AccountPassword{CurrentError: ui.Key("account.password.wrong").With()})
}

// passwordBusy says that the passwords were not looked at: that was no guess.
func (v *visit) passwordBusy(a *throttle.Attempt) error {
	if err := a.NotMade(v.Request.Context()); err != nil {
		return err
	}
	page := ui.AccountPassword{}
	page.Alert = ui.MsgBusy.With(idp.BusyWait)
	v.Header("Retry-After", strconv.Itoa(int(idp.BusyWait/time.Second)))
	return v.renderPassword(http.StatusServiceUnavailable, page)
}

func (v *visit) passwordLimited(limited *throttle.LimitedError) error {
	if err := v.audit(idp.AuditPasswordThrottled, map[string]string{"limit": string(limited.Kind)}); err != nil {
		return err
	}
	page := ui.AccountPassword{}
	page.Alert = ui.MsgTooManyAttempts.With(limited.Wait)
	if limited.Capped {
		page.Alert = ui.MsgPasswordBlocked.With()
	} else {
		page.RetryAfter = int((limited.Wait + time.Second - 1) / time.Second)
		v.Header("Retry-After", strconv.Itoa(page.RetryAfter))
	}
	return v.renderPassword(http.StatusTooManyRequests, page)
}

// audit writes what the viewer was refused.
func (v *visit) audit(kind idp.AuditKind, detail map[string]string) error {
	return v.pages.Store.Audit(v.Request.Context(), idp.AuditEvent{
		Kind: kind, ActorID: v.self.UserID, UserID: v.self.UserID, PopulationID: v.viewer.User.PopulationID,
		SessionID: v.self.SessionID, Detail: detail,
	})
}

// refusedPassword shows the form again after a new password was refused.
func (v *visit) refusedPassword(err error) error {
	page := ui.AccountPassword{New: ui.NewPassword{Error: ui.MsgPasswordMissing.With()}}
	var weak people.PasswordError
	if wrong := (*people.PasswordError)(nil); errors.As(err, &wrong) {
		weak, page.New.Error = *wrong, ui.MsgPasswordBroken.With()
	}
	return v.renderPassword(http.StatusUnprocessableEntity, page, weak.Reasons...)
}
