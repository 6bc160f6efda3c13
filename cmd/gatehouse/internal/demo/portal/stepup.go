package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	acrMFA = "urn:gatehouse:acr:mfa"

	exportsMaxAge = 5 * time.Minute
	exportsPath   = "/exports"

	insufficientAuthentication = "insufficient_user_authentication" // RFC 9470 section 3
)

// atLeast are the values of acr that are as strong as one that is asked for.
var atLeast = map[string][]string{
	acrMFA: {acrMFA, "https://refeds.org/profile/mfa", "phr"},
}

// assurance is how strong and how recent a sign-in has to be.
type assurance struct {
	acrValues string // separated by spaces; any will do, empty asks for none
	maxAge    time.Duration
	aged      bool // maxAge counts
}

// exportsNeed is the rule of the customer exports.
var exportsNeed = assurance{acrValues: acrMFA, maxAge: exportsMaxAge, aged: true}

// lacking says what a sign-in is short of, in the words of RFC 9470 section 3;
// nothing when it will do.
func (a assurance) lacking(id identity, at time.Time) string {
	switch {
	case a.acrValues != "" && !slices.ContainsFunc(strings.Fields(a.acrValues), id.reaches):
		return "A different authentication level is required"
	case a.aged && !id.within(a.maxAge, at):
		return "More recent authentication is required"
	}
	return ""
}

// reaches says that the sign-in was at this level or a stronger one.
func (id identity) reaches(acr string) bool {
	return id.ACR == acr || slices.Contains(atLeast[acr], id.ACR)
}

// within says that the person proved who they are at most so long ago. A time in
// the future, beyond what clocks differ, proves nothing.
func (id identity) within(maxAge time.Duration, at time.Time) bool {
	age := at.Sub(id.authenticated())
	return id.AuthTime > 0 && age <= maxAge && age >= -clockSkew
}

// header is the challenge that asks for this assurance (RFC 9470 section 3).
func (a assurance) header(description string) string {
	return `Bearer error="` + insufficientAuthentication + `", error_description="` + description +
		`", acr_values="` + a.acrValues + `", max_age="` + a.seconds() + `"`
}

func (a assurance) seconds() string { return strconv.Itoa(int(a.maxAge.Seconds())) }

// asksStepUp finds the challenge of RFC 9470 in the headers of an answer and
// what it asks for. Both parameters are optional there.
func asksStepUp(h http.Header) (assurance, bool) {
	for _, line := range h.Values("WWW-Authenticate") {
		found, err := parseChallenges(line)
		if err != nil {
			continue
		}
		for _, c := range found {
			if c.scheme == "bearer" && c.params["error"] == insufficientAuthentication {
				return c.assurance()
			}
		}
	}
	return assurance{}, false
}

func (c challenge) assurance() (assurance, bool) {
	need := assurance{acrValues: c.params["acr_values"]}
	if len(need.acrValues) > maxParameter || strings.ContainsFunc(need.acrValues, unprintable) {
		return assurance{}, false
	}
	seconds, aged := c.params["max_age"]
	if !aged {
		return need, true
	}
	need.aged = true
	var ok bool
	need.maxAge, ok = parseMaxAge(seconds)
	return need, ok
}

// unprintable says that a character has no place in acr_values (RFC 9470 section
// 3 with RFC 6749 appendix A).
func unprintable(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// parseMaxAge reads a number of seconds (OpenID Connect Core 3.1.2.1).
func parseMaxAge(s string) (time.Duration, bool) {
	seconds, err := strconv.ParseUint(s, 10, 32)
	return time.Duration(seconds) * time.Second, err == nil && seconds <= maxMaxAge
}

// stepUpURL is where the person goes to give what a challenge asks for and come
// back to a page (RFC 9470 section 4).
func stepUpURL(page string, need assurance) string {
	query := url.Values{"step_up": {page}}
	if need.acrValues != "" {
		query.Set("acr_values", need.acrValues)
	}
	if need.aged {
		query.Set("max_age", need.seconds())
	}
	return "/login?" + query.Encode()
}

// stepUp is what a sign-in has to bring before it leads back to a page.
type stepUp struct {
	back    string // a page of ours; empty for an ordinary sign-in
	subject string // who was signed in when it began, may be empty
	need    assurance
	begun   time.Time
}

// pagesToReturnTo are the only places that a sign-in leads back to, besides the
// home page. The query names one; nothing of the query itself is followed.
func (p *Portal) pagesToReturnTo() []string {
	if p.cfg.Kind != Agent {
		return nil
	}
	return []string{exportsPath}
}

// newStepUp reads step_up from a link to /login. It hints at the person who is signed in,
// so that the provider asks no other.
func (p *Portal) newStepUp(r *http.Request, login *pendingLogin) ([]oauth2.AuthCodeOption, error) {
	query := r.URL.Query()
	if !query.Has("step_up") {
		return nil, nil
	}
	pages := p.pagesToReturnTo()
	i := slices.Index(pages, query.Get("step_up"))
	if i < 0 {
		return nil, badParameter("step_up")
	}
	login.step = stepUp{
		back:  pages[i],
		need:  assurance{acrValues: query.Get("acr_values"), maxAge: login.maxAge, aged: login.aged},
		begun: now(),
	}
	_, s, ok := p.current(r)
	if !ok {
		return nil, nil
	}
	login.step.subject = s.identity.Subject
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("id_token_hint", s.identity.raw)}, nil
}

// checkStepUp says whether a sign-in may take the place of the session that this
// browser has: it is the same person's, and it brings what was asked for (RFC
// 9470 section 5 leaves that to us: acr_values is only a wish).
func (p *Portal) checkStepUp(r *http.Request, step stepUp, id identity) error {
	if step.back == "" {
		return nil
	}
	_, current, signedIn := p.current(r)
	if (step.subject != "" && step.subject != id.Subject) || (signedIn && current.identity.Subject != id.Subject) {
		return &problem{
			status: http.StatusForbidden,
			title:  "Somebody else signed in",
			text: "The confirmation came from another account than the one that is signed in here, so it was not used. " +
				"Confirm with your own account. To change accounts, sign out everywhere first.",
			retry: true,
			cause: errors.New("the step-up's ID token has another sub"),
		}
	}
	if lack := step.need.lacking(id, now()); lack != "" {
		return step.tooLittle(id, lack)
	}
	return nil
}

// tooLittle says that a step-up brought less than was asked for. A provider may count
// max_age from the request: then a proof that was young enough can have grown too old
// while the person looked for the phone, and no one is at fault.
func (s stepUp) tooLittle(id identity, lack string) error {
	e := &problem{
		status: http.StatusForbidden,
		title:  "That was not enough",
		text: "The sign-in service let you pass with less than this page needs, so the page stays closed. " +
			"Try again and use your second factor; if it happens again, contact support.",
		retry: true,
		cause: errors.New("the step-up brought too little: " + lack),
	}
	if s.need.lacking(id, s.begun) == "" {
		e.title = "That took too long"
		e.text = "Part of your confirmation has grown too old in the meantime, so the page stays closed. Try again; you will be asked for all of it."
	}
	return e
}

// stepUpErrors say what a person can do who is signed in and was asked for more.
var stepUpErrors = map[string]problem{
	"access_denied":                     {status: 403, title: "You did not confirm", text: "The confirmation was cancelled, so the page stays closed. Nothing else has changed. Try again when you are ready."},
	"login_required":                    {status: 401, title: "Your confirmation is still missing", text: "The sign-in service knows somebody else in this browser, or did not ask you. Try again with your own account; if you have several, sign out everywhere first."},
	"interaction_required":              {status: 401, title: "Your confirmation is still missing", text: "The sign-in service has to ask you something and could not. Try again, and answer what it asks."},
	"unmet_authentication_requirements": {status: 403, title: "Your account cannot confirm this yet", text: "This page needs two factors, such as a passkey, or your password and an authenticator app. Set one up at the sign-in service and try again, or contact support."},
}

// problemOf is the page for an error that the provider answered to this sign-in.
func (s stepUp) problemOf(query url.Values) error {
	err := providerError(query)
	if words, known := stepUpErrors[query.Get("error")]; known && s.subject != "" {
		err.status, err.title, err.text = words.status, words.title, words.text
	}
	return err
}

// again makes the way out of a problem lead back to the page that needs the sign-in. The
// page asks first, so that there is no endless loop.
func (s stepUp) again(err error) error {
	var known *problem
	if errors.As(err, &known) {
		known.again = s.back
	}
	return err
}
