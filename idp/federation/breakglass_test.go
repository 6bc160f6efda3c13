package federation_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/links"
	"gatehouse/ui"
)

// locked is a house whose agents sign in through Entra alone, with an admin who has a
// password and an authenticator.
func locked(t *testing.T, db *idptest.Database) (h *house, admin idp.User, phone idptest.Authenticator) {
	t.Helper()
	h = open(t, db, nil)
	admin = h.AddUser(idp.Agents, "boss@rtx.example")
	idptest.Must(t, h.Store.GiveRole(t.Context(), admin.ID, idp.RoleAdmin))
	_, phone, _ = idptest.Enrol(idptest.NewBrowser(t), h.party, h.party.Begin(), admin.Email)
	idptest.Must(t, h.Manage.Connections.LinkIdentity(t.Context(), authz.System(), connections.NewIdentity{
		UserID: admin.ID, ConnectionID: h.connection.ID, TenantID: idptest.HomeTenant, ObjectID: "99999999-aaaa-4bbb-8ccc-000000000001",
	}))
	h.allow(idp.Access{Federated: true})
	return h, admin, phone
}

func TestBreakGlass(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, admin, phone := locked(t, db)
		token, err := h.Manage.Links.BreakGlass(t.Context())
		idptest.Must(t, err)
		link := h.Issuer + "/login/break-glass/" + token
		if n := h.count("outbox WHERE kind = '" + string(ui.MailBreakGlass) + "'"); n != 1 || h.Audited(idp.AuditBreakGlassOffered) != 1 {
			t.Errorf("%d mails, %d events", n, h.Audited(idp.AuditBreakGlassOffered))
		}
		// A mail scanner looks at it, and uses nothing up.
		for range 2 {
			idptest.NewBrowser(t).Get(link)
		}
		b := idptest.NewBrowser(t)
		p := b.Submit(b.Get(link), "/break-glass/"+token)
		p = b.Submit(p, "/password", "email", admin.Email, "password", "not the password")
		if p.Status == http.StatusOK || h.Audited(idp.AuditBreakGlassUsed) != 0 {
			t.Errorf("a wrong password: %q (%d)", p.Heading(), p.Status)
		}
		p = b.Submit(p, "/password", "email", admin.Email, "password", idptest.Password)
		if h.Audited(idp.AuditBreakGlassUsed) != 1 {
			t.Errorf("at %q (%d) %s", p.Heading(), p.Status, alert(p))
		}
		p = finish(b, b.Submit(p, "/totp", "code", phone.Code(1)))
		if p.Status != http.StatusOK || !strings.HasPrefix(p.URL.Path, "/admin") {
			t.Errorf("at %s: %q (%d)", p.URL, p.Heading(), p.Status)
		}
		// Used: neither here nor elsewhere a second time.
		if p = idptest.NewBrowser(t).Get(link); p.Status != http.StatusGone {
			t.Errorf("the link again: status %d", p.Status)
		}
	})
}

func TestBreakGlassIsForTheConsoleAlone(t *testing.T) {
	t.Parallel()
	h, _, _ := locked(t, idptest.Alone(t))
	token, err := h.Manage.Links.BreakGlass(t.Context())
	idptest.Must(t, err)
	b := idptest.NewBrowser(t)
	b.Submit(b.Get(h.Issuer+"/login/break-glass/"+token), "/break-glass/"+token)
	if p := b.Get(h.party.Begin().URL); p.Left == nil {
		t.Errorf("the portal is at %q instead of Entra", p.Heading())
	}
	// Another browser, without the link: the console's page takes no password.
	stranger := idptest.NewBrowser(t)
	p := stranger.Get(h.Issuer + "/admin?as=agents")
	if _, _, ok := p.Form("/password"); ok {
		t.Error("the console asks a stranger for a password")
	}
}

func TestBreakGlassEnds(t *testing.T) {
	t.Parallel()
	h, _, _ := locked(t, idptest.Alone(t))
	old, err := h.Manage.Links.BreakGlass(t.Context())
	idptest.Must(t, err)
	newer, err := h.Manage.Links.BreakGlass(t.Context())
	idptest.Must(t, err)
	b := idptest.NewBrowser(t)
	for token, want := range map[string]int{old: http.StatusGone, newer: http.StatusOK, "x": http.StatusGone, "%00": http.StatusGone} {
		if p := b.Get(h.Issuer + "/login/break-glass/" + token); p.Status != want {
			t.Errorf("%.5s: status %d, want %d", token, p.Status, want)
		}
	}
	h.db.Age(t, "links", links.BreakGlassLifetime+time.Second)
	if p := b.Get(h.Issuer + "/login/break-glass/" + newer); p.Status != http.StatusGone {
		t.Errorf("an hour later: status %d", p.Status)
	}
}
