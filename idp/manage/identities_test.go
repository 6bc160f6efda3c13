package manage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/connections"
	"gatehouse/ui"
)

// linked links somebody with the first account of the first organisation.
func (o *office) linked(t *testing.T, u idp.User, c connections.ConnectionEntry) {
	t.Helper()
	idptest.Must(t, o.Connections.LinkIdentity(t.Context(), everything(), connections.NewIdentity{
		UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: oid, Reason: ticket,
	}))
}

func TestAnAdminLinksAPersonWithAnAccount(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, u := t.Context(), o.person(t, idp.Agents)
		c := o.connected(t, nil)
		partner, err := o.Connections.AddConnection(ctx, everything(), generic(nil))
		idptest.Must(t, err)
		foreign, err := o.Connections.AddConnection(ctx, everything(), entra(func(c *connections.ConnectionChange) { c.PopulationID = idp.Contacts }))
		idptest.Must(t, err)
		for name, n := range map[string]struct {
			identity connections.NewIdentity
			field    string
		}{
			"no tenant":             {connections.NewIdentity{ConnectionID: c.ID, ObjectID: oid}, "tenant_id"},
			"a domain":              {connections.NewIdentity{ConnectionID: c.ID, TenantID: "rtx.example", ObjectID: oid}, "tenant_id"},
			"another organisation":  {connections.NewIdentity{ConnectionID: c.ID, TenantID: fabrikam, ObjectID: oid}, "tenant_id"},
			"a personal account":    {connections.NewIdentity{ConnectionID: c.ID, TenantID: idp.PersonalTenant, ObjectID: oid}, "tenant_id"},
			"no object":             {connections.NewIdentity{ConnectionID: c.ID, TenantID: contoso}, "object_id"},
			"an address as object":  {connections.NewIdentity{ConnectionID: c.ID, TenantID: contoso, ObjectID: "maya@rtx.example"}, "object_id"},
			"no subject":            {connections.NewIdentity{ConnectionID: partner.ID, TenantID: contoso, ObjectID: oid}, "subject"},
			"a long subject":        {connections.NewIdentity{ConnectionID: partner.ID, Subject: strings.Repeat("s", 256)}, "subject"},
			"a subject with a NUL":  {connections.NewIdentity{ConnectionID: partner.ID, Subject: "ma\x00ya"}, "subject"},
			"of another population": {connections.NewIdentity{ConnectionID: foreign.ID, TenantID: contoso, ObjectID: oid}, "connection_id"},
		} {
			before := o.state(t)
			n.identity.UserID, n.identity.Reason = u.ID, ticket
			expectField(t, name, o.Connections.LinkIdentity(ctx, everything(), n.identity), n.field)
			if after := o.state(t); after != before {
				t.Errorf("%s: something was changed: %s, then %s", name, before, after)
			}
		}
		idptest.Must(t, o.Connections.LinkIdentity(ctx, everything(), connections.NewIdentity{
			UserID: u.ID, ConnectionID: c.ID, TenantID: " " + strings.ToUpper(contoso), ObjectID: strings.ToUpper(oid) + " ", Reason: ticket,
		}))
		idptest.Must(t, o.Connections.LinkIdentity(ctx, everything(), connections.NewIdentity{UserID: u.ID, ConnectionID: partner.ID, Subject: "Maya", Reason: ticket}))
		list, err := o.Connections.Identities(ctx, everything(), u.ID)
		idptest.Must(t, err)
		var got []string
		for _, i := range list {
			got = append(got, i.Connection+": "+i.Subject)
		}
		if diff := cmp.Diff([]string{"Microsoft: " + contoso + "/" + oid, "Microsoft: https://login.partner.example|Maya"}, got); diff != "" {
			t.Error(diff)
		}
		o.expectLetters(t, ui.MailIdentityLinked, u, true, 2)
		events := o.events(t, idp.AuditIdentityLinked, u.ID)
		if len(events) != 2 || events[0].ActorID != "ada" || events[0].Detail["reason"] != ticket || events[0].Detail["why"] == "" || events[0].Detail["connection"] == "" {
			t.Errorf("%+v", events)
		}
	})
}

// An account belongs to one person, and a person has one at a connection.
func TestNobodyIsLinkedTwice(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		c, u, victim := o.connected(t, nil), o.person(t, idp.Agents), o.person(t, idp.Agents)
		o.linked(t, u, c)
		before := o.state(t)
		for name, n := range map[string]connections.NewIdentity{
			"the account of somebody else": {UserID: victim.ID, ObjectID: oid},
			"a second account":             {UserID: u.ID, ObjectID: other},
			"the same once more":           {UserID: u.ID, ObjectID: oid},
		} {
			n.ConnectionID, n.TenantID, n.Reason = c.ID, contoso, ticket
			if err := o.Connections.LinkIdentity(t.Context(), everything(), n); !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
	})
}

func TestUnlinkedPersonIsSignedOutEverywhere(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, c, u, app := t.Context(), o.connected(t, nil), o.person(t, idp.Agents), o.app(t, nil, idp.Agents)
		o.linked(t, u, c)
		s, token := o.through(t, u, c.ID)
		o.grant(t, app, s, func(g *idp.Grant) { g.Offline = true })
		_, local := o.through(t, u, "")
		idptest.Must(t, o.Connections.UnlinkIdentity(ctx, everything(), u.ID, c.ID, ticket))
		if o.alive(t, token, local) != 0 {
			t.Error("a session lives on")
		}
		if n := query[int](t, o, "SELECT COUNT(*) FROM grants WHERE revoked_at IS NULL"); n != 0 {
			t.Errorf("an app keeps %d grants", n)
		}
		o.expectLetters(t, ui.MailIdentityUnlinked, u, true, 1)
		if list := o.events(t, idp.AuditIdentityUnlinked, u.ID); len(list) != 1 || list[0].Detail["connection"] != c.ID || list[0].Detail["reason"] != ticket {
			t.Errorf("%+v", list)
		}
		for name, err := range map[string]error{
			"once more":               o.Connections.UnlinkIdentity(ctx, everything(), u.ID, c.ID, ticket),
			"from no connection":      o.Connections.UnlinkIdentity(ctx, everything(), u.ID, "none", ticket),
			"nobody":                  o.Connections.UnlinkIdentity(ctx, everything(), "nobody", c.ID, ticket),
			"link nobody":             o.Connections.LinkIdentity(ctx, everything(), connections.NewIdentity{UserID: "nobody", ConnectionID: c.ID, Reason: ticket}),
			"link with no connection": o.Connections.LinkIdentity(ctx, everything(), connections.NewIdentity{UserID: u.ID, ConnectionID: "none", Reason: ticket}),
			"whose identities":        second(o.Connections.Identities(ctx, everything(), "nobody")),
		} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		o.linked(t, o.person(t, idp.Agents), c) // the account is free again
	})
}
