package account_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
)

const (
	fresh   = "maya.new@rtx.example"
	confirm = "Confirm your email address"
	asked   = "A new email address was asked for"
	taken   = "A request to use your email address"
	changed = "The email address of your account was changed"
)

var linkInMail = regexp.MustCompile(`(?m)^(http://\S+/account/confirm/[A-Za-z0-9_-]{43})\r?$`)

// asks asks for another address, and says what the page said.
func (r *resident) asks(email string) *idptest.Page {
	r.h.t.Helper()
	return r.Submit(r.at("/email"), "/email", "email", email)
}

// link is the one that came to an address.
func (h *house) link(to string) string {
	h.t.Helper()
	l := h.letter(to, confirm)
	m := linkInMail.FindStringSubmatch(l.Text)
	if m == nil {
		h.t.Fatalf("no link in\n%s", l.Text)
	}
	if !strings.Contains(l.Text, "for the account m•••@rtx.example") {
		h.t.Errorf("the mail does not name the account:\n%s", l.Text)
	}
	if strings.Contains(l.Text+l.HTML, maya) || strings.Contains(l.Text, "Somebody,") {
		h.t.Errorf("the mail tells whose account it is:\n%s", l.Text)
	}
	return m[1]
}

func TestAnAddressIsChangedByItsLink(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		want(t, r.asks(fresh), http.StatusOK, "Email", "Check the inbox of the new address", fresh)
		notice := h.letter(maya, asked)
		if strings.Contains(notice.Text, fresh) || !strings.Contains(notice.Text, h.Issuer+"/account") || !strings.Contains(notice.Text, "cancel the change") {
			t.Errorf("the notice says\n%s", notice.Text)
		}
		link := h.link(fresh)
		stranger := idptest.NewBrowser(t)
		for range 3 { // a mail scanner looks, and looks again
			want(t, stranger.Get(link), http.StatusOK, "Confirm your email address", fresh)
		}
		if u, err := h.Store.User(t.Context(), r.user.ID); err != nil || u.Email != maya {
			t.Fatalf("looking changed it to %s (%v)", u.Email, err)
		}
		page := r.Get(link)
		want(t, page, http.StatusOK, "Confirm your email address", maya, fresh)
		want(t, r.Submit(page, "", "x", "y"), http.StatusOK, "Your email address is changed", fresh)
		u, err := h.Store.User(t.Context(), r.user.ID)
		if err != nil || u.Email != fresh || !u.EmailVerified {
			t.Errorf("the address is %s, verified %t (%v)", u.Email, u.EmailVerified, err)
		}
		for to, text := range map[string]string{maya: "no longer belongs to your account", fresh: "now belongs to your account"} {
			if l := h.letter(to, changed); !strings.Contains(strings.Join(strings.Fields(l.Text), " "), text) || strings.Contains(l.Text, "did this, not you") || to == maya && strings.Contains(l.Text, fresh) {
				t.Errorf("to %s:\n%s", to, l.Text)
			}
		}
		// Once.
		for _, p := range []*idptest.Page{r.Get(link), r.Submit(page, "")} {
			if p.Status < 400 {
				t.Errorf("the link works again: %d %q", p.Status, p.Heading())
			}
		}
		want(t, r.at("/email"), http.StatusOK, "Email", fresh)
		want(t, r.at("/activity"), http.StatusOK, "Recent activity", "Your email address was changed", "A new email address was asked for")
		b := idptest.NewBrowser(t)
		want(t, b.Submit(b.Get(h.Issuer+"/account"), "/password", "email", fresh, "password", idptest.Password), http.StatusOK, "Your account")
	})
}

// Whether an address is somebody's is told to them, and to nobody else.
func TestAnAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		h.AddUser(idp.Agents, noor)
		free := r.asks(fresh)
		h.db.Age(t, "links", time.Hour, "created_at")
		used := r.asks("Noor@RTX.example")
		want(t, used, http.StatusOK, "Email", "Check the inbox of the new address")
		same := func(p *idptest.Page, email string) string { return strings.ReplaceAll(p.Body, email, "ADDRESS") }
		if same(free, fresh) != same(used, "Noor@RTX.example") {
			t.Errorf("the pages differ:\n%s\n%s", free.Body, used.Body)
		}
		if l := h.letter(noor, taken); strings.Contains(l.Text, maya) {
			t.Errorf("the owner is told who it was:\n%s", l.Text)
		}
		if n := h.letters("Noor@RTX.example", confirm) + h.letters(noor, confirm); n != 0 {
			t.Errorf("%d links went to the owner", n)
		}
		if n := h.letters(maya, asked); n != 2 {
			t.Errorf("%d notices", n)
		}
		// What is taken meanwhile.
		h.db.Age(t, "links", time.Hour, "created_at")
		r.asks("late@rtx.example")
		link := h.link("late@rtx.example")
		h.AddUser(idp.Agents, "Late@rtx.example")
		if p := r.Submit(r.Get(link), ""); p.Status < 400 {
			t.Errorf("an address is two people's: %d %q", p.Status, p.Heading())
		}
		// In another population it is nobody's.
		h.AddUser(idp.Contacts, "other@rtx.example")
		h.db.Age(t, "links", time.Hour, "created_at")
		r.asks("other@rtx.example")
		link = h.link("other@rtx.example")
		want(t, r.Submit(r.Get(link), ""), http.StatusOK, "Your email address is changed")
	})
}

func TestLinksToNewAddresses(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		b := idptest.NewBrowser(t)
		works := func(link string) bool { return b.Get(link).Status == http.StatusOK }
		ask := func(email string) string {
			t.Helper()
			h.db.Age(t, "links", time.Hour, "created_at")
			r.asks(email)
			return h.link(email)
		}
		first := ask("one@rtx.example")
		second := ask("two@rtx.example")
		if works(first) || !works(second) {
			t.Error("the newest link alone works")
		}
		want(t, r.Submit(r.at("/email"), "/email/cancel"), http.StatusOK, "Email", "is cancelled")
		if works(second) {
			t.Error("a link works that was taken back")
		}
		if page := r.asks("three@rtx.example"); page.Status != http.StatusTooManyRequests {
			// It was aged before two was asked for, and cancelling is no way around it.
			t.Errorf("asked again at once: %d", page.Status)
		}
		third := ask("three@rtx.example")
		for _, broken := range []string{third[:len(third)-1], third + "A", third[:len(third)-2] + "AA", h.Issuer + "/account/confirm/%00"} {
			if p := b.Get(broken); p.Status < 400 || p.Status >= 500 {
				t.Errorf("%s: %d", broken, p.Status)
			}
			if p := b.Post(broken, url.Values{}); p.Status < 400 || p.Status >= 500 {
				t.Errorf("posted to %s: %d", broken, p.Status)
			}
		}
		h.db.Age(t, "links", 25*time.Hour, "expires_at")
		if works(third) {
			t.Error("an expired link works")
		}
		fourth := ask("four@rtx.example")
		idptest.Must(t, h.Manage.People.SetPassword(t.Context(), authz.System(), r.user.ID, newPassword, "stolen"))
		if works(fourth) {
			t.Error("a link outlives a new password")
		}
	})
}

// A link alone confirms nothing: who sends one to another's mailbox gets that address for
// no account of theirs, nor their account for that mailbox. Who opens it elsewhere, on a
// phone say, is told which account it is, signs in to that, and goes on.
func TestAnAddressIsConfirmedBySomebodyWhoIsSignedInToItsAccount(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r, other := h.moveIn(maya), h.moveIn(noor)
		r.asks(fresh)
		link := h.link(fresh)
		unchanged := func(p *idptest.Page) {
			t.Helper()
			if u, err := h.Store.User(t.Context(), r.user.ID); err != nil || u.Email != maya || strings.Contains(p.Body, maya) {
				t.Fatalf("%s (%v) after %q", u.Email, err, p.Heading())
			}
		}
		for name, b := range map[string]*idptest.Browser{"a stranger": idptest.NewBrowser(t), "somebody else": other.Browser} {
			page := b.Get(link)
			want(t, page, http.StatusOK, "Confirm your email address", "m•••@rtx.example", fresh, "Sign in to confirm")
			if _, _, ok := page.Form(""); ok {
				t.Errorf("%s gets a button", name)
			}
			unchanged(page)
			unchanged(b.Post(link, url.Values{}))
			unchanged(b.Get(link + "?sign-in=yes"))
		}
		phone := idptest.NewBrowser(t)
		page := phone.Get(link + "?sign-in=yes")
		page = phone.Submit(page, "/password", "email", maya, "password", idptest.Password)
		want(t, page, http.StatusOK, "Confirm your email address", maya, fresh)
		want(t, phone.Submit(page, ""), http.StatusOK, "Your email address is changed", fresh)
	})
}

// Of many who use a link at once one does.
func TestALinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, none)
		r := h.moveIn(maya)
		r.asks(fresh)
		link := h.link(fresh)
		pages := idptest.Race(8, func(int) *idptest.Page { return r.Post(link, url.Values{}) })
		won := 0
		for _, p := range pages {
			if p.Status == http.StatusOK {
				won++
			}
		}
		if won != 1 || h.Audited(idp.AuditUserChanged) != 1 {
			t.Errorf("%d won, %d events", won, h.Audited(idp.AuditUserChanged))
		}
	})
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	for _, email := range []string{"", "  ", "maya", "maya@", "a b@rtx.example", "Maya <x@rtx.example>", maya, strings.Repeat("x", 250) + "@rtx.example", "a@b\r\nBcc: c@d"} {
		if page := r.asks(email); page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Body, `id="email-error"`) {
			t.Errorf("%q: %d", email, page.Status)
		}
	}
	if n := h.letters("", confirm); n != 0 {
		t.Errorf("%d mails", n)
	}
	// Only the case of it may change too.
	want(t, r.asks("Maya@RTX.example"), http.StatusOK, "Email", "Check the inbox of the new address")
	want(t, r.Submit(r.Get(h.link("Maya@RTX.example")), ""), http.StatusOK, "Your email address is changed")
}

func TestWithoutAMailServerAddressesStay(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	h := &house{App: idptest.Start(t, db.URL, ""), t: t, db: db}
	h.SetPolicy(idp.Agents, none, populations.OnNextLogin)
	r := h.moveIn(maya)
	want(t, r.at("/email"), http.StatusOK, "Email", "No mail can be sent")
	want(t, r.posts("/email", "email", fresh), http.StatusConflict, "Email", "No mail can be sent")
}

// Two answers that a stranger could tell apart by the clock would be an oracle.
func TestBothAnswersWriteTheSameRows(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), none)
	r := h.moveIn(maya)
	h.AddUser(idp.Agents, noor)
	var grown [2]string
	for i, email := range []string{fresh, noor} {
		h.exec("DELETE FROM audit_events")
		h.exec("DELETE FROM links")
		h.exec("DELETE FROM throttles") // the sender's is there from the first on
		h.settled()
		h.exec("DELETE FROM outbox")
		r.asks(email)
		grown[i] = h.everything()
	}
	if grown[0] != grown[1] {
		t.Errorf("free: %s\ntaken: %s", grown[0], grown[1])
	}
}
