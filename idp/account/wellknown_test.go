package account_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/server"
)

const contact = "lena@contacts.example"

// A password manager knows the address of the provider and of no page: the person signs in
// and ends where the password is changed.
func TestPasswordManagersFindThePagesThatTheyLeadTo(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	h.AddUser(idp.Agents, maya)
	h.AddUser(idp.Contacts, contact)
	h.SetPolicy(idp.Contacts, none, populations.OnNextLogin)
	wellKnown := h.Issuer + "/.well-known/change-password"
	b := idptest.NewBrowser(t)
	page := b.Submit(b.Get(wellKnown), "/password", "email", maya, "password", idptest.Password)
	if page.URL.Path != "/account/agents/password" {
		t.Fatalf("signed out, it leads to %s (%q)", page.URL, page.Heading())
	}
	if page = b.Get(wellKnown); page.URL.Path != "/account/agents/password" {
		t.Errorf("signed in, it leads to %s (%q)", page.URL, page.Heading())
	}
	for to, want := range map[string]string{"second-step": "/account/agents/second-step", "sessions/end": "/account/agents", "/evil.example": "/account/agents"} {
		if page = b.Get(h.Issuer + "/account?to=" + to); page.URL.Path != want {
			t.Errorf("to=%s leads to %s", to, page.URL)
		}
	}

	page = b.Get(h.Issuer + "/account/contacts?sign-in=yes")
	page = b.Get(page.URL.String() + "?other=1&as=contacts")
	if page = b.Submit(page, "/password", "email", contact, "password", idptest.Password, "population", "contacts"); page.URL.Path != "/account/contacts" {
		t.Fatalf("the second account's sign-in ends at %s (%q)", page.URL, page.Heading())
	}
	page = b.Get(wellKnown)
	for _, href := range []string{`href="/account/agents/password"`, `href="/account/contacts/password"`} {
		if !strings.Contains(page.Body, href) {
			t.Errorf("with two accounts, %s (%q) does not offer %s", page.URL, page.Heading(), href)
		}
	}
}

func TestPasskeyEndpointsNameThePageOfTheSecondStep(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	page := idptest.NewBrowser(t).Get(h.Issuer + "/.well-known/passkey-endpoints")
	var got map[string]string
	if err := json.Unmarshal([]byte(page.Body), &got); err != nil || !strings.HasPrefix(page.Header.Get("Content-Type"), "application/json") {
		t.Fatalf("%s %v: %s", page.Header.Get("Content-Type"), err, page.Body)
	}
	for _, name := range []string{"enroll", "manage"} {
		if want := h.Issuer + "/account?to=second-step"; got[name] != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
}

// Browsers look here whether a page elsewhere may use our passkeys; without such pages there is
// nothing to find.
func TestRelatedOriginsAreNamed(t *testing.T) {
	t.Parallel()
	page := idptest.NewBrowser(t).Get(open(t, idptest.Alone(t), none).Issuer + "/.well-known/webauthn")
	if page.Status != http.StatusNotFound {
		t.Errorf("without any: %d", page.Status)
	}
	app := idptest.StartWith(t, server.Config{
		DatabaseURL: idptest.Alone(t).URL, DataDir: idptest.Folder(t), PasskeyOrigins: []string{"https://id.rtx.example", "https://rtx.test:8443"},
	}, "")
	page = idptest.NewBrowser(t).Get(app.Issuer + "/.well-known/webauthn")
	const want = `{"origins":["https://id.rtx.example","https://rtx.test:8443"]}`
	if page.Body != want || !strings.HasPrefix(page.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%s: %s", page.Header.Get("Content-Type"), page.Body)
	}
}

// All speak for an origin. Below a path of it we do not, and say nothing at either place.
func TestBelowAPathNobodySpeaksForTheOrigin(t *testing.T) {
	t.Parallel()
	app := idptest.StartWith(t, server.Config{
		DatabaseURL: idptest.Alone(t).URL, DataDir: idptest.Folder(t), PasskeyOrigins: []string{"https://id.rtx.example"},
	}, "/sso")
	for _, name := range []string{"change-password", "passkey-endpoints", "webauthn"} {
		for _, base := range []string{app.Issuer, strings.TrimSuffix(app.Issuer, "/sso")} {
			if page := idptest.NewBrowser(t).Get(base + "/.well-known/" + name); page.Status != http.StatusNotFound {
				t.Errorf("%s: %d", page.URL, page.Status)
			}
		}
	}
}

// Who opens the address of the provider, or one that is not there, is led to their account.
func TestAddressesThatLeadNowhereLeadToTheAccount(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	h.AddUser(idp.Agents, maya)
	b := idptest.NewBrowser(t)
	if page := b.Get(h.Issuer + "/"); page.URL.Path == "/" || page.Status != http.StatusOK {
		t.Fatalf("/ answers %d at %s (%q)", page.Status, page.URL, page.Heading())
	} else if page = b.Submit(page, "/password", "email", maya, "password", idptest.Password); page.URL.Path != "/account/agents" {
		t.Errorf("/ leads to %s (%q)", page.URL, page.Heading())
	}
	for _, path := range []string{"/nothing", "/login", "/login/nothing/at-all", "/account/agents/nothing"} {
		page := b.Get(h.Issuer + path)
		if page.Status < 400 || !strings.Contains(page.Body, `href="/account"`) {
			t.Errorf("%s: %d, and no way to the account: %q", path, page.Status, page.Heading())
		}
	}
}
