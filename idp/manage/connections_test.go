package manage_test

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// Two organisations, and people of theirs.
const (
	contoso  = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a"
	fabrikam = "9b1c0f0e-6a52-4f0c-8a6a-4b1f3b0d7e21"
	oid      = "11111111-2222-4333-8444-555555555555"
	other    = "66666666-7777-4888-9999-000000000000"
)

// entra is a connection that can be added: one organisation's, by a secret.
func entra(change func(c *manage.ConnectionChange)) manage.ConnectionChange {
	c := manage.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: idp.Agents, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true,
			Tenants: []string{contoso}, ClientID: "2b1e5a4c-3a70-4a6a-9df1-7a0c5b0f4c11",
		},
		ClientSecret: "their secret", Reason: ticket,
	}
	if change != nil {
		change(&c)
	}
	return c
}

// generic is one of another provider.
func generic(change func(c *manage.ConnectionChange)) manage.ConnectionChange {
	return entra(func(c *manage.ConnectionChange) {
		c.Kind, c.Issuer, c.Tenants = idp.OIDCConnection, "https://login.partner.example", nil
		if change != nil {
			change(c)
		}
	})
}

// change is what a form posts that shows a connection and keeps its secret.
func change(e manage.ConnectionEntry, do func(c *manage.ConnectionChange)) manage.ConnectionChange {
	c := manage.ConnectionChange{Connection: e.Connection, Reason: ticket}
	if do != nil {
		do(&c)
	}
	return c
}

// connected adds a connection of agents.
func (o *office) connected(t *testing.T, change func(c *manage.ConnectionChange)) manage.ConnectionEntry {
	t.Helper()
	e, err := o.AddConnection(t.Context(), everything(), entra(change))
	idptest.Must(t, err)
	return e
}

// linked links somebody with the first account of the first organisation.
func (o *office) linked(t *testing.T, u idp.User, c manage.ConnectionEntry) {
	t.Helper()
	idptest.Must(t, o.LinkIdentity(t.Context(), everything(), manage.NewIdentity{
		UserID: u.ID, ConnectionID: c.ID, TenantID: contoso, ObjectID: oid, Reason: ticket,
	}))
}

// through is a session of somebody who came through a connection.
func (o *office) through(t *testing.T, u idp.User, connection string) (s idp.Session, token string) {
	t.Helper()
	return o.session(t, u, func(s *idp.Session) { s.ConnectionID = connection })
}

// saveAccess changes portal access as an admin who has seen how it is.
func (o *office) saveAccess(t *testing.T, population string, a idp.Access) error {
	t.Helper()
	now, err := o.Population(t.Context(), everything(), population)
	idptest.Must(t, err)
	_, err = o.SaveAccess(t.Context(), everything(), manage.AccessChange{Population: population, Version: now.Version, Access: a, Reason: ticket})
	return err
}

func many[T any](n int, f func(i int) T) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = f(i)
	}
	return list
}

func guid(i int) string             { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", i) }
func domain(i int) string           { return fmt.Sprintf("d%d.example", i) }
func toAgent(i int) idp.RoleMapping { return mapsTo("groups", guid(i), idp.RoleAgent) }

func mapsTo(claim, value, role string) idp.RoleMapping {
	return idp.RoleMapping{Claim: claim, Value: value, RoleID: role}
}

func TestConnectionsThatCanBeSavedAndThoseThatCannot(t *testing.T) {
	type edit = func(c *manage.ConnectionChange)
	roles := func(list ...idp.RoleMapping) edit { return func(c *manage.ConnectionChange) { c.Roles = list } }
	domains := func(list ...string) edit { return func(c *manage.ConnectionChange) { c.Domains = list } }
	issuer := func(url string) edit { return func(c *manage.ConnectionChange) { c.Issuer = url } }
	inOffice(t, func(t *testing.T, o *office) {
		for name, c := range map[string]struct {
			make  func(edit) manage.ConnectionChange
			edit  edit
			field string
		}{
			"one organisation":       {entra, nil, ""},
			"two organisations":      {entra, func(c *manage.ConnectionChange) { c.Tenants = append(c.Tenants, fabrikam) }, ""},
			"a tenant in capitals":   {entra, func(c *manage.ConnectionChange) { c.Tenants = []string{" " + strings.ToUpper(contoso) + " "} }, ""},
			"any organisation":       {entra, func(c *manage.ConnectionChange) { c.Tenants, c.AnyTenant = nil, true }, ""},
			"personal accounts":      {entra, func(c *manage.ConnectionChange) { c.Tenants, c.PersonalAccounts = nil, true }, ""},
			"a certificate":          {entra, func(c *manage.ConnectionChange) { c.ClientSecret, c.NewCertificate = "", true }, ""},
			"another provider":       {generic, nil, ""},
			"another cloud":          {entra, issuer("https://login.microsoftonline.us/"), ""},
			"evidence, by a context": {entra, func(c *manage.ConnectionChange) { c.Trust, c.Context = idp.EvidenceRequired, "c99" }, ""},
			"evidence, not Entra's":  {generic, func(c *manage.ConnectionChange) { c.Trust = idp.EvidenceRequired }, ""},
			"domains":                {entra, domains("rtx.example", "RTX.Example", "a-b.co"), ""},
			"domains of a partner":   {generic, domains("partner.example"), ""},
			"roles":                  {entra, roles(mapsTo("groups", oid, idp.RoleAgent), mapsTo("roles", oid, idp.RoleAgent)), ""},
			"a hundred mappings":     {entra, roles(many(100, toAgent)...), ""},
			"claims and hint":        {entra, func(c *manage.ConnectionChange) { c.Claims.Name, c.DomainHint = " given_name ", "RTX.example" }, ""},

			"no name":                    {entra, func(c *manage.ConnectionChange) { c.Name = " \n" }, "name"},
			"a long name":                {entra, func(c *manage.ConnectionChange) { c.Name = strings.Repeat("n", 300) }, "name"},
			"a name with an escape":      {entra, func(c *manage.ConnectionChange) { c.Name = "Micro\x1bsoft" }, "name"},
			"no client":                  {entra, func(c *manage.ConnectionChange) { c.ClientID = " " }, "client_id"},
			"a long client":              {entra, func(c *manage.ConnectionChange) { c.ClientID = strings.Repeat("c", 101) }, "client_id"},
			"a claim with a NUL":         {entra, func(c *manage.ConnectionChange) { c.Claims.Email = "ma\x00il" }, "email_claim"},
			"a long claim":               {entra, func(c *manage.ConnectionChange) { c.Claims.Department = strings.Repeat("d", 101) }, "department_claim"},
			"a claim that is no text":    {entra, func(c *manage.ConnectionChange) { c.Claims.Name = "\xff" }, "name_claim"},
			"no issuer":                  {generic, issuer(" "), "issuer"},
			"plain http":                 {generic, issuer("http://login.partner.example"), "issuer"},
			"no URL":                     {generic, issuer("login.partner.example"), "issuer"},
			"an issuer with a query":     {generic, issuer("https://login.partner.example/?a=b"), "issuer"},
			"an issuer with a fragment":  {generic, issuer("https://login.partner.example/#a"), "issuer"},
			"an issuer with a password":  {generic, issuer("https://a:b@login.partner.example/"), "issuer"},
			"a kind of its own":          {generic, func(c *manage.ConnectionChange) { c.Kind = "saml" }, "kind"},
			"no kind":                    {generic, func(c *manage.ConnectionChange) { c.Kind = "" }, "kind"},
			"tenants elsewhere":          {generic, func(c *manage.ConnectionChange) { c.Tenants = []string{contoso} }, "tenants"},
			"personal accounts of else":  {generic, func(c *manage.ConnectionChange) { c.PersonalAccounts = true }, "tenants"},
			"nobody":                     {entra, func(c *manage.ConnectionChange) { c.Tenants = nil }, "tenants"},
			"a domain as tenant":         {entra, func(c *manage.ConnectionChange) { c.Tenants = []string{"contoso.onmicrosoft.com"} }, "tenants"},
			"the common tenant":          {entra, func(c *manage.ConnectionChange) { c.Tenants = []string{"common"} }, "tenants"},
			"personal accounts by tid":   {entra, func(c *manage.ConnectionChange) { c.Tenants = []string{idp.PersonalTenant} }, "tenants"},
			"101 tenants":                {entra, func(c *manage.ConnectionChange) { c.Tenants = many(101, guid) }, "tenants"},
			"named and any":              {entra, func(c *manage.ConnectionChange) { c.AnyTenant = true }, "any_tenant"},
			"another trust":              {entra, func(c *manage.ConnectionChange) { c.Trust = "blind" }, "trust"},
			"evidence without a context": {entra, func(c *manage.ConnectionChange) { c.Trust = idp.EvidenceRequired }, "context"},
			"a context that is none":     {entra, func(c *manage.ConnectionChange) { c.Context = "c100" }, "context"},
			"roles by anybody's word": {entra, func(c *manage.ConnectionChange) {
				c.Tenants, c.AnyTenant, c.Roles = nil, true, []idp.RoleMapping{mapsTo("roles", "Boss", idp.RoleAgent)}
			}, "roles"},
			"a URL as domain": {entra, domains("https://rtx.example"), "domains"},
			"a top level":     {entra, domains("com"), "domains"},
			"51 domains":      {entra, domains(many(51, domain)...), "domains"},
			"domains of anybody": {entra, func(c *manage.ConnectionChange) {
				c.Tenants, c.AnyTenant, c.Domains = nil, true, []string{"rtx.example"}
			}, "domains"},
			"domains beside personal accounts": {entra, func(c *manage.ConnectionChange) {
				c.PersonalAccounts, c.Domains = true, []string{"rtx.example"}
			}, "domains"},
			"a hint that is none":      {entra, func(c *manage.ConnectionChange) { c.DomainHint = "organizations" }, "domain_hint"},
			"a mapping of addresses":   {entra, roles(mapsTo("email", "maya@rtx.example", idp.RoleAgent)), "roles"},
			"a mapping of nothing":     {entra, roles(mapsTo("groups", "", idp.RoleAgent)), "roles"},
			"a mapping twice":          {entra, roles(toAgent(1), toAgent(1)), "roles"},
			"a mapping with a newline": {entra, roles(mapsTo("roles", "a\nb", idp.RoleAgent)), "roles"},
			"101 mappings":             {entra, roles(many(101, toAgent)...), "roles"},
			"a role that is not there": {entra, roles(mapsTo("groups", oid, "invented")), "roles"},
			"no proof of who we are":   {entra, func(c *manage.ConnectionChange) { c.ClientSecret = "" }, "client_secret"},
			"two proofs":               {entra, func(c *manage.ConnectionChange) { c.NewCertificate = true }, "client_secret"},
			"a long secret":            {entra, func(c *manage.ConnectionChange) { c.ClientSecret = strings.Repeat("s", 1001) }, "client_secret"},
			"no reason":                {entra, func(c *manage.ConnectionChange) { c.Reason = " " }, "reason"},
		} {
			before := o.state(t)
			_, err := o.AddConnection(t.Context(), everything(), c.make(c.edit))
			expectField(t, name, err, c.field)
			if changed := o.state(t) != before; changed != (c.field == "") {
				t.Errorf("%s: changed %t", name, changed)
			}
		}
		_, err := o.AddConnection(t.Context(), everything(), entra(func(c *manage.ConnectionChange) { c.PopulationID = "partners" }))
		expectField(t, "of no population", err, "population")
	})
}

// In a network of one's own an issuer may be plain http, and is looked at no less.
func TestIssuersOfAPrivateNetwork(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		o.PrivateNetworks = true
		for issuer, field := range map[string]string{
			"http://localhost:8083": "", "https://localhost:8083": "", "": "issuer", "http://": "issuer",
			"http://localhost/?a": "issuer", "http://localhost/#a": "issuer", "ftp://localhost": "issuer", "http://a:b@localhost": "issuer",
		} {
			_, err := o.AddConnection(t.Context(), everything(), generic(func(c *manage.ConnectionChange) { c.Issuer = issuer }))
			expectField(t, issuer, err, field)
		}
	})
}

func TestConnectionGetsWhatFollowsFromItsKind(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		for name, c := range map[string]struct {
			change manage.ConnectionChange
			trust  idp.Trust
			issuer string
		}{
			"named tenants":     {entra(nil), idp.Trusted, idp.EntraAuthority},
			"any organisation":  {entra(func(c *manage.ConnectionChange) { c.Tenants, c.AnyTenant = nil, true }), idp.LocalStep, idp.EntraAuthority},
			"personal accounts": {entra(func(c *manage.ConnectionChange) { c.PersonalAccounts = true }), idp.LocalStep, idp.EntraAuthority},
			"another provider":  {generic(nil), idp.LocalStep, "https://login.partner.example"},
			"another cloud":     {entra(func(c *manage.ConnectionChange) { c.Issuer = "https://login.microsoftonline.us/" }), idp.Trusted, "https://login.microsoftonline.us"},
			"an admin's word":   {generic(func(c *manage.ConnectionChange) { c.Trust = idp.Trusted }), idp.Trusted, "https://login.partner.example"},
		} {
			e, err := o.AddConnection(t.Context(), everything(), c.change)
			idptest.Must(t, err)
			if e.Trust != c.trust || e.Issuer != c.issuer || e.Version != 1 || e.Linked {
				t.Errorf("%s: %+v", name, e)
			}
			read, err := o.Connection(t.Context(), everything(), e.ID)
			idptest.Must(t, err)
			if diff := cmp.Diff(e, read); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		untidy := o.connected(t, func(c *manage.ConnectionChange) {
			c.Name, c.Tenants, c.Domains = "  Contoso \t Ltd ", []string{strings.ToUpper(contoso), contoso, " "}, []string{" RTX.example "}
		})
		if untidy.Name != "Contoso Ltd" || !slices.Equal(untidy.Tenants, []string{contoso}) || !slices.Equal(untidy.Domains, []string{"rtx.example"}) {
			t.Errorf("%+v", untidy)
		}
		for population, want := range map[string]int{idp.Agents: 7, idp.Contacts: 0, "": 7} {
			list, err := o.Connections(t.Context(), everything(), population)
			idptest.Must(t, err)
			if len(list) != want {
				t.Errorf("%d connections of %q", len(list), population)
			}
		}
	})
}

// sealed is what the database has of a connection.
func (o *office) sealed(t *testing.T, id string) idp.Connection {
	t.Helper()
	c, err := o.db.Connection(t.Context(), id)
	idptest.Must(t, err)
	return c
}

// A secret goes in and does not come out; a certificate takes its place, with a key
// that belongs to it, and another one that's.
func TestWhatProvesWhoWeAre(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		e := o.connected(t, nil)
		now := o.sealed(t, e.ID)
		plain, err := o.Keyring.Open(now.Secret, keyring.AAD("connections", e.ID, "secret"))
		if err != nil || string(plain) != "their secret" || bytes.Contains(now.Secret, []byte("secret")) {
			t.Errorf("%q, %v", plain, err)
		}
		if !e.HasSecret || e.Secret != nil || e.Key != nil || e.Certificate != "" {
			t.Errorf("%+v", e)
		}
		kept, err := o.UpdateConnection(t.Context(), everything(), change(e, func(c *manage.ConnectionChange) { c.Name = "Contoso" }))
		idptest.Must(t, err)
		if after := o.sealed(t, e.ID); !bytes.Equal(after.Secret, now.Secret) || after.Name != "Contoso" || kept.Version != 2 || after.Version != 2 {
			t.Errorf("%+v", after)
		}
		var certificates []string
		for range 2 {
			kept, err = o.UpdateConnection(t.Context(), everything(), change(kept, func(c *manage.ConnectionChange) { c.NewCertificate = true }))
			idptest.Must(t, err)
			now = o.sealed(t, e.ID)
			der, err := o.Keyring.Open(now.Key, keyring.AAD("connections", e.ID, "private_key"))
			idptest.Must(t, err)
			key, err := certificate.ParseKey(der)
			idptest.Must(t, err)
			cert, err := certificate.Parse(kept.Certificate)
			idptest.Must(t, err)
			if public, ok := key.Public().(*rsa.PublicKey); !ok || !public.Equal(cert.PublicKey) {
				t.Error("the key is another certificate's")
			}
			if kept.HasSecret || now.Secret != nil || kept.Key != nil || kept.Certificate != now.Certificate || slices.Contains(certificates, now.Certificate) {
				t.Errorf("%+v", kept)
			}
			certificates = append(certificates, now.Certificate)
		}
		kept, err = o.UpdateConnection(t.Context(), everything(), change(kept, func(c *manage.ConnectionChange) { c.ClientSecret = "another" }))
		idptest.Must(t, err)
		if now = o.sealed(t, e.ID); !kept.HasSecret || now.Key != nil || now.Certificate != "" {
			t.Errorf("%+v", kept)
		}
	})
}

// What an actor sends of secrets themselves is not looked at.
func TestSecretsCannotBePlanted(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		e := o.connected(t, func(c *manage.ConnectionChange) { c.Secret, c.Key, c.Certificate = []byte("x"), []byte("y"), "z" })
		_, err := o.UpdateConnection(t.Context(), everything(), change(e, func(c *manage.ConnectionChange) {
			c.Secret, c.Key, c.Certificate = []byte("x"), []byte("y"), "z"
			c.PopulationID, c.Kind = idp.Contacts, idp.OIDCConnection
		}))
		idptest.Must(t, err)
		now := o.sealed(t, e.ID)
		if len(now.Secret) < 10 || now.Key != nil || now.Certificate != "" || now.PopulationID != idp.Agents || now.Kind != idp.EntraConnection {
			t.Errorf("%+v", now)
		}
	})
}

func TestIssuerStaysWhilePeopleAreLinked(t *testing.T) {
	elsewhere := func(c *manage.ConnectionChange) { c.Issuer, c.ClientSecret = "https://evil.example", "a secret" }
	inOffice(t, func(t *testing.T, o *office) {
		e, err := o.AddConnection(t.Context(), everything(), generic(nil))
		idptest.Must(t, err)
		u := o.person(t, idp.Agents)
		idptest.Must(t, o.LinkIdentity(t.Context(), everything(), manage.NewIdentity{UserID: u.ID, ConnectionID: e.ID, Subject: "maya", Reason: ticket}))
		if e, err = o.Connection(t.Context(), everything(), e.ID); err != nil || !e.Linked {
			t.Fatalf("%+v, %v", e, err)
		}
		_, err = o.UpdateConnection(t.Context(), everything(), change(e, elsewhere))
		expectField(t, "linked", err, "issuer")
		idptest.Must(t, o.UnlinkIdentity(t.Context(), everything(), u.ID, e.ID, ticket))
		_, err = o.UpdateConnection(t.Context(), everything(), change(e, func(c *manage.ConnectionChange) { c.Issuer = "https://evil.example" }))
		expectField(t, "with the secret of before", err, "client_secret")
		_, err = o.UpdateConnection(t.Context(), everything(), change(e, elsewhere))
		expectField(t, "unlinked", err, "")
	})
}

func TestConnectionsAreChangedByWhoeverSawThemLast(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		e := o.connected(t, nil)
		_, err := o.UpdateConnection(t.Context(), everything(), change(e, nil))
		idptest.Must(t, err)
		before := o.state(t)
		_, errUpdate := o.UpdateConnection(t.Context(), everything(), change(e, func(c *manage.ConnectionChange) { c.Name = "Stale" }))
		_, errAccess := o.SaveAccess(t.Context(), everything(), manage.AccessChange{
			Population: idp.Agents, Version: 99, Access: idp.Access{Password: true, Federated: true}, Reason: ticket,
		})
		for name, err := range map[string]error{
			"update": errUpdate, "access": errAccess,
			"delete": o.DeleteConnection(t.Context(), everything(), e.ID, e.Version, ticket),
		} {
			if !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
		idptest.Must(t, o.DeleteConnection(t.Context(), everything(), e.ID, e.Version+1, ticket))
		_, errRead := o.Connection(t.Context(), everything(), e.ID)
		_, errUpdate = o.UpdateConnection(t.Context(), everything(), change(e, nil))
		for i, err := range []error{errRead, errUpdate, o.DeleteConnection(t.Context(), everything(), e.ID, 3, ticket)} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%d, once it is gone: %v", i, err)
			}
		}
	})
}

// The only way in of a population stays, and so does an admin who can use it.
func TestTheLastWayInIsKept(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		ctx, only := t.Context(), idp.Access{Federated: true}
		admin := o.person(t, idp.Agents, idp.RoleAdmin)
		expectField(t, "no way at all", o.saveAccess(t, idp.Agents, idp.Access{}), "access")
		expectField(t, "no connection", o.saveAccess(t, idp.Agents, idp.Access{Password: true, Federated: true}), "federated")
		off := o.connected(t, func(c *manage.ConnectionChange) { c.Enabled = false })
		expectField(t, "none that is on", o.saveAccess(t, idp.Agents, only), "federated")
		first := o.connected(t, nil)
		expectField(t, "no admin", o.saveAccess(t, idp.Agents, only), "password")
		o.linked(t, admin, off)
		expectField(t, "no admin through what is on", o.saveAccess(t, idp.Agents, only), "password")
		idptest.Must(t, o.UnlinkIdentity(ctx, everything(), admin.ID, off.ID, ticket))
		o.linked(t, admin, first)
		idptest.Must(t, o.saveAccess(t, idp.Agents, only))
		if got := o.population(t, idp.Agents).Access; got != only {
			t.Errorf("%+v", got)
		}

		disable := func(e manage.ConnectionEntry) error {
			_, err := o.UpdateConnection(ctx, everything(), change(e, func(c *manage.ConnectionChange) { c.Enabled = false }))
			return err
		}
		before := o.state(t)
		expectField(t, "switch the only one off", disable(first), "enabled")
		expectField(t, "delete the only one", o.DeleteConnection(ctx, everything(), first.ID, first.Version, ticket), "enabled")
		if err := o.UnlinkIdentity(ctx, everything(), admin.ID, first.ID, ticket); !errors.Is(err, idp.ErrLastAdmin) {
			t.Errorf("unlink the last admin: %v", err)
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
		second := o.connected(t, nil)
		expectField(t, "switch off the one that the admin has", disable(first), "enabled")
		expectField(t, "delete the one that the admin has", o.DeleteConnection(ctx, everything(), first.ID, first.Version, ticket), "enabled")
		idptest.Must(t, o.DeleteConnection(ctx, everything(), second.ID, second.Version, ticket))
		idptest.Must(t, o.saveAccess(t, idp.Agents, idp.Access{Password: true}))
		idptest.Must(t, disable(first))
	})
}

// So does that of a population that has no admin: who could sign in elsewhere is of no
// use to its people.
func TestTheLastWayInOfPeopleWithoutAnAdmin(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		o.person(t, idp.Agents, idp.RoleAdmin) // by password
		ofContacts := func(c *manage.ConnectionChange) { c.PopulationID = idp.Contacts }
		e := o.connected(t, ofContacts)
		idptest.Must(t, o.saveAccess(t, idp.Contacts, idp.Access{Federated: true}))
		off := change(e, func(c *manage.ConnectionChange) { c.Enabled = false })
		_, err := o.UpdateConnection(t.Context(), everything(), off)
		expectField(t, "switch it off", err, "enabled")
		expectField(t, "delete it", o.DeleteConnection(t.Context(), everything(), e.ID, e.Version, ticket), "enabled")
		o.connected(t, ofContacts)
		_, err = o.UpdateConnection(t.Context(), everything(), off)
		expectField(t, "with another one", err, "")
	})
}

// Two ways in that are closed at once: one stays open.
func TestTwoAdminsCannotCloseTheLastWayIn(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		o.person(t, idp.Agents, idp.RoleAdmin)
		managers := []*manage.Manager{o.Manager, o.on(o.db.Replica(t))}
		ofContacts := func(c *manage.ConnectionChange) { c.PopulationID = idp.Contacts }
		open := []manage.ConnectionEntry{o.connected(t, ofContacts), o.connected(t, ofContacts)}
		idptest.Must(t, o.saveAccess(t, idp.Contacts, idp.Access{Federated: true}))
		for range 10 { // seldom do two transactions meet
			refused := 0
			for i, err := range idptest.Race(2, func(i int) error {
				off := change(open[i], func(c *manage.ConnectionChange) { c.Enabled = false })
				return second(managers[i].UpdateConnection(t.Context(), everything(), off))
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
	inOffice(t, func(t *testing.T, o *office) {
		ctx, c := t.Context(), o.connected(t, nil)
		linked, unlinked := o.person(t, idp.Agents, idp.RoleAdmin), o.person(t, idp.Agents, idp.RoleAdmin)
		o.linked(t, linked, c)
		idptest.Must(t, o.saveAccess(t, idp.Agents, idp.Access{Federated: true}))
		for name, err := range map[string]error{
			"disable": second(o.UpdateUser(ctx, everything(), linked.ID, manage.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})),
			"delete":  o.DeleteUser(ctx, everything(), linked.ID, ticket),
			"take":    o.SetRoles(ctx, everything(), linked.ID, 1, nil, ticket),
		} {
			if !errors.Is(err, idp.ErrLastAdmin) {
				t.Errorf("%s: %v", name, err)
			}
		}
		idptest.Must(t, o.DeleteUser(ctx, everything(), unlinked.ID, ticket))
	})
}

func TestPreviewOfPortalAccessCountsPeople(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		c, off := o.connected(t, nil), o.connected(t, func(c *manage.ConnectionChange) { c.Enabled = false })
		linked, gone := o.person(t, idp.Agents), o.person(t, idp.Agents)
		o.linked(t, linked, c)
		o.linked(t, gone, off)
		o.person(t, idp.Agents)
		o.person(t, idp.Contacts)
		expect := func(population string, want manage.AccessPreview) {
			t.Helper()
			before := o.state(t)
			got, err := o.PreviewAccess(t.Context(), everything(), population)
			if err != nil || got != want || o.state(t) != before {
				t.Errorf("%s: %+v, %v", population, got, err)
			}
		}
		expect(idp.Agents, manage.AccessPreview{People: 3, NotLinked: 2})
		expect(idp.Contacts, manage.AccessPreview{People: 1, NotLinked: 1})
		_, err := o.UpdateUser(t.Context(), everything(), linked.ID, manage.UserChange{Version: 1, Disabled: ptr(true), Reason: ticket})
		idptest.Must(t, err)
		expect(idp.Agents, manage.AccessPreview{People: 2, NotLinked: 2})
		if _, err := o.PreviewAccess(t.Context(), everything(), "partners"); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
	})
}

// What began with a connection ends with it; what did not goes on.
func TestDeletedConnectionTakesItsSessionsAlong(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		c, u, app := o.connected(t, nil), o.person(t, idp.Agents), o.app(t, nil, idp.Agents)
		bystander := o.person(t, idp.Agents)
		o.linked(t, u, c)
		began, token := o.through(t, u, c.ID)
		o.grant(t, app, began, func(g *idp.Grant) { g.Offline = true })
		_, local := o.through(t, u, "")
		theirs, goesOn := o.through(t, bystander, "")
		o.grant(t, app, theirs, func(g *idp.Grant) { g.Offline = true })
		idptest.Must(t, o.DeleteConnection(t.Context(), everything(), c.ID, c.Version, ticket))
		if o.alive(t, token) != 0 || o.alive(t, local, goesOn) != 2 {
			t.Error("the wrong sessions ended")
		}
		if n := query[int](t, o, "SELECT COUNT(*) FROM grants WHERE revoked_at IS NULL AND user_id = ?", u.ID); n != 0 {
			t.Errorf("an app keeps %d grants", n)
		}
		if n := query[int](t, o, "SELECT COUNT(*) FROM grants WHERE revoked_at IS NULL AND user_id = ?", bystander.ID); n != 1 {
			t.Errorf("of somebody else %d grants are left", n)
		}
		if list, err := o.Identities(t.Context(), everything(), u.ID); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		if list := o.events(t, idp.AuditSignedOut, u.ID); len(list) != 1 || list[0].SessionID != began.ID || list[0].ActorID != "ada" {
			t.Errorf("%+v", list)
		}
	})
}

func TestWhatIsDoneToConnectionsIsAudited(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		e := o.connected(t, nil)
		expect := func(kind idp.AuditKind, want ...string) {
			t.Helper()
			list := o.events(t, kind, "")
			if len(list) == 0 {
				t.Fatalf("no %s", kind)
			}
			got := list[0]
			if got.ActorID != "ada" || got.PopulationID != idp.Agents || got.Detail["reason"] != ticket {
				t.Errorf("%s: %+v", kind, got)
			}
			text := fmt.Sprint(got.Detail)
			for _, w := range want {
				if !strings.Contains(text, w) {
					t.Errorf("%s: %q is missing in %s", kind, w, text)
				}
			}
			if strings.Contains(text, "their secret") || strings.Contains(text, "PRIVATE") {
				t.Errorf("%s tells a secret: %s", kind, text)
			}
		}
		expect(idp.AuditConnectionCreated, e.ID, `"Microsoft"`, contoso, "trust trusted", "a new client secret")
		changed, err := o.UpdateConnection(t.Context(), everything(), change(e, func(c *manage.ConnectionChange) {
			c.Trust, c.NewCertificate, c.CreateUsers, c.Roles = idp.LocalStep, true, true, []idp.RoleMapping{mapsTo("groups", oid, idp.RoleAgent)}
		}))
		idptest.Must(t, err)
		expect(idp.AuditConnectionChanged, e.ID, "trust trusted", "trust local", "new accounts on", oid, "a new certificate")
		idptest.Must(t, o.saveAccess(t, idp.Agents, idp.Access{Password: true, Federated: true}))
		expect(idp.AuditAccessChanged, "connections off", "connections on")
		idptest.Must(t, o.DeleteConnection(t.Context(), everything(), e.ID, changed.Version, ticket))
		expect(idp.AuditConnectionDeleted, e.ID, "trust local")
	})
}

// What ways in are changed, and who is linked, asks for a second step of just now and
// a reason.
func TestConnectionsAskForASecondStepAndAReason(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		ctx, e, u := t.Context(), o.connected(t, nil), o.person(t, idp.Agents)
		identity := manage.NewIdentity{UserID: u.ID, ConnectionID: e.ID, TenantID: contoso, ObjectID: oid}
		for name, do := range map[string]func(a manage.Actor, reason string) error{
			"AddConnection": func(a manage.Actor, reason string) error {
				return second(o.AddConnection(ctx, a, entra(func(c *manage.ConnectionChange) { c.Reason = reason })))
			},
			"UpdateConnection": func(a manage.Actor, reason string) error {
				return second(o.UpdateConnection(ctx, a, change(e, func(c *manage.ConnectionChange) { c.Reason = reason })))
			},
			"DeleteConnection": func(a manage.Actor, reason string) error {
				return o.DeleteConnection(ctx, a, e.ID, e.Version, reason)
			},
			"SaveAccess": func(a manage.Actor, reason string) error {
				return second(o.SaveAccess(ctx, a, manage.AccessChange{
					Population: idp.Agents, Version: 1, Access: idp.Access{Password: true, Federated: true}, Reason: reason,
				}))
			},
			"LinkIdentity": func(a manage.Actor, reason string) error {
				n := identity
				n.Reason = reason
				return o.LinkIdentity(ctx, a, n)
			},
			"UnlinkIdentity": func(a manage.Actor, reason string) error {
				return o.UnlinkIdentity(ctx, a, u.ID, e.ID, reason)
			},
		} {
			before, stale := o.state(t), everything()
			stale.SecondStepAt = idp.Now().Add(-manage.FreshSecondStep - time.Second)
			if err := do(stale, ticket); !errors.Is(err, manage.ErrStepUp) {
				t.Errorf("%s with an old second step: %v", name, err)
			}
			expectField(t, name+" without a reason", do(everything(), "  "), "reason")
			if after := o.state(t); after != before {
				t.Errorf("%s: something was changed: %s, then %s", name, before, after)
			}
		}
	})
}

func TestAnAdminLinksAPersonWithAnAccount(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		ctx, u := t.Context(), o.person(t, idp.Agents)
		c := o.connected(t, nil)
		partner, err := o.AddConnection(ctx, everything(), generic(nil))
		idptest.Must(t, err)
		foreign, err := o.AddConnection(ctx, everything(), entra(func(c *manage.ConnectionChange) { c.PopulationID = idp.Contacts }))
		idptest.Must(t, err)
		for name, n := range map[string]struct {
			identity manage.NewIdentity
			field    string
		}{
			"no tenant":             {manage.NewIdentity{ConnectionID: c.ID, ObjectID: oid}, "tenant_id"},
			"a domain":              {manage.NewIdentity{ConnectionID: c.ID, TenantID: "rtx.example", ObjectID: oid}, "tenant_id"},
			"another organisation":  {manage.NewIdentity{ConnectionID: c.ID, TenantID: fabrikam, ObjectID: oid}, "tenant_id"},
			"a personal account":    {manage.NewIdentity{ConnectionID: c.ID, TenantID: idp.PersonalTenant, ObjectID: oid}, "tenant_id"},
			"no object":             {manage.NewIdentity{ConnectionID: c.ID, TenantID: contoso}, "object_id"},
			"an address as object":  {manage.NewIdentity{ConnectionID: c.ID, TenantID: contoso, ObjectID: "maya@rtx.example"}, "object_id"},
			"no subject":            {manage.NewIdentity{ConnectionID: partner.ID, TenantID: contoso, ObjectID: oid}, "subject"},
			"a long subject":        {manage.NewIdentity{ConnectionID: partner.ID, Subject: strings.Repeat("s", 256)}, "subject"},
			"a subject with a NUL":  {manage.NewIdentity{ConnectionID: partner.ID, Subject: "ma\x00ya"}, "subject"},
			"of another population": {manage.NewIdentity{ConnectionID: foreign.ID, TenantID: contoso, ObjectID: oid}, "connection_id"},
		} {
			before := o.state(t)
			n.identity.UserID, n.identity.Reason = u.ID, ticket
			expectField(t, name, o.LinkIdentity(ctx, everything(), n.identity), n.field)
			if after := o.state(t); after != before {
				t.Errorf("%s: something was changed: %s, then %s", name, before, after)
			}
		}
		idptest.Must(t, o.LinkIdentity(ctx, everything(), manage.NewIdentity{
			UserID: u.ID, ConnectionID: c.ID, TenantID: " " + strings.ToUpper(contoso), ObjectID: strings.ToUpper(oid) + " ", Reason: ticket,
		}))
		idptest.Must(t, o.LinkIdentity(ctx, everything(), manage.NewIdentity{UserID: u.ID, ConnectionID: partner.ID, Subject: "Maya", Reason: ticket}))
		list, err := o.Identities(ctx, everything(), u.ID)
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
	inOffice(t, func(t *testing.T, o *office) {
		c, u, victim := o.connected(t, nil), o.person(t, idp.Agents), o.person(t, idp.Agents)
		o.linked(t, u, c)
		before := o.state(t)
		for name, n := range map[string]manage.NewIdentity{
			"the account of somebody else": {UserID: victim.ID, ObjectID: oid},
			"a second account":             {UserID: u.ID, ObjectID: other},
			"the same once more":           {UserID: u.ID, ObjectID: oid},
		} {
			n.ConnectionID, n.TenantID, n.Reason = c.ID, contoso, ticket
			if err := o.LinkIdentity(t.Context(), everything(), n); !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
	})
}

func TestUnlinkedPersonIsSignedOutEverywhere(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		ctx, c, u, app := t.Context(), o.connected(t, nil), o.person(t, idp.Agents), o.app(t, nil, idp.Agents)
		o.linked(t, u, c)
		s, token := o.through(t, u, c.ID)
		o.grant(t, app, s, func(g *idp.Grant) { g.Offline = true })
		_, local := o.through(t, u, "")
		idptest.Must(t, o.UnlinkIdentity(ctx, everything(), u.ID, c.ID, ticket))
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
			"once more":               o.UnlinkIdentity(ctx, everything(), u.ID, c.ID, ticket),
			"from no connection":      o.UnlinkIdentity(ctx, everything(), u.ID, "none", ticket),
			"nobody":                  o.UnlinkIdentity(ctx, everything(), "nobody", c.ID, ticket),
			"link nobody":             o.LinkIdentity(ctx, everything(), manage.NewIdentity{UserID: "nobody", ConnectionID: c.ID, Reason: ticket}),
			"link with no connection": o.LinkIdentity(ctx, everything(), manage.NewIdentity{UserID: u.ID, ConnectionID: "none", Reason: ticket}),
			"whose identities":        second(o.Identities(ctx, everything(), "nobody")),
		} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		o.linked(t, o.person(t, idp.Agents), c) // the account is free again
	})
}

// A role that a connection gives stays.
func TestMappedRoleIsInUse(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		role, err := o.CreateRole(t.Context(), everything(), "Auditor", []string{idp.PermissionAudit}, ticket)
		idptest.Must(t, err)
		e := o.connected(t, func(c *manage.ConnectionChange) { c.Roles = []idp.RoleMapping{mapsTo("roles", "Auditor", role.ID)} })
		if err := o.DeleteRole(t.Context(), everything(), role.ID, 1, ticket); !errors.Is(err, idp.ErrInUse) {
			t.Errorf("mapped: %v", err)
		}
		_, err = o.UpdateConnection(t.Context(), everything(), change(e, func(c *manage.ConnectionChange) { c.Roles = nil }))
		idptest.Must(t, err)
		idptest.Must(t, o.DeleteRole(t.Context(), everything(), role.ID, 1, ticket))
	})
}
