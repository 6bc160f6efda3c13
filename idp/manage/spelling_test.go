package manage_test

import (
	"errors"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/settings"
)

// Whoever has an address has it in every spelling, at every entry.
func TestOneMailboxIsOneAccountAtEveryEntry(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		owner := o.named(t, idp.Agents, "Müller@bücher.example", "Owner")
		other := o.named(t, idp.Agents, "other@rtx.example", "Other")
		for _, spelling := range []string{
			"mu\u0308ller@bücher.example", "müller@xn--bcher-kva.example", "MÜLLER＠BÜCHER。example", "m\u200büller@bücher.example",
			"\u202amüller@bücher.example\u202c", "müller@bü\u00adcher.example.", " müller@bücher｡example\n", "müller\ufe0f@bücher.example",
		} {
			conflict := func(way string, err error) {
				t.Helper()
				var field settings.Errors
				if !errors.Is(err, idp.ErrConflict) && (!errors.As(err, &field) || field[0].Field != "email") {
					t.Errorf("%s takes %q: %v", way, spelling, err)
				}
			}
			_, err := o.People.CreateUser(ctx, people.NewUser{Population: idp.Agents, Email: spelling})
			conflict("the command line", err)
			_, err = o.People.AddUser(ctx, everything(), people.NewUser{Population: idp.Agents, Email: spelling})
			conflict("the API", err)
			_, err = o.Links.Invite(ctx, everything(), links.Invitation{Population: idp.Agents, Email: spelling})
			conflict("an invitation", err)
			_, err = o.Connections.ImportUser(ctx, everything(), connections.ImportedUser{Population: idp.Agents, Email: spelling}, "x")
			conflict("an import", err)
			_, version, err := o.Store.VersionedUser(ctx, other.ID)
			idptest.Must(t, err)
			_, err = o.People.UpdateUser(ctx, everything(), other.ID, people.UserChange{Version: version, Email: &spelling})
			conflict("a change", err)
			if u, err := o.Store.UserByEmail(ctx, idp.Agents, spelling); err != nil || u.ID != owner.ID {
				t.Errorf("%q finds %q, %v", spelling, u.ID, err)
			}
		}
		stranger, err := o.People.CreateUser(ctx, people.NewUser{Population: idp.Agents, Email: "\u200bmaya@RTX。example. "})
		if err != nil || stranger.Email != "maya@RTX.example" {
			t.Errorf("kept as %q, %v", stranger.Email, err)
		}
	})
}

func TestNamesThatShowNothingAreRefusedAtEveryEntry(t *testing.T) {
	t.Parallel()
	refuseNames(t, "\u3164", "\u2800 \u2800", "\u200b", "\u202e", "\u0301", "\u00ad\ufeff")
}

// A name that turns the text around it says something else than it shows: "Maya" with a
// mark may stand as an address of somebody else's, or swap the words of a page.
func TestNamesThatTurnTextAreRefusedAtEveryEntry(t *testing.T) {
	t.Parallel()
	refuseNames(t, "Maya\u202emoc.elpmaxe@nimda", "\u2066Maya\u2069", "Maya\u200e", "\u200fMaya", "\u202aMaya\u202c", "Ma\u061cya")
}

// Who has such a name from before is disabled all the same.
func TestAnOldNameKeepsNobodyFromDisablingItsAccount(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u, yes := o.enrolled(t, idp.Agents), true
		o.exec(t, "UPDATE users SET name = 'Maya\u202emoc' WHERE id = '"+u.ID+"'")
		_, version, err := o.Store.VersionedUser(t.Context(), u.ID)
		idptest.Must(t, err)
		_, err = o.People.UpdateUser(t.Context(), everything(), u.ID, people.UserChange{Version: version, Disabled: &yes, Reason: ticket})
		idptest.Must(t, err)
	})
}

// refuseNames fails unless each of some names is refused wherever somebody gives one.
func refuseNames(t *testing.T, names ...string) {
	t.Helper()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, u := t.Context(), o.enrolled(t, idp.Agents)
		_, version, err := o.Store.VersionedUser(ctx, u.ID)
		idptest.Must(t, err)
		for _, name := range names {
			for entry, err := range map[string]error{
				"a person":      second(o.People.AddUser(ctx, everything(), people.NewUser{Population: idp.Agents, Email: "new@rtx.example", Name: name})),
				"a change":      second(o.People.UpdateUser(ctx, everything(), u.ID, people.UserChange{Version: version, Name: &name})),
				"an import":     second(o.Connections.ImportUser(ctx, everything(), connections.ImportedUser{Population: idp.Agents, Email: "new@rtx.example", Name: name}, "x")),
				"an invitation": second(o.Links.Invite(ctx, everything(), links.Invitation{Population: idp.Agents, Email: "new@rtx.example", Name: name})),
				"a role":        second(o.Roles.CreateRole(ctx, everything(), name, nil, "x")),
				"a population":  second(o.Populations.AddPopulation(ctx, everything(), "partners", name)),
				"a connection": second(o.Connections.AddConnection(ctx, everything(), connections.ConnectionChange{Reason: "x", Connection: idp.Connection{
					Name: name, PopulationID: idp.Agents, Kind: idp.EntraConnection, ClientID: "x", AnyTenant: true,
				}})),
			} {
				expectField(t, entry+" "+name, err, "name")
			}
			_, _, err := o.Apps.AddClient(ctx, everything(), idp.Client{Name: name, Kind: idp.SPAClient, RedirectURIs: []string{"https://app.example/"}, Populations: []string{idp.Agents}})
			expectField(t, "an app "+name, err, "name")
			err = o.Self.RenameAuthenticator(ctx, self.Self{UserID: u.ID, Proofs: idptest.Proofs()[:2]}, o.enrolment(t, u).Of(idp.MethodTOTP)[0].ID, name)
			expectField(t, "an authenticator "+name, err, "name")
		}
	})
}
