package portal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// export is a file of customer data, made up for the demo.
type export struct {
	File      string `json:"file"`
	Customers int    `json:"customers"`
	Made      string `json:"made"` // a date
}

// exportList is what the API answers.
type exportList struct {
	Exports []export `json:"exports"`
}

var madeUpExports = exportList{[]export{
	{"customers-all.csv", 1284, "2026-07-01"},
	{"customers-new.csv", 57, "2026-07-01"},
	{"customers-waiting.csv", 212, "2026-07-06"},
}}

// exportsAPI answers the exports to a sign-in that is strong and recent enough,
// and says what another one is short of (RFC 9470).
func (p *Portal) exportsAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s, err := p.fresh(r)
	if err != nil {
		refuseSignedOut(w)
		return
	}
	lack := exportsNeed.lacking(s.identity, now())
	if lack == "" {
		writeJSON(w, http.StatusOK, madeUpExports)
		return
	}
	w.Header().Set("WWW-Authenticate", exportsNeed.header(lack))
	writeJSON(w, http.StatusUnauthorized, map[string]any{
		"error":             insufficientAuthentication,
		"error_description": lack,
		"acr_values":        exportsNeed.acrValues,
		"max_age":           int(exportsNeed.maxAge.Seconds()),
	})
}

// exports is the page of a client that knows nothing of the API's rule: it asks
// the API and reads the challenge, as one on another machine would.
func (p *Portal) exports(w http.ResponseWriter, r *http.Request) error {
	answer := &reply{header: http.Header{}}
	p.exportsAPI(answer, r)
	switch answer.status {
	case http.StatusOK:
		return p.showExports(w, answer.body.Bytes())
	case http.StatusUnauthorized:
		if need, ok := asksStepUp(answer.header); ok {
			return p.pages.write(w, http.StatusForbidden, p.confirm(need))
		}
		return &problem{
			status: http.StatusForbidden,
			title:  "Sign in first",
			text:   "The customer exports open once you are signed in.",
			retry:  true,
			label:  "Sign in",
			again:  stepUpURL(exportsPath, assurance{}),
		}
	}
	return fmt.Errorf("the exports API answered %d", answer.status)
}

func (p *Portal) showExports(w http.ResponseWriter, body []byte) error {
	var list exportList
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("reading the exports: %w", err)
	}
	page := exportsPage{layout: p.pages.layout}
	page.Title = "Customer exports"
	for _, e := range list.Exports {
		page.Files = append(page.Files, row{Label: e.File, Value: count(e.Customers, "customer"), Meaning: "made " + readableDate(e.Made)})
	}
	return p.pages.write(w, http.StatusOK, page)
}

// readableDate is a date as people write it; what is no date stays as it is.
func readableDate(s string) string {
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s
	}
	return at.Format("2 Jan 2006")
}

// confirm asks the person for what a challenge asks the portal for.
func (p *Portal) confirm(need assurance) confirmPage {
	page := confirmPage{layout: p.pages.layout, Link: stepUpURL(exportsPath, need)}
	page.Title = "Confirm it is you"
	if need.acrValues != "" {
		page.Asked = append(page.Asked, row{Label: "acr_values", Value: need.acrValues, Meaning: levels[need.acrValues]})
	}
	if need.aged {
		page.Asked = append(page.Asked, row{Label: "max_age", Value: strconv.Itoa(int(need.maxAge.Seconds())), Meaning: "confirmed in the last " + span(need.maxAge)})
	}
	return page
}

// span says a length of time in words.
func span(d time.Duration) string {
	if d < time.Minute || d%time.Minute != 0 {
		return count(int(d.Seconds()), "second")
	}
	return count(int(d.Minutes()), "minute")
}

// reply keeps what a handler of ours answers.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *reply) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *reply) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *reply) Write(b []byte) (int, error) { return a.body.Write(b) }
