package mailbox

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

const (
	pageCSP = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'"
	// A message is a stranger's page: it may look as it likes and do nothing.
	messageCSP = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " +
		"frame-ancestors 'self'"
)

// Handler serves the page and the API. The server around it owns the timeouts.
func (m *Mailbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", m.inbox)
	mux.HandleFunc("GET /view/{id}", m.view)
	mux.HandleFunc("GET /view/{id}/html", m.viewHTML)
	mux.HandleFunc("POST /clear", m.clear)
	mux.HandleFunc("GET /api/v1/messages", m.listMessages)
	mux.HandleFunc("GET /api/v1/search", m.listMessages)
	mux.HandleFunc("GET /api/v1/message/{id}", m.showMessage)
	mux.HandleFunc("DELETE /api/v1/messages", m.deleteMessages)
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET "+m.pages.stylesheet, m.pages.serveStylesheet)
	mux.HandleFunc("GET /assets/mailbox.svg", m.pages.serveIcon)
	mux.HandleFunc("/", m.notFound)
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.MaxBytesHandler(securityHeaders(guarded), maxBody)
}

func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pageCSP)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// layout is what every page shows around its content.
type layout struct {
	Title      string
	Stylesheet string
}

// inboxPage lists the messages.
type inboxPage struct {
	layout
	Query        string
	Summary      string
	Total        int
	Rows         []inboxRow
	Newer, Older string // addresses of the neighbouring pages
}

type inboxRow struct {
	ID, From, To, Subject, Snippet string
	Ago                            string
	Created                        time.Time
	Unread                         bool
}

// messagePage shows a message.
type messagePage struct {
	layout
	ID          string
	Fields      []field
	Text        []segment
	HTML        bool
	Headers     []field
	Attachments []attachment
}

// segment is a piece of text, a link or not.
type segment struct{ Text, Link string }

// missingPage says that something is not there.
type missingPage struct{ layout }

func (m *Mailbox) inbox(w http.ResponseWriter, r *http.Request) {
	start, limit := window(r)
	query := r.URL.Query().Get("query")
	found := m.mail.list(query, start, limit)
	page := inboxPage{layout: m.pages.layout("Mailbox"), Query: query, Total: found.total}
	page.Summary = count(found.matches, "message")
	if query != "" {
		page.Summary += " found"
	}
	if found.unseen > 0 {
		page.Summary += fmt.Sprintf(", %d unread", found.unseen)
	}
	for _, l := range found.letters {
		page.Rows = append(page.Rows, inboxRow{
			ID: l.ID, From: l.From.String(), To: join(slices.Concat(l.To, l.Cc), l.Bcc), Subject: l.Subject,
			Snippet: l.Snippet, Ago: ago(now().Sub(l.Created)), Created: l.Created, Unread: !l.Read,
		})
	}
	if start > 0 {
		page.Newer = inboxURL(query, max(0, start-limit), limit)
	}
	if start+limit < found.matches {
		page.Older = inboxURL(query, start+limit, limit)
	}
	m.write(w, http.StatusOK, "inbox", page)
}

func inboxURL(query string, start, limit int) string {
	q := url.Values{"start": {strconv.Itoa(start)}, "limit": {strconv.Itoa(limit)}}
	if query != "" {
		q.Set("query", query)
	}
	return "/?" + q.Encode()
}

// join lists addresses; those without a header serve when there are no others.
func join(named, blind []address) string {
	if len(named) == 0 {
		named = blind
	}
	var out []string
	for _, a := range named {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func (m *Mailbox) view(w http.ResponseWriter, r *http.Request) {
	l, ok := m.mail.open(r.PathValue("id"))
	if !ok {
		m.notFound(w, r)
		return
	}
	page := messagePage{
		layout: m.pages.layout(l.Subject), ID: l.ID, Text: linked(l.Text), HTML: l.HTML != "",
		Headers: l.Headers, Attachments: l.Attachments,
	}
	if l.Subject == "" {
		page.Title = "(no subject)"
	}
	for _, f := range []field{
		{"From", l.From.String()},
		{"To", join(l.To, nil)},
		{"Cc", join(l.Cc, nil)},
		{"Without a header", join(l.Bcc, nil)},
		{"Sent", l.Date.Format(time.RFC1123)},
	} {
		if f.Value != "" {
			page.Fields = append(page.Fields, f)
		}
	}
	m.write(w, http.StatusOK, "message", page)
}

// viewHTML serves the HTML part alone, for the sandboxed frame of view.
func (m *Mailbox) viewHTML(w http.ResponseWriter, r *http.Request) {
	l, ok := m.mail.open(r.PathValue("id"))
	if !ok || l.HTML == "" {
		m.notFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", messageCSP)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(l.HTML))
}

func (m *Mailbox) clear(w http.ResponseWriter, r *http.Request) {
	m.mail.remove(nil)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (m *Mailbox) notFound(w http.ResponseWriter, _ *http.Request) {
	m.write(w, http.StatusNotFound, "missing", missingPage{m.pages.layout("This message is not here")})
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// write renders a page as a whole before the first byte is sent.
func (m *Mailbox) write(w http.ResponseWriter, status int, name string, page any) {
	var out bytes.Buffer
	if err := m.pages.templates.ExecuteTemplate(&out, name, page); err != nil {
		m.log.Error("rendering a page", "page", name, "error", err)
		http.Error(w, "the page could not be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}

// pages holds the templates and the assets.
type pages struct {
	templates  *template.Template
	stylesheet string // its address, which changes with its content
	css, icon  []byte
}

func loadPages() (*pages, error) {
	templates, err := template.ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the templates: %w", err)
	}
	css, err := assets.ReadFile("assets/mailbox.css")
	if err != nil {
		return nil, fmt.Errorf("reading the stylesheet: %w", err)
	}
	icon, err := assets.ReadFile("assets/mailbox.svg")
	if err != nil {
		return nil, fmt.Errorf("reading the icon: %w", err)
	}
	sum := sha256.Sum256(css)
	return &pages{templates, "/assets/mailbox-" + hex.EncodeToString(sum[:6]) + ".css", css, icon}, nil
}

func (p *pages) layout(title string) layout { return layout{title, p.stylesheet} }

func (p *pages) serveStylesheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(p.css)
}

func (p *pages) serveIcon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(p.icon)
}

var links = regexp.MustCompile(`https?://[^\s<>"]+`)

// linked cuts text into pieces, so that addresses in it can be followed.
func linked(s string) []segment {
	var out []segment
	for {
		at := links.FindStringIndex(s)
		if at == nil {
			break
		}
		link := strings.TrimRight(s[at[0]:at[1]], ".,;:!?)]}'")
		out = append(out, segment{Text: s[:at[0]]}, segment{Text: link, Link: link})
		s = s[at[0]+len(link):]
	}
	if s != "" {
		out = append(out, segment{Text: s})
	}
	return out
}

func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(int(d.Minutes()), "minute") + " ago"
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour") + " ago"
	default:
		return count(int(d.Hours()/24), "day") + " ago"
	}
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
