package login_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

const fresh = "another long password" // a new password

var follow = idptest.Follow

// withLinks is a house that sends mail, whose app takes people of both populations.
func withLinks(t *testing.T, db *idptest.Database, p idp.Policy) *house {
	t.Helper()
	app, box := idptest.StartWithMail(t, db.URL)
	h := &house{App: app, t: t, db: db, box: box, user: app.AddUser(idp.Agents, email)}
	h.party = app.AddParty(idp.Client{HomeURL: home, Claims: idp.PortalClaims(), Populations: []string{idp.Agents, idp.Contacts}})
	for _, population := range []string{idp.Agents, idp.Contacts} {
		app.SetPolicy(population, p, populations.OnNextLogin)
	}
	return h
}

// linkRows are all that links, people and their sessions consist of.
func (h *house) linkRows() []string {
	h.t.Helper()
	return h.db.Rows(h.t, "links", "users", "user_roles", "sessions", "audit_events", "outbox", "throttles")
}

// at is the first page of a sign-in to the app.
func (h *house) at(b *idptest.Browser) *idptest.Page {
	h.t.Helper()
	page := b.Get(h.party.Begin().URL)
	want(h.t, page, http.StatusOK, "Sign in to Test app")
	return page
}

// forgot asks for a link in a browser, as people do.
func (h *house) forgot(b *idptest.Browser, address string) *idptest.Page {
	h.t.Helper()
	page := b.Get(follow(h.t, h.at(b), "Forgot password?"))
	want(h.t, page, http.StatusOK, "Forgot your password?")
	return b.Submit(page, "/forgot", "email", address)
}

// link waits for the next mail with a link to an address, passing over others.
func (h *house) link(to string) string {
	h.t.Helper()
	for {
		if link := linkIn(h.box.Next(to)); link != "" {
			return link
		}
	}
}

var aLink = regexp.MustCompile(`(?m)^https?://\S+/(?:reset|invitation|registration)/[\w-]{43}$`)

func linkIn(l idptest.Letter) string {
	return aLink.FindString(strings.ReplaceAll(l.Text, "\r\n", "\n"))
}

// submit posts the form behind a link.
func submit(b *idptest.Browser, link string, pairs ...string) *idptest.Page {
	u, _ := url.Parse(link)
	return b.Submit(b.Get(link), u.Path, pairs...)
}

// post posts to a link without looking at its page first.
func post(b *idptest.Browser, link string, pairs ...string) *idptest.Page {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.Post(link, form)
}

// fire posts a form and looks at nothing but the status.
func (h *house) fire(b *idptest.Browser, to *url.URL, form url.Values) int {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range b.Jar.Cookies(to) {
		req.AddCookie(c)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		h.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

// quiet waits until all that was asked for is carried out, and all mail is sent.
func (h *house) quiet() {
	h.t.Helper()
	for range 1000 {
		if h.count("outbox WHERE done_at IS NULL") == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.t.Fatal("deliveries wait for ever")
}
