package entra

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
)

//go:embed assets
var files embed.FS

// page is what the templates read; each uses some of it.
type page struct {
	Title    string
	Text     string
	Notice   string
	Small    []string
	Action   string
	App      string
	Company  string
	Username string
	Accounts []account
	People   []Person
	Scopes   []string
	Frames   []string
	Next     string
	Console  *console
}

// account is a tile of a person who is signed in.
type account struct{ SID, Name, Username string }

type pages struct {
	templates map[string]*template.Template
}

func loadPages() (*pages, error) {
	p := &pages{templates: map[string]*template.Template{}}
	for _, name := range []string{"pick", "signin", "approve", "consent", "refused", "error", "signedout", "console"} {
		made, err := template.ParseFS(files, "assets/frame.html", "assets/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("reading page %s: %w", name, err)
		}
		p.templates[name] = made
	}
	return p, nil
}

// policy lets pages load nothing but the style of this server.
// Frames and forms lead to apps, wherever they are.
const policy = "default-src 'none'; style-src 'self'; frame-src *; base-uri 'none'; frame-ancestors 'none'"

// show answers a page.
func (p *pages) show(w http.ResponseWriter, status int, name string, data page) {
	var b bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&b, "frame.html", data); err != nil {
		http.Error(w, "The page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the connection is gone
}

// assets serves the style.
func (p *pages) assets() http.Handler {
	sub, err := fs.Sub(files, "assets")
	if err != nil {
		return http.NotFoundHandler()
	}
	return http.StripPrefix("/assets/", http.FileServerFS(sub))
}
