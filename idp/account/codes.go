package account

import (
	"errors"
	"log/slog"
	"net/http"

	"gatehouse/idp"
	"gatehouse/idp/manage/factors"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// codes shows new recovery codes until they are saved, and else how many are left.
func (v *visit) codes() error {
	return v.renderCodes(http.StatusOK, nil)
}

func (v *visit) renderCodes(status int, savedError *ui.Message) error {
	list, err := v.pages.Manage.Self.OwnCodes(v.Request.Context(), v.self)
	if errors.Is(err, idp.ErrNotFound) {
		return v.renderSet(http.StatusOK, nil)
	}
	if errors.Is(err, idp.ErrUnreadable) {
		slog.ErrorContext(v.Request.Context(), "show recovery codes", "cause", err)
		return v.renderSet(http.StatusOK, ui.Key("account.codes.unreadable").With())
	}
	if err != nil {
		return err
	}
	return v.render(status, ui.AccountCodes{
		Console: v.frame("/second-step"), Codes: list, DownloadURL: v.path("/codes/recovery-codes.txt"),
		SavedAction: v.path("/codes/saved"), SavedError: savedError,
	})
}

// renderSet says how many codes are left, and offers new ones as soon as there can be
// some.
func (v *visit) renderSet(status int, alert *ui.Message) error {
	own, err := v.own()
	if err != nil {
		return err
	}
	page := ui.AccountCodes{Console: v.frame("/second-step"), Left: own.RecoveryLeft, AgainAt: own.RegenerateAt}
	page.Alert = alert
	if own.Recovery != nil {
		page.GeneratedAt = own.Recovery.CreatedAt
	}
	if own.RegenerateAt.IsZero() && len(mfa.Possessions(own.Factors)) > 0 {
		page.GenerateAction = v.path("/codes")
	}
	return v.render(status, page)
}

// downloadCodes is the file behind "Download". It works as long as the page that shows
// the codes does.
func (v *visit) downloadCodes() error {
	list, err := v.pages.Manage.Self.OwnCodes(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	v.Header("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
	v.Header("Cache-Control", "no-store")
	write := func(label, account, codes string) string { return v.text(ui.MsgRecoveryFile, label, account, codes) }
	text := mfa.RecoveryText(write, v.viewer.Population.Policy.IssuerLabel, v.viewer.User.Email, list)
	v.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
	return nil
}

// postCodes makes new recovery codes, two hours after the last ones at the earliest.
func (v *visit) postCodes() error {
	err := v.pages.Manage.Self.RegenerateOwnCodes(v.Request.Context(), v.self)
	var tooSoon *factors.TooSoonError
	switch {
	case errors.As(err, &tooSoon):
		return v.renderSet(http.StatusConflict, nil)
	case err != nil:
		return err
	}
	return v.done("/codes", "")
}

// postSaved is the tick that the codes are kept.
func (v *visit) postSaved() error {
	if v.PostForm("saved") == "" {
		return v.renderCodes(http.StatusUnprocessableEntity, ui.MsgConfirmSaved.With())
	}
	err := v.pages.Manage.Self.SaveOwnCodes(v.Request.Context(), v.self)
	if err != nil && !errors.Is(err, idp.ErrNotFound) { // another tab was faster
		return err
	}
	return v.done("/second-step", "account.done.codes_saved")
}
