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
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
)

// Two organisations, and people of theirs.
const (
	contoso  = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a"
	fabrikam = "9b1c0f0e-6a52-4f0c-8a6a-4b1f3b0d7e21"
	oid      = "11111111-2222-4333-8444-555555555555"
	other    = "66666666-7777-4888-9999-000000000000"
)

// entra is a connection that can be added: one organisation's, by a secret.
func entra(change func(c *connections.ConnectionChange)) connections.ConnectionChange {
	c := connections.ConnectionChange{
		Connection: idp.Connection{
			PopulationID: idp.Agents, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true,
			Tenants: []string{contoso, idp.NewID()}, ClientID: idp.NewID(), // no two are the same
		},
		ClientSecret: "their secret", Reason: ticket,
	}
	if change != nil {
		change(&c)
	}
	return c
}

// generic is one of another provider.
func generic(change func(c *connections.ConnectionChange)) connections.ConnectionChange {
	return entra(func(c *connections.ConnectionChange) {
		c.Kind, c.Issuer, c.Tenants = idp.OIDCConnection, "https://login.partner.example", nil
		if change != nil {
			change(c)
		}
	})
}

// change is what a form posts that shows a connection and keeps its secret.
func change(e connections.ConnectionEntry, do func(c *connections.ConnectionChange)) connections.ConnectionChange {
	c := connections.ConnectionChange{Connection: e.Connection, Reason: ticket}
	if do != nil {
		do(&c)
	}
	return c
}

// connected adds a connection of agents.
func (o *office) connected(t *testing.T, change func(c *connections.ConnectionChange)) connections.ConnectionEntry {
	t.Helper()
	n := entra(change)
	e, err := o.Connections.AddConnection(t.Context(), everything(), n)
	var field settings.Errors
	if errors.As(err, &field) && field[0].Field == "tenants" { // there is one already: for one more organisation
		n.Tenants = append(n.Tenants, idp.NewID())
		e, err = o.Connections.AddConnection(t.Context(), everything(), n)
	}
	idptest.Must(t, err)
	return e
}

// through is a session of somebody who came through a connection.
func (o *office) through(t *testing.T, u idp.User, connection string) (s idp.Session, token string) {
	t.Helper()
	return o.session(t, u, func(s *idp.Session) { s.ConnectionID = connection })
}

func many[T any](n int, f func(i int) T) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = f(i)
	}
	return list
}

func guid(i int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", i) }

func domain(i int) string { return fmt.Sprintf("d%d.example", i) }

func toAgent(i int) idp.RoleMapping { return mapsTo("groups", guid(i), idp.RoleAgent) }

func mapsTo(claim, value, role string) idp.RoleMapping {
	return idp.RoleMapping{Claim: claim, Value: value, RoleID: role}
}

func TestConnectionsThatCanBeSavedAndThoseThatCannot(t *testing.T) {
	t.Parallel()
	type edit = func(c *connections.ConnectionChange)
	roles := func(list ...idp.RoleMapping) edit { return func(c *connections.ConnectionChange) { c.Roles = list } }
	domains := func(list ...string) edit { return func(c *connections.ConnectionChange) { c.Domains = list } }
	issuer := func(url string) edit { return func(c *connections.ConnectionChange) { c.Issuer = url } }
	inOffice(t, func(t *testing.T, o *office) {
		for name, c := range map[string]struct {
			make  func(edit) connections.ConnectionChange
			edit  edit
			field string
		}{
			"one organisation":       {entra, nil, ""},
			"two organisations":      {entra, func(c *connections.ConnectionChange) { c.Tenants = append(c.Tenants, fabrikam) }, ""},
			"a tenant in capitals":   {entra, func(c *connections.ConnectionChange) { c.Tenants = []string{" " + strings.ToUpper(contoso) + " "} }, ""},
			"any organisation":       {entra, func(c *connections.ConnectionChange) { c.Tenants, c.AnyTenant = nil, true }, ""},
			"personal accounts":      {entra, func(c *connections.ConnectionChange) { c.Tenants, c.PersonalAccounts = nil, true }, ""},
			"a certificate":          {entra, func(c *connections.ConnectionChange) { c.ClientSecret, c.NewCertificate = "", true }, ""},
			"another provider":       {generic, nil, ""},
			"another cloud":          {entra, issuer("https://login.microsoftonline.us/"), ""},
			"evidence, by a context": {entra, func(c *connections.ConnectionChange) { c.Trust, c.Context = idp.EvidenceRequired, "c99" }, ""},
			"evidence, not Entra's":  {generic, func(c *connections.ConnectionChange) { c.Trust = idp.EvidenceRequired }, ""},
			"domains":                {entra, domains("rtx.example", "RTX.Example", "a-b.co"), ""},
			"domains of a partner":   {generic, domains("partner.example"), ""},
			"roles":                  {entra, roles(mapsTo("groups", oid, idp.RoleAgent), mapsTo("roles", oid, idp.RoleAgent)), ""},
			"a hundred mappings":     {entra, roles(many(100, toAgent)...), ""},
			"claims and hint":        {entra, func(c *connections.ConnectionChange) { c.Claims.Name, c.DomainHint = " given_name ", "RTX.example" }, ""},

			"no name":                    {entra, func(c *connections.ConnectionChange) { c.Name = " \n" }, "name"},
			"a long name":                {entra, func(c *connections.ConnectionChange) { c.Name = strings.Repeat("n", 300) }, "name"},
			"a name with an escape":      {entra, func(c *connections.ConnectionChange) { c.Name = "Micro\x1bsoft" }, "name"},
			"no client":                  {entra, func(c *connections.ConnectionChange) { c.ClientID = " " }, "client_id"},
			"a long client":              {entra, func(c *connections.ConnectionChange) { c.ClientID = strings.Repeat("c", 101) }, "client_id"},
			"a claim with a NUL":         {entra, func(c *connections.ConnectionChange) { c.Claims.Email = "ma\x00il" }, "email_claim"},
			"a long claim":               {entra, func(c *connections.ConnectionChange) { c.Claims.Department = strings.Repeat("d", 101) }, "department_claim"},
			"a claim that is no text":    {entra, func(c *connections.ConnectionChange) { c.Claims.Name = "\xff" }, "name_claim"},
			"no issuer":                  {generic, issuer(" "), "issuer"},
			"plain http":                 {generic, issuer("http://login.partner.example"), "issuer"},
			"no URL":                     {generic, issuer("login.partner.example"), "issuer"},
			"an issuer with a query":     {generic, issuer("https://login.partner.example/?a=b"), "issuer"},
			"an issuer with a fragment":  {generic, issuer("https://login.partner.example/#a"), "issuer"},
			"an issuer with a password":  {generic, issuer("https://a:b@login.partner.example/"), "issuer"},
			"a kind of its own":          {generic, func(c *connections.ConnectionChange) { c.Kind = "saml" }, "kind"},
			"no kind":                    {generic, func(c *connections.ConnectionChange) { c.Kind = "" }, "kind"},
			"tenants elsewhere":          {generic, func(c *connections.ConnectionChange) { c.Tenants = []string{contoso} }, "tenants"},
			"personal accounts of else":  {generic, func(c *connections.ConnectionChange) { c.PersonalAccounts = true }, "tenants"},
			"nobody":                     {entra, func(c *connections.ConnectionChange) { c.Tenants = nil }, "tenants"},
			"a domain as tenant":         {entra, func(c *connections.ConnectionChange) { c.Tenants = []string{"contoso.onmicrosoft.com"} }, "tenants"},
			"the common tenant":          {entra, func(c *connections.ConnectionChange) { c.Tenants = []string{"common"} }, "tenants"},
			"personal accounts by tid":   {entra, func(c *connections.ConnectionChange) { c.Tenants = []string{idp.PersonalTenant} }, "tenants"},
			"101 tenants":                {entra, func(c *connections.ConnectionChange) { c.Tenants = many(101, guid) }, "tenants"},
			"named and any":              {entra, func(c *connections.ConnectionChange) { c.AnyTenant = true }, "any_tenant"},
			"another trust":              {entra, func(c *connections.ConnectionChange) { c.Trust = "blind" }, "trust"},
			"evidence without a context": {entra, func(c *connections.ConnectionChange) { c.Trust = idp.EvidenceRequired }, "context"},
			"a context that is none":     {entra, func(c *connections.ConnectionChange) { c.Context = "c100" }, "context"},
			"roles by anybody's word": {entra, func(c *connections.ConnectionChange) {
				c.Tenants, c.AnyTenant, c.Roles = nil, true, []idp.RoleMapping{mapsTo("roles", "Boss", idp.RoleAgent)}
			}, "roles"},
			"a URL as domain": {entra, domains("https://rtx.example"), "domains"},
			"a top level":     {entra, domains("com"), "domains"},
			"51 domains":      {entra, domains(many(51, domain)...), "domains"},
			"domains of anybody": {entra, func(c *connections.ConnectionChange) {
				c.Tenants, c.AnyTenant, c.Domains = nil, true, []string{"rtx.example"}
			}, "domains"},
			"domains beside personal accounts": {entra, func(c *connections.ConnectionChange) {
				c.PersonalAccounts, c.Domains = true, []string{"rtx.example"}
			}, "domains"},
			"a hint that is none":      {entra, func(c *connections.ConnectionChange) { c.DomainHint = "organizations" }, "domain_hint"},
			"a mapping of addresses":   {entra, roles(mapsTo("email", "maya@rtx.example", idp.RoleAgent)), "roles"},
			"a mapping of nothing":     {entra, roles(mapsTo("groups", "", idp.RoleAgent)), "roles"},
			"a mapping twice":          {entra, roles(toAgent(1), toAgent(1)), "roles"},
			"a mapping with a newline": {entra, roles(mapsTo("roles", "a\nb", idp.RoleAgent)), "roles"},
			"101 mappings":             {entra, roles(many(101, toAgent)...), "roles"},
			"a role that is not there": {entra, roles(mapsTo("groups", oid, "invented")), "roles"},
			"no proof of who we are":   {entra, func(c *connections.ConnectionChange) { c.ClientSecret = "" }, "client_secret"},
			"two proofs":               {entra, func(c *connections.ConnectionChange) { c.NewCertificate = true }, "client_secret"},
			"a long secret":            {entra, func(c *connections.ConnectionChange) { c.ClientSecret = strings.Repeat("s", 1001) }, "client_secret"},
			"no reason":                {entra, func(c *connections.ConnectionChange) { c.Reason = " " }, "reason"},
		} {
			before := o.state(t)
			e, err := o.Connections.AddConnection(t.Context(), everything(), c.make(c.edit))
			expectField(t, name, err, c.field)
			if changed := o.state(t) != before; changed != (c.field == "") {
				t.Errorf("%s: changed %t", name, changed)
			}
			o.forget(t, e) // the next one may be the same
		}
		_, err := o.Connections.AddConnection(t.Context(), everything(), entra(func(c *connections.ConnectionChange) { c.PopulationID = "partners" }))
		expectField(t, "of no population", err, "population")
	})
}

// In a network of one's own an issuer may be plain http, and is looked at no less.
func TestIssuersOfAPrivateNetwork(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.refit(func(p *manage.Parts) { p.PrivateNetworks = true })
		for issuer, field := range map[string]string{
			"http://localhost:8083": "", "https://localhost:8083": "", "": "issuer", "http://": "issuer",
			"http://localhost/?a": "issuer", "http://localhost/#a": "issuer", "ftp://localhost": "issuer", "http://a:b@localhost": "issuer",
		} {
			_, err := o.Connections.AddConnection(t.Context(), everything(), generic(func(c *connections.ConnectionChange) { c.Issuer = issuer }))
			expectField(t, issuer, err, field)
		}
	})
}

// forget deletes a connection that was added.
func (o *office) forget(t *testing.T, e connections.ConnectionEntry) {
	t.Helper()
	if e.Version > 0 {
		idptest.Must(t, o.Connections.DeleteConnection(t.Context(), everything(), e.ID, e.Version, "the next one may be the same"))
	}
}

func TestConnectionGetsWhatFollowsFromItsKind(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for name, c := range map[string]struct {
			change connections.ConnectionChange
			trust  idp.Trust
			issuer string
		}{
			"named tenants":     {entra(nil), idp.Trusted, idp.EntraAuthority},
			"any organisation":  {entra(func(c *connections.ConnectionChange) { c.Tenants, c.AnyTenant = nil, true }), idp.LocalStep, idp.EntraAuthority},
			"personal accounts": {entra(func(c *connections.ConnectionChange) { c.PersonalAccounts = true }), idp.LocalStep, idp.EntraAuthority},
			"another provider":  {generic(nil), idp.LocalStep, "https://login.partner.example"},
			"another cloud":     {entra(func(c *connections.ConnectionChange) { c.Issuer = "https://login.microsoftonline.us/" }), idp.Trusted, "https://login.microsoftonline.us"},
			"an admin's word":   {generic(func(c *connections.ConnectionChange) { c.Trust, c.ClientID = idp.Trusted, "another" }), idp.Trusted, "https://login.partner.example"},
		} {
			e, err := o.Connections.AddConnection(t.Context(), everything(), c.change)
			idptest.Must(t, err)
			if e.Trust != c.trust || e.Issuer != c.issuer || e.Version != 1 || e.Linked {
				t.Errorf("%s: %+v", name, e)
			}
			read, err := o.Connections.Connection(t.Context(), everything(), e.ID)
			idptest.Must(t, err)
			if diff := cmp.Diff(e, read); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		untidy := o.connected(t, func(c *connections.ConnectionChange) {
			c.Issuer = "https://login.partner.microsoftonline.cn"
			c.Name, c.Tenants, c.Domains = "  Contoso \t Ltd ", []string{strings.ToUpper(contoso), contoso, " "}, []string{" RTX.example "}
		})
		if untidy.Name != "Contoso Ltd" || !slices.Equal(untidy.Tenants, []string{contoso}) || !slices.Equal(untidy.Domains, []string{"rtx.example"}) {
			t.Errorf("%+v", untidy)
		}
		for population, want := range map[string]int{idp.Agents: 7, idp.Contacts: 0, "": 7} {
			list, err := o.Connections.Connections(t.Context(), everything(), population)
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
	t.Parallel()
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
		kept, err := o.Connections.UpdateConnection(t.Context(), everything(), change(e, func(c *connections.ConnectionChange) { c.Name = "Contoso" }))
		idptest.Must(t, err)
		if after := o.sealed(t, e.ID); !bytes.Equal(after.Secret, now.Secret) || after.Name != "Contoso" || kept.Version != 2 || after.Version != 2 {
			t.Errorf("%+v", after)
		}
		var certificates []string
		for range 2 {
			kept, err = o.Connections.UpdateConnection(t.Context(), everything(), change(kept, func(c *connections.ConnectionChange) { c.NewCertificate = true }))
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
		kept, err = o.Connections.UpdateConnection(t.Context(), everything(), change(kept, func(c *connections.ConnectionChange) { c.ClientSecret = "another" }))
		idptest.Must(t, err)
		if now = o.sealed(t, e.ID); !kept.HasSecret || now.Key != nil || now.Certificate != "" {
			t.Errorf("%+v", kept)
		}
	})
}

// What an actor sends of secrets themselves is not looked at.
func TestSecretsCannotBePlanted(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		e := o.connected(t, func(c *connections.ConnectionChange) { c.Secret, c.Key, c.Certificate = []byte("x"), []byte("y"), "z" })
		_, err := o.Connections.UpdateConnection(t.Context(), everything(), change(e, func(c *connections.ConnectionChange) {
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
	t.Parallel()
	elsewhere := func(c *connections.ConnectionChange) { c.Issuer, c.ClientSecret = "https://evil.example", "a secret" }
	inOffice(t, func(t *testing.T, o *office) {
		e, err := o.Connections.AddConnection(t.Context(), everything(), generic(nil))
		idptest.Must(t, err)
		u := o.person(t, idp.Agents)
		idptest.Must(t, o.Connections.LinkIdentity(t.Context(), everything(), connections.NewIdentity{UserID: u.ID, ConnectionID: e.ID, Subject: "maya", Reason: ticket}))
		if e, err = o.Connections.Connection(t.Context(), everything(), e.ID); err != nil || !e.Linked {
			t.Fatalf("%+v, %v", e, err)
		}
		_, err = o.Connections.UpdateConnection(t.Context(), everything(), change(e, elsewhere))
		expectField(t, "linked", err, "issuer")
		idptest.Must(t, o.Connections.UnlinkIdentity(t.Context(), everything(), u.ID, e.ID, ticket))
		_, err = o.Connections.UpdateConnection(t.Context(), everything(), change(e, func(c *connections.ConnectionChange) { c.Issuer = "https://evil.example" }))
		expectField(t, "with the previous secret", err, "client_secret")
		_, err = o.Connections.UpdateConnection(t.Context(), everything(), change(e, elsewhere))
		expectField(t, "unlinked", err, "")
	})
}

func TestConnectionsAreChangedByWhoeverSawThemLast(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		e := o.connected(t, nil)
		_, err := o.Connections.UpdateConnection(t.Context(), everything(), change(e, func(c *connections.ConnectionChange) { c.Name = "Other" }))
		idptest.Must(t, err)
		before := o.state(t)
		_, errUpdate := o.Connections.UpdateConnection(t.Context(), everything(), change(e, func(c *connections.ConnectionChange) { c.Name = "Stale" }))
		_, errAccess := o.Populations.SaveAccess(t.Context(), everything(), populations.Change[idp.Access]{
			ID: idp.Agents, Version: 99, To: idp.Access{Password: true, Federated: true}, Reason: ticket,
		})
		for name, err := range map[string]error{
			"update": errUpdate, "access": errAccess,
			"delete": o.Connections.DeleteConnection(t.Context(), everything(), e.ID, e.Version, ticket),
		} {
			if !errors.Is(err, idp.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("something was changed: %s, then %s", before, after)
		}
		idptest.Must(t, o.Connections.DeleteConnection(t.Context(), everything(), e.ID, e.Version+1, ticket))
		_, errRead := o.Connections.Connection(t.Context(), everything(), e.ID)
		_, errUpdate = o.Connections.UpdateConnection(t.Context(), everything(), change(e, nil))
		for i, err := range []error{errRead, errUpdate, o.Connections.DeleteConnection(t.Context(), everything(), e.ID, 3, ticket)} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%d, once it is gone: %v", i, err)
			}
		}
	})
}

// What began with a connection ends with it; what did not goes on.
func TestDeletedConnectionTakesItsSessionsAlong(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		c, u, app := o.connected(t, nil), o.person(t, idp.Agents), o.app(t, nil, idp.Agents)
		bystander := o.person(t, idp.Agents)
		o.linked(t, u, c)
		began, token := o.through(t, u, c.ID)
		o.grant(t, app, began, func(g *idp.Grant) { g.Offline = true })
		_, local := o.through(t, u, "")
		theirs, goesOn := o.through(t, bystander, "")
		o.grant(t, app, theirs, func(g *idp.Grant) { g.Offline = true })
		idptest.Must(t, o.Connections.DeleteConnection(t.Context(), everything(), c.ID, c.Version, ticket))
		if o.alive(t, token) != 0 || o.alive(t, local, goesOn) != 2 {
			t.Error("the wrong sessions ended")
		}
		if n := query[int](t, o, "SELECT COUNT(*) FROM grants WHERE revoked_at IS NULL AND user_id = ?", u.ID); n != 0 {
			t.Errorf("an app keeps %d grants", n)
		}
		if n := query[int](t, o, "SELECT COUNT(*) FROM grants WHERE revoked_at IS NULL AND user_id = ?", bystander.ID); n != 1 {
			t.Errorf("of somebody else %d grants are left", n)
		}
		if list, err := o.Connections.Identities(t.Context(), everything(), u.ID); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		if list := o.events(t, idp.AuditSignedOut, u.ID); len(list) != 1 || list[0].SessionID != began.ID || list[0].ActorID != "ada" {
			t.Errorf("%+v", list)
		}
	})
}

func TestWhatIsDoneToConnectionsIsAudited(t *testing.T) {
	t.Parallel()
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
		expect(idp.AuditConnectionCreated, e.ID, `"Microsoft"`, contoso, "trust trusted", "client_secret")
		changed, err := o.Connections.UpdateConnection(t.Context(), everything(), change(e, func(c *connections.ConnectionChange) {
			c.Trust, c.NewCertificate, c.CreateUsers, c.Roles = idp.LocalStep, true, true, []idp.RoleMapping{mapsTo("groups", oid, idp.RoleAgent)}
		}))
		idptest.Must(t, err)
		expect(idp.AuditConnectionChanged, e.ID, "trust trusted", "trust local", "new accounts on", oid, "certificate")
		idptest.Must(t, o.saveAccess(t, idp.Agents, idp.Access{Password: true, Federated: true}))
		expect(idp.AuditAccessChanged, "before.federated:false", "after.federated:true")
		idptest.Must(t, o.Connections.DeleteConnection(t.Context(), everything(), e.ID, changed.Version, ticket))
		expect(idp.AuditConnectionDeleted, e.ID, "trust local")
	})
}

// What ways in are changed, and who is linked, asks for a second step of just now and
// a reason.
func TestConnectionsAskForASecondStepAndAReason(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, e, u := t.Context(), o.connected(t, nil), o.person(t, idp.Agents)
		identity := connections.NewIdentity{UserID: u.ID, ConnectionID: e.ID, TenantID: contoso, ObjectID: oid}
		for name, do := range map[string]func(a authz.Actor, reason string) error{
			"AddConnection": func(a authz.Actor, reason string) error {
				return second(o.Connections.AddConnection(ctx, a, entra(func(c *connections.ConnectionChange) { c.Reason = reason })))
			},
			"UpdateConnection": func(a authz.Actor, reason string) error {
				return second(o.Connections.UpdateConnection(ctx, a, change(e, func(c *connections.ConnectionChange) { c.Reason = reason })))
			},
			"DeleteConnection": func(a authz.Actor, reason string) error {
				return o.Connections.DeleteConnection(ctx, a, e.ID, e.Version, reason)
			},
			"SaveAccess": func(a authz.Actor, reason string) error {
				return second(o.Populations.SaveAccess(ctx, a, populations.Change[idp.Access]{
					ID: idp.Agents, Version: 1, To: idp.Access{Password: true, Federated: true}, Reason: reason,
				}))
			},
			"LinkIdentity": func(a authz.Actor, reason string) error {
				n := identity
				n.Reason = reason
				return o.Connections.LinkIdentity(ctx, a, n)
			},
			"UnlinkIdentity": func(a authz.Actor, reason string) error {
				return o.Connections.UnlinkIdentity(ctx, a, u.ID, e.ID, reason)
			},
		} {
			before, stale := o.state(t), everything()
			stale.SecondStepAt = idp.Now().Add(-authz.FreshSecondStep - time.Second)
			if err := do(stale, ticket); !errors.Is(err, authz.ErrStepUp) {
				t.Errorf("%s with an old second step: %v", name, err)
			}
			expectField(t, name+" without a reason", do(everything(), "  "), "reason")
			if after := o.state(t); after != before {
				t.Errorf("%s: something was changed: %s, then %s", name, before, after)
			}
		}
	})
}

// A role that a connection gives stays.
func TestMappedRoleIsInUse(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		role, err := o.Roles.CreateRole(t.Context(), everything(), "Auditor", []string{idp.PermissionAudit}, ticket)
		idptest.Must(t, err)
		e := o.connected(t, func(c *connections.ConnectionChange) {
			c.Roles = []idp.RoleMapping{mapsTo("roles", "Auditor", role.ID)}
		})
		if err := o.Roles.DeleteRole(t.Context(), everything(), role.ID, 1, ticket); !errors.Is(err, idp.ErrInUse) {
			t.Errorf("mapped: %v", err)
		}
		_, err = o.Connections.UpdateConnection(t.Context(), everything(), change(e, func(c *connections.ConnectionChange) { c.Roles = nil }))
		idptest.Must(t, err)
		idptest.Must(t, o.Roles.DeleteRole(t.Context(), everything(), role.ID, 1, ticket))
	})
}
