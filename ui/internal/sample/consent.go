package sample

import (
	"time"

	"gatehouse/ui"
)

// terms are what an app of another organisation asks for.
func terms() []ui.TermGroup {
	own := ui.TermGroup{}
	for _, s := range []string{"openid", "profile", "email", "roles", "offline_access"} {
		own.Items = append(own.Items, ui.Term{Word: s, Text: ui.ScopeText(s), Fixed: s == "openid"})
	}
	return []ui.TermGroup{own, {
		API: "Tickets (https://api.rtx.example/tickets)", Word: "https://api.rtx.example/tickets ",
		Items: []ui.Term{{Word: "1", Text: ui.Plain("tickets:read")}, {Word: "2", Text: ui.Plain("tickets:write")}},
	}, {API: "https://api.rtx.example/deleted", Word: "https://api.rtx.example/deleted "}}
}

func consents() map[string]ui.Page {
	ask := ui.Approve{
		Frame: frame(), Action: "/flow/1/approve", DenyAction: "/flow/1/deny", Host: "wallboard.example",
		PolicyURL: "https://wallboard.example/privacy", TosURL: "https://wallboard.example/terms", Terms: terms(),
		Lasts: *ui.MsgAccessOffline.With(30*24*time.Hour, 180*24*time.Hour),
	}
	ask.ClientName = "Wallboard of Bluebird"
	short := ask
	short.Frame = support()
	short.PolicyURL, short.TosURL, short.Lasts = "", "", *ui.MsgAccessSession.With()
	short.Terms = []ui.TermGroup{{Items: []ui.Term{{Word: "openid", Text: ui.ScopeText("openid"), Fixed: true}, {Word: "claim given_name", Text: ui.ClaimText("given_name")}}}}
	open := ui.Approve{Frame: frame(), Action: "/flow/1/approve", DenyAction: "/flow/1/deny"}
	open.ClientName = "Field service"
	list := ui.AccountConsents{
		Console: accountFrame("/connected-apps"), SaveAction: "#", WithdrawAction: "#",
		Consents: []ui.ConsentRow{
			{ID: "1", Version: 1, App: "Wallboard of Bluebird", Terms: terms(), Since: on(3, 9), PolicyURL: "https://wallboard.example/privacy"},
			{ID: "2", Version: 2, App: "Survey", Terms: short.Terms[:1], Since: on(4, 9)},
		},
	}
	stale := list
	stale.Alert = ui.Key("error.stale").With()
	return map[string]ui.Page{
		"approve": ask, "approve-short": short, "approve-open": open, "account-consents": list, "account-consents-stale": stale,
		"account-consents-none": ui.AccountConsents{Console: accountFrame("/connected-apps")},
	}
}
