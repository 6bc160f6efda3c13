package manage_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/throttle"
	"gatehouse/ui"
)

// powers are the operations on roles and accounts that need a reason, each with the
// event that keeps it.
func (o *office) powers(t *testing.T) map[idp.AuditKind]func(a authz.Actor, reason string) error {
	t.Helper()
	ctx := t.Context()
	changed, err := o.Roles.CreateRole(ctx, everything(), "Changed "+idp.NewID(), []string{idp.PermissionUsers}, ticket)
	idptest.Must(t, err)
	gone, err := o.Roles.CreateRole(ctx, everything(), "Gone "+idp.NewID(), nil, ticket)
	idptest.Must(t, err)
	given, on, off := o.person(t, idp.Agents), o.person(t, idp.Agents), o.person(t, idp.Agents)
	_, err = o.People.UpdateUser(ctx, everything(), off.ID, people.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})
	idptest.Must(t, err)
	return map[idp.AuditKind]func(a authz.Actor, reason string) error{
		idp.AuditRoleCreated: func(a authz.Actor, reason string) error {
			return second(o.Roles.CreateRole(ctx, a, "Made "+idp.NewID(), []string{idp.PermissionUsers}, reason))
		},
		idp.AuditRoleChanged: func(a authz.Actor, reason string) error {
			after := changed
			after.Permissions = nil
			return second(o.Roles.UpdateRole(ctx, a, after, reason))
		},
		idp.AuditRoleDeleted: func(a authz.Actor, reason string) error {
			return o.Roles.DeleteRole(ctx, a, gone.ID, gone.Version, reason)
		},
		idp.AuditRolesChanged: func(a authz.Actor, reason string) error {
			return o.People.SetRoles(ctx, a, given.ID, 1, []string{idp.RoleManager}, reason)
		},
		idp.AuditUserDisabled: func(a authz.Actor, reason string) error {
			return second(o.People.UpdateUser(ctx, a, on.ID, people.UserChange{Version: 1, Disabled: ptr(true), Reason: reason}))
		},
		idp.AuditUserEnabled: func(a authz.Actor, reason string) error {
			return second(o.People.UpdateUser(ctx, a, off.ID, people.UserChange{Version: 2, Disabled: ptr(false), Reason: reason}))
		},
	}
}

// stateWithRoles is state, with what people and roles are.
func (o *office) stateWithRoles(t *testing.T) string {
	t.Helper()
	return o.state(t) + query[string](t, o, `SELECT ' ' || (SELECT COUNT(*) FROM roles) || ' ' || (SELECT SUM(version) FROM roles) || ' ' ||
		(SELECT SUM(version) FROM users) || ' ' || (SELECT COUNT(*) FROM users WHERE disabled) || ' ' || (SELECT COUNT(*) FROM user_roles)`)
}

func TestRolesAndAccountsAskForAFreshSecondStepAndAReason(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		powers := o.powers(t)
		before := o.stateWithRoles(t)
		old, never := everything(), everything()
		old.SecondStepAt, never.SecondStepAt = idp.Now().Add(-authz.FreshSecondStep-time.Second), time.Time{}
		for kind, do := range powers {
			for _, a := range []authz.Actor{old, never} {
				if err := do(a, ticket); !errors.Is(err, authz.ErrStepUp) {
					t.Errorf("%s with an old second step: %v", kind, err)
				}
			}
			for _, reason := range []string{"", " \t\n", strings.Repeat("x", 501), "a\x00b"} {
				expectField(t, fmt.Sprintf("%s because of %.20q", kind, reason), do(everything(), reason), "reason")
			}
			if after := o.stateWithRoles(t); after != before {
				t.Errorf("%s: refused, and from\n%s\nto\n%s", kind, before, after)
			}
		}
		for kind, do := range powers {
			idptest.Must(t, do(everything(), " because of "+string(kind)+"\n"))
			kept := func(e idp.AuditEvent) bool {
				return e.ActorID == "ada" && e.Detail["reason"] == "because of "+string(kind)
			}
			if list := o.events(t, kind, ""); !slices.ContainsFunc(list, kept) {
				t.Errorf("%s: the audit log says %+v", kind, list)
			}
		}
		// A shell on the server needs neither.
		for kind, do := range o.powers(t) {
			if err := do(authz.System(), ""); err != nil {
				t.Errorf("%s from the command line: %v", kind, err)
			}
		}
	})
}

// What takes no power needs no reason: a name, an address, the state that it is.
func TestOtherChangesOfAPersonNeedNoReason(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u := o.person(t, idp.Agents)
		old := everything()
		old.SecondStepAt = time.Time{}
		_, err := o.People.UpdateUser(ctx, old, u.ID, people.UserChange{Version: 1, Name: ptr("Ada"), Disabled: ptr(false)})
		idptest.Must(t, err)
		_, err = o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 2, Email: ptr("ada@rtx.example")})
		idptest.Must(t, err)
		_, err = o.People.AddUser(ctx, everything(), people.NewUser{Population: idp.Agents, Email: "new@rtx.example", Roles: []string{idp.RoleManager}})
		idptest.Must(t, err)
	})
}

func TestPeopleAreToldOfTheirRolesAndTheirAccount(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u := o.person(t, idp.Agents)
		expectRoles := func(version int64, roles, want []string) {
			t.Helper()
			if err := o.People.SetRoles(ctx, everything(), u.ID, version, roles, ticket); !errors.Is(err, authz.ErrUnchanged) {
				idptest.Must(t, err)
			}
			o.expectLetters(t, ui.MailRolesChanged, u, true, len(want))
			var said []string
			for _, l := range o.letters(t, ui.MailRolesChanged, u) {
				said = append(said, l.Mail.Roles)
			}
			if slices.Sort(said); !slices.Equal(said, want) {
				t.Errorf("told of %q, want %q", said, want)
			}
		}
		expectRoles(1, []string{idp.RoleManager, idp.RoleAgent}, []string{"Agent, Manager"})
		expectRoles(2, []string{idp.RoleAgent, idp.RoleManager}, []string{"Agent, Manager"}) // no change, no mail
		expectRoles(2, nil, []string{"", "Agent, Manager"})

		for i, kind := range []ui.MailKind{ui.MailAccountDisabled, ui.MailAccountEnabled} {
			_, err := o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: int64(3 + i), Disabled: ptr(i == 0), Reason: ticket})
			idptest.Must(t, err)
			o.expectLetters(t, kind, u, true, 1)
		}
		_, err := o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: 5, Name: ptr("Ada"), Disabled: ptr(false)})
		idptest.Must(t, err)
		o.expectLetters(t, ui.MailAccountEnabled, u, true, 1)
		o.expectLetters(t, ui.MailEmailChanged, u, true, 0)
	})
}

func TestAnotherAddressIsToldAtBoth(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.person(t, idp.Contacts)
		const now = "moved@rtx.example"
		_, err := o.People.UpdateUser(t.Context(), everything(), u.ID, people.UserChange{Version: 1, Email: ptr(now)})
		idptest.Must(t, err)
		list := o.letters(t, ui.MailEmailChanged, u)
		slices.SortFunc(list, func(a, b letter) int { return strings.Compare(fmt.Sprint(b.Mail.Former), fmt.Sprint(a.Mail.Former)) })
		if len(list) != 2 {
			t.Fatalf("%d mails", len(list))
		}
		for i, to := range []string{u.Email, now} {
			if m := list[i].Mail; list[i].To != to || m.Account != to || m.Former != (i == 0) || !m.ByAdmin || m.Lang != u.Locale {
				t.Errorf("mail to %s: %+v", list[i].To, m)
			}
		}
		if strings.Contains(fmt.Sprint(list[0]), now) {
			t.Errorf("the old address is told the new one: %+v", list[0])
		}
	})
}

func TestWhoseFactorIsEnabledIsTold(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.refit(func(p *manage.Parts) { p.Throttles = throttle.New(o.db.Store, []byte("key")) })
		u := o.enrolled(t, idp.Agents)
		e := o.enrolment(t, u)
		_, err := o.db.DisableFactor(ctx, e.Of(idp.MethodTOTP)[0].ID, idp.Now())
		idptest.Must(t, err)
		_, err = o.db.DisableFactor(ctx, e.Recovery.ID, idp.Now())
		idptest.Must(t, err)
		for _, id := range []string{e.Of(idp.MethodTOTP)[0].ID, e.Recovery.ID} {
			idptest.Must(t, o.Factors.EnableFactor(ctx, everything(), u.ID, id, ticket))
		}
		o.expectLetters(t, ui.MailFactorEnabled, u, true, 2)
		var methods []string
		for _, l := range o.letters(t, ui.MailFactorEnabled, u) {
			methods = append(methods, l.Mail.Method)
		}
		if slices.Sort(methods); !slices.Equal(methods, []string{"recovery", "totp"}) {
			t.Errorf("told of %q", methods)
		}
	})
}

// What cannot be audited, or told to whom it concerns, does not happen.
func TestNoPowerIsUsedUnseen(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for _, table := range []string{"outbox", "audit_events"} {
			powers := o.powers(t)
			mover := o.person(t, idp.Agents)
			powers["user.moved"] = func(a authz.Actor, _ string) error {
				return second(o.People.UpdateUser(t.Context(), a, mover.ID, people.UserChange{Version: 1, Email: ptr(table + "@rtx.example")}))
			}
			for kind, do := range powers {
				if table == "outbox" && strings.HasPrefix(string(kind), "role.") {
					continue // they concern nobody in particular
				}
				before := o.stateWithRoles(t)
				o.exec(t, "ALTER TABLE "+table+" RENAME TO hidden")
				err := do(everything(), ticket)
				o.exec(t, "ALTER TABLE hidden RENAME TO "+table)
				if err == nil || errors.Is(err, idp.ErrInvalid) || errors.Is(err, idp.ErrConflict) {
					t.Errorf("%s without %s: %v", kind, table, err)
				}
				if after := o.stateWithRoles(t); after != before {
					t.Errorf("%s without %s: from %s to %s", kind, table, before, after)
				}
				idptest.Must(t, do(everything(), ticket)) // the table was the reason
			}
		}
	})
}
