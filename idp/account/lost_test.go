package account_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

const sessionCookie = "gatehouse_session_agents"

// held is the session's cookie of a resident's browser.
func (r *resident) held() string {
	r.h.t.Helper()
	for _, c := range r.Jar.Cookies(r.h.site()) {
		if c.Name == sessionCookie {
			return c.Value
		}
	}
	return ""
}

// holds gives a resident's browser another cookie.
func (r *resident) holds(value string) {
	r.Jar.SetCookies(r.h.site(), []*http.Cookie{{Name: sessionCookie, Value: value, Path: "/"}})
}

func (h *house) site() *url.URL {
	h.t.Helper()
	u, err := url.Parse(h.Issuer)
	idptest.Must(h.t, err)
	return u
}

// firstPhone is somebody on the page that sets up their first authenticator.
func (h *house) firstPhone(email string) (r *resident, form *idptest.Page) {
	h.t.Helper()
	h.SetPolicy(h.AddUser("agents", "nobody-"+email).PopulationID, byEmail, populations.OnNextLogin)
	r = h.moveIn(email)
	h.SetPolicy(r.user.PopulationID, byBoth, populations.OnNextLogin)
	form = r.at("/second-step/add")
	r.phone = idptest.Scan(h.t, form)
	return r, form
}

// A browser that lost our answer still has its old cookie. It sends the same form again,
// and gets the same answer with the same new cookie.
func TestALostAnswerToANewAuthenticatorComesAgain(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r, form := h.firstPhone(maya)
		before := r.held()
		want(t, r.Submit(form, "/second-step/add", "code", r.phone.Code(0)), http.StatusOK, "Save your recovery codes")
		given := r.held()
		if given == before {
			t.Fatal("the session's privilege rose, and its cookie is the same")
		}
		r.holds(before)
		if page := r.Submit(form, "/second-step/add", "code", r.phone.Code(0)); page.Heading() != "Save your recovery codes" || r.held() != given {
			t.Errorf("sent again: %q (%d)", page.Heading(), page.Status)
		}
		want(t, r.at(""), http.StatusOK, "Your account")
		if n := len(r.factors()); n != 1 {
			t.Errorf("%d authenticators", n)
		}
	})
}

// The old cookie alone is worth nothing: without the code of that authenticator,
// with another set-up, or later than a minute nobody gets the session.
func TestACookieOfBeforeGetsNothingWithoutTheCode(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r, form := h.firstPhone(maya)
	before := r.held()
	r.Submit(form, "/second-step/add", "code", r.phone.Code(0))
	_, fields, _ := form.Form("/second-step/add")
	refused := func(what string, page *idptest.Page) {
		t.Helper()
		if !strings.Contains(page.URL.Path, "/login/") || r.held() != before {
			t.Errorf("%s: %q (%d)", what, page.Heading(), page.Status)
		}
		r.holds(before)
	}
	r.holds(before)
	refused("a look", r.at(""))
	refused("a wrong code", r.posts("/second-step/add", "pending", fields.Get("pending"), "code", r.phone.Wrong()))
	refused("another set-up", r.posts("/second-step/add", "pending", fields.Get("pending")+"A", "code", r.phone.Code(0)))
	refused("another form", r.posts("/second-step/"+r.factors()[0]+"/rename", "pending", fields.Get("pending"), "code", r.phone.Code(0)))
	h.db.Age(t, "factors", 61*time.Second, "created_at")
	refused("a minute later", r.posts("/second-step/add", "pending", fields.Get("pending"), "code", r.phone.Code(0)))
}

// A double click, or a hasty one, sends the form several times at once: in whatever order
// the answers come, the browser is signed in.
func TestADoubleClickOnANewAuthenticatorSignsNobodyOut(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r, form := h.firstPhone(maya)
		pages := idptest.Race(4, func(int) *idptest.Page { return r.Submit(form, "/second-step/add", "code", r.phone.Code(0)) })
		for _, p := range pages {
			if p.Status != http.StatusOK || p.Heading() != "Save your recovery codes" {
				t.Errorf("%q (%d) at %s", p.Heading(), p.Status, p.URL)
			}
		}
		want(t, r.at(""), http.StatusOK, "Your account")
	})
}
