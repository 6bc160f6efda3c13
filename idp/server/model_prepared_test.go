package server_test

import (
	"context"
	"errors"
	"slices"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
)

// ways are how the attacker has a way into an account that somebody else is to come to.
const (
	firstPassword = "a password with it"
	laterPassword = "a password set later"
	afterPassword = "a password set after the owner came"
	movedSelf     = "their own account, moved to the address"
	movedOther    = "another account of theirs, moved to the address"
	afterLinked   = "an account elsewhere of theirs, after the owner came"
	ownerLinked   = "their own account, linked with the owner's elsewhere"
)

var ways = []string{firstPassword, laterPassword, afterPassword, movedSelf, movedOther, afterLinked, ownerLinked}

// prepared is an account for somebody who has not come yet.
type prepared struct {
	id, email, way string
	// object is the owner at their directory.
	object string
}

// drawPrepared has the attacker, in some worlds, prepare accounts for people who have not
// come yet, by some of ways. They need the permission to manage people.
func (w *intrigue) drawPrepared() {
	if !slices.Contains(w.held, idp.PermissionUsers) || !w.is("they prepare accounts") {
		return
	}
	by := ways
	if len(w.shape.ways) > 0 {
		by = w.shape.ways
	}
	for range rapid.IntRange(1, 3).Draw(w.r, "accounts") {
		w.prepare(prepared{way: oneOf(w.r, by, "by"), email: idp.NewID() + "@rtx.example", object: idp.NewID()})
	}
}

func (w *intrigue) prepare(p prepared) {
	switch p.way {
	case movedSelf:
		p.id = w.self.ID
		w.move(p.id, p.email)
	case movedOther:
		u := w.addPerson(idp.Agents, idp.NewID()+theirDomain, w.addRole(nil))
		p.id, w.passwords[u.ID] = u.ID, true
		w.people = append(w.people, subject{User: u})
		w.move(p.id, p.email)
	case ownerLinked:
		p.id = w.self.ID
	case afterPassword, afterLinked: // there is no account yet
	default:
		n := people.NewUser{Population: idp.Agents, Email: p.email, Name: "Newcomer"}
		if p.way == firstPassword {
			n.Password = sharedSecret
		}
		u, err := w.app.Manage.People.AddUser(w.ctx, w.actor(), n)
		if err != nil {
			return
		}
		p.id, w.passwords[u.ID] = u.ID, p.way == firstPassword
		if p.way == laterPassword {
			w.setPasswordOf(u.ID)
		}
		w.people = append(w.people, subject{User: u})
	}
	w.prepared = append(w.prepared, p)
}

// meet has the newcomers come through the connection, whose addresses an admin says are
// its own, once before and once after an admin gave roles to whoever comes through it.
// What they hold then is theirs, and not the attacker's.
func (w *intrigue) meet() {
	for _, p := range w.prepared {
		w.open(false)
		if !w.is("they wait for roles") {
			w.comes(p)
		}
		w.meanwhile(p)
		w.open(true)
		if p.way == ownerLinked && w.is("they link at the end") {
			w.link(w.self.ID, w.connection, homeDirectory, p.object)
		}
		w.comes(p)
	}
}

// meanwhile is what the attacker does once the owner has come.
func (w *intrigue) meanwhile(p prepared) {
	switch p.way {
	case afterPassword, afterLinked:
		u, err := w.app.Store.UserByEmail(w.ctx, idp.Agents, p.email)
		if err != nil {
			return // they have not come
		}
		w.people = append(w.people, subject{User: u})
		if p.way == afterPassword {
			w.setPasswordOf(u.ID)
		} else {
			w.link(u.ID, w.partner, "", "")
		}
	case ownerLinked:
		w.link(w.self.ID, w.connection, homeDirectory, p.object)
		if w.is("they choose a new password") {
			now, err := w.app.Store.User(w.ctx, w.self.ID)
			w.must(err)
			w.must(w.app.Manage.People.PasswordOwned(w.ctx, now))
		}
	}
}

// open has an admin name the newcomers' domain and, with roles, give the admins' role to
// everybody in the connection's directories.
func (w *intrigue) open(roles bool) {
	c, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	if err != nil || c.Issuer == theirIssuer || slices.Contains(c.Tenants, theirDirectory) {
		return // an admin who trusted that one gave everything away
	}
	c.Domains, c.Roles = []string{"rtx.example"}, nil
	if roles {
		c.Roles = []idp.RoleMapping{{Claim: "groups", Value: "everybody", RoleID: idp.RoleAdmin}}
	}
	_, _ = w.app.Manage.Connections.UpdateConnection(w.ctx, authz.System(), connections.ConnectionChange{Connection: c, ClientSecret: sharedSecret, Reason: anyReason})
}

// comes signs the owner of an address in. Where the account has to prove itself they do
// that by the password that they were told. A refusal is no failure.
func (w *intrigue) comes(p prepared) {
	c, err := w.app.Store.Connection(w.ctx, w.connection.ID)
	if err != nil || !c.Enabled || !c.AllowsTenant(homeDirectory) {
		return
	}
	a := idp.Assertion{Subject: idp.EntraSubject(homeDirectory, p.object), Email: p.email, Groups: []string{"everybody"}, EmailConfirmed: true}
	_, err = w.app.Manage.Connections.Recognise(w.ctx, c, a)
	if !errors.Is(err, connections.ErrConfirm) {
		return
	}
	_ = w.app.Store.Do(w.ctx, func(ctx context.Context) error {
		u, signIn, err := w.app.Manage.Connections.Confirmed(ctx, c, a)
		if err == nil && signIn && w.told(p) {
			err = w.app.Manage.Connections.LinkProved(ctx, c, a, u)
		}
		return err
	})
}

// told tells whether the owner knows the password of an account that was made for them.
func (w *intrigue) told(p prepared) bool {
	return slices.Contains([]string{firstPassword, laterPassword, afterPassword}, p.way) && w.passwords[p.id]
}
