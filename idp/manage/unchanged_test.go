package manage_test

import (
	"errors"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/roles"
	"gatehouse/idp/manage/self"
)

// What is saved as it is ends no session, writes no version and no event, and tells
// nobody: every operation that saves something is here.
func TestAChangeOfNothingWritesNothing(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, all := t.Context(), everything()
		app := o.app(t, nil, idp.Agents)
		connection := o.connected(t, nil)
		u := o.person(t, idp.Agents)
		role, err := o.Roles.CreateRole(ctx, all, "Desk", []string{idp.PermissionSessions, idp.PermissionUsers}, ticket)
		idptest.Must(t, err)
		idptest.Must(t, o.People.SetRoles(ctx, all, u.ID, 1, []string{idp.RoleAgent, role.ID}, ticket))
		o.saveOverride(t, app, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA}, populations.OnNextLogin)
		stricter := o.entry(t, idp.Agents)
		stricter.Passwords.MinLength++
		_, err = o.Populations.SavePasswordRules(ctx, all, populations.Change[idp.PasswordRules]{
			ID: idp.Agents, Version: stricter.Version, To: stricter.Passwords, Apply: populations.Immediately, Reason: ticket,
		})
		idptest.Must(t, err)
		_, token := o.session(t, u, nil)

		for name, save := range map[string]func() (seen, now int64, err error){
			"SavePolicy": func() (int64, int64, error) {
				p := o.policy(t, idp.Agents)
				saved, err := o.Populations.SavePolicy(ctx, all, populations.Change[idp.Policy]{ID: idp.Agents, To: p, Apply: populations.Immediately, Reason: ticket})
				return p.Version, saved.Version, err
			},
			"SaveOverride": func() (int64, int64, error) {
				v := o.override(t, app.ID)
				saved, err := o.Populations.SaveOverride(ctx, all, populations.Change[idp.Override]{ID: app.ID, To: v, Apply: populations.Immediately, Reason: ticket})
				return v.Version, saved.Version, err
			},
			"SaveAccess": func() (int64, int64, error) {
				e := o.entry(t, idp.Agents)
				saved, err := o.Populations.SaveAccess(ctx, all, populations.Change[idp.Access]{ID: idp.Agents, Version: e.Version, To: e.Access, Reason: ticket})
				return e.Version, saved.Version, err
			},
			"SaveBrand": func() (int64, int64, error) {
				e := o.entry(t, idp.Agents)
				saved, err := o.Populations.SaveBrand(ctx, all, populations.Change[idp.Brand]{ID: idp.Agents, Version: e.Version, To: idp.Brand{Name: " " + e.Name, BrandColor: e.BrandColor}})
				return e.Version, saved.Version, err
			},
			"SaveRegistration": func() (int64, int64, error) {
				e := o.entry(t, idp.Agents)
				saved, err := o.Populations.SaveRegistration(ctx, all, populations.Change[idp.Registration]{ID: idp.Agents, Version: e.Version, To: idp.Registration{Allowed: []string{}}})
				return e.Version, saved.Version, err
			},
			"SavePasswordRules": func() (int64, int64, error) {
				e := o.entry(t, idp.Agents)
				saved, err := o.Populations.SavePasswordRules(ctx, all, populations.Change[idp.PasswordRules]{
					ID: idp.Agents, Version: e.Version, To: e.Passwords, Apply: populations.Immediately, Reason: ticket,
				})
				return e.Version, saved.Version, err
			},
			"SaveSessionRules": func() (int64, int64, error) {
				e := o.entry(t, idp.Agents)
				saved, err := o.Populations.SaveSessionRules(ctx, all, populations.Change[populations.SessionRules]{
					ID: idp.Agents, Version: e.Version, To: populations.SessionRulesOf(e.Population), Reason: ticket,
				})
				return e.Version, saved.Version, err
			},
			"UpdateClient": func() (int64, int64, error) {
				e, err := o.Apps.Client(ctx, all, app.ID)
				idptest.Must(t, err)
				saved, err := o.Apps.UpdateClient(ctx, all, e)
				return e.Version, saved.Version, err
			},
			"UpdateConnection": func() (int64, int64, error) {
				saved, err := o.Connections.UpdateConnection(ctx, all, change(connection, nil))
				return connection.Version, saved.Version, err
			},
			"UpdateRole": func() (int64, int64, error) {
				saved, err := o.Roles.UpdateRole(ctx, all, roles.RoleEntry{Version: 1, Role: idp.Role{
					ID: role.ID, Name: "Desk ", Permissions: []string{idp.PermissionUsers, idp.PermissionSessions},
				}}, ticket)
				return 1, saved.Version, err
			},
			"UpdateUser": func() (int64, int64, error) {
				saved, err := o.People.UpdateUser(ctx, all, u.ID, people.UserChange{
					Version: 2, Name: &u.Name, Email: &u.Email, Locale: &u.Locale, Disabled: &u.Disabled, Reason: ticket,
				})
				return 2, saved.Version, err
			},
			"SetRoles": func() (int64, int64, error) {
				err := o.People.SetRoles(ctx, all, u.ID, 2, []string{role.ID, idp.RoleAgent}, ticket)
				return 2, 2, expectUnchanged(err)
			},
			"SaveOwn": func() (int64, int64, error) {
				return 2, 2, expectUnchanged(o.Self.SaveOwn(ctx, self.Self{UserID: u.ID}, 2, self.OwnProfile{
					Name: u.Name, GivenName: u.GivenName, FamilyName: u.FamilyName, Zoneinfo: u.Zoneinfo, Locale: u.Locale,
				}))
			},
		} {
			before, rows := o.state(t), o.rows(t)
			seen, now, err := save()
			if err != nil || seen != now {
				t.Errorf("%s: version %d, then %d (%v)", name, seen, now, err)
			}
			after, left := o.state(t), o.rows(t)
			if after != before || left["audit_events"] != rows["audit_events"] || left["outbox"] != rows["outbox"] {
				t.Errorf("%s: %s, then %s; rows %v, then %v", name, before, after, rows, left)
			}
			if o.alive(t, token) != 1 {
				t.Errorf("%s ended a session", name)
			}
		}
	})
}

func expectUnchanged(err error) error {
	if errors.Is(err, authz.ErrUnchanged) {
		return nil
	}
	return errors.Join(errors.New("it was changed"), err)
}
