package server_test

import (
	"errors"
	"net/url"
	"testing"

	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

// answered is no fault of ours.
func answered(err error) bool {
	var refused *oauth2.RetrieveError
	return err == nil || errors.As(err, &refused) && refused.Response.StatusCode < 500
}

// An app that is deleted while it refreshes, redeems a code and has people signed in is
// answered as one that is not known.
func TestAppIsDeletedWhileItIsUsed(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		app := idptest.Start(t, db.URL, "")
		app.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
		app.AddUser(idp.Agents, "maya@rtx.example")
		for range 6 {
			party, browser := app.AddParty(idp.Client{}), idptest.NewBrowser(t)
			attempt := party.Begin()
			page := browser.Submit(browser.Get(attempt.URL), "/password", "email", "maya@rtx.example", "password", idptest.Password)
			token := party.Exchange(attempt, page.Left)
			second := party.Begin()
			code := party.Code(second, browser.Get(second.URL).Left)
			fresh := idptest.NewBrowser(t)
			form := fresh.Get(party.Begin().URL)
			tries := []func() bool{
				func() bool {
					return app.Manage.Apps.DeleteClient(t.Context(), authz.System(), party.Client.ID, 0, "it is gone") == nil
				},
				func() bool { _, err := party.Refresh(token.RefreshToken); return answered(err) },
				func() bool {
					_, err := party.OAuth.Exchange(t.Context(), code, oauth2.VerifierOption(second.Verifier))
					return answered(err)
				},
				func() bool { return browser.Get(party.Begin().URL).Status < 500 },
				func() bool { return idptest.NewBrowser(t).Get(party.Begin().URL).Status < 500 },
				func() bool {
					return fresh.Submit(form, "/password", "email", "maya@rtx.example", "password", idptest.Password).Status < 500
				},
				func() bool {
					return fresh.Post(app.Issuer+"/revoke", url.Values{"token": {token.RefreshToken}}).Status < 500
				},
			}
			for i, ok := range idptest.Race(len(tries), func(i int) bool { return tries[i]() }) {
				if !ok {
					t.Errorf("try %d ended in a fault", i)
				}
			}
		}
	})
}
