package federation_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/entra"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

// open for everybody at Entra, without evidence of anything.
func openWide(n *connections.ConnectionChange) {
	anyone(n)
	n.Trust = idp.Trusted
}

// nOAuth: Mallory's directory lets her write Alice's address into her profile, and
// Entra hands it over as "email". xms_edov says that it is not the directory's.
func TestNOAuthTakeover(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, openWide), idptest.NewBrowser(t)
		alice := h.AddUser(idp.Agents, idptest.Alice)
		p := h.come(b, h.party.Begin(), idptest.Mallory)
		if p.Left != nil || p.Heading() != "Confirm your email address" {
			t.Fatalf("Mallory is at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
		}
		code := h.mail.Code(idptest.Alice) // it went to Alice, and to nobody else
		for i := range 7 {
			p = b.Submit(p, "/confirm", "code", wrong(code, i))
			if p.Status == http.StatusOK || p.Left != nil {
				t.Fatalf("a wrong code: %q (%d)", p.Heading(), p.Status)
			}
		}
		// The code's tries are used up: the right one does not help any more either.
		if p = b.Submit(p, "/confirm", "code", code); p.Left != nil || p.Heading() != "Confirm your email address" {
			t.Errorf("after seven guesses: %q (%d)", p.Heading(), p.Status)
		}
		if h.count("identities") != 0 || h.count("sessions") != 0 {
			t.Error("Mallory is linked or signed in")
		}
		// Even with Alice's mailbox she would need Alice's password, and her second step.
		idptest.Must(t, h.Manage.People.ClearThrottle(t.Context(), authz.System(), alice.ID, "she asked"))
		h.db.Age(t, "throttles", time.Hour)
		b = idptest.NewBrowser(t)
		p = b.Submit(h.come(b, h.party.Begin(), idptest.Mallory), "/confirm", "code", h.mail.Code(idptest.Alice))
		p = b.Submit(p, "/password", "password", "not Alice's password")
		if p.Status == http.StatusOK || p.Left != nil || h.count("identities") != 0 || h.count("sessions") != 0 {
			t.Errorf("with the code alone: %q (%d), left for %v", p.Heading(), p.Status, p.Left)
		}
		if u, err := h.Store.User(t.Context(), alice.ID); err != nil || u != alice {
			t.Errorf("Alice's account was changed: %+v (%v)", u, err)
		}
	})
}

// wrong is a code that differs from the right one.
func wrong(code string, i int) string {
	return string('0'+(code[0]-'0'+1+byte(i))%10) + code[1:]
}

// The same page and answers, whether there is an account with the address or not.
func TestAnAddressThatNobodyConfirmsTellsNothing(t *testing.T) {
	t.Parallel()
	pages := map[bool]string{}
	for _, known := range []bool{false, true} {
		h, b := open(t, idptest.Alone(t), openWide), idptest.NewBrowser(t)
		if known {
			h.AddUser(idp.Agents, idptest.Alice)
		}
		p := h.come(b, h.party.Begin(), idptest.Mallory)
		pages[known] = p.Impersonal()
		if len(h.mail.Code(idptest.Alice)) != 6 {
			t.Error("no code")
		}
	}
	if pages[true] != pages[false] {
		t.Errorf("the pages differ: %s\n%s", pages[true], pages[false])
	}
}

// Alice herself: the code, her own sign-in, and from then on Entra is enough.
func TestAnAccountIsLinkedByItsOwnProof(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, b := open(t, db, openWide), idptest.NewBrowser(t)
		idptest.Must(t, h.entra.ChangePerson(idptest.HomeTenant, idptest.Alice, func(p *entra.Person) { p.EmailVerified = false }))
		alice := h.AddUser(idp.Agents, idptest.Alice)
		enrolled := h.party.Begin()
		_, phone, _ := idptest.Enrol(idptest.NewBrowser(t), h.party, enrolled, idptest.Alice)

		a := h.party.Begin()
		p := h.come(b, a, idptest.Alice)
		p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Alice))
		if !strings.Contains(p.Body, "from then on Microsoft is enough") {
			t.Errorf("after the code: %q (%d) %s", p.Heading(), p.Status, alert(p))
		}
		if upstreamLink.MatchString(p.Body) {
			t.Error("the way back to Entra would begin all over")
		}
		p = b.Submit(p, "/password", "password", idptest.Password)
		if n := h.count("identities"); n != 0 {
			t.Errorf("linked before the second step")
		}
		p = b.Submit(p, "/totp", "code", phone.Code(1))
		p = finish(b, p)
		tokens := h.party.Exchange(a, p.Left)
		if tokens.ID.Subject != alice.ID {
			t.Errorf("signed in as %s, want Alice", tokens.ID.Subject)
		}
		claim(t, tokens, "amr", "pwd otp mfa")
		again := h.signIn(idptest.NewBrowser(t), idptest.Alice)
		if again.ID.Subject != alice.ID {
			t.Errorf("signed in as %s, want Alice", again.ID.Subject)
		}
		claim(t, again, "amr", "fed")
		claim(t, again, "email_verified", true)
		if h.last(idp.AuditIdentityLinked).Detail["why"] == "" {
			t.Error("the audit log does not say why they are linked")
		}
	})
}

// finish saves recovery codes where they are shown.
func finish(b *idptest.Browser, p *idptest.Page) *idptest.Page {
	if _, _, ok := p.Form("/saved"); ok {
		p = b.Submit(p, "/saved", "saved", "yes")
	}
	return p
}

func TestANewPersonConfirmsTheirAddress(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), openWide), idptest.NewBrowser(t)
	idptest.Must(t, h.entra.ChangePerson(idptest.OtherTenant, idptest.Bob, func(p *entra.Person) { p.Email = idptest.Bob }))
	a := h.party.Begin()
	p := h.come(b, a, idptest.Bob)
	p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Bob))
	tokens := h.party.Exchange(a, p.Left)
	claim(t, tokens, "email", idptest.Bob)
	claim(t, tokens, "amr", "fed")
	u, err := h.Store.UserByEmail(t.Context(), idp.Agents, idptest.Bob)
	if idptest.Must(t, err); !u.EmailVerified {
		t.Error("the address counts as unconfirmed")
	}
}

func TestAConfirmedAddressLinksAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), ours)
	alice := h.AddUser(idp.Agents, "ALICE@home.example")
	if got := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject; got != alice.ID {
		t.Errorf("signed in as %s, want the account that is there", got)
	}
}

// Whoever may change authentication could connect a directory of their own, whose word
// is that everybody's address is theirs: an account with permissions asks for more.
func TestAnAccountWithPermissionsIsNeverTakenByAnAddress(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.Domains = []string{"home.example"} }), idptest.NewBrowser(t)
	alice := h.AddUser(idp.Agents, idptest.Alice)
	idptest.Must(t, h.Store.GiveRole(t.Context(), alice.ID, idp.RoleManager))
	p := h.come(b, h.party.Begin(), idptest.Alice)
	if p.Left != nil || p.Heading() != "Confirm your email address" {
		t.Fatalf("at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Alice))
	if _, _, ok := p.Form("/password"); !ok || h.count("identities") != 0 {
		t.Errorf("after the code: %q, %d identities", p.Heading(), h.count("identities"))
	}
}

func TestAnAccountThatCannotProveItselfIsLinkedByAnAdmin(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
	alice, err := h.Manage.People.CreateUser(t.Context(), people.NewUser{Population: idp.Agents, Email: idptest.Alice, Roles: []string{idp.RoleManager}})
	idptest.Must(t, err)
	p := h.come(b, h.party.Begin(), idptest.Alice)
	p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Alice))
	h.refused(p, forbidden, idp.FederationProof)
	idptest.Must(t, h.Manage.Connections.LinkIdentity(t.Context(), authz.System(), connections.NewIdentity{
		UserID: alice.ID, ConnectionID: h.connection.ID, TenantID: idptest.HomeTenant, ObjectID: idptest.AliceOID,
	}))
	if got := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject; got != alice.ID {
		t.Errorf("signed in as %s", got)
	}
}

// A person whose address changes upstream, to a victim's above all, stays who they are.
func TestAnEmailThatChangesUpstreamChangesNothingHere(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	alice := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject
	victim := h.AddUser(idp.Agents, "victim@home.example")
	idptest.Must(t, h.entra.ChangePerson(idptest.HomeTenant, idptest.Alice, func(p *entra.Person) { p.Email = victim.Email }))
	tokens := h.signIn(idptest.NewBrowser(t), idptest.Alice)
	if tokens.ID.Subject != alice {
		t.Errorf("signed in as %s, want %s", tokens.ID.Subject, alice)
	}
	claim(t, tokens, "email", idptest.Alice)
}

func TestTwoIdentitiesClaimOneAddress(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.Domains = []string{"home.example"} })
	first := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject
	idptest.Must(t, h.entra.ChangePerson(idptest.HomeTenant, idptest.Arthur, func(p *entra.Person) { p.Email = idptest.Alice }))
	p := h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Arthur)
	if p.Status != forbidden || h.lastRefusal().Detail["reason"] != string(idp.FederationTaken) {
		t.Errorf("at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
	if again := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject; again != first {
		t.Errorf("Alice became %s", again)
	}
}

func TestNobodyIsMadeWhereTheConnectionMakesNobody(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.CreateUsers = false })
	h.refused(h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice), forbidden, idp.FederationUnknown)
	if n := h.count("users"); n != 0 {
		t.Errorf("%d people were made", n)
	}
}

func TestWithoutAnAddressNobodyIsFound(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), openWide)
	h.refused(h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Bob), forbidden, idp.FederationNoEmail)
}

// A guest's address is their home directory's word, not this one's.
func TestAGuestConfirmsTheirAddress(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) {
		n.Tenants, n.ClientID, n.Domains = []string{idptest.OtherTenant}, idptest.OpenApp, []string{"home.example", "other.example"}
	})
	p := h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice)
	if p.Left != nil || p.Heading() != "Confirm your email address" {
		t.Errorf("at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
}

func TestMappedRolesFollowTheDirectory(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, func(n *connections.ConnectionChange) {
			n.Claims.Department = "department"
			n.Roles = []idp.RoleMapping{
				{Claim: "groups", Value: "g1", RoleID: idp.RoleManager},
				{Claim: "roles", Value: "Agent", RoleID: idp.RoleAgent},
				{Claim: "groups", Value: "nobody's", RoleID: idp.RoleAdmin},
			}
		})
		alice := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject
		expectRoles(t, h, alice, idp.RoleManager, idp.RoleAgent)
		idptest.Must(t, h.Store.GiveRole(t.Context(), alice, idp.RoleAdmin)) // mapped too: the directory takes it again
		h.AddUser(idp.Agents, "boss@rtx.example")
		boss, err := h.Store.UserByEmail(t.Context(), idp.Agents, "boss@rtx.example")
		idptest.Must(t, err)
		idptest.Must(t, h.Store.GiveRole(t.Context(), boss.ID, idp.RoleAdmin))
		idptest.Must(t, h.entra.ChangePerson(idptest.HomeTenant, idptest.Alice, func(p *entra.Person) {
			p.Groups, p.Name, p.GivenName, p.FamilyName = nil, "Alice B", "Alice", "B"
		}))
		tokens := h.signIn(idptest.NewBrowser(t), idptest.Alice)
		claim(t, tokens, "name", "Alice B")
		claim(t, tokens, "given_name", "Alice")
		claim(t, tokens, "family_name", "B")
		expectRoles(t, h, alice, idp.RoleAgent)
		u, err := h.Store.User(t.Context(), alice)
		if idptest.Must(t, err); u.Department != "Support" {
			t.Errorf("department %q", u.Department)
		}
	})
}

// More groups than the token holds: none counts, and the audit log says why.
func TestGroupsOverageFailsClosed(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) {
		n.Roles = []idp.RoleMapping{{Claim: "groups", Value: "g", RoleID: idp.RoleManager}}
	})
	arthur := h.AddUser(idp.Agents, idptest.Arthur)
	idptest.Must(t, h.Manage.Connections.LinkIdentity(t.Context(), authz.System(), connections.NewIdentity{
		UserID: arthur.ID, ConnectionID: h.connection.ID, TenantID: idptest.HomeTenant, ObjectID: "33333333-aaaa-4bbb-8ccc-000000000002",
	}))
	idptest.Must(t, h.Store.GiveRole(t.Context(), arthur.ID, idp.RoleManager))
	h.signIn(idptest.NewBrowser(t), idptest.Arthur)
	expectRoles(t, h, arthur.ID)
	if e := h.last(idp.AuditRolesChanged); e.Detail["overage"] == "" {
		t.Errorf("the audit log says %v", e.Detail)
	}
}

func TestTheLastAdminStaysOne(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) {
		n.Roles = []idp.RoleMapping{{Claim: "roles", Value: "Boss", RoleID: idp.RoleAdmin}}
	})
	alice := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject
	idptest.Must(t, h.Store.GiveRole(t.Context(), alice, idp.RoleAdmin))
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
	expectRoles(t, h, alice, idp.RoleAdmin)
}

func expectRoles(t *testing.T, h *house, userID string, want ...string) {
	t.Helper()
	roles, err := h.Store.RolesOf(t.Context(), userID)
	idptest.Must(t, err)
	got := map[string]bool{}
	for _, r := range roles {
		got[r.ID] = true
	}
	for _, id := range want {
		if !got[id] {
			t.Errorf("role %s is missing: %v", id, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("roles %v, want %v", got, want)
	}
}

// Nobody's mailbox is flooded by sign-ins that claim its address, however many there are
// at once: one code, and another after each longer wait.
func TestMailsToOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), openWide)
	claim := func() *idptest.Page {
		b := idptest.NewBrowser(t)
		return h.come(b, h.party.Begin(), idptest.Mallory)
	}
	claim()
	h.db.Age(t, "throttles", -time.Hour, "next_at") // the wait, on a machine of any speed
	last := claim()
	if last.Status != http.StatusTooManyRequests || h.lastRefusal().Detail["reason"] != string(idp.FederationLimited) {
		t.Errorf("the second at once: %q (%d)", last.Heading(), last.Status)
	}
	h.db.Age(t, "throttles", 2*time.Hour, "next_at")
	claim()
	if n := h.count("outbox WHERE kind = 'code'"); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}

// Who claims one address after the other is slowed down, whichever they are.
func TestMailsThatOneNetworkAddressCausesAreLimited(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), openWide)
	for range 2 {
		h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Mallory)
		h.db.Exec(t, "DELETE FROM throttles WHERE kind = 'confirm-mail'")
		h.db.Exec(t, "UPDATE throttles SET failures = 30, next_at = '2999-01-01 00:00:00' WHERE kind = 'mail-address'")
	}
	if n := h.count("outbox WHERE kind = 'code'"); n != 1 || h.lastRefusal().Detail["reason"] != string(idp.FederationLimited) {
		t.Errorf("%d mails, want 1", n)
	}
}

// Two mailboxes may have one key: who owns the one, and has it confirmed, is not who has
// an account with the other. (Domains of two owners have two keys.)
func TestAnAddressThatOnlyLooksTheSame(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db, openWide)
		_, err := h.Manage.People.CreateUser(t.Context(), people.NewUser{Population: idp.Agents, Email: "bossa@rtx.example"})
		idptest.Must(t, err)
		for _, email := range []string{"boßa@rtx.example", "BOßA@rtx.example"} {
			for _, confirmed := range []bool{true, false} {
				idptest.Must(t, h.entra.ChangePerson(idptest.OtherTenant, idptest.Bob, func(p *entra.Person) {
					p.Email, p.EmailVerified = email, confirmed
				}))
				b := idptest.NewBrowser(t)
				p := h.come(b, h.party.Begin(), idptest.Bob)
				if !confirmed && p.Heading() == "Confirm your email address" {
					p = b.Submit(p, "/confirm", "code", h.mail.Code(email))
				}
				h.refused(p, forbidden, idp.FederationTaken)
				h.db.Exec(t, "DELETE FROM throttles WHERE kind = 'confirm-mail'") // both spellings are one mailbox
			}
		}
	})
}

// A plain provider confirms addresses of the domains that an admin listed, and no others.
func TestAPlainProviderConfirmsItsOwnDomains(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{"generic.example": "One moment…", "other.example": "Confirm your email address"} {
		h, b := open(t, idptest.Alone(t), nil), idptest.NewBrowser(t)
		generic := h.connect(func(n *connections.ConnectionChange) {
			h.generic(n)
			n.Trust, n.Domains = idp.Trusted, []string{domain}
		})
		page := b.Get(h.party.Begin().URL)
		p := h.back(b, h.entra.SignIn(b, b.Get(page.URL.String()+"/federate?c="+generic.ID).Left, idptest.Gina))
		if p.Heading() != want {
			t.Errorf("%s: at %q (%d), left for %v", domain, p.Heading(), p.Status, p.Left)
		}
	}
}

// xms_edov speaks of "email": where another claim is the address, it confirms nothing.
func TestXmsEdovConfirmsOneClaim(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), func(n *connections.ConnectionChange) { n.Claims.Email = "preferred_username" }), idptest.NewBrowser(t)
	h.AddUser(idp.Agents, idptest.Arthur)
	h.entra.Mutate(func(claims map[string]any) { claims["preferred_username"] = idptest.Arthur })
	if p := h.come(b, h.party.Begin(), idptest.Alice); p.Heading() != "Confirm your email address" || h.count("identities") != 0 {
		t.Errorf("at %q (%d), left for %v", p.Heading(), p.Status, p.Left)
	}
}

// An admin whom the connection made has no password: nothing takes their way in from
// them, though the population allows passwords.
func TestTheOnlyAdminIsNotShutOut(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h, system := open(t, db, nil), authz.System()
		alice := h.signIn(idptest.NewBrowser(t), idptest.Alice).ID.Subject
		idptest.Must(t, h.Store.GiveRole(t.Context(), alice, idp.RoleAdmin))
		p, err := h.Manage.Populations.Population(t.Context(), system, idp.Agents)
		idptest.Must(t, err)
		off := connections.ConnectionChange{Connection: h.connection, Reason: "moved"}
		off.Enabled = false
		for name, do := range map[string]func() error{
			"unlink": func() error {
				return h.Manage.Connections.UnlinkIdentity(t.Context(), system, alice, h.connection.ID, "left")
			},
			"delete": func() error {
				return h.Manage.Connections.DeleteConnection(t.Context(), system, h.connection.ID, h.connection.Version, "moved")
			},
			"switch off": func() error { _, err := h.Manage.Connections.UpdateConnection(t.Context(), system, off); return err },
			"passwords alone": func() error {
				_, err := h.Manage.Populations.SaveAccess(t.Context(), system, populations.Change[idp.Access]{ID: idp.Agents, Version: p.Version, To: idp.Access{Password: true}})
				return err
			},
		} {
			if err := do(); err == nil || !strings.Contains(err.Error(), "admin") {
				t.Errorf("%s shuts the only admin out: %v", name, err)
			}
		}
		if h.count("identities") != 1 || living(h) != 1 {
			t.Error("something was done nevertheless")
		}
		// Once somebody else can come in, it may go.
		boss := h.AddUser(idp.Agents, "boss@rtx.example")
		idptest.Must(t, h.Store.GiveRole(t.Context(), boss.ID, idp.RoleAdmin))
		idptest.Must(t, h.Manage.Connections.UnlinkIdentity(t.Context(), system, alice, h.connection.ID, "left"))
	})
}

// Mailbox and password link nobody who has an authenticator: from then on the other side
// would be enough.
func TestAnAccountWithAnAuthenticatorIsLinkedByThat(t *testing.T) {
	t.Parallel()
	h, b := open(t, idptest.Alone(t), openWide), idptest.NewBrowser(t)
	idptest.Must(t, h.entra.ChangePerson(idptest.HomeTenant, idptest.Alice, func(p *entra.Person) { p.EmailVerified = false }))
	h.AddUser(idp.Agents, idptest.Alice)
	_, phone, _ := idptest.Enrol(idptest.NewBrowser(t), h.party, h.party.Begin(), idptest.Alice)
	h.SetPolicy(idp.Agents, idp.Policy{Authenticator: true, EmailCode: true}, populations.OnNextLogin)
	p := h.come(b, h.party.Begin(), idptest.Alice)
	p = b.Submit(p, "/confirm", "code", h.mail.Code(idptest.Alice))
	p = b.Submit(p, "/password", "password", idptest.Password)
	if p.Heading() != "Enter the code from your app" || strings.Contains(p.Body, `value="email"`) {
		t.Fatalf("%d %q\n%s", p.Status, p.Heading(), p.Body)
	}
	finish(b, b.Submit(p, "/totp", "code", phone.Code(1)))
	if n := h.count("identities"); n != 1 {
		t.Errorf("%d identities", n)
	}
}
