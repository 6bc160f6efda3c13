package account

import (
	"encoding/json"
	"net/http"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/self"
	"gatehouse/ui"
)

// microsoft lists the accounts elsewhere through which the viewer signs in.
func (v *visit) microsoft() error {
	page := ui.AccountMicrosoft{Console: v.frame("/microsoft"), Action: v.path("/microsoft")}
	list, err := v.identities()
	if err != nil {
		return err
	}
	own, err := v.own()
	if err != nil {
		return err
	}
	for _, i := range list {
		page.Identities = append(page.Identities, ui.AccountIdentity{
			ID: i.ID, Provider: i.Provider, Account: i.Account, LinkedAt: i.LinkedAt, Only: onlyWay(own, list),
		})
	}
	return v.render(http.StatusOK, page)
}

func (v *visit) identities() ([]Identity, error) {
	if !v.signsInElsewhere() {
		return nil, idp.ErrNotFound
	}
	return v.pages.Identities.Of(v.Request.Context(), v.self.UserID)
}

// onlyWay tells whether a person could not sign in without one of these.
func onlyWay(own self.Own, list []Identity) bool {
	return len(list) == 1 && !(own.PasswordSet && own.Population.Access.Password)
}

// postUnlink takes an account elsewhere from the viewer, after a fresh second step.
func (v *visit) postUnlink() error {
	list, err := v.identities()
	if err != nil {
		return err
	}
	own, err := v.own()
	if err != nil {
		return err
	}
	if onlyWay(own, list) {
		return authz.ErrForbidden
	}
	if err := v.proved(); err != nil {
		return err
	}
	if err := v.pages.Identities.Unlink(v.Request.Context(), v.self, v.PostForm("identity")); err != nil {
		return err
	}
	return v.done("/microsoft", "account.done.unlinked")
}

// data offers the download, after a fresh second step.
func (v *visit) data() error {
	if err := v.proved(); err != nil {
		return err
	}
	return v.render(http.StatusOK, ui.AccountData{Console: v.frame("/data"), Action: v.path("/data")})
}

// postData is the download: a form and not a link, since the audit log keeps it.
func (v *visit) postData() error {
	data, err := v.pages.Manage.Self.TakeOwnData(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	if v.signsInElsewhere() {
		list, err := v.identities()
		if err != nil {
			return err
		}
		for _, i := range list {
			data.Identities = append(data.Identities, self.OwnIdentity{Provider: i.Provider, Account: i.Account, LinkedAt: i.LinkedAt})
		}
	}
	v.Header("Content-Type", "application/json")
	v.Header("Content-Disposition", `attachment; filename="account-`+idp.Now().Format("20060102")+`.json"`)
	v.Header("Cache-Control", "no-store")
	v.Status(http.StatusOK)
	out := json.NewEncoder(v.Writer)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(data)
}
