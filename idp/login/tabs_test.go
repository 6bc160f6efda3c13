package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// second is another tab of a browser, at the page of another request.
func (h *house) second(b *idptest.Browser, pairs ...string) (idptest.Attempt, *idptest.Page) {
	h.t.Helper()
	a := h.party.Begin(pairs...)
	return a, b.Get(a.URL)
}

// ready asks as the script of a waiting page does.
func ready(b *idptest.Browser, page *idptest.Page) bool {
	return strings.Contains(b.Get(flowOf(page)+"/onward").Body, "true")
}

func TestASecondTabGoesOnWhenTheFirstSignedIn(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db), idptest.NewBrowser(t)
		phone, _ := h.enrol(idptest.NewBrowser(t))
		atStart, first := h.second(b)
		atCode, code := h.second(b)
		code = b.Submit(code, "/password", "email", email, "password", idptest.Password)
		typing, typed := h.second(b)
		typed = b.Submit(typed, "/password", "email", email, "password", idptest.Password)
		if ready(b, first) || ready(b, code) {
			t.Fatal("ready before anybody signed in")
		}
		h.signIn(b, phone)

		// A script asks; looking writes nothing; without a script there is a button.
		before := h.snapshot()
		if !ready(b, first) || !ready(b, code) {
			t.Fatal("not ready")
		}
		page := b.Get(flowOf(first))
		want(t, page, http.StatusOK, "You are signed in")
		if after := h.snapshot(); strings.Join(before, "\n") != strings.Join(after, "\n") {
			t.Error("a look wrote something")
		}
		answer := b.Submit(page, "/onward")
		h.party.Exchange(atStart, answer.Left)
		h.party.Exchange(atCode, b.Submit(b.Get(flowOf(code)), "/onward").Left)
		// The code that was typed in the first tab is used: here it is not looked at.
		h.party.Exchange(typing, b.Submit(typed, "/totp", "code", wrong(phone)).Left)

		// One request, one code.
		grants := h.count("grants")
		if again := b.Submit(page, "/onward"); again.Left != nil && again.Left.Query().Get("state") == atStart.State && h.count("grants") == grants {
			t.Errorf("the same answer twice: %s", again.Left)
		}
		want(t, b.Get(flowOf(first)), http.StatusGone, "You have finished this sign-in")
		if n := h.count("requests WHERE done_at IS NULL"); n != 0 {
			t.Errorf("%d requests are open", n)
		}
	})
}

// What a request wants of the person itself is asked of them in each tab.
func TestASecondTabAsksForWhatItsRequestWants(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	other := h.AddUser(idp.Agents, "other@rtx.example")
	contacts := h.AddParty(idp.Client{Populations: []string{idp.Contacts}})
	pages := map[string]*idptest.Page{}
	for name, pairs := range map[string][]string{
		"prompt=login": {"prompt", "login"}, "prompt=select_account": {"prompt", "select_account"},
		"login_hint of another": {"login_hint", other.Email},
		"a subject":             {"claims", `{"id_token":{"sub":{"value":"` + other.ID + `"}}}`},
	} {
		_, pages[name] = h.second(b, pairs...)
	}
	pages["another population"] = b.Get(contacts.Begin().URL)
	_, elsewhere := h.second(b)
	pages["somebody else has begun"] = b.Submit(elsewhere, "/password", "email", other.Email, "password", idptest.Password)
	_, satisfied := h.second(b, "max_age", "60", "acr_values", "urn:gatehouse:acr:mfa", "login_hint", email)
	h.signIn(b, phone)
	for name, page := range pages {
		if ready(b, page) || b.Get(flowOf(page)).Heading() == "You are signed in" {
			t.Errorf("%s: went on without the person", name)
		}
	}
	if !ready(b, satisfied) {
		t.Error("max_age, acr_values and login_hint are met, but the tab waits")
	}
	// Another address is another account.
	_, page := h.second(b, "prompt", "login")
	page = b.Submit(page, "/password", "email", other.Email, "password", "wrong")
	want(t, page, http.StatusUnprocessableEntity, page.Heading())
}

// A password for another address is another sign-in, whoever is signed in already.
func TestAPasswordOfAnotherAccountIsNotOvertaken(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	other := h.AddUser(idp.Agents, "other@rtx.example")
	_, page := h.second(b)
	h.signIn(b, phone)
	page = b.Submit(page, "/password", "email", other.Email, "password", idptest.Password)
	if page.Left != nil || !strings.Contains(page.Body, other.Email) {
		t.Errorf("at %q, left for %v", page.Heading(), page.Left)
	}
}

func TestATabThatGoesOnTwiceGetsOneCode(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	phone, _ := h.enrol(idptest.NewBrowser(t))
	a, page := h.second(b)
	h.signIn(b, phone)
	grants := h.count("grants")
	page = b.Get(flowOf(page))
	target, fields, _ := page.Form("/onward")
	var tabs sync.WaitGroup
	for range 6 {
		tabs.Go(func() {
			req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(fields.Encode()))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, c := range b.Jar.Cookies(req.URL) {
				req.AddCookie(c)
			}
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
		})
	}
	tabs.Wait()
	if n := h.count("grants") - grants; n != 1 {
		t.Errorf("%d codes for state %s, want 1", n, a.State)
	}
}

func TestASignInPastItsTimeStartsAgain(t *testing.T) {
	t.Parallel()
	h := alone(t)
	for name, forgotten := range map[string]bool{"known": false, "forgotten": true} {
		for _, post := range []bool{true, false} {
			b := idptest.NewBrowser(t)
			a, page := h.second(b, "prompt", "login", "max_age", "0", "acr_values", "urn:gatehouse:acr:mfa", "ui_locales", "en")
			h.db.Age(t, "flows", idp.FlowLifetime+time.Minute)
			h.db.Age(t, "requests", idp.FlowLifetime+time.Minute)
			if forgotten {
				h.exec("DELETE FROM flows")
				h.exec("DELETE FROM requests")
			}
			if post {
				page = b.Submit(page, "/password", "email", "typed@rtx.example", "password", "secret")
			} else if page = b.Get(flowOf(page)); forgotten {
				want(t, page, http.StatusGone, page.Heading()) // nobody knows what it was
				continue
			}
			want(t, page, http.StatusOK, "Sign in to Test app")
			if post && !strings.Contains(page.Body, `value="typed@rtx.example"`) {
				t.Errorf("%s: the typed address is gone", name)
			}
			flow, err := h.Store.Flow(t.Context(), strings.TrimPrefix(page.URL.Path, "/login/"))
			idptest.Must(t, err)
			r, err := h.Store.Request(t.Context(), flow.RequestID)
			idptest.Must(t, err)
			if r.State != a.State || r.Nonce != a.Nonce || r.Demand.Since.IsZero() || r.Demand.MaxAge != 0 || len(r.Demand.ACRValues) != 1 || r.UILocales != "en" {
				t.Errorf("%s: the request became another: %+v", name, r)
			}
		}
	}
}

// A form starts an authorization request again and leads nowhere else.
func TestStartingAgainLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	h, b := alone(t), idptest.NewBrowser(t)
	for _, again := range []string{"https://evil.example/?a=b", "//evil.example?x=y", "javascript:alert(1)?", strings.Repeat("a?", 9<<10), ""} {
		page := b.Post(h.Issuer+"/login/nothing/password", url.Values{"again": {again}})
		if page.Left != nil || page.LeadsTo("evil.example") || page.Status < 400 {
			t.Errorf("%.40q: at %q (%d), left for %v", again, page.Heading(), page.Status, page.Left)
		}
	}
}
