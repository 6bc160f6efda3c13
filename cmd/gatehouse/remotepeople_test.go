package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

// enrolled gives somebody an authenticator and recovery codes of three hours ago.
func (d *desk) enrolled(u idp.User) (factorID string) {
	d.t.Helper()
	f := idp.Factor{ID: idp.NewID(), UserID: u.ID, Method: idp.MethodTOTP, Name: "Phone", Secret: []byte("sealed"), CreatedAt: idp.Now()}
	idptest.Must(d.t, d.Store.CreateFactor(d.t.Context(), f))
	idptest.Must(d.t, d.Manage.Factors.MakeRecoveryCodes(d.t.Context(), u.ID))
	d.db.Age(d.t, "recovery_sets", 3*time.Hour, "created_at")
	return f.ID
}

// trusted are the browsers that somebody trusts.
func (d *desk) trusted(u idp.User) {
	d.t.Helper()
	d.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, TrustDays: 7}, populations.OnNextLogin)
	version, err := d.Store.PolicyVersion(d.t.Context())
	idptest.Must(d.t, err)
	now := idp.Now()
	b := idp.TrustedBrowser{
		ID: idp.NewID(), UserID: u.ID, BrowserHash: idp.HashSecret("browser"), ACR: idp.ACRMFA, PolicyVersion: version, UserAgent: "Firefox", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	idptest.Must(d.t, d.Store.TrustBrowser(d.t.Context(), b))
	if list := d.lists("user trusted-browsers list " + u.ID); len(list) != 1 {
		d.t.Errorf("trusted browsers: %v", list)
	}
	d.does("user trusted-browsers forget "+u.ID+" "+b.ID, why)
	if list := d.lists("user trusted-browsers list " + u.ID); len(list) != 0 {
		d.t.Errorf("still trusted: %v", list)
	}
}

// signedIn gives somebody a session.
func (d *desk) signedIn(u idp.User) (sessionID string) {
	d.t.Helper()
	p, err := d.Store.Population(d.t.Context(), u.PopulationID)
	idptest.Must(d.t, err)
	s, token := idptest.Session(u, p)
	s.BrowserHash = idp.HashSecret(token)
	idptest.Must(d.t, d.Store.CreateSession(d.t.Context(), s))
	return s.ID
}

func TestPeople(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		d := openDesk(t, db, idp.RoleAdmin)
		d.StartWork()
		created := d.reads(idptest.Password+"\n", "user create", "--email", "Maya@rtx.example", "--name", "Maya", "--locale", "de", "--role", "agent", "--password-stdin",
			"--given-name", "Maya", "--family-name", "R", "--zoneinfo", "Europe/Paris", "--picture", "https://a.example/maya.png")
		expect(t, "created", created, "population", "agents", "password_set", "true", "roles", "[agent]", "locale", "de",
			"given_name", "Maya", "family_name", "R", "zoneinfo", "Europe/Paris", "picture", "https://a.example/maya.png")
		expect(t, "without a password", d.does("user create", "--population", "contacts", "--email", "cleo@acme.example"), "password_set", "false", "name", "")
		id := fmt.Sprint(created["id"])
		maya, err := d.Store.User(t.Context(), id)
		idptest.Must(t, err)

		expect(t, "edited", d.does("user edit "+id, "--name", "Maya R.", "--locale", "", "--given-name", "M", "--family-name", "Ray", "--zoneinfo", "UTC", "--picture", ""),
			"given_name", "M", "family_name", "Ray", "zoneinfo", "UTC", "picture", "", "name", "Maya R.", "email", "Maya@rtx.example", "locale", "")
		expect(t, "edited", d.does("user edit maya@RTX.example", "--email", "maya@rtx.example", why), "name", "Maya R.", "email", "maya@rtx.example")
		expect(t, "disabled", d.does("user disable maya@rtx.example", why), "disabled", "true")
		d.finds(map[string]int{"--disabled": 1, "--no-disabled": 1, "--role=agent": 1, "--role=manager": 0, "--prefix=maya": 1, "--population=contacts": 1})
		expect(t, "enabled", d.does("user enable "+id, why), "disabled", "false")
		d.does("user roles set "+id, "--role", "manager", "--role", "agent", why)
		expect(t, "roles", d.does("user show "+id), "roles", "[agent manager]")
		d.does("user roles set "+id, why)
		expect(t, "roles", d.does("user show "+id), "roles", "[]")
		before, err := d.Store.User(t.Context(), id)
		idptest.Must(t, err)
		d.reads("another quiet afternoon", "user set-password "+id, why)
		if after, err := d.Store.User(t.Context(), id); err != nil || after.PasswordHash == before.PasswordHash {
			t.Errorf("the password is as it was (%v)", err)
		}
		d.does("user clear-throttle "+id, why)
		d.secondSteps(maya)
		d.sessions(maya)
		d.trusted(maya)
		d.invitations()
		d.identities(maya)

		d.does("user anonymise "+id, why)
		d.refused("nobody has the address", "user show maya@rtx.example")
		d.does("user delete "+id, why)
		d.refused("404 not_found", "user show "+id)
		if list := d.lists("user list", "--subject="+idp.NewSecret()); len(list) != 0 {
			t.Errorf("an invented subject is %v", list)
		}
		d.covers("users")
		d.covers("sessions")
	})
}

// finds checks how many people are listed with a flag.
func (d *desk) finds(people map[string]int) {
	d.t.Helper()
	for flag, want := range people {
		if n := len(d.lists("user list", flag)); n != want {
			d.t.Errorf("%s lists %d people, want %d", flag, n, want)
		}
	}
}

func (d *desk) secondSteps(u idp.User) {
	d.t.Helper()
	if n := len(d.lists("user list", "--population", "agents", "--without-second-step")); n != 1 {
		d.t.Errorf("%d agents without a second step, want 1", n)
	}
	factor := d.enrolled(u)
	if n := len(d.lists("user list", "--population", "agents", "--without-second-step")); n != 0 {
		d.t.Errorf("%d agents without a second step, want none", n)
	}
	if _, err := d.Store.DisableFactor(d.t.Context(), factor, idp.Now()); err != nil {
		d.t.Fatal(err)
	}
	d.does("user enable-factor "+u.ID+" "+factor, why)
	factors := fmt.Sprint(d.does("user factors " + u.ID))
	if !strings.Contains(factors, factor) || strings.Contains(factors, "disabled_at") || !strings.Contains(factors, "left:10") {
		d.t.Errorf("the factors are %s", factors)
	}
	codes, _ := d.does("user recovery-codes view "+u.ID, why)["codes"].([]any)
	if len(codes) != 10 {
		d.t.Errorf("the codes are %v", codes)
	}
	d.does("user recovery-codes regenerate "+u.ID, why)
	d.refused("429 too_soon", "user recovery-codes regenerate "+u.ID, why)
	d.does("user reset-mfa "+u.ID, why)
	if e, err := d.Store.Enrolment(d.t.Context(), u.ID); err != nil || len(e.Of(idp.MethodTOTP)) > 0 || e.Recovery != nil {
		d.t.Errorf("after the reset there is %v, %v", e, err)
	}
}

func (d *desk) sessions(u idp.User) {
	d.t.Helper()
	first := d.signedIn(u)
	d.signedIn(u)
	for _, args := range [][]string{{"user sessions " + u.ID}, {"session list", "--population", "agents"}} {
		if list := d.lists(args...); len(list) != 2 {
			d.t.Errorf("the sessions are %v", list)
		}
	}
	if list := d.lists("session list", "--population", "contacts"); len(list) != 0 {
		d.t.Errorf("sessions of agents are listed as those of contacts: %v", list)
	}
	d.does("session end "+first, why)
	if list := d.lists("session list", "--user", u.ID); len(list) != 1 || list[0]["id"] == first {
		d.t.Errorf("after one ended, the sessions are %v", list)
	}
	if list := d.lists("user access list " + u.ID); len(list) != 0 {
		d.t.Errorf("access that no app keeps: %v", list)
	}
	wallboard, _, err := d.Manage.Apps.CreateClient(d.t.Context(), idp.Client{Name: "Wallboard", ThirdParty: true, Populations: []string{idp.Agents}, RedirectURIs: []string{"https://w.example/cb"}})
	idptest.Must(d.t, err)
	idptest.Must(d.t, d.Store.GiveConsent(d.t.Context(), idp.Consent{}, u.ID, wallboard.ID, idp.Terms{Scopes: []string{"openid", "email"}, APIs: map[string][]string{"urn:x": {"read"}}}, idp.Now()))
	consents := d.lists("user consent list " + u.ID)
	if len(consents) != 1 || consents[0]["client_name"] != "Wallboard" || fmt.Sprint(consents[0]["scopes"], consents[0]["apis"]) != "[email openid] [map[identifier:urn:x scopes:[read]]]" {
		d.t.Fatalf("consents %v", consents)
	}
	d.does("user consent withdraw "+u.ID+" "+fmt.Sprint(consents[0]["id"]), why)
	if list := d.lists("user consent list " + u.ID); len(list) != 0 || d.Audited(idp.AuditConsentWithdrawn) != 1 {
		d.t.Errorf("withdrawn, and still %v", list)
	}
	d.refused("404 not_found", "user consent withdraw "+u.ID+" none", why)
	d.refused("404 not_found", "user access end "+u.ID+" none", why)
	expect(d.t, "sign-out", d.does("user sign-out "+u.ID, why), "ended", "1")
}

// invitations invites somebody, who gets another mail when it is sent again.
func (d *desk) invitations() {
	d.t.Helper()
	guest := []string{"user invite", "--population", "contacts", "--email", "guest@acme.example", "--name", "Guest", "--locale", "de", "--role", "agent"}
	made := d.does(guest...)
	expect(d.t, "invited", made, "population", "contacts", "email", "guest@acme.example", "name", "Guest", "locale", "de", "roles", "[agent]", "expired", "false")
	id := fmt.Sprint(made["id"])
	first := linkIn.FindString(d.box.Next("guest@acme.example").Text)
	d.refused("409 conflict", guest...)
	d.does("user invite", "--email", "noor@rtx.example")
	for flag, want := range map[string]int{"--population=contacts": 1, "--population=agents": 1, "--limit=1": 1, "--limit=9": 2} {
		if n := len(d.lists("user invitations", flag)); n != want {
			d.t.Errorf("%s lists %d invitations, want %d", flag, n, want)
		}
	}
	expect(d.t, "shown", d.does("user invitation show "+id), "id", id, "email", "guest@acme.example")
	expect(d.t, "sent again", d.does("user invitation resend "+id), "id", id)
	if again := linkIn.FindString(d.box.Next("guest@acme.example").Text); first == "" || again == "" || again == first {
		d.t.Errorf("the first link is %q, the second %q", first, again)
	}
	d.does("user invitation revoke " + id)
	for _, command := range []string{"show", "resend", "revoke"} {
		d.refused("404 not_found", "user invitation "+command+" "+id)
	}
}

// identities links somebody by either way to say who they are, and unlinks them.
func (d *desk) identities(u idp.User) {
	d.t.Helper()
	entra := d.connection(idp.Connection{Kind: idp.EntraConnection, Tenants: []string{tenant}})
	other := d.connection(idp.Connection{Kind: idp.OIDCConnection, Issuer: "https://login.partner.example"})
	d.refused("/tenant_id: ", "user link "+u.ID+" "+entra, "--subject", "s-1", why)
	d.does("user link "+u.ID+" "+entra, "--tenant-id", tenant, "--object-id", object, why)
	d.does("user link "+u.Email+" "+other, "--subject", "s-1", why)
	list := d.lists("user identities " + u.Email)
	if len(list) != 2 {
		d.t.Fatalf("linked twice, the identities are %v", list)
	}
	for _, i := range list {
		subject := map[any]string{entra: tenant + "/" + object, other: "https://login.partner.example|s-1"}[i["connection_id"]]
		expect(d.t, "linked", i, "connection", "Partner", "subject", subject)
	}
	d.signedIn(u)
	d.does("user unlink "+u.ID+" "+entra, why)
	if list := d.lists("user identities " + u.ID); len(list) != 1 || list[0]["connection_id"] != other {
		d.t.Errorf("unlinked from Entra, the identities are %v", list)
	}
	if list := d.lists("user sessions " + u.ID); len(list) != 0 {
		d.t.Errorf("unlinked, and still signed in: %v", list)
	}
	d.refused("404 not_found", "user unlink "+u.ID+" "+entra, why)
}

func TestAnAddressInTwoPopulations(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	d.AddUser(idp.Agents, "maya@rtx.example")
	contact := d.AddUser(idp.Contacts, "maya@rtx.example")
	d.AddUser(idp.Contacts, "maya@rtx.example.org")
	d.refused("several populations", "user show maya@rtx.example")
	expect(t, "the contact", d.does("user show maya@rtx.example", "--of", "contacts"), "id", contact.ID)
	d.refused("is empty, or none", "user show ..")
	long := strings.Repeat("a", 60) + "@" + strings.Repeat("rtx.", 30) + "example"
	u := d.AddUser(idp.Agents, long)
	expect(t, "a long address", d.does("user show "+long), "id", u.ID)
}
