package account

import (
	"errors"
	"net/http"

	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/system"
	"gatehouse/ui"
)

// email is the form for another address, after a fresh second step: better now than
// after the form.
func (v *visit) email() error {
	if v.local() && v.pages.Manage.Mailer != nil {
		if err := v.proved(); err != nil {
			return err
		}
	}
	return v.renderEmail(http.StatusOK, ui.AccountEmail{})
}

func (v *visit) renderEmail(status int, page ui.AccountEmail) error {
	own, err := v.own()
	if err != nil {
		return err
	}
	alert := page.Alert
	page.Console = v.frame("/email")
	page.Alert = alert
	page.Email, page.Pending, page.CancelAction = own.Email, own.PendingEmail, v.path("/email/cancel")
	switch {
	case !own.Local:
		page.Why = ui.Key("account.email.elsewhere").With()
	case v.pages.Manage.Mailer == nil:
		page.Why = ui.Key("account.email.no_mail").With()
	default:
		page.Action = v.path("/email")
	}
	return v.render(status, page)
}

// postEmail asks for another address. The answer does not say whether it is taken.
func (v *visit) postEmail() error {
	wanted := v.PostForm("email")
	err := v.pages.Manage.Self.AskEmail(v.Request.Context(), v.self, wanted)
	if err == nil {
		return v.done("/email", "account.done.asked")
	}
	page := ui.AccountEmail{Wanted: wanted}
	var wait *authz.WaitError
	switch {
	case errors.Is(err, system.ErrNoMail):
		return v.renderEmail(http.StatusConflict, page)
	case errors.As(err, &wait):
		page.Alert = ui.Key("account.email.wait").With(wait.For)
		return v.renderEmail(http.StatusTooManyRequests, page)
	}
	if _, page.EmailError = fieldError(err); page.EmailError == nil {
		return err
	}
	return v.renderEmail(http.StatusUnprocessableEntity, page)
}

// postCancelEmail takes the wish for another address back.
func (v *visit) postCancelEmail() error {
	if err := v.pages.Manage.Self.DropEmail(v.Request.Context(), v.self); err != nil {
		return err
	}
	return v.done("/email", "account.done.dropped")
}
