package portal

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// layout is what every page shows around its content.
type layout struct {
	Kind       Kind
	Portal     string // the portal's name
	Title      string
	Stylesheet string
	Icon       string
	Notice     notice
}

// signedOutPage invites to sign in.
type signedOutPage struct {
	layout
	Lead string
}

// signedInPage says who and how.
type signedInPage struct {
	layout
	Name       string
	Email      string
	Population string
	Sentence   string
	Renewed    string // what the last refresh brought; empty before the first
	CanRefresh bool
	Claims     []row
	Tokens     []row
}

// row is a line of a table: a raw value or a time, and what it means.
type row struct {
	Label   string
	Value   string
	Meaning string
	Time    time.Time // machine-readable; zero when the row is no time
}

// problemPage says what went wrong and what to do.
type problemPage struct {
	layout
	Text        string
	Code        string
	Description string
	Again       string // where trying again begins; empty when that would not help
	Label       string // of the button
}

// confirmPage asks for a stronger or newer sign-in and says what is asked for.
type confirmPage struct {
	layout
	Link  string
	Asked []row
}

// exportsPage lists the customer exports.
type exportsPage struct {
	layout
	Files []row
}

// pages holds the templates, the assets and the layout of this portal.
type pages struct {
	templates *template.Template
	layout    layout
	files     map[string][]byte // by the name with its hash
}

func loadPages(cfg Config) (*pages, error) {
	templates, err := template.New("").Funcs(template.FuncMap{"initial": initial}).ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the templates: %w", err)
	}
	p := &pages{templates: templates, files: map[string][]byte{}}
	p.layout = layout{Kind: cfg.Kind, Portal: cfg.Name}
	if p.layout.Stylesheet, err = p.publish("portal.css"); err != nil {
		return nil, err
	}
	if p.layout.Icon, err = p.publish(string(cfg.Kind) + ".svg"); err != nil {
		return nil, err
	}
	return p, nil
}

// publish serves an embedded file under a name that changes with its content.
func (p *pages) publish(name string) (string, error) {
	content, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return "", fmt.Errorf("reading an asset: %w", err)
	}
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:6]) + ext
	p.files[hashed] = content
	return "/assets/" + hashed, nil
}

func (p *pages) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	content, ok := p.files[name]
	if !ok {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content)
}

// write renders a page as a whole before the first byte is sent.
func (p *pages) write(w http.ResponseWriter, status int, page any) error {
	var name string
	switch page.(type) {
	case signedOutPage:
		name = "signed-out"
	case signedInPage:
		name = "signed-in"
	case problemPage:
		name = "problem"
	case confirmPage:
		name = "confirm"
	case exportsPage:
		name = "exports"
	}
	var out bytes.Buffer
	if err := p.templates.ExecuteTemplate(&out, name, page); err != nil {
		return fmt.Errorf("rendering the %s page: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
	return nil
}

func (p *Portal) signedOut(said notice) signedOutPage {
	v := voices[p.cfg.Kind]
	page := signedOutPage{layout: p.pages.layout, Lead: v.lead}
	page.Title, page.Notice = v.title, said
	return page
}

func (p *Portal) signedIn(s session, said notice) signedInPage {
	id := s.identity
	page := signedInPage{
		layout:     p.pages.layout,
		Name:       cmp.Or(id.Name, id.Email, id.Subject),
		Email:      id.Email,
		Population: id.Population,
		Sentence:   sentence(id),
		Renewed:    renewed(s),
		CanRefresh: s.refreshToken != "",
		Claims:     claimRows(id),
		Tokens:     tokenRows(s),
	}
	page.Title, page.Notice = "You are signed in", said
	return page
}

func sentence(id identity) string {
	said := "You signed in with " + waysIn(id.AMR)
	if at := id.authenticated(); !at.IsZero() {
		return said + ", " + ago(now().Sub(at)) + "."
	}
	return said + "."
}

func renewed(s session) string {
	if s.refreshed.IsZero() {
		return ""
	}
	said := "Tokens refreshed " + ago(now().Sub(s.refreshed))
	if s.accessExpiry.IsZero() {
		return said + "."
	}
	return said + "; the access token is now good until " + s.accessExpiry.Format("15:04:05 UTC") + "."
}

func claimRows(id identity) []row {
	rows := []row{
		{Label: "amr", Value: strings.Join(id.AMR, " "), Meaning: "how you proved who you are"},
		{Label: "acr", Value: id.ACR, Meaning: levels[id.ACR]},
		timeRow("auth_time", id.authenticated(), ""),
		{Label: "population", Value: id.Population},
		{Label: "idp", Value: id.IDP},
		{Label: "sub", Value: id.Subject},
		{Label: "sid", Value: id.SessionID},
	}
	return nonEmpty(rows)
}

func tokenRows(s session) []row {
	rows := []row{
		timeRow("Access token runs out", s.accessExpiry, left(s.accessExpiry.Sub(now()))),
		timeRow("ID token runs out", s.identity.token.Expiry.UTC(), left(s.identity.token.Expiry.Sub(now()))),
		timeRow("Last refreshed", s.refreshed, ago(now().Sub(s.refreshed))),
		timeRow("Session here ends at the latest", s.ends(), left(s.ends().Sub(now()))),
	}
	return nonEmpty(rows)
}

func timeRow(label string, at time.Time, meaning string) row {
	if at.IsZero() {
		return row{}
	}
	return row{Label: label, Value: at.Format("2 Jan 2006, 15:04:05 UTC"), Meaning: meaning, Time: at}
}

func nonEmpty(rows []row) []row {
	var kept []row
	for _, r := range rows {
		if r.Value != "" {
			kept = append(kept, r)
		}
	}
	return kept
}

func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// problem is an error with words for the person; cause is for the log.
type problem struct {
	status      int
	title, text string
	retry       bool
	again       string // where trying again begins; /login when empty
	label       string // of the button that leads there; "Try again" when empty
	code        string // what the provider said
	description string
	cause       error
}

// Error implements error.
func (e *problem) Error() string {
	if e.cause == nil {
		return e.title
	}
	return e.title + ": " + e.cause.Error()
}

// Unwrap answers the cause.
func (e *problem) Unwrap() error { return e.cause }

func notAnswering(cause error) error {
	return &problem{
		status: http.StatusServiceUnavailable,
		title:  "The sign-in service does not answer yet",
		text:   "It may still be starting. Wait a moment and try again.",
		retry:  true,
		cause:  cause,
	}
}

// providerErrors are the errors of an authorization response that a person can do
// something about, in words.
var providerErrors = map[string]problem{
	"access_denied":                     {status: 403, title: "You were not signed in", text: "The sign-in was cancelled, or this account may not use this portal."},
	"login_required":                    {status: 401, title: "You are not signed in yet", text: "The sign-in service needs to see you before it can let you in here."},
	"interaction_required":              {status: 401, title: "You are not signed in yet", text: "The sign-in service needs to ask you something first."},
	"account_selection_required":        {status: 401, title: "Choose an account first", text: "You are signed in with more than one account. Sign in to choose which one to use here."},
	"unmet_authentication_requirements": {status: 403, title: "This needs a stronger sign-in", text: "Your account has no second step that is strong enough for what was asked. Set one up, or contact support."},
	"temporarily_unavailable":           {status: 503, title: "The sign-in service is busy", text: "Wait a moment and try again."},
	"server_error":                      {status: 502, title: "The sign-in service had a problem", text: "It is not your fault. Try again in a moment."},
}

const maxDescription = 300

// providerError is the page for an authorization response with an error.
func providerError(query url.Values) *problem {
	e, known := providerErrors[query.Get("error")]
	if !known {
		e = problem{
			status: http.StatusBadRequest,
			title:  "The sign-in did not work",
			text:   "The sign-in service refused this portal's request. Try again; if it happens again, contact support.",
		}
	}
	e.retry = true
	e.code = shorten(query.Get("error"))
	e.description = shorten(query.Get("error_description"))
	e.cause = errors.New("the provider answered an error")
	return &e
}

func shorten(s string) string {
	s = strings.ToValidUTF8(s, "")
	if runes := []rune(s); len(runes) > maxDescription {
		return string(runes[:maxDescription]) + "…"
	}
	return s
}

// page turns the error of a handler into a page, and its cause into a log line.
func (p *Portal) page(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := handle(w, r)
		if err == nil {
			return
		}
		var known *problem
		if !errors.As(err, &known) {
			known = &problem{
				status: http.StatusInternalServerError,
				title:  "Something went wrong here",
				text:   "It is not your fault. Try again in a moment.",
				cause:  err,
			}
		}
		if known.cause != nil {
			p.log.Warn("answering a problem", "path", r.URL.Path, "status", known.status, "code", known.code, "cause", known.cause)
		}
		page := problemPage{layout: p.pages.layout, Text: known.text, Code: known.code, Description: known.description}
		page.Title = known.title
		if known.retry {
			page.Again, page.Label = cmp.Or(known.again, "/login"), cmp.Or(known.label, "Try again")
		}
		if err := p.pages.write(w, known.status, page); err != nil {
			p.log.Error("answering a problem", "error", err)
			http.Error(w, known.title, http.StatusInternalServerError)
		}
	})
}
