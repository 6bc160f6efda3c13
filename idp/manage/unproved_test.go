package manage_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
)

// comer comes through a connection, as often as asked.
type comer struct {
	o *office
	t *testing.T
	c connections.ConnectionEntry
}

func (b comer) assertion(email string, roles ...string) idp.Assertion {
	return idp.Assertion{Subject: idp.EntraSubject(contoso, oid), Email: email, EmailConfirmed: true, AppRoles: roles}
}

func (b comer) comes(email string, roles ...string) error {
	b.t.Helper()
	c, err := b.o.db.Connection(b.t.Context(), b.c.ID)
	idptest.Must(b.t, err)
	return b.o.db.Do(b.t.Context(), func(ctx context.Context) error {
		return second(b.o.Connections.Recognise(ctx, c, b.assertion(email, roles...)))
	})
}

// proves is the account's own sign-in, after an address that was not enough.
func (b comer) proves(u idp.User, roles ...string) {
	b.t.Helper()
	c, err := b.o.db.Connection(b.t.Context(), b.c.ID)
	idptest.Must(b.t, err)
	idptest.Must(b.t, b.o.db.Do(b.t.Context(), func(ctx context.Context) error {
		return b.o.Connections.LinkProved(ctx, c, b.assertion(u.Email, roles...), u)
	}))
}

func (b comer) isAdmin(u idp.User) bool {
	b.t.Helper()
	roles, err := b.o.db.RolesOf(b.t.Context(), u.ID)
	idptest.Must(b.t, err)
	return slices.ContainsFunc(roles, func(r idp.Role) bool { return r.ID == idp.RoleAdmin })
}

func (o *office) comer(t *testing.T, domains ...string) comer {
	t.Helper()
	return comer{o: o, t: t, c: o.connected(t, func(c *connections.ConnectionChange) {
		c.Trust, c.CreateUsers, c.Domains = idp.LocalStep, true, domains
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
			u, err := o.People.AddUser(t.Context(), manager, people.NewUser{Population: idp.Agents, Email: "victim@rtx.example", Password: "gentle maple corner"})
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
			idptest.Must(t, o.People.SetPassword(t.Context(), manager, u.ID, "gentle maple corner", ticket))
			return u
		},
		"an account elsewhere after the owner came": func(t *testing.T, o *office, b comer) idp.User {
			idptest.Must(t, b.comes("victim@rtx.example"))
			u, err := o.db.UserByEmail(t.Context(), idp.Agents, "victim@rtx.example")
			idptest.Must(t, err)
			partner, err := o.Connections.AddConnection(t.Context(), everything(), generic(nil))
			idptest.Must(t, err)
			idptest.Must(t, o.Connections.LinkIdentity(t.Context(), manager, connections.NewIdentity{UserID: u.ID, ConnectionID: partner.ID, Subject: "mallory", Reason: ticket}))
			return u
		},
		"an imported authenticator": func(t *testing.T, o *office, b comer) idp.User {
			u, err := o.Connections.ImportUser(t.Context(), manager, connections.ImportedUser{Population: idp.Agents, Email: "victim@rtx.example", PasswordHash: "$argon2id$known"}, ticket)
			idptest.Must(t, err)
			idptest.Must(t, b.comes(u.Email))
			return u
		},
		"an account that was moved to the owner's address": func(t *testing.T, o *office, b comer) idp.User {
			u := o.person(t, idp.Agents)
			idptest.Must(t, o.db.SetPasswordHash(t.Context(), u.ID, "$argon2id$known", idp.Now()))
			_, version, err := o.db.VersionedUser(t.Context(), u.ID)
			idptest.Must(t, err)
			idptest.Must(t, second(o.People.UpdateUser(t.Context(), manager, u.ID, people.UserChange{Version: version, Email: ptr("victim@rtx.example")})))
			idptest.Must(t, b.comes("victim@rtx.example"))
			return u
		},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, func(t *testing.T, o *office) {
				b := o.comer(t, "rtx.example")
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

// An admin's word is no proof of whose an account elsewhere is, also not for an account of
// the admin's own. The admin who linked it does not get the roles that its owner gets later, with
// a new password or without.
func TestWhoLinksTheirOwnAccountWithAnothersGetsNoneOfTheirLaterRoles(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(t *testing.T, o *office, u idp.User){
		"at once": func(*testing.T, *office, idp.User) {},
		"after a new password of their own": func(t *testing.T, o *office, u idp.User) {
			idptest.Must(t, o.People.PasswordOwned(t.Context(), u))
		},
		"after another's password, and their own": func(t *testing.T, o *office, u idp.User) {
			idptest.Must(t, o.People.SetPassword(t.Context(), holder(idp.PermissionUsers), u.ID, "gentle maple corner", ticket))
			now, err := o.db.User(t.Context(), u.ID)
			idptest.Must(t, err)
			idptest.Must(t, o.People.PasswordOwned(t.Context(), now))
		},
		"after one of two links is gone": func(t *testing.T, o *office, u idp.User) {
			actor := holder(idp.PermissionUsers)
			partner, err := o.Connections.AddConnection(t.Context(), everything(), generic(nil))
			idptest.Must(t, err)
			idptest.Must(t, o.Connections.LinkIdentity(t.Context(), actor, connections.NewIdentity{UserID: u.ID, ConnectionID: partner.ID, Subject: "mallory", Reason: ticket}))
			idptest.Must(t, o.Connections.UnlinkIdentity(t.Context(), everything(), u.ID, partner.ID, ticket))
			now, err := o.db.User(t.Context(), u.ID)
			idptest.Must(t, err)
			idptest.Must(t, o.People.PasswordOwned(t.Context(), now))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, func(t *testing.T, o *office) {
				c := o.connected(t, func(c *connections.ConnectionChange) { c.Trust = idp.LocalStep })
				u := o.person(t, idp.Agents)
				actor := holder(idp.PermissionUsers)
				actor.UserID = u.ID
				idptest.Must(t, o.Connections.LinkIdentity(t.Context(), actor, connections.NewIdentity{
					UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: oid, Reason: ticket,
				}))
				u, err := o.db.User(t.Context(), u.ID)
				idptest.Must(t, err)
				after(t, o, u)
				idptest.Must(t, second(o.Connections.UpdateConnection(t.Context(), everything(), change(c, func(c *connections.ConnectionChange) {
					c.Roles = []idp.RoleMapping{mapsTo("roles", "Admin", idp.RoleAdmin)}
				}))))
				b := comer{o: o, t: t, c: c}
				idptest.Must(t, b.comes("victim@rtx.example", "Admin"))
				if b.isAdmin(u) {
					t.Error("whoever linked the account is an admin")
				}
			})
		})
	}
}

// The first link made the mark, and goes with its connection. The other is no better proved
// for that.
func TestALinkStaysUnprovedWhenTheConnectionOfAnotherIsDeleted(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, u := t.Context(), o.person(t, idp.Agents)
		c := o.connected(t, func(c *connections.ConnectionChange) { c.Trust = idp.LocalStep })
		partner, err := o.Connections.AddConnection(ctx, everything(), generic(nil))
		idptest.Must(t, err)
		for _, n := range []connections.NewIdentity{
			{UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: oid, Reason: ticket},
			{UserID: u.ID, ConnectionID: partner.ID, Subject: "mallory", Reason: ticket},
		} {
			idptest.Must(t, o.Connections.LinkIdentity(ctx, holder(idp.PermissionUsers), n))
		}
		idptest.Must(t, o.Connections.DeleteConnection(ctx, everything(), c.ID, 0, ticket))
		own := func() bool {
			idptest.Must(t, o.db.SetPasswordHash(ctx, u.ID, "$argon2id$own", idp.Now()))
			now, err := o.db.User(ctx, u.ID)
			idptest.Must(t, err)
			idptest.Must(t, o.People.PasswordOwned(ctx, now))
			now, err = o.db.User(ctx, u.ID)
			idptest.Must(t, err)
			return now.UnprovedAt.IsZero()
		}
		if own() {
			t.Error("a new password proves the link that is left")
		}
		idptest.Must(t, o.Connections.UnlinkIdentity(ctx, everything(), u.ID, partner.ID, ticket))
		if !own() {
			t.Error("the mark outlives the links, and a new password")
		}
	})
}

// A temporary password is known to whoever gave it: that it was typed proves nothing. One
// that the person chose does, and so does an admin's, who could have all of it anyway.
func TestRolesComeOnceTheWaysInAreTheOwners(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, b, manager := t.Context(), o.comer(t), holder(idp.PermissionUsers)
		u, err := o.People.AddUser(ctx, manager, people.NewUser{Population: idp.Agents, Email: "victim@rtx.example", Password: "gentle maple corner"})
		idptest.Must(t, err)
		if err := b.comes(u.Email, "Admin"); !errors.Is(err, connections.ErrConfirm) {
			t.Fatalf("by the address alone: %v", err)
		}
		b.proves(u, "Admin")
		if b.isAdmin(u) {
			t.Error("the password of whoever made the account proves it")
		}
		idptest.Must(t, o.People.SetPassword(ctx, everything(), u.ID, "another maple corner", ticket))
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

// One app that asks for nothing but a password is enough to come in by one.
func TestAPasswordGetsAroundASecondStepWhereOneAppAsksForNone(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, manager := t.Context(), holder(idp.PermissionUsers)
		phone := o.enrolled(t, idp.Agents)
		mailbox := o.person(t, idp.Agents)
		idptest.Must(t, o.db.CreateFactor(ctx, idp.Factor{ID: idp.NewID(), UserID: mailbox.ID, Method: idp.MethodEmail, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now()}))
		display := o.app(t, nil, idp.Agents)
		set := func(u idp.User) error { return o.People.SetPassword(ctx, manager, u.ID, "gentle maple corner", ticket) }
		idptest.Must(t, set(phone))
		idptest.Must(t, set(mailbox))
		o.saveOverride(t, display, idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin)
		for name, u := range map[string]idp.User{"an authenticator": phone, "email codes": mailbox} {
			if err := set(u); !errors.Is(err, authz.ErrForbidden) {
				t.Errorf("a password for somebody with %s: %v", name, err)
			}
		}
		idptest.Must(t, o.People.SetPassword(ctx, holder(idp.PermissionUsers, idp.PermissionAgentRecovery), phone.ID, "gentle maple corner", ticket))
	})
}

// Somebody whose directory says that an address is theirs is not let into an account with
// a second step, nor where the connection was there before the second step.
func TestAnAddressAloneOpensNoAccountWithASecondStep(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		b := o.comer(t)
		u := o.enrolled(t, idp.Agents)
		if err := b.comes(u.Email); !errors.Is(err, connections.ErrConfirm) {
			t.Errorf("into an account with an authenticator: %v", err)
		}
		password := o.person(t, idp.Agents)
		idptest.Must(t, o.db.SetPasswordHash(t.Context(), password.ID, "$argon2id$own", idp.Now()))
		o.save(t, idp.Agents, populations.OnNextLogin)
		if err := b.comes(password.Email); !errors.Is(err, connections.ErrConfirm) {
			t.Errorf("into an account with a password, where a second step is asked for: %v", err)
		}
		idptest.Must(t, b.comes(o.person(t, idp.Agents).Email)) // nobody ever signed in to it
	})
	inOffice(t, func(t *testing.T, o *office) {
		b, u := o.comer(t), o.enrolled(t, idp.Agents)
		e, err := o.Connections.Connection(t.Context(), everything(), b.c.ID)
		idptest.Must(t, err)
		idptest.Must(t, second(o.Connections.UpdateConnection(t.Context(), everything(), change(e, func(c *connections.ConnectionChange) { c.Domains = []string{"rtx.example"} }))))
		idptest.Must(t, b.comes(u.Email)) // an admin's word
	})
}

// Opening portal access to a connection asks what adding the connection asks.
func TestOpeningAccessToAConnectionTakesWhatAddingItTakes(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		c := entra(func(c *connections.ConnectionChange) {
			c.PopulationID, c.Domains = idp.Contacts, []string{"rtx.example"}
		})
		idptest.Must(t, second(o.Connections.AddConnection(t.Context(), everything(), c)))
		o.enrolled(t, idp.Contacts)
		opens := func(permissions ...string) error {
			e, err := o.Populations.Population(t.Context(), everything(), idp.Contacts)
			idptest.Must(t, err)
			return second(o.Populations.SaveAccess(t.Context(), holder(permissions...), populations.Change[idp.Access]{
				ID: idp.Contacts, Version: e.Version, To: idp.Access{Password: true, Federated: true}, Reason: ticket,
			}))
		}
		if err := opens(idp.PermissionAuthentication); !errors.Is(err, authz.ErrForbidden) {
			t.Errorf("without the right: %v", err)
		}
		idptest.Must(t, opens(idp.PermissionAuthentication, idp.PermissionUsers, idp.PermissionContactReset))
	})
}
