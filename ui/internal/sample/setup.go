package sample

import "gatehouse/ui"

// setup is how an installation begins.
func setup() map[string]ui.Page {
	f := ui.Frame{Lang: "en", Brand: ui.Brand{Name: "Gatehouse"}}
	return map[string]ui.Page{
		"setup":       ui.Setup{Frame: f, Action: "/admin/setup/1"},
		"setup-error": ui.Setup{Frame: f, Action: "/admin/setup/1", Email: "maya", EmailError: ui.MsgEmailInvalid.With(), PasswordError: ui.MsgPasswordMissing.With()},
	}
}
