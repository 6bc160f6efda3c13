package account_test

import (
	"net/http"
	"net/url"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// People see what they let apps have, take back a part or all of it, and the app loses it
// with the next request (ASVS 10.7.3).
func TestPeopleSeeAndEndWhatTheyLetAppsHave(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		want(t, r.at("/connected-apps"), http.StatusOK, "Connected apps", "You have let no app of another organisation in")
		p := h.AddParty(idp.Client{Name: "Wallboard", ThirdParty: true, PolicyURI: "https://wallboard.example/privacy"})
		p.OAuth.Scopes = []string{"openid", "email", "offline_access"}
		a := p.Begin()
		held := p.Exchange(a, r.Submit(r.Get(a.URL), "/approve").Left)
		page := r.at("/connected-apps")
		want(t, page, http.StatusOK, "Connected apps", "Wallboard", "See your email address", "Keep this access", "https://wallboard.example/privacy")

		want(t, r.Submit(page, "/save", "keep", "offline_access"), http.StatusOK, "Connected apps", "no more than that")
		want(t, r.Submit(page, "/save"), http.StatusConflict, "Connected apps", "changed in the meantime")
		want(t, r.Submit(r.at("/connected-apps"), "/save", "keep", "offline_access"), http.StatusOK, "Connected apps", "Nothing was changed")
		refreshed, err := p.Refresh(held.RefreshToken)
		idptest.Must(t, err)
		if scope := refreshed.Extra("scope"); scope != "openid offline_access" {
			t.Errorf("it has %v", scope)
		}

		h.AddUser(idp.Agents, "otto@rtx.example")
		other, _ := h.another("otto@rtx.example")
		consent, err := h.Store.Consent(t.Context(), r.user.ID, p.Client.ID)
		idptest.Must(t, err)
		for _, form := range []string{"/connected-apps/save", "/connected-apps/withdraw"} {
			if page := other.Post(h.Issuer+"/account/agents"+form, url.Values{"consent": {consent.ID}, "version": {"2"}}); page.Status != http.StatusNotFound {
				t.Errorf("%s of somebody else's: %d", form, page.Status)
			}
		}
		want(t, r.Submit(r.at("/connected-apps"), "/withdraw"), http.StatusOK, "Connected apps", "no longer has access", "You have let no app")
		if _, err := p.Refresh(refreshed.RefreshToken); err == nil {
			t.Error("its refresh token works")
		}
		if status := idptest.Userinfo(t, h.Issuer, refreshed.AccessToken); status != http.StatusUnauthorized {
			t.Errorf("userinfo answers %d", status)
		}
		if page := r.Get(p.Begin().URL); page.Left != nil {
			t.Error("the app gets a code without a question")
		}
		for kind, n := range map[idp.AuditKind]int{idp.AuditConsentGiven: 1, idp.AuditConsentNarrowed: 1, idp.AuditConsentWithdrawn: 1} {
			if got := h.Audited(kind); got != n {
				t.Errorf("%s: %d events", kind, got)
			}
		}
		want(t, r.at("/activity"), http.StatusOK, "Recent activity", "You let an app in", "You ended the access of an app")
	})
}
