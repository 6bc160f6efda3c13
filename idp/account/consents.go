package account

import (
	"errors"
	"net/http"
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/ui"
)

// consents lists the third-party apps that the viewer let in.
func (v *visit) consents() error { return v.renderConsents(http.StatusOK, nil) }

func (v *visit) renderConsents(status int, alert *ui.Message) error {
	list, err := v.pages.Manage.Self.OwnConsents(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	page := ui.AccountConsents{
		Console: v.frame("/connected-apps"), SaveAction: v.path("/connected-apps/save"), WithdrawAction: v.path("/connected-apps/withdraw"),
	}
	page.Alert = alert
	for _, c := range list {
		page.Consents = append(page.Consents, ui.ConsentRow{
			ID: c.ID, App: c.App.Name, Version: c.Version, Terms: c.Groups, Since: c.CreatedAt, PolicyURL: c.App.PolicyURI,
		})
	}
	return v.render(status, page)
}

// postConsent takes back what is not ticked any more.
func (v *visit) postConsent() error {
	seen, _ := strconv.ParseInt(v.PostForm("version"), 10, 64) // a broken one is stale
	err := v.pages.Manage.Self.NarrowOwnConsent(v.Request.Context(), v.self, v.PostForm("consent"), seen, v.PostFormArray("keep"))
	switch {
	case errors.Is(err, authz.ErrUnchanged):
		return v.done("/connected-apps", "account.done.unchanged")
	case errors.Is(err, idp.ErrConflict):
		return v.renderConsents(http.StatusConflict, ui.Key("error.stale").With())
	case err != nil:
		return err
	}
	return v.done("/connected-apps", "account.done.consent_saved")
}

// postWithdraw ends the access of an app.
func (v *visit) postWithdraw() error {
	if err := v.pages.Manage.Self.WithdrawOwnConsent(v.Request.Context(), v.self, v.PostForm("consent")); err != nil {
		return err
	}
	return v.done("/connected-apps", "account.done.consent_withdrawn")
}
