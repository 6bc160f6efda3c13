package account

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"

	"gatehouse/idp"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/passkey"
	"gatehouse/ui"
)

// passkey asks the browser for another passkey. Nothing is stored until it made one.
func (v *visit) passkey() error { return v.renderPasskey(http.StatusOK, nil) }

func (v *visit) renderPasskey(status int, alert *ui.Message) error {
	begun, err := v.pages.Manage.Self.BeginPasskey(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	page := ui.AccountPasskey{
		Console: v.frame("/second-step"), CancelURL: v.path("/second-step"),
		Form: ui.PasskeyForm{Action: v.path("/second-step/passkey"), Options: begun.Options, Create: true, Label: *ui.MsgPasskeyMake.With()},
	}
	page.Only = factors.OnlyModels(v.viewer.Population.Policy, false)
	page.Alert = alert
	page.FormFields = []ui.Field{{Name: "pending", Value: base64.RawURLEncoding.EncodeToString(begun.Sealed)}}
	return v.render(status, page)
}

// postPasskey keeps the passkey that the browser made, and shows the recovery codes that came
// with the first second step. A form that came twice finds that it was kept.
func (v *visit) postPasskey() error {
	answer := v.PostForm("credential")
	if answer == "" { // no script filled it in
		return v.renderPasskey(http.StatusUnprocessableEntity, ui.MsgPasskeyScript.With())
	}
	var cookie *http.Cookie
	err := v.pages.Store.Do(v.Request.Context(), func(ctx context.Context) error {
		key, verified, err := v.pages.Manage.Self.AddPasskey(ctx, v.self, pending(v.Context), answer)
		if err != nil {
			return err
		}
		cookie, err = v.prove(ctx, key.Proof(v.viewer.Population.Policy, verified, 0))
		return err
	})
	var refused *passkey.RefusedError
	switch {
	case errors.Is(err, idp.ErrUsed):
		return v.done("/second-step", "account.done.passkey")
	case errors.Is(err, idp.ErrExpired):
		return v.renderPasskey(http.StatusUnprocessableEntity, ui.MsgPasskeyLate.With())
	case errors.Is(err, factors.ErrPasskeyTaken):
		return v.renderPasskey(http.StatusUnprocessableEntity, ui.MsgPasskeyTaken.With())
	case errors.As(err, &refused):
		slog.InfoContext(v.Request.Context(), "passkey refused", "cause", refused)
		return v.passkeyRefused(refused)
	case err != nil:
		return err
	}
	http.SetCookie(v.Writer, cookie)
	own, err := v.own()
	if err != nil {
		return err
	}
	if own.Codes {
		return v.done("/codes", "account.done.passkey")
	}
	return v.done("/second-step", "account.done.passkey")
}

func (v *visit) passkeyRefused(refused *passkey.RefusedError) error {
	err := v.pages.Store.Audit(v.Request.Context(), idp.AuditEvent{
		Kind: idp.AuditPasskeyRefused, ActorID: v.self.UserID, UserID: v.self.UserID, PopulationID: v.viewer.Population.ID,
		SessionID: v.self.SessionID, Detail: map[string]string{"reason": string(refused.Reason), "setup": "yes"},
	})
	if err != nil {
		return err
	}
	text := ui.MsgPasskeyNotMade
	if refused.Reason == passkey.Unlisted {
		text = ui.MsgPasskeyModel
	}
	return v.renderPasskey(http.StatusUnprocessableEntity, text.With())
}

// nameOf is what a person calls a factor of theirs.
func (v *visit) nameOf(f idp.Factor) string {
	if f.Name == "" {
		return v.text(ui.MethodKey("account.factor.", string(f.Method)))
	}
	return f.Name
}

// kindOf says of a passkey where it is, nil for all others.
func kindOf(f idp.Factor) *ui.Message {
	switch {
	case f.Passkey == nil:
		return nil
	case f.Passkey.Synced:
		return ui.Key("account.passkey.synced").With()
	}
	return ui.Key("account.passkey.bound").With()
}
