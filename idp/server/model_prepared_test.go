package server_test

import (
	"slices"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
)

// drawPrepared has the attacker, in some worlds, prepare an account for somebody who has
// not come yet: with a password of the attacker's, given at once or set later, or with an
// account elsewhere that is the attacker's. They need the permission to manage people.
func (w *intrigue) drawPrepared() {
	if !slices.Contains(w.held, idp.PermissionUsers) || !rapid.Bool().Draw(w.r, "they prepare an account") {
		return
	}
	n := people.NewUser{Population: idp.Agents, Email: idp.NewID() + "@rtx.example", Name: "Newcomer"}
	later := rapid.Bool().Draw(w.r, "with a password of later")
	if !later {
		n.Password = sharedSecret
	}
	u, err := w.app.Manage.People.AddUser(w.ctx, w.actor(), n)
	if err != nil {
		return
	}
	if later && w.app.Manage.People.SetPassword(w.ctx, w.actor(), u.ID, sharedSecret, anyReason) != nil {
		return
	}
	w.passwords[u.ID] = true
	w.prepared = append(w.prepared, u)
	w.people = append(w.people, subject{User: u})
}

// meet has the newcomers come through the connection, whose addresses an admin says are
// its own, once before and once after an admin gave roles to whoever comes through it.
// What they hold then is theirs, and not the attacker's.
func (w *intrigue) meet() {
	for _, u := range w.prepared {
		w.open(false)
		a := idp.Assertion{
			Subject: idp.EntraSubject(homeDirectory, idp.NewID()), Email: u.Email, Groups: []string{"everybody"},
			EmailConfirmed: true,
		}
		w.comes(a)
		w.open(true)
		w.comes(a)
	}
}

// open has an admin name the newcomers' domain and, with roles, give the admins' role to
// everybody in the connection's directories.
func (w *intrigue) open(roles bool) {
	c, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	if err != nil || c.Issuer == theirIssuer || slices.Contains(c.Tenants, theirDirectory) {
		return // an admin who trusted that one gave everything away
	}
	c.Domains = []string{"rtx.example"}
	if !roles {
		_, _ = w.app.Manage.Connections.UpdateConnection(w.ctx, authz.System(), connections.ConnectionChange{Connection: c, ClientSecret: sharedSecret, Reason: anyReason})
		return
	}
	c.Roles = []idp.RoleMapping{{Claim: "groups", Value: "everybody", RoleID: idp.RoleAdmin}}
	_, _ = w.app.Manage.Connections.UpdateConnection(w.ctx, authz.System(), connections.ConnectionChange{Connection: c, ClientSecret: sharedSecret, Reason: anyReason})
}

// comes signs the owner of an address in. A refusal is no failure.
func (w *intrigue) comes(a idp.Assertion) {
	c, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	if err != nil || !c.Enabled || !c.AllowsTenant(homeDirectory) {
		return
	}
	_, _ = w.app.Manage.Connections.Recognise(w.ctx, c, a)
}
