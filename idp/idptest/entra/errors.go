package entra

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/idp"
)

// failure is a refusal in Entra's shape.
type failure struct {
	code    int    // AADSTS number; 0 where the real one gives none
	oauth   string // OAuth error code
	subcode string
	text    string
	status  int
	cause   error // for the log of the test that runs this
}

func (f *failure) Error() string { return f.summary() }

// summary is the first sentence of the description.
func (f *failure) summary() string {
	if f.code == 0 {
		return f.text
	}
	return fmt.Sprintf("AADSTS%d: %s", f.code, f.text)
}

func refuse(code int, oauth, text string) *failure {
	return &failure{code: code, oauth: oauth, text: text, status: http.StatusBadRequest}
}

// refuseClient is a client authentication that failed (RFC 6749 section 5.2).
func refuseClient(code int, text string) *failure {
	return &failure{code: code, oauth: "invalid_client", text: text, status: http.StatusUnauthorized}
}

func serverError(err error) *failure {
	return &failure{code: 90033, oauth: "server_error", text: "A transient error has occurred. Please try again.", status: http.StatusInternalServerError, cause: err}
}

// Numbers that several places refuse with.
const (
	unknownApp    = 700016
	notAssigned   = 50105
	notInTenant   = 50020
	declined      = 65004
	noSession     = 50058
	sessionTooOld = 70044
	manySessions  = 16000
	stepUp        = 50076
	consentNeeded = 65001
	blocked       = 53003
	wrongReply    = 50011
	malformed     = 9002313
)

// explanations are what each number means, for the page that error_uri links to.
var explanations = map[int]string{
	unknownApp:    "The app is not registered in the directory that was asked.",
	notAssigned:   "The app requires assignment, and this person is not assigned to it.",
	notInTenant:   "The account belongs to another directory and is no guest of this one.",
	declined:      "The person declined to let the app sign them in.",
	noSession:     "The app asked for a silent sign-in, and nobody is signed in.",
	sessionTooOld: "The sign-in is older than the app accepts.",
	manySessions:  "Several accounts are signed in, and the app did not say which one.",
	stepUp:        "The operation asks for another step of authentication.",
	consentNeeded: "The person has not consented to the app yet.",
	blocked:       "Conditional Access blocks this sign-in.",
	wrongReply:    "The redirect URI is not one of those that are registered for the app.",
	malformed:     "The request is malformed.",
	50126:         "The user name or the password is wrong.",
	50148:         "The code_verifier is missing or does not fit the code_challenge.",
	50194:         "The app is registered for one directory alone and was called through a shared address.",
	54005:         "The authorization code was redeemed before.",
	70000:         "The code is not known, or belongs to another app.",
	70008:         "The code has expired.",
	700024:        "The client assertion is not within its time of validity.",
	700027:        "The client assertion is not signed by a registered certificate, or says the wrong things.",
	7000215:       "The client secret is wrong.",
	7000218:       "The request has neither a client secret nor a client assertion.",
	90002:         "There is no such directory.",
	9002331:       "The app does not take personal accounts.",
	90033:         "Something passing went wrong inside.",
}

// stamped is a failure with the identifiers that Entra puts on each of them.
type stamped struct {
	failure            *failure
	trace, correlation string
	time               string
}

func stamp(f *failure) stamped {
	return stamped{f, newGUID(), newGUID(), idp.Now().Format("2006-01-02 15:04:05Z")}
}

// description joins the parts as Entra does: by line breaks in JSON, by spaces in
// a query.
func (s stamped) description(between string) string {
	return strings.Join([]string{
		s.failure.summary(), "Trace ID: " + s.trace, "Correlation ID: " + s.correlation, "Timestamp: " + s.time,
	}, between)
}

// fail answers in JSON, as the token endpoint does.
func (t *Tenant) fail(w http.ResponseWriter, f *failure) {
	s := stamp(f)
	body := map[string]any{
		"error": f.oauth, "error_description": s.description("\r\n"),
		"timestamp": s.time, "trace_id": s.trace, "correlation_id": s.correlation,
	}
	if f.code != 0 {
		body["error_codes"] = []int{f.code}
		body["error_uri"] = t.errorURI(f.code)
	}
	if f.subcode != "" {
		body["suberror"] = f.subcode
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Basic")
	}
	w.Header().Set("Cache-Control", "no-store, no-cache")
	writeJSON(w, f.status, body)
}

// params are what an app reads at its redirect URI.
func (t *Tenant) params(f *failure) url.Values {
	v := url.Values{"error": {f.oauth}, "error_description": {f.text}}
	if f.code != 0 {
		v.Set("error_description", stamp(f).description(" "))
		v.Set("error_uri", t.errorURI(f.code))
	}
	if f.subcode != "" {
		v.Set("error_subcode", f.subcode)
	}
	return v
}

func (t *Tenant) errorURI(code int) string { return t.base + "/error?code=" + strconv.Itoa(code) }

// explain is the page that error_uri links to.
func (t *Tenant) explain(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.URL.Query().Get("code"))
	text := explanations[code]
	if err != nil || text == "" {
		t.pages.show(w, http.StatusNotFound, "error", page{Title: "Error lookup", Text: "There is no such error here."})
		return
	}
	t.pages.show(w, http.StatusOK, "error", page{Title: fmt.Sprintf("AADSTS%d", code), Text: text})
}
