package ui

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Options are what New needs to know about its surroundings.
type Options struct {
	// BasePath is the prefix under which the server is reachable, such as
	// "/sso", or "" at the root of the host.
	BasePath string
}

// UI renders pages and serves their assets. It is safe for concurrent use.
type UI struct {
	base     string
	assets   map[string]asset
	names    map[string]string
	catalogs catalogs
	matcher  map[bool]language.Matcher // of the console's languages, and of all
	// pages are the templates of each language, parsed when they are first read.
	pages map[string]func() (*template.Template, error)
}

// made holds the function that makes the UI of each base path once in a process. A UI
// never changes, and making one takes longer than to open a database.
var made sync.Map

// New parses every template and the English texts once. The other languages are read when
// somebody reads them: they differ in texts alone.
func New(opts Options) (*UI, error) {
	base := strings.TrimSuffix(opts.BasePath, "/")
	if base != "" && !strings.HasPrefix(base, "/") {
		return nil, fmt.Errorf("ui: base path %q does not start with a slash", opts.BasePath)
	}
	once, _ := made.LoadOrStore(base, sync.OnceValues(func() (*UI, error) {
		return newUI(base, theCatalogs)
	}))
	return once.(func() (*UI, error))()
}

func newUI(base string, texts catalogs) (u *UI, err error) {
	u = texts.ui(base)
	if err := u.loadAssets(); err != nil {
		return nil, err
	}
	u.pages = map[string]func() (*template.Template, error){}
	for _, lang := range u.Languages() {
		u.pages[lang] = sync.OnceValues(func() (*template.Template, error) { return u.parse(lang) })
	}
	_, err = u.pages[fallback]()
	return u, err
}

// Texts is a UI that writes texts and no pages.
func Texts() *UI { return theCatalogs.ui("") }

// ui is a UI without pages.
func (c catalogs) ui(base string) *UI {
	u := &UI{base: base, catalogs: c, matcher: map[bool]language.Matcher{}}
	for _, console := range []bool{false, true} {
		var tags []language.Tag
		for _, lang := range u.languages(console) {
			tags = append(tags, language.Make(lang))
		}
		u.matcher[console] = language.NewMatcher(tags)
	}
	return u
}

// English writes a text in English.
func (u *UI) English(key string, args ...any) string {
	return u.Text(fallback, *Key(key).With(args...))
}

// parse builds the templates of one language. Each page defines a heading and a body, which
// become NAME/heading and NAME/body: one set then holds all pages and the parts they share. A
// set for each page would need a copy of the parts, seven times the memory.
func (u *UI) parse(lang string) (*template.Template, error) {
	set, err := template.New("").Funcs(u.funcs(lang)).ParseFS(templateFiles, "templates/_*.html")
	if err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	for _, entry := range entries {
		name, shared := strings.TrimSuffix(entry.Name(), ".html"), strings.HasPrefix(entry.Name(), "_")
		if shared {
			continue
		}
		page, err := templateFiles.ReadFile("templates/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("ui: %w", err)
		}
		own := strings.NewReplacer(`{{define "heading"`, `{{define "`+name+`/heading"`, `{{define "body"`, `{{define "`+name+`/body"`)
		if _, err := set.New(entry.Name()).Parse(own.Replace(string(page))); err != nil {
			return nil, fmt.Errorf("ui: %w", err)
		}
	}
	return set, nil
}

// funcs are what templates of one language can call.
func (u *UI) funcs(lang string) template.FuncMap {
	text := func(m *Message) any { return u.onPage(lang, *m) }
	return template.FuncMap{
		"t":        func(key Key, args ...any) any { return u.onPage(lang, Message{key, args}) },
		"tb":       func(key Key, args ...any) template.HTML { return u.strong(lang, Message{key, args}) },
		"msg":      func(m Message) any { return text(&m) },
		"errmsg":   text,
		"asset":    u.Asset,
		"brandcss": u.brandAsset,
		"monogram": monogram,
		"clock":    clock,
		"number":   func(n int64) string { return u.number(lang, n) },
		"count":    func(n int64) Count { return Count(n) },
		"date":     func(at time.Time) string { return u.day(lang, Day(at)) },
		"dayof":    func(d time.Time) string { return u.dayOfMonth(lang, d) },
		"dict":     dict,
		"choose":   func() string { return u.base + LanguagePath },
		"when":     func(at time.Time) template.HTML { return u.element(lang, at, "") },
		"exactly":  func(at time.Time) template.HTML { return u.element(lang, at, precise) },
		"device":   func(agent string) string { return u.Device(lang, agent) },
	}
}

// view is what the layout sees of a page.
type view struct {
	Page          Page
	Frame         Frame
	Heading, Body template.HTML
	Name          string
	Failed        bool
	Next          template.URL
}

// Reader is what a page does not know itself of who reads it.
type Reader struct {
	// Here is the address of the page, for the choice of a language; empty: it has none.
	Here string
	// Lang takes the place of the page's own, where it is not empty.
	Lang string
}

// LangOf is the language that a page is written in: the console has texts of some alone.
func (u *UI) LangOf(p Page) string {
	lang := p.frame().Lang
	if ofConsole(p.about().template) {
		return u.Match(Wish{Person: lang, Console: true})
	}
	return cmp.Or(u.Known(lang), fallback)
}

// Render writes the page as HTML. Nothing is written when it returns an error
// of the template: the page is built in memory first.
func (u *UI) Render(w io.Writer, p Page) error { return u.RenderFor(w, p, Reader{}) }

// RenderFor is Render for one reader.
func (u *UI) RenderFor(w io.Writer, p Page, r Reader) error {
	about, frame := p.about(), p.frame()
	frame.Lang = cmp.Or(u.Known(r.Lang), u.LangOf(p))
	frame.Here = cmp.Or(frame.Here, r.Here)
	frame.Languages = u.ownNames(u.languages(ofConsole(about.template)))
	set, err := u.pages[frame.Lang]()
	if err != nil {
		return err
	}
	v := view{Page: p, Frame: frame, Name: cmp.Or(about.name, about.template), Failed: about.failed, Next: about.next}
	layout := "layout"
	if about.console {
		layout = "console"
	}
	var out bytes.Buffer
	part := func(name string, data any) (written template.HTML) {
		out.Reset()
		if err == nil {
			err = set.ExecuteTemplate(&out, name, data)
		}
		return template.HTML(out.String()) //nolint:gosec // escaped by its template
	}
	v.Heading, v.Body = part(about.template+"/heading", p), part(about.template+"/body", p)
	part(layout, v)
	if err != nil {
		return fmt.Errorf("ui: page %s: %w", about.template, err)
	}
	_, err = w.Write(u.inZone(frame.Lang, out.Bytes(), zoneOf(frame.Zone)))
	return err
}
