package admin

import (
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
	return one(list, func(k store.SigningKey) string { return k.ID }, v.Param("key"))
}

// revokeKey is the question before a signing key is withdrawn at once.
func revokeKey() question[store.SigningKey] {
	return question[store.SigningKey]{
		load:    (*visit).signingKey,
		allowed: func(v *visit, _ store.SigningKey) bool { return v.actor.CanDo("RevokeKey") },
		at:      func(k store.SigningKey) string { return "/system/keys/" + k.ID + "/revoke" },
		home:    func(store.SigningKey) string { return "/system" },
		page: func(v *visit, k store.SigningKey) (page ui.ConsoleConfirm, err error) {
			if page.Console, err = v.frame(v.Request.Context(), "/system"); err != nil {
				return page, err
			}
			page.Crumbs = []ui.Link{{Label: v.text("console.nav.system"), URL: v.path("/system")}}
			page.Heading, page.Button = *ui.Key("console.key.revoke_heading").With(string(k.Algorithm), k.ID), *ui.Key("console.key.revoke").With()
			page.Danger = true
			page.Consequences = says("console.key.revoke_tokens", "console.key.revoke_hints", "console.key.revoke_successor",
				"console.key.revoke_stays", "console.key.revoke_uncounted")
			use, err := system.UseOf(v.Request.Context(), v.console.Store, k.Algorithm)
			page.Figures = []ui.Figure{
				{Number: int64(use.Apps), Label: *ui.Key("console.key.revoke_apps").With(use.Apps)},
				{Number: int64(use.JWTApps), Label: *ui.Key("console.key.revoke_jwt_apps").With(use.JWTApps)},
			}
			return page, err
		},
		carry: func(v *visit, k store.SigningKey, reason string) (func() error, error) {
			return v.saying("/system", "console.done.key_revoked"), v.console.Manage.System.RevokeKey(v.Request.Context(), v.actor, k.ID, reason)
		},
	}
}
