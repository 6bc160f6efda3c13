package manage_test

import (
	"errors"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

// saveAccess changes portal access as an admin who has seen how it is.
func (o *office) saveAccess(t *testing.T, population string, a idp.Access) error {
	t.Helper()
	now, err := o.Populations.Population(t.Context(), everything(), population)
	idptest.Must(t, err)
	_, err = o.Populations.SaveAccess(t.Context(), everything(), populations.Change[idp.Access]{ID: population, Version: now.Version, To: a, Reason: ticket})
	return err
}

// The only way in of a population stays, and so does an admin who can use it.
func TestTheLastWayInIsKept(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, only := t.Context(), idp.Access{Federated: true}
		admin := o.admin(t)
		expectField(t, "no way at all", o.saveAccess(t, idp.Agents, idp.Access{}), "access")
		expectField(t, "no connection", o.saveAccess(t, idp.Agents, idp.Access{Password: true, Federated: true}), "federated")
		off := o.connected(t, func(c *connections.ConnectionChange) { c.Enabled = false })
		expectField(t, "none that is on", o.saveAccess(t, idp.Agents, only), "federated")
		first := o.connected(t, nil)
		expectField(t, "no admin", o.saveAccess(t, idp.Agents, only), "password")
		o.linked(t, admin, off)
		expectField(t, "no admin through what is on", o.saveAccess(t, idp.Agents, only), "password")
		idptest.Must(t, o.Connections.UnlinkIdentity(ctx, everything(), admin.ID, off.ID, ticket))
		o.linked(t, admin, first)
		idptest.Must(t, o.saveAccess(t, idp.Agents, only))
		if got := o.population(t, idp.Agents).Access; got != only {
			t.Errorf("%+v", got)
		}

		disable := func(e connections.ConnectionEntry) error {
			_, err := o.Connections.UpdateConnection(ctx, everything(), change(e, func(c *connections.ConnectionChange) { c.Enabled = false }))
			return err
		}
		before := o.state(t)
		expectField(t, "switch the only one off", disable(first), "enabled")
		expectField(t, "delete the only one", o.Connections.DeleteConnection(ctx, everything(), first.ID, first.Version, ticket), "enabled")
		if err := o.Connections.UnlinkIdentity(ctx, everything(), admin.ID, first.ID, ticket); !errors.Is(err, idp.ErrLastAdmin) {
			t.Errorf("unlink the last admin: %v", err)
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
		second := o.connected(t, nil)
		expectField(t, "switch off the one that the admin has", disable(first), "enabled")
		expectField(t, "delete the one that the admin has", o.Connections.DeleteConnection(ctx, everything(), first.ID, first.Version, ticket), "enabled")
		idptest.Must(t, o.Connections.DeleteConnection(ctx, everything(), second.ID, second.Version, ticket))
		idptest.Must(t, o.saveAccess(t, idp.Agents, idp.Access{Password: true}))
		idptest.Must(t, disable(first))
	})
}

// So does that of a population that has no admin: who could sign in elsewhere is of no
// use to its people.
func TestTheLastWayInOfPeopleWithoutAnAdmin(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.admin(t) // by password
		ofContacts := func(c *connections.ConnectionChange) { c.PopulationID = idp.Contacts }
		e := o.connected(t, ofContacts)
		idptest.Must(t, o.saveAccess(t, idp.Contacts, idp.Access{Federated: true}))
		off := change(e, func(c *connections.ConnectionChange) { c.Enabled = false })
		_, err := o.Connections.UpdateConnection(t.Context(), everything(), off)
		expectField(t, "switch it off", err, "enabled")
		expectField(t, "delete it", o.Connections.DeleteConnection(t.Context(), everything(), e.ID, e.Version, ticket), "enabled")
		o.connected(t, ofContacts)
		_, err = o.Connections.UpdateConnection(t.Context(), everything(), off)
		expectField(t, "with another one", err, "")
	})
}

// Two ways in that are closed at once: one stays open.
func TestTwoAdminsCannotCloseTheLastWayIn(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.admin(t)
		managers := []*manage.Manager{o.Manager, o.on(o.db.Replica(t))}
		ofContacts := func(c *connections.ConnectionChange) { c.PopulationID = idp.Contacts }
		open := []connections.ConnectionEntry{o.connected(t, ofContacts), o.connected(t, ofContacts)}
		idptest.Must(t, o.saveAccess(t, idp.Contacts, idp.Access{Federated: true}))
		for range 10 { // seldom do two transactions meet
			refused := 0
			for i, err := range idptest.Race(2, func(i int) error {
				off := change(open[i], func(c *connections.ConnectionChange) { c.Enabled = false })
				return second(managers[i].Connections.UpdateConnection(t.Context(), everything(), off))
			}) {
				if err != nil {
					expectField(t, open[i].ID, err, "enabled")
					refused++
				}
			}
			if n := query[int](t, o, "SELECT COUNT(*) FROM connections WHERE enabled"); refused != 1 || n != 1 {
				t.Fatalf("%d were refused, %d are on", refused, n)
			}
			o.exec(t, "UPDATE connections SET enabled = TRUE, version = 1")
		}
	})
}

// An admin who could not sign in is none to be left with.
func TestTheAdminWhoIsLeftCanSignIn(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, c := t.Context(), o.connected(t, nil)
		linked, unlinked := o.admin(t), o.admin(t)
		o.linked(t, linked, c)
		idptest.Must(t, o.saveAccess(t, idp.Agents, idp.Access{Federated: true}))
		for name, err := range map[string]error{
			"disable": second(o.People.UpdateUser(ctx, everything(), linked.ID, people.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})),
			"delete":  o.People.DeleteUser(ctx, everything(), linked.ID, 0, ticket),
			"take":    o.People.SetRoles(ctx, everything(), linked.ID, 1, nil, ticket),
		} {
			if !errors.Is(err, idp.ErrLastAdmin) {
				t.Errorf("%s: %v", name, err)
			}
		}
		idptest.Must(t, o.People.DeleteUser(ctx, everything(), unlinked.ID, 0, ticket))
	})
}

func TestPreviewOfPortalAccessCountsPeople(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		c, off := o.connected(t, nil), o.connected(t, func(c *connections.ConnectionChange) { c.Enabled = false })
		linked, gone := o.person(t, idp.Agents), o.person(t, idp.Agents)
		o.linked(t, linked, c)
		o.linked(t, gone, off)
		o.person(t, idp.Agents)
		o.person(t, idp.Contacts)
		expect := func(population string, want populations.AccessPreview) {
			t.Helper()
			before := o.state(t)
			got, err := o.Populations.PreviewAccess(t.Context(), everything(), population)
			if err != nil || got != want || o.state(t) != before {
				t.Errorf("%s: %+v, %v", population, got, err)
			}
		}
		expect(idp.Agents, populations.AccessPreview{People: 3, NotLinked: 2})
		expect(idp.Contacts, populations.AccessPreview{People: 1, NotLinked: 1})
		_, err := o.People.UpdateUser(t.Context(), everything(), linked.ID, people.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})
		idptest.Must(t, err)
		expect(idp.Agents, populations.AccessPreview{People: 2, NotLinked: 2})
		if _, err := o.Populations.PreviewAccess(t.Context(), everything(), "partners"); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
	})
}
