package login_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/populations"
)

// An authenticator whose master key is gone is no fault of ours that a person meets:
// the page says what they can do.
func TestAnAuthenticatorThatNobodyCanReadIsSaidSo(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	app := idptest.Start(t, db.URL, "")
	app.SetPolicy(idp.Agents, idp.Policy{Authenticator: true}, populations.OnNextLogin)
	u := app.AddUser(idp.Agents, "maya@rtx.example")
	party := app.AddParty(idp.Client{})
	lost, err := keyring.Parse(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("l", keyring.KeySize))))
	idptest.Must(t, err)
	idptest.Must(t, app.Store.CreateFactor(t.Context(), idp.Factor{
		ID: "f", UserID: u.ID, Method: idp.MethodTOTP, CreatedAt: idp.Now(),
		Secret: lost.Seal([]byte("12345678901234567890"), keyring.AAD("factors", "f", "secret")),
	}))
	b := idptest.NewBrowser(t)
	page := b.Submit(b.Get(party.Begin().URL), "/password", "email", "maya@rtx.example", "password", idptest.Password)
	page = b.Submit(page, "/totp", "code", "123456")
	if page.Status >= http.StatusInternalServerError || !strings.Contains(page.Body, "We cannot check this authenticator app right now.") {
		t.Errorf("%d %s", page.Status, page.Heading())
	}
}
