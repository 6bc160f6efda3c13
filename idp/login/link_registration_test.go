package login_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
)

const newcomer = "sam@customer.example"

// openRegistration lets contacts make themselves an account.
func (h *house) openRegistration(r idp.Registration) {
	h.t.Helper()
	p, err := h.Manage.Populations.Population(h.t.Context(), authz.System(), idp.Contacts)
	idptest.Must(h.t, err)
	r.Open = true
	_, err = h.Manage.Populations.SaveRegistration(h.t.Context(), authz.System(), populations.Change[idp.Registration]{ID: idp.Contacts, Version: p.Version, To: r})
	idptest.Must(h.t, err)
}

// register asks for an account in a browser, as people do.
func (h *house) register(b *idptest.Browser, address string) *idptest.Page {
	h.t.Helper()
	page := b.Get(h.at(b).URL.String() + "?as=contacts")
	page = b.Get(follow(h.t, page, "Create an account"))
	want(h.t, page, http.StatusOK, "Create an account")
	return b.Submit(page, "/register", "email", address)
}

// Somebody makes themselves an account: the address is confirmed first, and there is
// no account before.
func TestRegistration(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.openRegistration(idp.Registration{})
		b := idptest.NewBrowser(t)
		want(t, h.register(b, newcomer), http.StatusOK, sent)
		link := h.link(newcomer)
		h.quiet()
		rows := h.linkRows()
		for range 3 {
			want(t, idptest.NewBrowser(t).Get(link), http.StatusOK, signedUp)
		}
		if !slices.Equal(rows, h.linkRows()) || h.count("users") != 1 {
			t.Error("there is an account before the address was confirmed")
		}
		wantText(t, submit(b, link, "name", "Sam", "password", "sam@customer.example"), http.StatusUnprocessableEntity, `data-rule="personal" class="broken"`)
		page := submit(b, link, "name", "Sam", "password", fresh)
		want(t, page, http.StatusOK, accountReady)
		u, err := h.Store.UserByEmail(t.Context(), idp.Contacts, newcomer)
		if err != nil || !u.EmailVerified || u.Name != "Sam" {
			t.Errorf("the account is %+v, %v", u, err)
		}
		want(t, b.Get(link), http.StatusGone, dead)
		page = b.Get(follow(t, page, "Sign in") + "?as=contacts")
		page = b.Submit(page, "/password", "email", newcomer, "password", fresh)
		phone := idptest.Scan(t, page)
		wantLeft(t, b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes"))
		if h.Audited(idp.AuditRegistrationAsked) != 1 || h.Audited(idp.AuditRegistered) != 1 {
			t.Error("the audit log misses it")
		}
	})
}

// The page says the same whether there is an account, an invitation or neither; the
// mail says which, to the address that has it.
func TestRegistrationTellsNothing(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.openRegistration(idp.Registration{})
		h.AddUser(idp.Contacts, "Known@customer.example")
		h.invite(links.Invitation{Population: idp.Contacts, Email: "guest@customer.example", Roles: []string{idp.RoleAgent}})
		old := h.link("guest@customer.example")
		answers := map[string]bool{}
		for _, address := range []string{"known@customer.example", "ｋnown@customer.example", "guest@customer.example", newcomer, "o'brien+a@customer.example"} {
			h.calm()
			page := h.register(idptest.NewBrowser(t), address)
			want(t, page, http.StatusOK, sent)
			answers[page.Impersonal()] = true
		}
		if len(answers) != 1 {
			t.Errorf("%d different answers", len(answers))
		}
		for range 2 { // asked for in two spellings
			l := h.box.Next("Known@customer.example")
			if l.Subject != "You have an account already" || linkIn(l) != "" {
				t.Errorf("who has an account gets %q with %q", l.Subject, linkIn(l))
			}
		}
		again := h.link("guest@customer.example")
		if again != old {
			t.Error("who asks to register an invited address ends the link that was sent")
		}
		b := idptest.NewBrowser(t)
		want(t, submit(b, again, "name", "Guest", "password", fresh), http.StatusOK, accountReady)
		u, err := h.Store.UserByEmail(t.Context(), idp.Contacts, "guest@customer.example")
		idptest.Must(t, err)
		if roles, err := h.Store.RolesOf(t.Context(), u.ID); err != nil || len(roles) != 1 {
			t.Errorf("the roles of the invitation are %v, %v", roles, err)
		}
		h.link(newcomer)
		h.link("o'brien+a@customer.example")
		h.quiet()
		if n := h.count("users"); n != 3 {
			t.Errorf("%d people", n)
		}
	})
}

// One mail in a window, and the newest link alone works.
func TestRegistrationIsMailedOncePerWindow(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.openRegistration(idp.Registration{})
		b := idptest.NewBrowser(t)
		for range 5 {
			want(t, h.register(b, newcomer), http.StatusOK, sent)
		}
		first := h.link(newcomer)
		h.quiet()
		if n := len(h.box.All(newcomer)); n != 1 {
			t.Errorf("%d mails", n)
		}
		h.calm()
		h.register(b, newcomer)
		second := h.link(newcomer)
		if page := b.Get(first); page.Status != http.StatusOK { // anybody can ask for another
			t.Errorf("the first link: status %d", page.Status)
		}
		db.Age(t, "links", idp.RegistrationLifetime, "expires_at")
		want(t, b.Get(second), http.StatusGone, dead)
		want(t, post(b, second, "password", fresh), http.StatusGone, dead)
	})
}

// Two people who confirm the same address at once, by two links, get one account.
func TestAnAddressGetsOneAccount(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.openRegistration(idp.Registration{})
		h.register(idptest.NewBrowser(t), newcomer)
		link := h.link(newcomer)
		statuses := map[int]int{}
		for _, status := range idptest.Race(5, func(int) int {
			return post(idptest.NewBrowser(t), link, "name", "Sam", "password", fresh).Status
		}) {
			statuses[status]++
		}
		if statuses[http.StatusOK] != 1 || h.count("users WHERE population_id = 'contacts'") != 1 {
			t.Errorf("statuses %v", statuses)
		}
	})
}

// Whom the rules keep out is told beside the field, known or not. Rules that changed
// since hold too, and so does the switch.
func TestRegistrationIsForTheDomainsThatAreAllowed(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.openRegistration(idp.Registration{Allowed: []string{"Customer.example", "@bücher.example"}, Denied: []string{"trial.customer.example"}})
		h.AddUser(idp.Contacts, "known@elsewhere.example")
		for address, status := range map[string]int{
			newcomer: http.StatusOK, "a@north.customer.example": http.StatusOK, "b@BÜCHER.example": http.StatusOK,
			"c@trial.customer.example": http.StatusUnprocessableEntity, "known@elsewhere.example": http.StatusUnprocessableEntity,
			"d@elsewhere.example": http.StatusUnprocessableEntity, "e@notcustomer.example": http.StatusUnprocessableEntity,
			"f@customer.example.thief.example": http.StatusUnprocessableEntity, "g@сustomer.example": http.StatusUnprocessableEntity, // Cyrillic с
			"h@customer.example\r\nBcc: x@y.example": http.StatusUnprocessableEntity, "i@[192.0.2.1]": http.StatusUnprocessableEntity,
			"Sam <j@customer.example>": http.StatusUnprocessableEntity, "": http.StatusUnprocessableEntity, "k": http.StatusUnprocessableEntity,
		} {
			if page := h.register(idptest.NewBrowser(t), address); page.Status != status {
				t.Errorf("%q: status %d, want %d", address, page.Status, status)
			}
		}
		link := h.link(newcomer)
		h.quiet()
		h.exec("UPDATE populations SET registration = '{}' WHERE id = 'contacts'")
		b := idptest.NewBrowser(t)
		want(t, b.Get(link), http.StatusGone, dead)
		want(t, post(b, link, "password", fresh), http.StatusGone, dead)
		page := b.Get(h.at(b).URL.String() + "?as=contacts")
		if strings.Contains(page.Body, "Create an account") {
			t.Error("registration is offered")
		}
		flow := strings.Join(strings.Split(page.URL.Path, "/")[:3], "/")
		want(t, b.Get(h.Issuer+flow+"/register?as=contacts&create=yes"), http.StatusOK, "Sign in to Test app")
		want(t, b.Get(h.Issuer+flow+"/register?as=contacts"), http.StatusNotFound, "There is no page here")
		want(t, b.Get(h.Issuer+flow+"/register?as=contacts&sent=yes"), http.StatusNotFound, "There is no page here")
		want(t, post(b, h.Issuer+flow+"/register", "population", "contacts", "email", newcomer), http.StatusNotFound, "There is no page here")
	})
}

// Rules that changed while a request waited hold.
func TestARequestIsJudgedByTheRulesOfNow(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{Authenticator: true})
		h.openRegistration(idp.Registration{})
		body := []byte(`{"population":"contacts","email":"` + newcomer + `"}`)
		h.openRegistration(idp.Registration{Denied: []string{"customer.example"}})
		idptest.Must(t, h.Manage.Links.CarryOut(t.Context(), "registration", body))
		if n := h.count("links") + h.count("outbox"); n != 0 {
			t.Errorf("%d links and mails", n)
		}
		h.openRegistration(idp.Registration{})
		for range 2 { // after a crash it is carried out again
			idptest.Must(t, h.Manage.Links.CarryOut(t.Context(), "registration", body))
		}
		if n := h.count("links"); n != 2 { // the first may be in a mail: both work
			t.Errorf("%d links", n)
		}
		if err := h.Manage.Links.CarryOut(t.Context(), "nonsense", body); err == nil {
			t.Error("a request of no kind was carried out")
		}
	})
}

// What cannot be saved, beside its field, and what can, in one form.
func TestSaveRegistration(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := withLinks(t, db, idp.Policy{})
		ctx := t.Context()
		p, err := h.Manage.Populations.Population(ctx, authz.System(), idp.Contacts)
		idptest.Must(t, err)
		save := func(r idp.Registration, version int64) error {
			_, err := h.Manage.Populations.SaveRegistration(ctx, authz.System(), populations.Change[idp.Registration]{ID: idp.Contacts, Version: version, To: r})
			return err
		}
		for bad, field := range map[string]string{"exa mple.com": "allowed", "com": "allowed", "a..b": "allowed", "*.rtx.example": "allowed", "maya@rtx.example": "allowed"} {
			var wrong settings.Errors
			if err := save(idp.Registration{Open: true, Allowed: []string{bad}}, p.Version); !errors.As(err, &wrong) || wrong.Of(field) == nil {
				t.Errorf("%q: %v", bad, err)
			}
		}
		idptest.Must(t, save(idp.Registration{Open: true, Allowed: []string{" RTX.example.", "", "rtx.example", "bücher.example"}, Denied: []string{"x.example"}}, p.Version))
		if err := save(idp.Registration{}, p.Version); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("somebody else's change was overwritten: %v", err)
		}
		after, err := h.Manage.Populations.Population(ctx, authz.System(), idp.Contacts)
		idptest.Must(t, err)
		if r := after.Registration; !r.Open || !slices.Equal(r.Allowed, []string{"rtx.example", "xn--bcher-kva.example"}) || !slices.Equal(r.Denied, []string{"x.example"}) {
			t.Errorf("saved as %+v", r)
		}
		h.exec("UPDATE populations SET access_password = FALSE WHERE id = 'contacts'")
		var wrong settings.Errors
		if err := save(idp.Registration{Open: true}, after.Version); !errors.As(err, &wrong) || wrong.Of("open") == nil {
			t.Errorf("opened without passwords: %v", err)
		}
		if n := h.Audited(idp.AuditPopulationChanged); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}
