package sample

import "gatehouse/ui"

// arrival is how people come by an account, and back to one.
func arrival() map[string]ui.Page {
	f := frame()
	f.Account, f.NotYouAction = "", ""
	forgot := ui.ForgotPassword{
		Frame: f, Action: "/login/1/forgot", Population: "agents", PopulationName: "Agents",
		Others: []ui.Link{{Label: "Customers", URL: "?as=contacts"}}, BackURL: "/login/1",
	}
	wrong, wait, elsewhere := forgot, forgot, forgot
	wrong.Frame, wrong.Others, wrong.Email, wrong.EmailError = support(), nil, "maya@rtx", ui.MsgEmailInvalid.With()
	wrong.Account, wrong.NotYouAction = "", ""
	wait.Alert, wait.RetryAfter = ui.MsgTooManyAttempts.With(8), 8
	elsewhere.Elsewhere = true
	register := ui.Register{Frame: wrong.Frame, Action: "/login/1/register", Population: "contacts", BackURL: "/login/1"}
	refused := register
	refused.Email, refused.EmailError = "maya@mail.example", ui.MsgDomainRefused.With()
	pages := map[string]ui.Page{
		"forgot": forgot, "forgot-error": wrong, "forgot-wait": wait, "forgot-elsewhere": elsewhere,
		"register": register, "register-error": refused,
		"sent-forgot":   ui.LinkSent{Frame: f, Wait: 600, AgainURL: "/login/1/forgot", BackURL: "/login/1"},
		"sent-register": ui.LinkSent{Frame: register.Frame, Register: true, Wait: 600, AgainURL: "/login/1/register", BackURL: "/login/1"},
	}
	for _, purpose := range []ui.LinkPurpose{ui.ForReset, ui.ForInvitation, ui.ForRegistration} {
		name := string(purpose)
		page := ui.NewPassword{Frame: f, Purpose: purpose, Action: "/" + name + "/1", Email: "maya@rtx.example", MinLength: 8}
		pages["arrival-"+name] = page
		page.Name = "Maya"
		page.PasswordError = ui.MsgPasswordRefused.With("one of the commonest")
		pages["arrival-"+name+"-error"] = page
		pages["arrived-"+name] = ui.Arrived{
			Frame: f, Purpose: purpose, Email: "maya@rtx.example",
			Links: []ui.Link{{Label: "Agent portal", URL: "https://agents.rtx.example/"}, {Label: "Support portal", URL: "https://support.rtx.example/"}},
		}
	}
	pages["arrived-nowhere"] = ui.Arrived{Frame: f, Purpose: ui.ForReset, Email: "maya@rtx.example"}
	return pages
}
