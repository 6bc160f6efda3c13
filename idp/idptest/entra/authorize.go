package entra

import (
	"net/http"
	"net/url"
	"slices"
)

// flow is one sign-in in progress, bound to one browser.
type flow struct {
	id        string
	browser   string
	request   request
	sid       string // of the chosen session; empty until one is chosen
	other     bool   // the person wants to type another account
	consented bool
}

// stage is what a flow needs next.
type stage int

const (
	pickStage    stage = iota // choose among accounts that are signed in
	signInStage               // user name and password
	approveStage              // another step, for an authentication context
	consentStage
	refusedStage // the account may not use the app
	doneStage
)

// authorize answers OpenID Connect Core 1.0 section 3.1.2.
func (t *Tenant) authorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.refused(w, refuse(malformed, "invalid_request", "The request is malformed."))
		return
	}
	t.remember("authorize", r.Form)
	at, f := t.place(r)
	if f != nil {
		t.refused(w, f)
		return
	}
	req, f := t.target(at, r.Form)
	if f != nil {
		t.refused(w, f)
		return
	}
	if f = req.read(r.Form); f == nil {
		f = t.faults.refusal()
	}
	if f != nil {
		t.answer(w, r, req, t.params(f))
		return
	}
	t.begin(w, r, req)
}

// begin answers at once if single sign-on can, and opens a flow otherwise.
func (t *Tenant) begin(w http.ResponseWriter, r *http.Request, req request) {
	fl := &flow{id: newGUID(), browser: browserID(r), request: req}
	sessions := t.sessions(fl.browser)
	fit := t.usable(req, sessions)
	if len(fit) == 1 && req.prompt != "select_account" {
		fl.sid = fit[0].sid
	}
	st, person, f := t.stage(fl)
	if st == doneStage {
		t.finish(w, r, fl, person)
		return
	}
	if req.prompt == "none" {
		t.answer(w, r, req, t.params(silent(st, f, req, len(sessions), len(fit))))
		return
	}
	fl.browser = t.needBrowser(w, r)
	t.mu.Lock()
	t.flows.put(fl.id, fl)
	t.mu.Unlock()
	http.Redirect(w, r, "/flow/"+fl.id, http.StatusSeeOther)
}

// silent is why prompt=none cannot be answered with a code.
func silent(st stage, f *failure, r request, sessions, fit int) *failure {
	switch {
	case st == approveStage:
		return refuse(stepUp, "interaction_required", "Due to a configuration change made by your administrator, or because you moved to a new location, "+
			"you must use multi-factor authentication to access '"+r.app.ClientID+"'.")
	case st == consentStage:
		return refuse(consentNeeded, "interaction_required", "The user or administrator has not consented to use the application with ID '"+
			r.app.ClientID+"' named '"+r.app.Name+"'. Send an interactive authorization request for this user and resource.")
	case st == refusedStage:
		return refuse(f.code, "interaction_required", f.text)
	case fit > 1:
		return refuse(manySessions, "interaction_required", "Either multiple user identities are available for the current request or selected account "+
			"is not supported for the scenario.")
	case sessions > 0 && r.maxAge >= 0:
		return refuse(sessionTooOld, "login_required", "The session has expired or is invalid due to sign-in frequency checks by conditional access.")
	}
	return refuse(noSession, "login_required", "Session information is not sufficient for single-sign-on.")
}

// stage decides what a flow needs next, and who it is about once that is known.
func (t *Tenant) stage(fl *flow) (stage, Person, *failure) {
	s, chosen := t.session(fl.browser, fl.sid)
	if !chosen {
		if fl.other || fl.request.prompt == "login" || len(t.sessions(fl.browser)) == 0 {
			return signInStage, Person{}, nil
		}
		return pickStage, Person{}, nil
	}
	account, known := t.byKey(s.account)
	if !known {
		return signInStage, Person{}, nil
	}
	person, f := t.resolve(account, fl.request)
	if f == nil {
		f = assigned(fl.request.app, person)
	}
	if f != nil {
		return refusedStage, person, f
	}
	missing, f := t.contexts(fl.request, person, s)
	switch {
	case f != nil:
		return refusedStage, person, f
	case len(missing) > 0:
		return approveStage, person, nil
	case t.needsConsent(fl, person):
		return consentStage, person, nil
	}
	return doneStage, person, nil
}

// assigned refuses people who are not assigned to an app that requires it.
func assigned(app App, p Person) *failure {
	if !app.AssignmentRequired || slices.Contains(p.Apps, app.ClientID) {
		return nil
	}
	return refuse(notAssigned, "access_denied", "Your administrator has configured the application "+app.Name+" ('"+app.ClientID+
		"') to block users unless they are specifically granted ('assigned') access to the application. The signed in user '"+
		p.PreferredUsername+"' is blocked because they are not a direct member of a group with access, nor had access directly assigned by an administrator.")
}

// contexts answers the requested authentication contexts that a session has not met
// yet. One that the directory does not know is passed over, as Entra does.
func (t *Tenant) contexts(r request, p Person, s session) (missing []string, f *failure) {
	for _, c := range r.acrs {
		switch {
		case !t.knows(p.Directory, c) || slices.Contains(s.acrs, c):
		case slices.Contains(p.ACRS, c):
			missing = append(missing, c)
		case r.essential:
			return nil, refuse(blocked, "access_denied", "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.")
		}
	}
	return missing, nil
}

// knows reports whether a directory has an authentication context.
func (t *Tenant) knows(directory, context string) bool {
	return slices.ContainsFunc(t.directories, func(d Directory) bool {
		return d.ID == directory && slices.Contains(d.AuthContexts, context)
	})
}

func (t *Tenant) needsConsent(fl *flow, p Person) bool {
	if fl.consented {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return fl.request.prompt == "consent" || (fl.request.app.ConsentRequired && !t.consents[consent(fl.request.app, p)])
}

// consent names what a person agreed to.
func consent(app App, p Person) string { return app.ClientID + " " + p.key() }

// finish sends a code to the app.
func (t *Tenant) finish(w http.ResponseWriter, r *http.Request, fl *flow, p Person) {
	t.mu.Lock()
	s := t.find(fl.browser, fl.sid)
	if s == nil {
		t.mu.Unlock()
		t.answer(w, r, fl.request, t.params(refuse(noSession, "login_required", "Session information is not sufficient for single-sign-on.")))
		return
	}
	s.apps[fl.request.app.ClientID] = t.Issuer(p.Directory)
	g := &grant{
		request: fl.request, person: p.key(), sid: s.sid, authTime: s.authTime, acrs: s.copy().acrs,
	}
	code := "1." + newToken()
	t.codes.put(code, g)
	t.flows.drop(fl.id)
	t.mu.Unlock()
	params := url.Values{"code": {code}, "session_state": {g.sid}}
	if fl.request.at.generic() {
		params = url.Values{"code": {code}, "iss": {t.Issuer(Generic)}} // RFC 9207
	}
	t.answer(w, r, fl.request, params)
}

// answer sends a browser back to the app with parameters in the query.
func (t *Tenant) answer(w http.ResponseWriter, r *http.Request, req request, params url.Values) {
	if req.state != "" {
		params.Set("state", req.state)
	}
	u, err := url.Parse(req.redirectURI)
	if err != nil {
		t.refused(w, refuse(wrongReply, "invalid_request", "The redirect URI is not a URI."))
		return
	}
	q := u.Query()
	for name, values := range params {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store, no-cache")
	http.Redirect(w, r, u.String(), http.StatusFound)
}

// refused is a page of Entra's own: the app is not told.
func (t *Tenant) refused(w http.ResponseWriter, f *failure) {
	s := stamp(f)
	t.pages.show(w, f.status, "error", page{
		Title: "Sorry, but we’re having trouble signing you in.", Text: f.summary(),
		Small: []string{"Request Id: " + s.trace, "Correlation Id: " + s.correlation, "Timestamp: " + s.time},
	})
}
