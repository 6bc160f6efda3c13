package manage_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/mail"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/outbox"
	"gatehouse/idp/session"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// office is a manager with everything it can have, over the populations and roles of
// every installation.
type office struct {
	*manage.Manager
	db *idptest.Database
	// sent counts the mails that went past the outbox, reaped the calls of Reap.
	sent, reaped atomic.Int64
}

// Send implements manage.Mailer.
func (o *office) Send(context.Context, mail.Message) error {
	o.sent.Add(1)
	return nil
}

// newPages is slow, and pages are safe to share.
var newPages = sync.OnceValues(func() (*ui.UI, error) { return ui.New(ui.Options{}) })

func inOffice(t *testing.T, test func(t *testing.T, o *office)) {
	t.Helper()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		o := &office{db: db}
		ring, err := keyring.Parse(base64.StdEncoding.EncodeToString(make([]byte, keyring.KeySize)))
		idptest.Must(t, err)
		pages, err := newPages()
		idptest.Must(t, err)
		o.Manager = &manage.Manager{Parts: manage.Parts{
			Keyring: ring, RecoveryKey: []byte("recovery key"), Mailer: o, Write: pages.WriteMail, Reap: func() { o.reaped.Add(1) },
		}}
		o.Manager = o.on(db.Store)
		idptest.Must(t, o.EnsureDefaults(t.Context()))
		test(t, o)
	})
}

// on is the office's manager on another connection to its database.
func (o *office) on(s *store.Store) *manage.Manager {
	p := o.Parts
	p.Store, p.Hasher, p.Outbox = s, hasher, outbox.New(s, o.Keyring)
	p.Sessions = &session.Manager{Store: s, Outbox: p.Outbox}
	return manage.New(p)
}

// refit makes the rooms anew, with other parts.
func (o *office) refit(change func(*manage.Parts)) {
	change(&o.Parts)
	*o.Manager = *manage.New(o.Parts)
}

// person adds somebody.
func (o *office) person(t *testing.T, population string, roles ...string) idp.User {
	t.Helper()
	u, err := o.People.CreateUser(t.Context(), people.NewUser{
		Population: population, Email: idp.NewID() + "@rtx.example", Name: "Maya", Locale: "de", Roles: roles,
	})
	idptest.Must(t, err)
	return u
}

// admin adds an agent who is an admin and has a password.
func (o *office) admin(t *testing.T) idp.User {
	t.Helper()
	u := o.person(t, idp.Agents, idp.RoleAdmin)
	o.exec(t, "UPDATE users SET password_hash = '$argon2id$of-a-password' WHERE id = '"+u.ID+"'")
	return u
}

// enrolled adds somebody with an authenticator, email codes and recovery codes, all
// of three hours ago and saved.
func (o *office) enrolled(t *testing.T, population string, roles ...string) idp.User {
	t.Helper()
	u := o.person(t, population, roles...)
	for _, method := range []idp.Method{idp.MethodTOTP, idp.MethodEmail} {
		idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{
			ID: idp.NewID(), UserID: u.ID, Method: method, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
		}))
	}
	idptest.Must(t, o.Factors.MakeRecoveryCodes(t.Context(), u.ID))
	idptest.Must(t, o.db.MarkRecoverySaved(t.Context(), o.enrolment(t, u).Recovery.ID, idp.Now()))
	o.db.Age(t, "recovery_sets", 3*time.Hour)
	return u
}

func (o *office) enrolment(t *testing.T, u idp.User) idp.Enrolment {
	t.Helper()
	e, err := o.db.Enrolment(t.Context(), u.ID)
	idptest.Must(t, err)
	return e
}

// query reads one value that the store does not tell.
func query[T any](t *testing.T, o *office, text string, args ...any) T {
	t.Helper()
	if o.db.Dialect() == "postgres" {
		for i := range args {
			text = strings.Replace(text, "?", fmt.Sprintf("$%d", i+1), 1)
		}
	}
	var v T
	if err := o.db.SQL().QueryRowContext(t.Context(), text, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// exec does what the program never does.
func (o *office) exec(t *testing.T, statement string) {
	t.Helper()
	o.db.Exec(t, statement)
}

// state tells whether anything was changed or sent, but for refusals in the audit
// log.
func (o *office) state(t *testing.T) string {
	t.Helper()
	return fmt.Sprint(o.sent.Load(), o.reaped.Load(), query[string](t, o, `SELECT
		(SELECT value FROM policy_sequence) || ' ' ||
		(SELECT SUM(policy_version * 1000 + min_version) FROM populations) || ' ' ||
		(SELECT COALESCE(SUM(override_version * 1000 + override_min_version), 0) FROM clients) || ' ' ||
		(SELECT COUNT(*) FROM policies) || ' ' || (SELECT COUNT(*) FROM overrides) || ' ' ||
		(SELECT COUNT(*) FROM outbox) || ' ' || (SELECT COUNT(*) FROM factors) || ' ' ||
		(SELECT COALESCE(MIN(id) || MAX(id), '') FROM recovery_sets) || ' ' || (SELECT COUNT(*) FROM recovery_sets) || ' ' ||
		(SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL) || ' ' ||
		(SELECT COUNT(*) FROM grants WHERE revoked_at IS NULL) || ' ' ||
		(SELECT COUNT(*) || ' ' || COALESCE(SUM(version), 0) || COALESCE(MIN(certificate), '') FROM connections) || ' ' ||
		(SELECT COUNT(*) FROM identities) || ' ' || (SELECT SUM(version) FROM populations) || ' ' ||
		(SELECT COUNT(*) || COALESCE(MIN(password_hash) || MAX(password_hash), '') FROM users) || ' ' ||
		(SELECT COUNT(*) FROM audit_events WHERE kind <> 'operation.refused')`))
}

// letter is a mail that waits in the outbox.
type letter struct {
	To   string  `json:"to"`
	Mail ui.Mail `json:"mail"`
}

// letters opens the mails of a kind that wait for a person.
func (o *office) letters(t *testing.T, kind ui.MailKind, u idp.User) []letter {
	t.Helper()
	list, err := o.db.ClaimDeliveries(t.Context(), outbox.MailLane, idp.Now(), 0, 1000)
	idptest.Must(t, err)
	var letters []letter
	for _, d := range list {
		if d.Kind != string(kind) || d.UserID != u.ID {
			continue
		}
		plain, err := o.Keyring.Open(d.Body, keyring.AAD("outbox", d.ID, "body"))
		idptest.Must(t, err)
		var l letter
		idptest.Must(t, json.Unmarshal(plain, &l))
		letters = append(letters, l)
	}
	return letters
}

// expectLetters fails unless so many mails of a kind wait for a person, to their
// address, and say who did it.
func (o *office) expectLetters(t *testing.T, kind ui.MailKind, u idp.User, byAdmin bool, want int) {
	t.Helper()
	list := o.letters(t, kind, u)
	if len(list) != want {
		t.Errorf("%d mails %s, want %d", len(list), kind, want)
	}
	for _, l := range list {
		if l.To != u.Email || l.Mail.Account != u.Email || l.Mail.Lang != u.Locale || l.Mail.ByAdmin != byAdmin || l.Mail.Kind != kind {
			t.Errorf("mail to %s: %+v", l.To, l.Mail)
		}
	}
}

func (o *office) events(t *testing.T, kind idp.AuditKind, userID string) []idp.AuditEvent {
	t.Helper()
	list, err := o.db.AuditEvents(t.Context(), kind, userID, 1000)
	idptest.Must(t, err)
	return list
}

// holder may do what the permissions allow, with a second step of just now.
func holder(permissions ...string) authz.Actor {
	return authz.Actor{UserID: "ada", Permissions: permissions, SecondStepAt: idp.Now()}
}

func everything() authz.Actor { return holder(idp.Permissions()...) }

const ticket = "ticket 4711"

// operation is one that not everybody may do.
type operation struct {
	name string
	// permission is the one it needs, "" for one that nobody has.
	permission string
	// sensitive asks for a fresh second step and a reason, too.
	sensitive bool
	target    idp.User
	do        func(a authz.Actor, reason string) error
	// prepare makes it possible once more, where it is not at any time.
	prepare func()
}

// operations are all there are, each with a target of its own.
func (o *office) operations(t *testing.T) []operation {
	t.Helper()
	ctx := t.Context()
	client, _, err := o.Apps.CreateClient(ctx, idp.Client{Name: "App", Populations: []string{idp.Agents}})
	idptest.Must(t, err)
	list := []operation{
		{"SavePolicy", idp.PermissionAuthentication, true, idp.User{}, func(a authz.Actor, reason string) error {
			_, err := o.Populations.SavePolicy(ctx, a, populations.Change[idp.Policy]{
				ID: idp.Contacts, To: o.policy(t, idp.Contacts), Apply: populations.Immediately, Reason: reason,
			})
			return err
		}, nil},
		{"SaveOverride", idp.PermissionAuthentication, true, idp.User{}, func(a authz.Actor, reason string) error {
			_, err := o.Populations.SaveOverride(ctx, a, populations.Change[idp.Override]{
				ID: client.ID, To: o.override(t, client.ID), Apply: populations.Immediately, Reason: reason,
			})
			return err
		}, nil},
		{"PreviewPolicy", idp.PermissionAuthentication, false, idp.User{}, func(a authz.Actor, _ string) error {
			_, err := o.Populations.PreviewPolicy(ctx, a, idp.Contacts, idp.Policy{})
			return err
		}, nil},
		{"PreviewOverride", idp.PermissionAuthentication, false, idp.User{}, func(a authz.Actor, _ string) error {
			_, err := o.Populations.PreviewOverride(ctx, a, client.ID, idp.Override{})
			return err
		}, nil},
		{"TestMail", idp.PermissionAuthentication, false, idp.User{}, func(a authz.Actor, _ string) error {
			return o.System.TestMail(ctx, a, "maya@rtx.example")
		}, nil},
	}
	for population, permission := range map[string]string{
		idp.Agents: idp.PermissionAgentRecovery, idp.Contacts: idp.PermissionContactReset,
	} {
		list = append(list, o.operationsOn(t, population, permission)...)
	}
	return list
}

// operationsOn are those that concern one person.
func (o *office) operationsOn(t *testing.T, population, permission string) []operation {
	t.Helper()
	ctx := t.Context()
	reset, regenerated, viewed, renewed := o.enrolled(t, population), o.enrolled(t, population), o.enrolled(t, population), o.enrolled(t, population)
	viewers := idp.PermissionAgentRecovery
	if population == idp.Contacts {
		viewers = ""
	}
	return []operation{
		{"ResetMFA of " + population, permission, true, reset, func(a authz.Actor, reason string) error {
			return o.Factors.ResetMFA(ctx, a, reset.ID, reason)
		}, nil},
		{"RegenerateRecoveryCodes of " + population, permission, true, regenerated, func(a authz.Actor, reason string) error {
			return o.Factors.RegenerateRecoveryCodes(ctx, a, regenerated.ID, reason)
		}, func() { o.db.Age(t, "recovery_sets", 2*time.Hour, "created_at") }},
		{"ViewRecoveryCodes of " + population, viewers, true, viewed, func(a authz.Actor, reason string) error {
			codes, err := o.Factors.ViewRecoveryCodes(ctx, a, viewed.ID, reason)
			if (len(codes) == 10) != (err == nil) {
				t.Errorf("%d codes with %v", len(codes), err)
			}
			return err
		}, nil},
		{"SetPassword of " + population, idp.PermissionUsers, true, renewed, func(a authz.Actor, reason string) error {
			return o.People.SetPassword(ctx, a, renewed.ID, "gentle maple corner", reason)
		}, nil},
	}
}

// refusal is what an operation has to answer to an actor: nil, ErrForbidden,
// ErrStepUp or settings.Errors.
func (op operation) refusal(permissions []string, second, reason string) error {
	switch {
	case op.permission == "" || !slices.Contains(permissions, op.permission):
		return authz.ErrForbidden
	case op.sensitive && second != "fresh":
		return authz.ErrStepUp
	case op.sensitive && reason == "":
		return settings.Invalid("reason", "settings.reason")
	}
	return nil
}

// expectOutcome fails unless the operation answers as it should, and leaves no trace
// of what is refused but in the audit log.
func (o *office) expectOutcome(t *testing.T, name string, op operation, a authz.Actor, reason string, want error) {
	t.Helper()
	if op.permission == "" && want == nil {
		t.Fatalf("%s: nobody may", name)
	}
	if op.prepare != nil && want == nil {
		op.prepare()
	}
	const refusals = "SELECT COALESCE(SUM(times), 0) FROM audit_events WHERE kind = 'operation.refused'"
	before, refused := o.state(t), query[int](t, o, refusals)
	err := op.do(a, reason)
	var field settings.Errors
	switch {
	case want == nil && err != nil:
		t.Errorf("%s: %v", name, err)
	case want == nil:
	case errors.As(want, &field):
		expectField(t, name, err, field[0].Field)
	case !errors.Is(err, want):
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	if after := o.state(t); want != nil && after != before {
		t.Errorf("%s: refused, and from\n%s\nto\n%s", name, before, after)
	}
	refused = query[int](t, o, refusals) - refused
	if audited := want != nil && field == nil; !audited || refused != 1 {
		if audited || refused != 0 {
			t.Errorf("%s: %d refusals in the audit log", name, refused)
		}
		return
	}
	// It may count in a row that stands already.
	events, err := o.db.AuditEvents(t.Context(), idp.AuditOperationRefused, op.target.ID, 1000)
	idptest.Must(t, err)
	if !slices.ContainsFunc(events, func(e idp.AuditEvent) bool {
		return e.ActorID == a.UserID && e.UserID == op.target.ID && e.PopulationID == op.target.PopulationID &&
			e.Detail["operation"] != "" && strings.Contains(e.Detail["cause"], want.Error())
	}) {
		t.Errorf("%s: the audit log says %+v", name, events)
	}
}

func TestOneRightPermissionAFreshSecondStepAndAReasonPass(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for _, op := range o.operations(t) {
			for _, permission := range idp.Permissions() {
				for second, age := range map[string]time.Duration{"fresh": 9 * time.Minute, "old": authz.FreshSecondStep + time.Second, "none": 0} {
					for _, reason := range []string{ticket, ""} {
						a := holder(permission)
						if a.SecondStepAt = idp.Now().Add(-age); second == "none" {
							a.SecondStepAt = time.Time{}
						}
						name := fmt.Sprintf("%s with %s, second step %s, reason %q", op.name, permission, second, reason)
						o.expectOutcome(t, name, op, a, reason, op.refusal(a.Permissions, second, reason))
					}
				}
			}
		}
	})
}

func TestAllPermissionsAndTheCommandLinePassAndNoneDoesNot(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for _, op := range o.operations(t) {
			var nobody error
			if op.permission == "" { // not even the command line
				nobody = authz.ErrForbidden
			}
			o.expectOutcome(t, op.name+" with all permissions", op, everything(), ticket, nobody)
			o.expectOutcome(t, op.name+" from the command line", op, authz.System(), "", nobody)
			o.expectOutcome(t, op.name+" by nobody", op, authz.Actor{}, ticket, authz.ErrForbidden)
			o.expectOutcome(t, op.name+" without permissions", op, holder(), ticket, authz.ErrForbidden)
		}
	})
}

func TestReasonIsNeitherBlankNorEndless(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for _, op := range o.operations(t) {
			if !op.sensitive || op.permission == "" {
				continue
			}
			for reason, want := range map[string]error{
				" \t\n":                               settings.Invalid("reason", "settings.reason"),
				strings.Repeat("x", 501):              settings.Invalid("reason", "settings.reason"),
				strings.Repeat("玛", 501):              settings.Invalid("reason", "settings.reason"),
				strings.Repeat("玛", 500):              nil,
				" " + strings.Repeat("x", 500) + "\n": nil,
			} {
				o.expectOutcome(t, fmt.Sprintf("%s because of %.20q", op.name, reason), op, everything(), reason, want)
			}
		}
	})
}

// roles are custom ones, for the tests of escalation.
func (o *office) role(t *testing.T, permissions ...string) string {
	t.Helper()
	id := "custom-" + idp.NewID()
	idptest.Must(t, o.db.CreateRole(t.Context(), idp.Role{ID: id, Name: "Custom", Permissions: permissions}))
	return id
}

func TestNobodyReachesUpward(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		helpdesk := []string{idp.PermissionAgentRecovery, idp.PermissionContactReset, idp.PermissionUsers}
		for name, c := range map[string]struct {
			roles []string
			want  error
		}{
			"nobody in particular":                 {nil, nil},
			"the role Agent":                       {[]string{idp.RoleAgent}, nil},
			"a colleague":                          {[]string{o.role(t, helpdesk...)}, nil},
			"somebody with less":                   {[]string{o.role(t, idp.PermissionUsers)}, nil},
			"an admin":                             {[]string{idp.RoleAdmin}, authz.ErrForbidden},
			"a manager, who may end sessions":      {[]string{idp.RoleManager}, authz.ErrForbidden},
			"a colleague who may read the log too": {[]string{o.role(t, helpdesk...), o.role(t, idp.PermissionAudit)}, authz.ErrForbidden},
		} {
			for _, population := range []string{idp.Agents, idp.Contacts} {
				for _, op := range o.operationsOn(t, population, "") {
					for _, role := range c.roles {
						idptest.Must(t, o.db.GiveRole(t.Context(), op.target.ID, role))
					}
					want := c.want
					if strings.HasPrefix(op.name, "ViewRecoveryCodes") && population == idp.Contacts {
						want = authz.ErrForbidden
					}
					op.permission = "some"
					o.expectOutcome(t, op.name+", "+name, op, holder(helpdesk...), ticket, want)
				}
			}
		}
	})
}

// One permission of the two that concern people is enough for a plain agent, and for
// nobody above.
func TestRecoveryAloneReachesPlainAgentsOnly(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for _, role := range []string{"", idp.RoleAgent, idp.RoleAdmin, idp.RoleManager} {
			for _, op := range o.operationsOn(t, idp.Agents, idp.PermissionAgentRecovery)[:3] {
				var want error
				if role != "" {
					idptest.Must(t, o.db.GiveRole(t.Context(), op.target.ID, role))
				}
				if role == idp.RoleAdmin || role == idp.RoleManager {
					want = authz.ErrForbidden
				}
				o.expectOutcome(t, op.name+" "+role, op, holder(idp.PermissionAgentRecovery), ticket, want)
			}
		}
	})
}

func TestActorHasThePermissionsOfTheirRolesAsTheyAreNow(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u, at := o.person(t, idp.Agents, idp.RoleAgent), idp.Now()
		expect := func(when string, want ...string) {
			t.Helper()
			a, err := o.Authz.ActorOf(t.Context(), u.ID, at)
			idptest.Must(t, err)
			if a.UserID != u.ID || !a.SecondStepAt.Equal(at) {
				t.Errorf("%s: %+v", when, a)
			}
			for _, p := range idp.Permissions() {
				if a.Can(p) != slices.Contains(want, p) {
					t.Errorf("%s: may %s: %t", when, p, a.Can(p))
				}
			}
		}
		expect("an agent")
		custom := o.role(t, idp.PermissionAgentRecovery)
		idptest.Must(t, o.db.GiveRole(t.Context(), u.ID, custom))
		idptest.Must(t, o.db.GiveRole(t.Context(), u.ID, idp.RoleManager))
		expect("two roles", idp.PermissionAgentRecovery, idp.PermissionUsers, idp.PermissionSessions, idp.PermissionContactReset)
		o.exec(t, "DELETE FROM user_roles WHERE role_id = 'manager'")
		expect("one role less", idp.PermissionAgentRecovery)
		idptest.Must(t, o.db.GiveRole(t.Context(), u.ID, idp.RoleAdmin))
		expect("an admin", idp.Permissions()...)
	})
}

func TestNobodyThereIsNotFound(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		_, errView := o.Factors.ViewRecoveryCodes(ctx, everything(), "nobody", ticket)
		for name, err := range map[string]error{
			"reset": o.Factors.ResetMFA(ctx, everything(), "nobody", ticket), "view": errView,
			"regenerate":     o.Factors.RegenerateRecoveryCodes(ctx, everything(), "nobody", ticket),
			"regenerate own": o.Self.RegenerateOwn(ctx, "nobody", idp.Now()),
			"set a password": o.People.SetPassword(ctx, everything(), "nobody", "gentle maple corner", ticket),
		} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
