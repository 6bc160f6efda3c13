package idptest

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Browser is a browser without scripts: it keeps cookies, follows redirects and pages
// that lead on by themselves as long as they stay at one host, and posts the forms of
// pages.
type Browser struct {
	Jar    http.CookieJar
	client *http.Client
	tb     testing.TB
}

// NewBrowser makes a browser with no cookies.
func NewBrowser(tb testing.TB) *Browser {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatalf("making a cookie jar: %v", err)
	}
	b := &Browser{Jar: jar, tb: tb}
	b.client = &http.Client{Jar: jar, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.URL.Host != via[0].URL.Host || len(via) > 5 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

// Through has the browser send its requests some other way.
func (b *Browser) Through(t http.RoundTripper) *Browser {
	b.client.Transport = t
	return b
}

// Page is what a browser ended on.
type Page struct {
	Status int
	URL    *url.URL
	Header http.Header
	Body   string
	// Left is where a redirect led that left the host, or a page that leads on by
	// itself: the app.
	Left *url.URL
}

// ReadPage reads an answer that nothing followed.
func ReadPage(tb testing.TB, res *http.Response) *Page {
	tb.Helper()
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatalf("reading %s: %v", res.Request.URL, err)
	}
	p := &Page{Status: res.StatusCode, URL: res.Request.URL, Header: res.Header, Body: string(body)}
	if location := res.Header.Get("Location"); location != "" {
		if p.Left, err = res.Request.URL.Parse(location); err != nil {
			tb.Fatalf("reading Location %q: %v", location, err)
		}
	}
	return p
}

var leadsOn = regexp.MustCompile(`<meta http-equiv="refresh" content="[03]; url=([^"]*)">`)

// LeadsOn is where a page goes on to by itself, nil for one that stays.
func (p *Page) LeadsOn() *url.URL {
	m := leadsOn.FindStringSubmatch(p.Body)
	if m == nil {
		return nil
	}
	next, err := p.URL.Parse(html.UnescapeString(m[1]))
	if err != nil {
		return nil
	}
	return next
}

// Get opens a URL.
func (b *Browser) Get(target string) *Page {
	b.tb.Helper()
	req, err := http.NewRequest(http.MethodGet, target, http.NoBody)
	if err != nil {
		b.tb.Fatalf("GET %s: %v", target, err)
	}
	return b.Do(req)
}

// Do sends a request with the browser's cookies.
func (b *Browser) Do(req *http.Request) *Page {
	b.tb.Helper()
	res, err := b.client.Do(req)
	if err != nil {
		b.tb.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	p := ReadPage(b.tb, res)
	if next := p.LeadsOn(); next != nil && next.Host == p.URL.Host {
		return b.Get(next.String())
	} else if next != nil {
		p.Left = next
	}
	return p
}

// Post sends a form to a URL, the way a page of the same site does.
func (b *Browser) Post(target string, form url.Values) *Page {
	b.tb.Helper()
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.tb.Fatalf("POST %s: %v", target, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.Do(req)
}

// Fire posts the form of a page whose answer may never arrive, because the
// server is about to be killed. Cookies that did arrive are lost too.
func (b *Browser) Fire(p *Page, action string, pairs ...string) {
	b.tb.Helper()
	target, fields, ok := p.Form(action)
	if !ok {
		b.tb.Fatalf("page %q has no form %s", p.Heading(), action)
	}
	for i := 0; i < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(fields.Encode()))
	if err != nil {
		b.tb.Fatalf("POST %s: %v", target, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range b.Jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
		_ = res.Body.Close()
	}
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	inputTag = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	attr     = regexp.MustCompile(`(name|value)="([^"]*)"`)
	heading  = regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>`)
)

var (
	startsAgain = regexp.MustCompile(`data-again="[^"]*" data-seconds="[^"]*"|name="again" value="[^"]*"`)
	flowInPath  = regexp.MustCompile(`/login/[A-Za-z0-9_-]{20,}`)
)

// Impersonal is the page without what is of this one sign-in: its address, and the request
// that starts it again. Two people who must not be told apart get the same.
func (p *Page) Impersonal() string {
	return flowInPath.ReplaceAllString(startsAgain.ReplaceAllString(p.Body, "AGAIN"), "/login/FLOW")
}

// leads finds the addresses of a page that a click, the page itself or a form follows.
var leads = regexp.MustCompile(`(?i)\s(?:href|action|formaction|src|srcset|content)="([^"]*)"`)

// LeadsTo tells whether anything on the page leads to a host.
func (p *Page) LeadsTo(host string) bool {
	for _, found := range leads.FindAllStringSubmatch(p.Body, -1) {
		if strings.Contains(found[1], host) {
			return true
		}
	}
	return false
}

// Heading is the text of the page's h1.
func (p *Page) Heading() string {
	m := heading.FindStringSubmatch(p.Body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(strings.TrimSpace(m[1]))
}

// languageForm is the end of the action of the form on every page that chooses a language.
const languageForm = "/language"

// Form finds the form whose action ends so, with its hidden fields. The choice of a language
// is found by its own action alone.
func (p *Page) Form(action string) (target string, fields url.Values, ok bool) {
	for _, m := range formTag.FindAllStringSubmatch(p.Body, -1) {
		if !strings.HasSuffix(m[1], action) || strings.HasSuffix(m[1], languageForm) && action != languageForm {
			continue
		}
		fields = url.Values{}
		for _, input := range inputTag.FindAllString(m[2], -1) {
			var name, value string
			for _, a := range attr.FindAllStringSubmatch(input, -1) {
				if a[1] == "name" {
					name = a[2]
				} else {
					value = html.UnescapeString(a[2])
				}
			}
			fields.Set(name, value)
		}
		u, err := p.URL.Parse(html.UnescapeString(m[1]))
		return u.String(), fields, err == nil
	}
	return "", nil, false
}

// Submit fills in and posts the form whose action ends so. pairs are names and
// values.
func (b *Browser) Submit(p *Page, action string, pairs ...string) *Page {
	b.tb.Helper()
	target, fields, ok := p.Form(action)
	if !ok {
		b.tb.Fatalf("page %q (status %d, %s) has no form %s:\n%s", p.Heading(), p.Status, p.URL, action, p.Body)
	}
	for i := 0; i < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	return b.Post(target, fields)
}
