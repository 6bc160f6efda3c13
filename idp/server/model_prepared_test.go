package server_test

import (
	"slices"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
)

// ways are how the attacker has a way into an account that somebody else is to come to.
var ways = []string{
	"a password with it", "a password set later", "a password set after the owner came", "their own account, moved to the address",
}

// prepared is an account for somebody who has not come yet.
type prepared struct {
	id, email, way string
}

// drawPrepared has the attacker, in some worlds, prepare accounts for people who have not
// come yet, by some of ways. They need the permission to manage people.
func (w *intrigue) drawPrepared() {
	for _, way := range ways {
		if slices.Contains(w.held, idp.PermissionUsers) && rapid.Bool().Draw(w.r, "they prepare an account with "+way) {
			w.prepare(way)
		}
	}
}

func (w *intrigue) prepare(way string) {
	p := prepared{email: idp.NewID() + "@rtx.example", way: way}
	if p.way == ways[3] {
		p.id = w.self.ID
		w.move(w.self.ID, p.email)
		w.prepared = append(w.prepared, p)
		return
	}
	n := people.NewUser{Population: idp.Agents, Email: p.email, Name: "Newcomer"}
	if p.way == ways[0] {
		n.Password = sharedSecret
	}
	u, err := w.app.Manage.People.AddUser(w.ctx, w.actor(), n)
	if err != nil {
		return
	}
	p.id = u.ID
	w.passwords[u.ID] = p.way == ways[0]
	if p.way == ways[1] {
		w.setPasswordOf(u.ID)
	}
	w.prepared = append(w.prepared, p)
	w.people = append(w.people, subject{User: u})
}

// meet has the newcomers come through the connection, whose addresses an admin says are
// its own, once before and once after an admin gave roles to whoever comes through it.
// What they hold then is theirs, and not the attacker's.
func (w *intrigue) meet() {
	for _, p := range w.prepared {
		w.open(false)
		a := idp.Assertion{
			Subject: idp.EntraSubject(homeDirectory, idp.NewID()), Email: p.email, Groups: []string{"everybody"},
			EmailConfirmed: true,
		}
		w.comes(a)
		if p.way == ways[2] {
			w.setPasswordOf(p.id)
		}
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
