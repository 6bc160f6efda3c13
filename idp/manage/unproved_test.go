package manage_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
)

// comer comes through a connection, as often as asked.
type comer struct {
	o *office
	t *testing.T
	c manage.ConnectionEntry
}

func (b comer) assertion(email string, roles ...string) idp.Assertion {
	return idp.Assertion{Subject: idp.EntraSubject(contoso, oid), Email: email, EmailConfirmed: true, AppRoles: roles}
}

func (b comer) comes(email string, roles ...string) error {
	b.t.Helper()
	c, err := b.o.db.Connection(b.t.Context(), b.c.ID)
	idptest.Must(b.t, err)
	return b.o.db.Do(b.t.Context(), func(ctx context.Context) error {
		return second(b.o.Recognise(ctx, c, b.assertion(email, roles...)))
	})
}

// proves is the account's own sign-in, after an address that was not enough.
func (b comer) proves(u idp.User, roles ...string) {
	b.t.Helper()
	c, err := b.o.db.Connection(b.t.Context(), b.c.ID)
	idptest.Must(b.t, err)
	idptest.Must(b.t, b.o.db.Do(b.t.Context(), func(ctx context.Context) error {
		return b.o.LinkProved(ctx, c, b.assertion(u.Email, roles...), u)
	}))
}

func (b comer) isAdmin(u idp.User) bool {
	b.t.Helper()
	roles, err := b.o.db.RolesOf(b.t.Context(), u.ID)
	idptest.Must(b.t, err)
	return slices.ContainsFunc(roles, func(r idp.Role) bool { return r.ID == idp.RoleAdmin })
}

func (o *office) comer(t *testing.T) comer {
	t.Helper()
	return comer{o: o, t: t, c: o.connected(t, func(c *manage.ConnectionChange) {
		c.Trust, c.CreateUsers = idp.LocalStep, true
		c.Roles = []idp.RoleMapping{mapsTo("roles", "Admin", idp.RoleAdmin)}
	})}
}

// Whoever made a way into an account waits for what its owner gets later: at each sign-in
// the roles are withheld, and not only at the first.
func TestALaterRoleBringsNoPermissionsToAnAccountWithAWayThatIsNotProved(t *testing.T) {
	t.Parallel()
	manager := holder(idp.PermissionUsers)
	for name, prepare := range map[string]func(t *testing.T, o *office, b comer) idp.User{
		"a password before the owner came": func(t *testing.T, o *office, b comer) idp.User {
			u, err := o.AddUser(t.Context(), manager, manage.NewUser{Population: idp.Agents, Email: "victim@rtx.example", Password: "gentle maple corner"})
			idptest.Must(t, err)
			idptest.Must(t, b.comes(u.Email))
			return u
		},
		"an account of their own, whose address became the owner's": func(t *testing.T, o *office, b comer) idp.User {
			u := o.person(t, idp.Agents)
			idptest.Must(t, o.db.SetPasswordHash(t.Context(), u.ID, "$argon2id$known", idp.Now()))
			idptest.Must(t, b.comes(u.Email))
			return u
		},
		"a password after the owner came": func(t *testing.T, o *office, b comer) idp.User {
			idptest.Must(t, b.comes("victim@rtx.example"))
			u, err := o.db.UserByEmail(t.Context(), idp.Agents, "victim@rtx.example")
			idptest.Must(t, err)
			idptest.Must(t, o.SetPassword(t.Context(), manager, u.ID, "gentle maple corner", ticket))
			return u
		},
		"an account elsewhere after the owner came": func(t *testing.T, o *office, b comer) idp.User {
			idptest.Must(t, b.comes("victim@rtx.example"))
			u, err := o.db.UserByEmail(t.Context(), idp.Agents, "victim@rtx.example")
			idptest.Must(t, err)
			partner, err := o.AddConnection(t.Context(), everything(), generic(nil))
			idptest.Must(t, err)
			idptest.Must(t, o.LinkIdentity(t.Context(), manager, manage.NewIdentity{UserID: u.ID, ConnectionID: partner.ID, Subject: "mallory", Reason: ticket}))
			return u
		},
		"an imported authenticator": func(t *testing.T, o *office, b comer) idp.User {
			u, err := o.ImportUser(t.Context(), manager, manage.ImportedUser{Population: idp.Agents, Email: "victim@rtx.example", PasswordHash: "$argon2id$known"}, ticket)
			idptest.Must(t, err)
			idptest.Must(t, b.comes(u.Email))
			return u
		},
		"an account that was moved to the owner's address": func(t *testing.T, o *office, b comer) idp.User {
			u := o.person(t, idp.Agents)
			idptest.Must(t, o.db.SetPasswordHash(t.Context(), u.ID, "$argon2id$known", idp.Now()))
			_, version, err := o.db.VersionedUser(t.Context(), u.ID)
			idptest.Must(t, err)
			idptest.Must(t, second(o.UpdateUser(t.Context(), manager, u.ID, manage.UserChange{Version: version, Email: ptr("victim@rtx.example")})))
			idptest.Must(t, b.comes("victim@rtx.example"))
			return u
		},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, func(t *testing.T, o *office) {
				b := o.comer(t)
				u := prepare(t, o, b)
				now, err := o.db.User(t.Context(), u.ID)
				idptest.Must(t, err)
				idptest.Must(t, b.comes(now.Email, "Admin"))
				if b.isAdmin(u) {
					t.Error("whoever prepared the account is an admin")
				}
				if n := len(o.events(t, idp.AuditRolesWithheld, u.ID)); n != 1 {
					t.Errorf("%d events say that roles were withheld", n)
				}
			})
		})
	}
}

// A temporary password is known to whoever gave it: that it was typed proves nothing. One
// that the person chose does, and so does an admin's, who could have all of it anyway.
func TestRolesComeOnceTheWaysInAreTheOwners(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, b, manager := t.Context(), o.comer(t), holder(idp.PermissionUsers)
		u, err := o.AddUser(ctx, manager, manage.NewUser{Population: idp.Agents, Email: "victim@rtx.example", Password: "gentle maple corner"})
		idptest.Must(t, err)
		if err := b.comes(u.Email, "Admin"); !errors.Is(err, manage.ErrConfirm) {
			t.Fatalf("by the address alone: %v", err)
		}
		b.proves(u, "Admin")
		if b.isAdmin(u) {
			t.Error("the password of whoever made the account proves it")
		}
		idptest.Must(t, o.SetPassword(ctx, everything(), u.ID, "another maple corner", ticket))
		idptest.Must(t, b.comes(u.Email, "Admin"))
		if !b.isAdmin(u) {
			t.Error("withheld from an account whose only password is an admin's")
		}
	})
	inOffice(t, func(t *testing.T, o *office) {
		b := o.comer(t)
		u := o.person(t, idp.Agents)
		idptest.Must(t, o.db.SetPasswordHash(t.Context(), u.ID, "$argon2id$own", idp.Now()))
		b.proves(u, "Admin")
		if !b.isAdmin(u) {
			t.Error("withheld from somebody who proved the account")
		}
	})
}
