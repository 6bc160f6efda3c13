package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
)

func TestConnections(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		d := openDesk(t, db, idp.RoleAdmin)
		secret := filepath.Join(t.TempDir(), "theirs")
		idptest.Must(t, os.WriteFile(secret, []byte("their own secret\n"), 0o600))
		full := d.does(slices.Concat([]string{"connection create", "--population", "contacts", "--name", "Partner", "--app-id", "app", "--new-certificate", why}, fullConnection)...)
		expectFull(t, full)
		made := d.does("connection create", "--kind", "oidc", "--name", "Other", "--app-id", "gatehouse", "--authority", "https://login.partner.example", "--secret-file", secret, why)
		expect(t, "added", made, "population", "agents", "kind", "oidc", "enabled", "false", "trust", "local", "has_secret", "true", "roles", "[]")
		id := fmt.Sprint(made["id"])
		for flag, want := range map[string]int{"--population=contacts": 1, "--population=": 2} {
			if n := len(d.lists("connection list", flag)); n != want {
				t.Errorf("%s lists %d connections, want %d", flag, n, want)
			}
		}
		d.refused("404 not_found", "connection certificate "+id)
		d.credentials(id)

		at := fmt.Sprint(full["id"])
		expect(t, "edited", d.does("connection edit "+at, "--name", "Else", "--no-enabled", "--role", "", why), "name", "Else", "enabled", "false", "roles", "[]", "domains", "[rtx.example rtx.test]", "context", "c7")
		anybody := d.does("connection edit "+at, "--tenant", "", "--domain", "", "--any-tenant", "--personal-accounts", "--trust", "local", why)
		expect(t, "for anybody", anybody, "tenants", "[]", "domains", "[]", "any_tenant", "true", "personal_accounts", "true", "trust", "local", "name", "Else")
		d.does(slices.Concat([]string{"connection edit " + at, "--name", "Partner", "--app-id", "app", "--new-certificate", why}, fullConnection)...)
		expectFull(t, d.does("connection show "+at))
		d.gone(at)
		d.covers("connections")
	})
}

func expectFull(t *testing.T, connection map[string]any) {
	t.Helper()
	expect(t, "the full one", connection, "population", "contacts", "kind", "entra", "name", "Partner", "client_id", "app", "enabled", "true",
		"issuer", "https://login.microsoftonline.us", "tenants", "["+tenant+"]", "personal_accounts", "false", "any_tenant", "false", "trust", "evidence",
		"context", "c7", "domains", "[rtx.example rtx.test]", "create_users", "true", "name_claim", "given", "email_claim", "mail", "department_claim", "dept",
		"roles", "[map[claim:groups role_id:agent value:a=b:c] map[claim:roles role_id:manager value:Desk]]", "end_upstream", "true",
		"domain_hint", "rtx.example", "has_secret", "false")
}

// credentials replaces what proves to the other side who we are, by each of the ways.
func (d *desk) credentials(id string) {
	d.t.Helper()
	expect(d.t, "with a certificate", d.does("connection edit "+id, "--new-certificate", why), "has_secret", "false")
	pem, complaints, code := d.run("", "connection certificate "+id)
	if code != 0 || !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----\n") || pem != d.does("connection show " + id)["certificate"] {
		d.t.Errorf("exit code %d, the certificate is %q, %s", code, pem, complaints)
	}
	expect(d.t, "with its certificate", d.does("connection edit "+id, "--name", "Same", why), "has_secret", "false", "certificate", pem)
	d.t.Setenv("THEIR_SECRET", "a secret of the environment")
	expect(d.t, "with a secret", d.does("connection edit "+id, "--secret-env", "THEIR_SECRET", why), "has_secret", "true", "certificate", "<nil>")
	c, err := d.Store.Connection(d.t.Context(), id)
	idptest.Must(d.t, err)
	plain, err := d.Manage.Keyring.Open(c.Secret, keyring.AAD("connections", id, "secret"))
	if err != nil || string(plain) != "a secret of the environment" {
		d.t.Errorf("the secret is %q, %v", plain, err)
	}
	empty := filepath.Join(d.t.TempDir(), "empty")
	idptest.Must(d.t, os.WriteFile(empty, []byte("\n"), 0o600))
	d.refused("no client secret in "+empty, "connection edit "+id, "--secret-file", empty, why)
	d.refused("no client secret in NOTHING_HERE", "connection edit "+id, "--secret-env", "NOTHING_HERE", why)
	d.refused("no such file", "connection edit "+id, "--secret-file", empty+"2", why)
	for _, args := range [][]string{{"--secret", "x"}, {"--client-secret", "x"}, {"--secret-env", "THEIR_SECRET", "--new-certificate"}, {"--role", "groups=agent"}} {
		if out, _, code := d.run("", slices.Concat([]string{"connection edit " + id, why}, args)...); code != 2 {
			d.t.Errorf("%v: exit code %d, %s", args, code, out)
		}
	}
}

// gone deletes a connection, which asks once more when somebody is linked through it.
func (d *desk) gone(id string) {
	d.t.Helper()
	u := d.AddUser(idp.Contacts, "cleo@acme.example")
	d.does("user link "+u.ID+" "+id, "--tenant-id", tenant, "--object-id", object, why)
	d.refused("say --yes", "connection delete "+id, why)
	d.does("connection delete "+id, "--yes", why)
	d.refused("404 not_found", "connection show "+id)
	if list := d.lists("user identities " + u.ID); len(list) != 0 {
		d.t.Errorf("the connection is gone, the identities are %v", list)
	}
	unused := d.connection(idp.Connection{Kind: idp.OIDCConnection, Issuer: "https://login.unused.example"})
	d.does("connection delete "+unused, why)
}

func TestPortalAccess(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		d := openDesk(t, db, idp.RoleAdmin)
		linked := d.AddUser(idp.Agents, "maya@rtx.example")
		d.AddUser(idp.Agents, "noor@rtx.example")
		set := func(to string, more ...string) []string {
			return append([]string{"policy access set agents", "--sign-in", to, why}, more...)
		}
		d.refused("422 unprocessable", set("both", "--yes")...)
		id := d.connection(idp.Connection{Kind: idp.OIDCConnection, Issuer: "https://login.partner.example"})
		d.does("user link "+linked.ID+" "+id, "--subject", "s-1", why)
		expect(t, "preview", d.does("policy access preview agents"), "people", "2", "not_linked", "1")
		d.refused("(2 people, 1 of them known to no connection that is on); if you mean it, say --yes", set("both")...)
		d.signsIn("map[federated:false password:true]")
		d.does(set("both", "--yes")...)
		d.signsIn("map[federated:true password:true]")
		d.refused("No admin could sign in", set("connections", "--yes")...)
		d.does("user roles set "+linked.ID, "--role", "admin", why)
		d.does(set("connections", "--yes")...)
		d.signsIn("map[federated:true password:false]")
		d.does(set("password", "--yes")...)
		d.signsIn("map[federated:false password:true]")
		if list := d.lists("policy access show"); len(list) != 2 {
			t.Errorf("the populations are %v", list)
		}
		d.covers("portal-access-is-below", "get /populations", "get /populations/{population_id}", "put /populations/{population_id}/access", "get /populations/{population_id}/access/preview")
	})
}

// signsIn checks how agents sign in.
func (d *desk) signsIn(access string) {
	d.t.Helper()
	settings, _ := d.does("policy access show agents")["settings"].(map[string]any)
	expect(d.t, "agents", settings, "access", access)
}

// connection makes one that nobody has used yet.
func (d *desk) connection(c idp.Connection) (id string) {
	d.t.Helper()
	c.PopulationID, c.Name, c.ClientID, c.Enabled = idp.Agents, "Partner", "gatehouse", true
	e, err := d.Manage.Connections.AddConnection(d.t.Context(), authz.System(), connections.ConnectionChange{Connection: c, NewCertificate: true})
	idptest.Must(d.t, err)
	return e.ID
}
