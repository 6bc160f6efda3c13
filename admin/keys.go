package admin

import (
	"errors"
	"net/http"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// signingKey is the key that the address names.
func (v *visit) signingKey() (store.SigningKey, error) {
	list, err := v.console.Manage.System.SigningKeys(v.Request.Context(), v.actor)
	if err != nil {
		return store.SigningKey{}, err
	}
	i := slices.IndexFunc(list, func(k store.SigningKey) bool { return k.ID == v.Param("key") })
	if i < 0 {
		return store.SigningKey{}, idp.ErrNotFound
	}
	return list[i], nil
}

// askRevokeKey says what ends with a signing key.
func (v *visit) askRevokeKey() error {
	if err := v.need("RevokeKey"); err != nil {
		return err
	}
	k, err := v.signingKey()
	if err != nil {
		return err
	}
	if !v.fresh() {
		return v.proveAgain(v.backTo())
	}
	return v.renderRevokeKey(http.StatusOK, k, nil)
}

func (v *visit) renderRevokeKey(status int, k store.SigningKey, reason *ui.Message) error {
	frame, err := v.frame(v.Request.Context(), "/system")
	if err != nil {
		return err
	}
	frame.Crumbs = []ui.Link{{Label: v.text("console.nav.system"), URL: v.path("/system")}}
	use, err := system.UseOf(v.Request.Context(), v.console.Store, k.Algorithm)
	if err != nil {
		return err
	}
	return v.render(status, ui.ConsoleConfirm{
		Figures: []ui.Figure{
			{Number: int64(use.Apps), Label: *ui.Key("console.key.revoke_apps").With(use.Apps)},
			{Number: int64(use.JWTApps), Label: *ui.Key("console.key.revoke_jwt_apps").With(use.JWTApps)},
		},
		Console: frame, Action: v.path("/system/keys/" + k.ID + "/revoke"), CancelURL: v.path("/system"),
		Heading: *ui.Key("console.key.revoke_heading").With(string(k.Algorithm), k.ID),
		Consequences: []ui.Message{
			*ui.Key("console.key.revoke_tokens").With(), *ui.Key("console.key.revoke_hints").With(),
			*ui.Key("console.key.revoke_successor").With(), *ui.Key("console.key.revoke_stays").With(),
			*ui.Key("console.key.revoke_uncounted").With(),
		},
		Button: *ui.Key("console.key.revoke").With(), Danger: true, Reason: v.PostForm("reason"), ReasonError: reason,
	})
}

// postRevokeKey withdraws a signing key at once.
func (v *visit) postRevokeKey() error {
	k, err := v.signingKey()
	if err != nil {
		return err
	}
	err = v.console.Manage.System.RevokeKey(v.Request.Context(), v.actor, k.ID, v.PostForm("reason"))
	switch {
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh("/system/keys/" + k.ID + "/revoke")
	case errors.Is(err, idp.ErrInvalid):
		return v.renderRevokeKey(http.StatusUnprocessableEntity, k, ui.Key("settings.reason").With())
	case err != nil:
		return err
	}
	return v.done("/system", "console.done.key_revoked")
}
