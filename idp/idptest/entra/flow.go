package entra

import (
	"net/http"
	"net/url"
)

// open answers the flow of a path, if it belongs to this browser.
func (t *Tenant) open(r *http.Request) (flow, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fl, known := t.flows.get(r.PathValue("id"))
	if !known || fl.browser != browserID(r) {
		return flow{}, false
	}
	return *fl, true
}

func (t *Tenant) save(fl flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flows.put(fl.id, &fl)
}

// showFlow shows what a flow needs next.
func (t *Tenant) showFlow(w http.ResponseWriter, r *http.Request) {
	fl, ok := t.open(r)
	if !ok {
		t.lost(w)
		return
	}
	t.showStage(w, r, fl, "")
}

// lost is the answer for a flow that is over, or another browser's.
func (t *Tenant) lost(w http.ResponseWriter) {
	t.pages.show(w, http.StatusNotFound, "error", page{
		Title: "This sign-in is over", Text: "Go back to the app and start again.",
	})
}

func (t *Tenant) showStage(w http.ResponseWriter, r *http.Request, fl flow, notice string) {
	st, person, f := t.stage(&fl)
	p := page{
		Action: "/flow/" + fl.id, App: fl.request.app.Name, Company: t.company(fl.request.at.directory), Notice: notice,
		Username: person.PreferredUsername,
	}
	switch st {
	case pickStage:
		p.Title, p.Accounts = "Pick an account", t.accounts(fl.browser)
		t.pages.show(w, http.StatusOK, "pick", p)
	case signInStage:
		p.Title, p.Username, p.People = "Sign in", hinted(fl.request.loginHint), t.examples(fl.request)
		t.pages.show(w, http.StatusOK, "signin", p)
	case approveStage:
		p.Title = "Approve sign in request"
		t.pages.show(w, http.StatusOK, "approve", p)
	case consentStage:
		p.Title, p.Scopes = "Permissions requested", consentTexts(fl.request)
		t.pages.show(w, http.StatusOK, "consent", p)
	case refusedStage:
		s := stamp(f)
		p.Title, p.Text = "Sorry, but we’re having trouble signing you in.", f.summary()
		p.Small = []string{"Request Id: " + s.trace, "Correlation Id: " + s.correlation, "Timestamp: " + s.time}
		t.pages.show(w, http.StatusForbidden, "refused", p)
	case doneStage:
		t.finish(w, r, &fl, person)
	}
}

// moveFlow takes what a person does on a page.
func (t *Tenant) moveFlow(w http.ResponseWriter, r *http.Request) {
	fl, ok := t.open(r)
	if !ok {
		t.lost(w)
		return
	}
	switch r.PostFormValue("do") {
	case "password":
		t.takePassword(w, r, fl)
		return
	case "pick":
		t.pick(&fl, r.PostFormValue("sid"))
	case "other":
		fl.sid, fl.other = "", true
	case "approve", "accept":
		t.agree(&fl)
	case "deny":
		t.leave(w, r, fl, url.Values{"error": {"access_denied"}, "error_description": {"the user canceled the authentication"}})
		return
	case "decline":
		f := refuse(declined, "access_denied", "User declined to consent to access the app.")
		f.subcode = "cancel"
		t.leave(w, r, fl, t.params(f))
		return
	case "return":
		t.giveUp(w, r, fl)
		return
	}
	t.save(fl)
	t.showStage(w, r, fl, "")
}

// pick chooses an account that is signed in. One that is not fresh enough for the
// request is asked for its password.
func (t *Tenant) pick(fl *flow, sid string) {
	s, known := t.session(fl.browser, sid)
	if !known {
		return
	}
	if fl.request.fresh(s) {
		fl.sid, fl.other = sid, false
		return
	}
	if p, known := t.byKey(s.account); known {
		fl.request.loginHint = p.PreferredUsername
	}
	fl.sid, fl.other = "", true
}

// agree takes a yes to the flow's stage: another step of authentication, or consent.
func (t *Tenant) agree(fl *flow) {
	st, person, _ := t.stage(fl)
	switch st {
	case approveStage:
		if s, ok := t.session(fl.browser, fl.sid); ok {
			missing, _ := t.contexts(fl.request, person, s)
			t.meet(fl.browser, fl.sid, missing)
		}
	case consentStage:
		fl.consented = true
		t.mu.Lock()
		t.consents[consent(fl.request.app, person)] = true
		t.mu.Unlock()
	case pickStage, signInStage, refusedStage, doneStage:
	}
}

func (t *Tenant) takePassword(w http.ResponseWriter, r *http.Request, fl flow) {
	account, f := t.authenticate(fl.request.at, r.PostFormValue("username"), r.PostFormValue("password"))
	if f != nil {
		fl.request.loginHint = r.PostFormValue("username")
		t.showStage(w, r, fl, "Your account or password is incorrect.")
		return
	}
	fl.sid = t.signIn(fl.browser, account)
	if fl.request.prompt == "login" {
		fl.request.prompt = "" // it is done
	}
	t.save(fl)
	t.showStage(w, r, fl, "")
}

// giveUp tells the app why its person may not come in.
func (t *Tenant) giveUp(w http.ResponseWriter, r *http.Request, fl flow) {
	if st, _, f := t.stage(&fl); st == refusedStage {
		t.leave(w, r, fl, t.params(f))
		return
	}
	t.showStage(w, r, fl, "")
}

// leave ends a flow without a code.
func (t *Tenant) leave(w http.ResponseWriter, r *http.Request, fl flow, params url.Values) {
	if fl.request.at.generic() {
		params.Set("iss", t.Issuer(Generic))
	}
	t.answer(w, r, fl.request, params)
}

// company is the name of a directory, for people.
func (t *Tenant) company(directory string) string {
	for _, d := range t.directories {
		if d.ID == directory {
			return d.Name
		}
	}
	return ""
}

// accounts are the tiles of those who are signed in.
func (t *Tenant) accounts(browser string) []account {
	var list []account
	for _, s := range t.sessions(browser) {
		if p, known := t.byKey(s.account); known {
			list = append(list, account{SID: s.sid, Name: p.Name, Username: p.PreferredUsername})
		}
	}
	return list
}

// examples are the people that a demo's sign-in page offers.
func (t *Tenant) examples(r request) []Person {
	if !t.console {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Person
	for _, p := range t.people {
		if (p.Directory == Generic) == r.at.generic() && !p.guest() {
			list = append(list, p.clone())
		}
	}
	return list
}

// consentTexts say what the scopes mean.
func consentTexts(r request) []string {
	texts := map[string]string{
		"openid": "Sign you in", "profile": "View your basic profile", "email": "View your email address",
	}
	var list []string
	for _, s := range r.scopes {
		if texts[s] != "" {
			list = append(list, texts[s])
		}
	}
	return list
}
