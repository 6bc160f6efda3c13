package manage_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/roles"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/throttle"
)

func TestSecretsOfAnAppRotate(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		app, first, err := o.Apps.AddClient(ctx, everything(), idp.Client{
			ID: "mine", Name: "App", Populations: []string{idp.Agents}, SecretHashes: [][]byte{idp.HashSecret("mine")},
		})
		if err != nil || app.ID != "mine" || app.Secrets != 1 || app.SecretHashes != nil || first == "" || app.Override.Mode != idp.OverrideInherit {
			t.Fatalf("%+v, %v", app, err)
		}
		expectField(t, "the last", o.Apps.RemoveClientSecret(ctx, everything(), app.ID, 0), "index")
		other, err := o.Apps.AddClientSecret(ctx, everything(), app.ID)
		idptest.Must(t, err)
		if _, err := o.Apps.AddClientSecret(ctx, everything(), app.ID); !errors.Is(err, idp.ErrTwoSecrets) {
			t.Errorf("a third secret: %v", err)
		}
		expectField(t, "none", o.Apps.RemoveClientSecret(ctx, everything(), app.ID, 2), "index")
		idptest.Must(t, o.Apps.RemoveClientSecret(ctx, everything(), app.ID, 0))
		stored, err := o.db.Client(ctx, app.ID)
		if err != nil || len(stored.SecretHashes) != 1 || !bytes.Equal(stored.SecretHashes[0], idp.HashSecret(other)) {
			t.Errorf("%+v, %v", stored, err)
		}
		public, secret, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: "Page", Kind: idp.SPAClient, Populations: []string{idp.Agents}})
		if err != nil || secret != "" {
			t.Fatalf("%q, %v", secret, err)
		}
		expectField(t, "of a page", second(o.Apps.AddClientSecret(ctx, everything(), public.ID)), "auth_method")
		if e, err := o.Apps.Client(ctx, holder(idp.PermissionClients), app.ID); err != nil || e.Override != (idp.Override{}) {
			t.Errorf("who manages apps alone sees %+v, %v", e.Override, err)
		}
	})
}

func TestAppsThatCannotBeSavedByAnAdmin(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		good := idp.Client{Name: "App", Populations: []string{idp.Agents}, HomeURL: "https://rtx.example/"}
		app, _, err := o.Apps.AddClient(ctx, everything(), good)
		idptest.Must(t, err)
		for field, change := range map[string]func(c *idp.Client){
			"name":          func(c *idp.Client) { c.Name = "A\x00pp" },
			"home_url":      func(c *idp.Client) { c.HomeURL = "javascript:alert(1)" },
			"grant_types":   func(c *idp.Client) { c.GrantTypes = []string{"password"} },
			"scopes":        func(c *idp.Client) { c.Scopes = []string{"openid email"} },
			"redirect_uris": func(c *idp.Client) { c.RedirectURIs = make([]string, 51) },
			"populations":   func(c *idp.Client) { c.Populations = []string{"invented"} },
			"roles":         func(c *idp.Client) { c.Roles = []string{"invented"} },
			"access_ttl":    func(c *idp.Client) { c.AccessTTL = -time.Second },
		} {
			c, e := good, app
			change(&c)
			change(&e.Client)
			expectField(t, "add "+field, third(o.Apps.AddClient(ctx, everything(), c)), field)
			expectField(t, "change "+field, second(o.Apps.UpdateClient(ctx, everything(), e)), field)
		}
		app.Kind, app.SecretHashes, app.Name = idp.NativeClient, [][]byte{idp.HashSecret("mine")}, "Renamed"
		after, err := o.Apps.UpdateClient(ctx, everything(), app)
		stored, errStored := o.db.Client(ctx, app.ID)
		if err != nil || errStored != nil || after.Kind != idp.WebClient || stored.Name != "Renamed" ||
			bytes.Equal(stored.SecretHashes[0], idp.HashSecret("mine")) {
			t.Errorf("%+v, %v, %v", stored, err, errStored)
		}
	})
}

func TestAppsGoWithWhatTheyHold(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u := o.person(t, idp.Agents)
		s := o.signedIn(t, u)
		app, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: "App", Populations: []string{idp.Agents}, BackchannelLogoutURI: "https://rtx.example/out", RedirectURIs: []string{"https://rtx.example/cb"}})
		idptest.Must(t, err)
		g, _ := idptest.Grant(app.Client, s)
		g.CodeUsedAt = idp.Now()
		idptest.Must(t, o.db.CreateGrant(ctx, g))
		list, next, err := o.People.ListSessions(ctx, everything(), people.SessionQuery{UserID: u.ID})
		if err != nil || next != "" || len(list) != 1 || list[0].Email != u.Email || fmt.Sprint(list[0].Clients) != "["+app.ID+"]" || list[0].TokenHash != nil {
			t.Fatalf("%+v, %v", list, err)
		}
		if n, err := o.People.SignOut(ctx, everything(), u.ID, ticket, people.EndAppAccess); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if list, _, err := o.People.ListSessions(ctx, everything(), people.SessionQuery{}); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		idptest.Must(t, o.People.EndSession(ctx, everything(), s.ID, ticket)) // it has ended
		lanes, err := o.System.Deliveries(ctx, everything())
		if err != nil || len(lanes) != 1 || lanes[0].Lane != app.ID || lanes[0].Waiting != 1 {
			t.Errorf("%+v, %v", lanes, err)
		}
		_, err = o.db.ClaimDeliveries(ctx, app.ID, idp.Now(), time.Hour, 10)
		idptest.Must(t, err)
		if n, err := o.System.RetryDeliveries(ctx, everything(), app.ID); n != 1 || err != nil {
			t.Errorf("%d made due, %v", n, err)
		}
		idptest.Must(t, o.Apps.DeleteClient(ctx, everything(), app.ID, 0, ticket))
		if _, err := o.db.Client(ctx, app.ID); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("the app is %v", err)
		}
		if lanes, err := o.System.Deliveries(ctx, everything()); err != nil || lanes[0].Waiting != 0 {
			t.Errorf("%+v, %v", lanes, err)
		}
	})
}

func TestPeopleWhoGoLeaveTheirIdAlone(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		for name, remove := range map[string]func(id string) error{
			"delete":    func(id string) error { return o.People.DeleteUser(ctx, everything(), id, 0, ticket) },
			"anonymise": func(id string) error { return o.People.AnonymiseUser(ctx, everything(), id, ticket) },
		} {
			u := o.enrolled(t, idp.Agents, idp.RoleManager)
			o.signedIn(t, u)
			idptest.Must(t, o.db.RememberBrowser(ctx, u.ID, []byte("browser"), idp.Now()))
			idptest.Must(t, o.People.SetPassword(ctx, everything(), u.ID, "gentle maple corner", ticket))
			o.signedIn(t, u)
			idptest.Must(t, remove(u.ID))
			for _, table := range []string{"factors", "recovery_sets", "recovery_codes", "known_browsers", "user_words", "user_roles"} {
				if n := query[int](t, o, "SELECT COUNT(*) FROM "+table+" WHERE user_id = ?", u.ID); n != 0 {
					t.Errorf("%s leaves %d %s", name, n, table)
				}
			}
			if n := query[int](t, o, "SELECT COUNT(*) FROM sessions WHERE user_id = ? AND ended_at IS NULL", u.ID); n != 0 {
				t.Errorf("%s leaves %d sessions", name, n)
			}
			if n := query[int](t, o, "SELECT COUNT(*) FROM outbox WHERE lane = 'mail' AND done_at IS NULL"); n != 0 {
				t.Errorf("%s leaves %d mails", name, n)
			}
			for _, kind := range []idp.AuditKind{idp.AuditUserDeleted, idp.AuditUserAnonymised, idp.AuditSignedOut} {
				for _, e := range o.events(t, kind, u.ID) {
					if strings.Contains(fmt.Sprint(e), u.Email) {
						t.Errorf("%s: %+v", name, e)
					}
				}
			}
			now, err := o.db.User(ctx, u.ID)
			if name == "delete" && !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("deleted: %v", err)
			}
			if name == "anonymise" && (err != nil || !now.Disabled || now.Name != "" || now.PasswordHash != "" || strings.Contains(now.Email, "rtx")) {
				t.Errorf("anonymised: %+v, %v", now, err)
			}
			// The address is free again.
			o.named(t, idp.Agents, u.Email, "Successor")
			o.exec(t, "DELETE FROM users WHERE name = 'Successor'")
		}
	})
}

func TestWhoIsDisabledIsOutEverywhere(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u, other := o.person(t, idp.Agents), o.person(t, idp.Agents)
		o.signedIn(t, u)
		d, err := o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})
		if err != nil || !d.Disabled || len(d.Sessions) != 0 || len(o.events(t, idp.AuditUserDisabled, u.ID)) != 1 {
			t.Errorf("%+v, %v", d, err)
		}
		d, err = o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 2, Disabled: ptr(false), Reason: ticket})
		if err != nil || d.Disabled || len(o.events(t, idp.AuditUserEnabled, u.ID)) != 1 {
			t.Errorf("%+v, %v", d, err)
		}
		for field, c := range map[string]people.UserChange{
			"email":  {Version: 3, Email: ptr(" " + strings.ToUpper(other.Email))},
			"name":   {Version: 3, Name: ptr("Ada\x00")},
			"locale": {Version: 3, Locale: ptr("d e")},
		} {
			expectField(t, field, second(o.People.UpdateUser(ctx, everything(), u.ID, c)), field)
		}
	})
}

func TestClosedDoorsOpenAgain(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		limiter := throttle.New(o.db.Store, []byte("key"))
		o.refit(func(p *manage.Parts) { p.Throttles = limiter })
		u := o.enrolled(t, idp.Agents)
		e := o.enrolment(t, u)
		counters := []throttle.Counter{
			limiter.Account(u.PopulationID, u.Email),
			limiter.Factor(throttle.Authenticator, u.ID), limiter.Factor(throttle.Recovery, u.ID),
		}
		for range 3 {
			_, err := limiter.Begin(ctx, counters...)
			idptest.Must(t, err)
		}
		if err := o.Factors.EnableFactor(ctx, everything(), u.ID, e.Of(idp.MethodTOTP)[0].ID, ticket); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("one that is not disabled: %v", err)
		}
		_, err := o.db.DisableFactor(ctx, e.Of(idp.MethodTOTP)[0].ID, idp.Now())
		idptest.Must(t, err)
		_, err = o.db.DisableFactor(ctx, e.Recovery.ID, idp.Now())
		idptest.Must(t, err)
		other := o.enrolled(t, idp.Agents)
		if err := o.Factors.EnableFactor(ctx, everything(), other.ID, e.Of(idp.MethodTOTP)[0].ID, ticket); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("another person's: %v", err)
		}
		idptest.Must(t, o.Factors.EnableFactor(ctx, everything(), u.ID, e.Of(idp.MethodTOTP)[0].ID, ticket))
		idptest.Must(t, o.Factors.EnableFactor(ctx, everything(), u.ID, e.Recovery.ID, ticket))
		idptest.Must(t, o.People.ClearThrottle(ctx, everything(), u.ID, ticket))
		e = o.enrolment(t, u)
		if n := query[int](t, o, "SELECT COUNT(*) FROM throttles"); n != 0 || !e.Of(idp.MethodTOTP)[0].DisabledAt.IsZero() || !e.Recovery.DisabledAt.IsZero() {
			t.Errorf("%d counters, %+v", n, e)
		}
	})
}

func TestRolesAreManaged(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u := o.person(t, idp.Agents)
		r, err := o.Roles.CreateRole(ctx, everything(), "  Help   desk ", []string{idp.PermissionSessions, idp.PermissionAgentRecovery, idp.PermissionSessions}, ticket)
		if err != nil || r.Name != "Help desk" || fmt.Sprint(r.Permissions) != "[agents.recovery sessions.manage]" {
			t.Fatalf("%+v, %v", r, err)
		}
		expectField(t, "the same name", second(o.Roles.CreateRole(ctx, everything(), "help DESK", nil, ticket)), "name")
		expectField(t, "no name", second(o.Roles.CreateRole(ctx, everything(), "", nil, ticket)), "name")
		expectField(t, "invented", second(o.Roles.CreateRole(ctx, authz.System(), "R", []string{"everything"}, ticket)), "permissions")
		idptest.Must(t, o.People.SetRoles(ctx, everything(), u.ID, 1, []string{r.ID, idp.RoleAgent}, ticket))
		expectField(t, "invented role", o.People.SetRoles(ctx, everything(), u.ID, 2, []string{"invented"}, ticket), "roles")
		if err := o.Roles.DeleteRole(ctx, everything(), r.ID, 1, ticket); !errors.Is(err, idp.ErrInUse) {
			t.Errorf("a role with holders: %v", err)
		}
		list, err := o.Roles.Roles(ctx, everything())
		if err != nil || len(list) != 4 || list[0].ID != r.ID || list[0].Holders != 1 {
			t.Errorf("%+v, %v", list, err)
		}
		idptest.Must(t, o.People.SetRoles(ctx, everything(), u.ID, 2, nil, ticket))
		idptest.Must(t, o.Roles.DeleteRole(ctx, everything(), r.ID, 1, ticket))
		for _, err := range []error{
			o.Roles.DeleteRole(ctx, everything(), idp.RoleAgent, 1, ticket),
			second(o.Roles.UpdateRole(ctx, authz.System(), roles.RoleEntry{Role: idp.Role{ID: idp.RoleAdmin, Name: "A"}, Version: 1}, "")),
		} {
			if !errors.Is(err, idp.ErrSystemRole) {
				t.Errorf("a system role: %v", err)
			}
		}
		// An older version's Admin gets what is new.
		o.exec(t, "UPDATE roles SET permissions = 'users.manage' WHERE id = 'admin'")
		idptest.Must(t, o.EnsureDefaults(ctx))
		if list, err := o.Roles.Roles(ctx, everything()); err != nil || len(list[0].Permissions) != len(idp.Permissions()) {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestPopulationsAreManaged(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		p, err := o.Populations.AddPopulation(ctx, everything(), "partners", "Partners: all")
		if err != nil || !p.Policy.Authenticator || p.Policy.IssuerLabel != "Partners all" {
			t.Fatalf("%+v, %v", p, err)
		}
		if _, err := o.Populations.AddPopulation(ctx, everything(), "partners", "P"); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("twice: %v", err)
		}
		for _, id := range []string{"", "p", "Partners", "1p", "a b", "a_b", strings.Repeat("a", 33), "a\n", "new", "confirm", "callback"} {
			expectField(t, id, second(o.Populations.AddPopulation(ctx, everything(), id, "P")), "id")
		}
		for field, c := range map[string]idp.Brand{
			"name":        {},
			"brand_color": {Name: "P", BrandColor: "red"},
			"logo_url":    {Name: "P", LogoURL: "http://rtx.example/"},
			"help_url":    {Name: "P", HelpURL: "javascript:alert(1)"},
			"privacy_url": {Name: "P", PrivacyURL: "https://" + strings.Repeat("a", 500)},
		} {
			expectField(t, field, second(o.Populations.SaveBrand(ctx, everything(), populations.Change[idp.Brand]{ID: "partners", To: c})), field)
		}
		seen, err := o.Populations.Population(ctx, holder(idp.PermissionUsers), "partners")
		if err != nil || seen.Name == "" || seen.Policy != (idp.Policy{}) || seen.SessionIdle != 0 {
			t.Errorf("who manages people sees %+v, %v", seen, err)
		}
	})
}

// The log is read whole, newest first, while it grows.
func TestAuditLogIsReadAndExported(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		var events []idp.AuditEvent
		for i := range 1203 {
			events = append(events, idp.AuditEvent{Kind: idp.AuditSignedIn, UserID: "u" + fmt.Sprint(i%3), ActorID: "a", ClientID: "c", PopulationID: idp.Agents})
		}
		for len(events) > 0 {
			n := min(100, len(events))
			idptest.Must(t, o.db.Audit(ctx, events[:n]...))
			events = events[n:]
		}
		var read []idp.AuditEvent
		q := system.AuditQuery{Kind: idp.AuditSignedIn, Limit: 200}
		for {
			page, next, err := o.System.Audit(ctx, everything(), q)
			idptest.Must(t, err)
			read = append(read, page...)
			if q.After = next; next == "" {
				break
			}
			idptest.Must(t, o.db.Audit(ctx, idp.AuditEvent{Kind: idp.AuditSignedIn, UserID: "late"}))
		}
		seen := map[string]bool{}
		for i, e := range read {
			if seen[e.ID] || e.UserID == "late" || i > 0 && read[i-1].At.Before(e.At) {
				t.Fatalf("event %d: %+v", i, e)
			}
			seen[e.ID] = true
		}
		if len(read) != 1203 {
			t.Errorf("%d events", len(read))
		}
		n := 0
		idptest.Must(t, o.System.ExportAudit(ctx, everything(), system.AuditQuery{UserID: "u1", ActorID: "a", ClientID: "c", PopulationID: idp.Agents}, func(e idp.AuditEvent) error {
			n++
			return nil
		}))
		if n != 401 {
			t.Errorf("%d of u1 were exported", n)
		}
		full := errors.New("disk full")
		err := o.System.ExportAudit(ctx, everything(), system.AuditQuery{}, func(idp.AuditEvent) error { return full })
		if !errors.Is(err, full) {
			t.Errorf("an export that cannot be written: %v", err)
		}
		at := read[600].At
		n = 0
		idptest.Must(t, o.System.ExportAudit(ctx, everything(), system.AuditQuery{Kind: idp.AuditSignedIn, To: at}, func(e idp.AuditEvent) error {
			if n++; !e.At.Before(at) {
				t.Errorf("%s is not before %s", e.At, at)
			}
			return nil
		}))
		m := 0
		idptest.Must(t, o.System.ExportAudit(ctx, everything(), system.AuditQuery{Kind: idp.AuditSignedIn, From: at}, func(idp.AuditEvent) error { m++; return nil }))
		if n == 0 || m == 0 || n+m != query[int](t, o, "SELECT COUNT(*) FROM audit_events WHERE kind = 'session.created'") {
			t.Errorf("%d before, %d from then on", n, m)
		}
	})
}

func TestPagesOfSessionsAndAppsAreComplete(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u := o.person(t, idp.Agents)
		for range 7 {
			o.signedIn(t, u)
			_, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: "App", Populations: []string{idp.Agents}})
			idptest.Must(t, err)
		}
		gone := o.signedIn(t, u)
		idptest.Must(t, o.People.EndSession(ctx, everything(), gone.ID, ticket))
		for _, q := range []people.SessionQuery{{}, {Population: idp.Agents}, {UserID: u.ID}} {
			seen := map[string]bool{}
			for q.Limit = 3; ; {
				page, next, err := o.People.ListSessions(ctx, everything(), q)
				idptest.Must(t, err)
				for _, s := range page {
					if seen[s.ID] || s.ID == gone.ID {
						t.Errorf("%s once more", s.ID)
					}
					seen[s.ID] = true
				}
				if q.After = next; next == "" {
					break
				}
			}
			if len(seen) != 7 {
				t.Errorf("%+v: %d sessions", q, len(seen))
			}
		}
		if list, _, err := o.People.ListSessions(ctx, everything(), people.SessionQuery{Population: idp.Contacts}); err != nil || len(list) != 0 {
			t.Errorf("contacts: %+v, %v", list, err)
		}
		seen, after := 0, entry.Cursor("")
		for {
			page, next, err := o.Apps.Clients(ctx, everything(), after, 3)
			idptest.Must(t, err)
			seen += len(page)
			if after = next; next == "" {
				break
			}
		}
		if seen != 7 {
			t.Errorf("%d apps", seen)
		}
	})
}
