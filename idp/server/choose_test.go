package server_test

import (
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestTwoUsableSessionsAreAChoice(t *testing.T) {
	app := idptest.Start(t, idptest.Migrated(t), "")
	agent, contact := app.AddUser(idp.Agents, "maya@rtx.example"), app.AddUser(idp.Contacts, "maya@customer.example")
	browser := idptest.NewBrowser(t)
	for population, email := range map[string]string{idp.Agents: agent.Email, idp.Contacts: contact.Email} {
		party := app.AddParty(idp.Client{Populations: []string{population}})
		attempt := party.Begin()
		page, _, _ := idptest.Enrol(browser, party, attempt, email)
		party.Exchange(attempt, page.Left)
	}
	both := app.AddParty(idp.Client{Populations: []string{idp.Agents, idp.Contacts}})

	silent := browser.Get(both.Begin("prompt", "none").URL)
	if got := silent.Left.Query().Get("error"); got != "account_selection_required" {
		t.Errorf("prompt=none with two sessions: error %q", got)
	}
	attempt := both.Begin("login_hint", contact.Email)
	if got := both.Exchange(attempt, browser.Get(attempt.URL).Left).ID.Subject; got != contact.ID {
		t.Errorf("login_hint: signed in as %s, want the contact", got)
	}
	attempt = both.Begin()
	page := browser.Get(attempt.URL)
	_, fields, ok := page.Form("/choose")
	if !ok {
		t.Fatalf("no choice on page %q", page.Heading())
	}
	chosen, err := app.Store.Session(t.Context(), fields.Get("session"))
	if err != nil {
		t.Fatal(err)
	}
	answer := browser.Submit(page, "/choose")
	if got := both.Exchange(attempt, answer.Left).ID.Subject; got != chosen.UserID {
		t.Errorf("signed in as %s, chose %s", got, chosen.UserID)
	}
	foreign := idptest.NewBrowser(t)
	page = foreign.Get(both.Begin().URL)
	if after := foreign.Post(page.URL.String()+"/choose", fields); after.Left != nil {
		t.Error("a session was chosen without its cookie")
	}
}
