package account_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

const (
	maya = "maya@rtx.example"
	noor = "noor@rtx.example"
)

var (
	none    = idp.Policy{}
	byApp   = idp.Policy{Authenticator: true}
	byEmail = idp.Policy{EmailCode: true}
	byBoth  = idp.Policy{Authenticator: true, EmailCode: true}
)

var want = idptest.Want

func wrong(phone idptest.Authenticator) string { return phone.Wrong() }

// house is a provider with people who look after their accounts.
type house struct {
	*idptest.App
	t   *testing.T
	db  *idptest.Database
	box *idptest.Mailbox
}

// open starts a house with mail, where agents have a policy.
func open(t *testing.T, db *idptest.Database, p idp.Policy) *house {
	t.Helper()
	app, box := idptest.StartWithMail(t, db.URL)
	h := &house{App: app, t: t, db: db, box: box}
	h.SetPolicy(idp.Agents, p, populations.OnNextLogin)
	return h
}

// resident is somebody who is signed in, in a browser.
type resident struct {
	*idptest.Browser
	h     *house
	user  idp.User
	phone idptest.Authenticator
	codes []string
}

// moveIn adds a person and signs them in to their account for the first time, with
// set-up where the policy asks for one.
func (h *house) moveIn(email string) *resident {
	h.t.Helper()
	r := &resident{h: h, user: h.AddUser(idp.Agents, email)}
	var page *idptest.Page
	r.Browser, page = h.another(email)
	if p, err := h.Store.Population(h.t.Context(), idp.Agents); err == nil && p.Policy.Authenticator && !p.Policy.EmailCode {
		r.phone = idptest.Scan(h.t, page)
		page = r.Submit(page, "/enrol", "code", r.phone.Code(0))
		r.codes = idptest.RecoveryCodes(page)
		page = r.Submit(page, "/saved", "saved", "yes")
	} else if p.Policy.SecondStep() {
		if _, _, choice := page.Form("/method"); choice && !strings.Contains(page.Body, "/email\"") {
			page = r.Submit(page, "/method", "method", "email")
		}
		if _, _, unsent := page.Form("/resend"); unsent && !strings.Contains(page.Body, "one-time-code") {
			page = r.Submit(page, "/resend")
		}
		page = r.Submit(page, "/email", "code", h.box.Code(email))
	}
	want(h.t, page, http.StatusOK, "Your account", email)
	return r
}

// another is a browser in which somebody gave their password at their account.
func (h *house) another(email string) (*idptest.Browser, *idptest.Page) {
	h.t.Helper()
	b := idptest.NewBrowser(h.t)
	return b, b.Submit(b.Get(h.Issuer+"/account"), "/password", "email", email, "password", idptest.Password)
}

// returns signs the person in once more, in another browser.
func (r *resident) returns() *resident {
	r.h.t.Helper()
	other := *r
	var page *idptest.Page
	other.Browser, page = r.h.another(r.user.Email)
	want(r.h.t, other.second(page), http.StatusOK, "Your account")
	return &other
}

// second answers what a sign-in asks for after the password, with the phone.
func (r *resident) second(page *idptest.Page) *idptest.Page {
	r.h.t.Helper()
	if page.Heading() != "Enter the code from your app" {
		return page
	}
	r.h.exec("UPDATE factors SET last_step = 0")
	return r.Submit(page, "/totp", "code", r.phone.Code(0))
}

// proves goes through a step-up and ends on the page that asked for it.
func (r *resident) proves(page *idptest.Page) *idptest.Page {
	r.h.t.Helper()
	if !strings.Contains(page.URL.Path, "/login/") {
		r.h.t.Fatalf("%s (%q) asked for no step-up\n%s", page.URL, page.Heading(), page.Body)
	}
	return r.second(r.Submit(page, "/password", "password", idptest.Password))
}

func (r *resident) at(page string) *idptest.Page {
	r.h.t.Helper()
	return r.Get(r.h.Issuer + "/account/agents" + page)
}

// posts sends a form that no page offered.
func (r *resident) posts(page string, pairs ...string) *idptest.Page {
	r.h.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return r.Post(r.h.Issuer+"/account/agents"+page, form)
}

func (h *house) exec(statement string) { h.t.Helper(); h.db.Exec(h.t, statement) }

// stale makes every proof so old that a step-up is due, and no older than sessions get.
func (h *house) stale() {
	h.t.Helper()
	h.AgeProofs(11 * time.Minute)
}

// factors are the ids of somebody's authenticators.
func (r *resident) factors() (ids []string) {
	r.h.t.Helper()
	e, err := r.h.Store.Enrolment(r.h.t.Context(), r.user.ID)
	idptest.Must(r.h.t, err)
	for _, f := range e.Of(idp.MethodTOTP) {
		ids = append(ids, f.ID)
	}
	return ids
}

// adds sets up another authenticator, and returns it.
func (r *resident) adds(name string) idptest.Authenticator {
	r.h.t.Helper()
	page := r.at("/second-step/add")
	phone := idptest.Scan(r.h.t, page)
	page = r.Submit(page, "/second-step/add", "name", name, "code", phone.Code(0))
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "The authenticator app is set up.") {
		r.h.t.Fatalf("%s: %d %q\n%s", page.URL, page.Status, page.Heading(), page.Body)
	}
	return phone
}

// letter waits for a mail of a subject, passing over others.
func (h *house) letter(to, subject string) idptest.Letter {
	h.t.Helper()
	for {
		if l := h.box.Next(to); l.Subject == subject {
			return l
		}
	}
}

// letters counts what has come to an address with a subject, once everything that was
// asked for has been sent.
func (h *house) letters(to, subject string) (n int) {
	h.t.Helper()
	h.settled()
	for _, l := range h.box.All(to) {
		if l.Subject == subject {
			n++
		}
	}
	return n
}

// settled waits until no mail is under way.
func (h *house) settled() {
	h.t.Helper()
	for range 400 {
		var n int
		err := h.db.SQL().QueryRowContext(h.t.Context(), "SELECT COUNT(*) FROM outbox WHERE lane = 'mail' AND done_at IS NULL").Scan(&n)
		idptest.Must(h.t, err)
		if n == 0 {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	h.t.Fatal("mail is still under way")
}
