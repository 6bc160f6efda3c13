package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	mailer "gatehouse/idp/mail"
	"gatehouse/idp/manage"
	"gatehouse/idp/server"
)

// desk is a shell beside a running provider, whose requests are noted.
type desk struct {
	*idptest.App
	t      *testing.T
	db     *idptest.Database
	box    *idptest.Mailbox // gets mail once StartWork is called
	data   string           // folder
	url    string           // of the provider, past the notes
	id     string           // of the service client
	secret string
	file   string // with the secret

	mu      sync.Mutex
	notes   []note
	between func() // what somebody else does before the next change, once
}

// note is a request.
type note struct {
	call   string   // method and path below the API
	fields []string // of the query and of the body
}

const apiBase = "/admin/api/v1"

// openDesk runs a provider and makes a service client by the command for it.
func openDesk(t *testing.T, db *idptest.Database, roles ...string) *desk {
	t.Helper()
	d := &desk{t: t, db: db, data: t.TempDir()}
	d.box = idptest.NewMailbox(t)
	d.App = idptest.StartWith(t, server.Config{
		DatabaseURL: db.URL, DataDir: d.data,
		Mail: mailer.Config{Server: d.box.Address, Security: mailer.Plain, From: "RTX Solutions <no-reply@rtx.example>"},
	}, "")
	handler := d.Handler()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.note(r)
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	d.url = s.URL
	d.id, d.secret = d.service(roles...)
	d.file = filepath.Join(t.TempDir(), "secret")
	idptest.Must(t, os.WriteFile(d.file, []byte(d.secret+"\n"), 0o600))
	return d
}

// note writes a request down.
func (d *desk) note(r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := io.ReadAll(r.Body)
	idptest.Must(d.t, err)
	r.Body = io.NopCloser(bytes.NewReader(b))
	fields := map[string]any{}
	_ = json.Unmarshal(b, &fields)
	for name := range r.URL.Query() {
		fields[name] = true
	}
	d.notes = append(d.notes, note{r.Method + " " + strings.TrimPrefix(r.URL.Path, apiBase), slices.Collect(maps.Keys(fields))})
	if between := d.between; between != nil && r.Header.Get("If-Match") != "" {
		d.between = nil
		between()
	}
}

// service makes a service client that may ask for the scope of the API.
func (d *desk) service(roles ...string) (id, secret string) {
	d.t.Helper()
	c, secret, err := d.Manage.CreateClient(d.t.Context(), idp.Client{
		Name: "Nightly", Kind: idp.ServiceClient, Roles: roles, Scopes: []string{idp.AdminScope},
	})
	idptest.Must(d.t, err)
	return c.ID, secret
}

// run runs a command, connected to the provider; args may say otherwise, last.
func (d *desk) run(stdin string, args ...string) (out, complaints string, code int) {
	d.t.Helper()
	var o, e bytes.Buffer
	all := append(strings.Split(args[0], " "), "--issuer", d.url, "--client-id", d.id, "--client-secret-file", d.file, "--output", "json")
	code = run(d.t.Context(), terminal{strings.NewReader(stdin), &o, &e}, append(all, args[1:]...))
	return o.String(), e.String(), code
}

// does runs a command that must succeed, and decodes what it prints.
func (d *desk) does(args ...string) map[string]any {
	d.t.Helper()
	return d.reads("", args...)
}

// reads is does with something on standard input.
func (d *desk) reads(stdin string, args ...string) map[string]any {
	d.t.Helper()
	out, complaints, code := d.run(stdin, args...)
	if code != 0 || complaints != "" {
		d.t.Fatalf("%v: exit code %d, %s", args, code, complaints)
	}
	var answer map[string]any
	if out != "" {
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			d.t.Fatalf("%v prints %q: %v", args, out, err)
		}
	}
	return answer
}

// lists runs a command that prints a JSON array.
func (d *desk) lists(args ...string) []map[string]any {
	d.t.Helper()
	out, complaints, code := d.run("", args...)
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil || list == nil || code != 0 {
		d.t.Fatalf("%v: exit code %d, %v, prints %q, %s", args, code, err, out, complaints)
	}
	return list
}

// refused runs a command that must fail, print nothing, and say why.
func (d *desk) refused(want string, args ...string) {
	d.t.Helper()
	out, complaints, code := d.run("", args...)
	if code != 1 || out != "" || !strings.Contains(complaints, want) || strings.Contains(complaints, d.secret) {
		d.t.Errorf("%v: exit code %d, prints %q, complains %q, want %q", args, code, out, complaints, want)
	}
}

func expect(t *testing.T, what string, answer map[string]any, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := fmt.Sprint(answer[pairs[i]]); got != pairs[i+1] {
			t.Errorf("%s: %s is %s, want %s", what, pairs[i], got, pairs[i+1])
		}
	}
}

const why = "--reason=a test"

// settings are flags of a client's that are not its defaults.
var settings = []string{
	"--auth-method", "client_secret_post", "--post-logout-uri", "https://a.example/", "--home-url", "https://a.example/",
	"--grant-type", "authorization_code,refresh_token", "--scope", "openid,email,offline_access", "--token-format", "jwt", "--signing-alg", "ES256",
	"--access-ttl", "60", "--refresh-ttl", "3600", "--pkce-optional", "--backchannel-logout-uri", "https://a.example/out",
}

func TestClients(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		d := openDesk(t, db, idp.RoleAdmin)
		created := d.does(slices.Concat([]string{"client create", "--name", "Portal", "--population", "contacts,agents", "--redirect-uri", "https://a.example/cb", "--redirect-uri", "https://b.example/cb"}, settings)...)
		client, _ := created["client"].(map[string]any)
		id, _ := client["id"].(string)
		secret, _ := created["secret"].(string)
		if secret == "" {
			t.Errorf("the secret is not shown: %v", created)
		}
		edited := d.does("client edit "+id, "--name", "Portal 2", "--redirect-uri", "https://c.example/cb", "--access-ttl", "60", "--no-pkce-optional")
		expect(t, "edited", edited, "name", "Portal 2", "redirect_uris", "[https://c.example/cb]", "access_ttl", "60", "populations", "[contacts agents]", "kind", "web")
		edited = d.does("client edit "+id, "--post-logout-uri", "https://c.example/")
		expect(t, "with a list", edited, "post_logout_redirect_uris", "[https://c.example/]")
		edited = d.does("client edit "+id, "--post-logout-uri", "", "--home-url", "https://c.example/")
		expect(t, "edited again", edited, "post_logout_redirect_uris", "[]", "home_url", "https://c.example/", "name", "Portal 2")
		expect(t, "shown", d.does("client show "+id), "name", "Portal 2", "secrets", "1")

		second := fmt.Sprint(d.does("client secret add " + id)["secret"])
		d.does("client secret remove " + id + " 0")
		expect(t, "secrets", d.does("client show "+id), "secrets", "1")
		for _, s := range []string{secret, second} {
			if s == "" || d.printsAnywhere(s, id) {
				t.Errorf("a secret is shown again, or was never")
			}
		}

		expect(t, "preview", d.does("client override preview "+id, "--mode", "required", "--min-acr", "urn:gatehouse:acr:mfa", "--also-federated"), "people", "0")
		expect(t, "override", d.does("client override set "+id, "--mode", "required", "--min-acr", "urn:gatehouse:acr:mfa", "--also-federated", "--apply", "immediately", why), "mode", "required")
		expect(t, "override", d.does("client override show "+id), "min_acr", "urn:gatehouse:acr:mfa", "federated", "true")
		expect(t, "override", d.does("client override set "+id, "--mode", "inherit", "--apply", "next_login", why), "mode", "inherit", "min_acr", "")

		d.does(slices.Concat([]string{"client edit " + id}, settings)...)
		shown := d.does("client show " + id)
		expect(t, "set", shown, "auth_method", "client_secret_post", "grant_types", "[authorization_code refresh_token]", "scopes", "[openid email offline_access]",
			"token_format", "jwt", "signing_alg", "ES256", "access_ttl", "60", "refresh_ttl", "3600", "pkce_optional", "true", "backchannel_logout_uri", "https://a.example/out")
		d.does("client create", "--kind", "service", "--name", "Weekly", "--role", "agent", "--scope", idp.AdminScope)

		d.does("client delete "+id, why)
		d.refused("404 not_found", "client show "+id)
		d.covers("clients")
	})
}

// printsAnywhere looks for a text in what can be read of a client, and of the audit log.
func (d *desk) printsAnywhere(text, id string) bool {
	d.t.Helper()
	for _, args := range []string{"client show " + id, "client list", "audit list", "audit export"} {
		for _, as := range []string{"json", "table"} {
			out, complaints, code := d.run("", args, "--output", as)
			if code != 0 {
				d.t.Fatalf("%s: %s", args, complaints)
			}
			if strings.Contains(out+complaints, text) {
				return true
			}
		}
	}
	return false
}

// operation is what the document says of one, as far as it matters here.
type operation struct {
	Tags       []string
	Parameters []struct {
		Ref      string `json:"$ref"`
		Name, In string
	}
	RequestBody struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
}

// document is that of the API.
type document struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters map[string]struct{ Name, In string }
		Schemas    map[string]struct{ Properties map[string]any }
	}
}

// fields are those of the body and the query. Pages are followed elsewhere.
func (doc document) fields(op operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.Ref != "" {
			referred := doc.Components.Parameters[path.Base(p.Ref)]
			p.Name, p.In = referred.Name, referred.In
		}
		if p.In == "query" && p.Name != "after" {
			names = append(names, p.Name)
		}
	}
	for _, c := range op.RequestBody.Content {
		names = slices.AppendSeq(names, maps.Keys(doc.Components.Schemas[path.Base(c.Schema.Ref)].Properties))
	}
	return names
}

// covers checks that all operations of a tag, and some by their path, were called, with
// each of their fields.
func (d *desk) covers(tag string, paths ...string) {
	d.t.Helper()
	res, err := http.Get(d.url + apiBase + "/openapi.json")
	idptest.Must(d.t, err)
	defer func() { _ = res.Body.Close() }()
	var doc document
	idptest.Must(d.t, json.NewDecoder(res.Body).Decode(&doc))
	n := 0
	for at, item := range doc.Paths {
		for method, raw := range item {
			var op operation
			if json.Unmarshal(raw, &op) == nil && (slices.Contains(op.Tags, tag) || slices.Contains(paths, method+" "+at)) {
				d.called(strings.ToUpper(method)+" "+at, doc.fields(op))
				n++
			}
		}
	}
	if n == 0 {
		d.t.Errorf("the document has no operation of %s", tag)
	}
}

var segment = regexp.MustCompile(`\{[^}]+\}`)

func (d *desk) called(operation string, fields []string) {
	d.t.Helper()
	call := regexp.MustCompile("^" + segment.ReplaceAllString(operation, "[^/]+") + "$")
	found, sent := false, map[string]bool{}
	for _, n := range d.notes {
		if call.MatchString(n.call) {
			found = true
			for _, name := range n.fields {
				sent[name] = true
			}
		}
	}
	if !found {
		d.t.Errorf("no command calls %s", operation)
		return
	}
	for _, name := range fields {
		if !sent[name] {
			d.t.Errorf("no command sends %s of %s", name, operation)
		}
	}
}

// enrolled gives somebody an authenticator and recovery codes of three hours ago.
func (d *desk) enrolled(u idp.User) (factorID string) {
	d.t.Helper()
	f := idp.Factor{ID: idp.NewID(), UserID: u.ID, Method: idp.MethodTOTP, Name: "Phone", Secret: []byte("sealed"), CreatedAt: idp.Now()}
	idptest.Must(d.t, d.Store.CreateFactor(d.t.Context(), f))
	idptest.Must(d.t, d.Manage.MakeRecoveryCodes(d.t.Context(), u.ID))
	d.db.Age(d.t, "recovery_sets", 3*time.Hour, "created_at")
	return f.ID
}

// signedIn gives somebody a session.
func (d *desk) signedIn(u idp.User) (sessionID string) {
	d.t.Helper()
	p, err := d.Store.Population(d.t.Context(), u.PopulationID)
	idptest.Must(d.t, err)
	s, token := idptest.Session(u, p)
	s.BrowserHash = idp.HashSecret(token)
	idptest.Must(d.t, d.Store.CreateSession(d.t.Context(), s))
	return s.ID
}

func TestPeople(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		d := openDesk(t, db, idp.RoleAdmin)
		d.StartWork()
		created := d.reads(idptest.Password+"\n", "user create", "--email", "Maya@rtx.example", "--name", "Maya", "--locale", "de", "--role", "agent", "--password-stdin")
		expect(t, "created", created, "population", "agents", "password_set", "true", "roles", "[agent]", "locale", "de")
		expect(t, "without a password", d.does("user create", "--population", "contacts", "--email", "cleo@acme.example"), "password_set", "false", "name", "")
		id := fmt.Sprint(created["id"])
		maya, err := d.Store.User(t.Context(), id)
		idptest.Must(t, err)

		expect(t, "edited", d.does("user edit "+id, "--name", "Maya R.", "--locale", ""), "name", "Maya R.", "email", "Maya@rtx.example", "locale", "")
		expect(t, "edited", d.does("user edit maya@RTX.example", "--email", "maya@rtx.example", why), "name", "Maya R.", "email", "maya@rtx.example")
		expect(t, "disabled", d.does("user disable maya@rtx.example", why), "disabled", "true")
		d.finds(map[string]int{"--disabled": 1, "--no-disabled": 1, "--role=agent": 1, "--role=manager": 0, "--prefix=maya": 1, "--population=contacts": 1})
		expect(t, "enabled", d.does("user enable "+id, why), "disabled", "false")
		d.does("user roles set "+id, "--role", "manager", "--role", "agent", why)
		expect(t, "roles", d.does("user show "+id), "roles", "[agent manager]")
		d.does("user roles set "+id, why)
		expect(t, "roles", d.does("user show "+id), "roles", "[]")
		before, err := d.Store.User(t.Context(), id)
		idptest.Must(t, err)
		d.reads("another quiet afternoon", "user set-password "+id, why)
		if after, err := d.Store.User(t.Context(), id); err != nil || after.PasswordHash == before.PasswordHash {
			t.Errorf("the password is as it was (%v)", err)
		}
		d.does("user clear-throttle "+id, why)
		d.secondSteps(maya)
		d.sessions(maya)
		d.invitations()
		d.identities(maya)

		d.does("user anonymise "+id, why)
		d.refused("nobody has the address", "user show maya@rtx.example")
		d.does("user delete "+id, why)
		d.refused("404 not_found", "user show "+id)
		d.covers("users")
		d.covers("sessions")
	})
}

// fullConnection are flags of a connection's that are not its defaults.
var fullConnection = []string{
	"--enabled", "--authority", "https://login.microsoftonline.us", "--tenant", tenant, "--no-personal-accounts", "--trust", "evidence", "--context", "c7",
	"--domain", "rtx.example,rtx.test", "--create-users", "--name-claim", "given", "--email-claim", "mail", "--department-claim", "dept",
	"--role", "groups:a=b:c=agent,roles:Desk=manager", "--end-upstream", "--domain-hint", "rtx.example", "--no-any-tenant",
}

func TestConnections(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
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
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
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
		d.refused("no admin could sign in", set("connections", "--yes")...)
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

// finds checks how many people are listed with a flag.
func (d *desk) finds(people map[string]int) {
	d.t.Helper()
	for flag, want := range people {
		if n := len(d.lists("user list", flag)); n != want {
			d.t.Errorf("%s lists %d people, want %d", flag, n, want)
		}
	}
}

func (d *desk) secondSteps(u idp.User) {
	d.t.Helper()
	if n := len(d.lists("user list", "--population", "agents", "--without-second-step")); n != 1 {
		d.t.Errorf("%d agents without a second step, want 1", n)
	}
	factor := d.enrolled(u)
	if n := len(d.lists("user list", "--population", "agents", "--without-second-step")); n != 0 {
		d.t.Errorf("%d agents without a second step, want none", n)
	}
	if _, err := d.Store.DisableFactor(d.t.Context(), factor, idp.Now()); err != nil {
		d.t.Fatal(err)
	}
	d.does("user enable-factor "+u.ID+" "+factor, why)
	factors := fmt.Sprint(d.does("user factors " + u.ID))
	if !strings.Contains(factors, factor) || strings.Contains(factors, "disabled_at") || !strings.Contains(factors, "left:10") {
		d.t.Errorf("the factors are %s", factors)
	}
	codes, _ := d.does("user recovery-codes view "+u.ID, why)["codes"].([]any)
	if len(codes) != 10 {
		d.t.Errorf("the codes are %v", codes)
	}
	d.does("user recovery-codes regenerate "+u.ID, why)
	d.refused("429 too_soon", "user recovery-codes regenerate "+u.ID, why)
	d.does("user reset-mfa "+u.ID, why)
	if e, err := d.Store.Enrolment(d.t.Context(), u.ID); err != nil || len(e.TOTP) > 0 || e.Recovery != nil {
		d.t.Errorf("after the reset there is %v, %v", e, err)
	}
}

func (d *desk) sessions(u idp.User) {
	d.t.Helper()
	first := d.signedIn(u)
	d.signedIn(u)
	for _, args := range [][]string{{"user sessions " + u.ID}, {"session list", "--population", "agents"}} {
		if list := d.lists(args...); len(list) != 2 {
			d.t.Errorf("the sessions are %v", list)
		}
	}
	if list := d.lists("session list", "--population", "contacts"); len(list) != 0 {
		d.t.Errorf("sessions of agents are listed as those of contacts: %v", list)
	}
	d.does("session end "+first, why)
	if list := d.lists("session list", "--user", u.ID); len(list) != 1 || list[0]["id"] == first {
		d.t.Errorf("after one ended, the sessions are %v", list)
	}
	expect(d.t, "sign-out", d.does("user sign-out "+u.ID, why), "ended", "1")
}

// linkIn is the link of an invitation's mail.
var linkIn = regexp.MustCompile(`https?://\S+/invitation\S+`)

// invitations invites somebody, who gets another mail when it is sent again.
func (d *desk) invitations() {
	d.t.Helper()
	guest := []string{"user invite", "--population", "contacts", "--email", "guest@acme.example", "--name", "Guest", "--locale", "de", "--role", "agent"}
	made := d.does(guest...)
	expect(d.t, "invited", made, "population", "contacts", "email", "guest@acme.example", "name", "Guest", "locale", "de", "roles", "[agent]", "expired", "false")
	id := fmt.Sprint(made["id"])
	first := linkIn.FindString(d.box.Next("guest@acme.example").Text)
	d.refused("409 conflict", guest...)
	d.does("user invite", "--email", "noor@rtx.example")
	for flag, want := range map[string]int{"--population=contacts": 1, "--population=agents": 1, "--limit=1": 1, "--limit=9": 2} {
		if n := len(d.lists("user invitations", flag)); n != want {
			d.t.Errorf("%s lists %d invitations, want %d", flag, n, want)
		}
	}
	expect(d.t, "shown", d.does("user invitation show "+id), "id", id, "email", "guest@acme.example")
	expect(d.t, "sent again", d.does("user invitation resend "+id), "id", id)
	if again := linkIn.FindString(d.box.Next("guest@acme.example").Text); first == "" || again == "" || again == first {
		d.t.Errorf("the first link is %q, the second %q", first, again)
	}
	d.does("user invitation revoke " + id)
	for _, command := range []string{"show", "resend", "revoke"} {
		d.refused("404 not_found", "user invitation "+command+" "+id)
	}
}

const tenant, object = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a", "11111111-2222-4333-8444-555555555555"

// connection makes one that nobody has used yet.
func (d *desk) connection(c idp.Connection) (id string) {
	d.t.Helper()
	c.PopulationID, c.Name, c.ClientID, c.Enabled = idp.Agents, "Partner", "gatehouse", true
	e, err := d.Manage.AddConnection(d.t.Context(), manage.System(), manage.ConnectionChange{Connection: c, NewCertificate: true})
	idptest.Must(d.t, err)
	return e.ID
}

// identities links somebody by either way to say who they are, and unlinks them.
func (d *desk) identities(u idp.User) {
	d.t.Helper()
	entra := d.connection(idp.Connection{Kind: idp.EntraConnection, Tenants: []string{tenant}})
	other := d.connection(idp.Connection{Kind: idp.OIDCConnection, Issuer: "https://login.partner.example"})
	d.refused("/tenant_id: ", "user link "+u.ID+" "+entra, "--subject", "s-1", why)
	d.does("user link "+u.ID+" "+entra, "--tenant-id", tenant, "--object-id", object, why)
	d.does("user link "+u.Email+" "+other, "--subject", "s-1", why)
	list := d.lists("user identities " + u.Email)
	if len(list) != 2 {
		d.t.Fatalf("linked twice, the identities are %v", list)
	}
	for _, i := range list {
		subject := map[any]string{entra: tenant + "/" + object, other: "https://login.partner.example|s-1"}[i["connection_id"]]
		expect(d.t, "linked", i, "connection", "Partner", "subject", subject)
	}
	d.signedIn(u)
	d.does("user unlink "+u.ID+" "+entra, why)
	if list := d.lists("user identities " + u.ID); len(list) != 1 || list[0]["connection_id"] != other {
		d.t.Errorf("unlinked from Entra, the identities are %v", list)
	}
	if list := d.lists("user sessions " + u.ID); len(list) != 0 {
		d.t.Errorf("unlinked, and still signed in: %v", list)
	}
	d.refused("404 not_found", "user unlink "+u.ID+" "+entra, why)
}

func TestRolesPoliciesAndTheAuditLog(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		d := openDesk(t, db, idp.RoleAdmin)
		role := d.does("role create", "--name", "Desk", "--permission", "users.manage,audit.read", why)
		id := fmt.Sprint(role["id"])
		expect(t, "edited", d.does("role edit "+id, "--name", "Front desk", why), "name", "Front desk", "permissions", "[users.manage audit.read]")
		expect(t, "edited", d.does("role edit "+id, "--permission", "", why), "name", "Front desk", "permissions", "[]")
		expect(t, "shown", d.does("role show "+id), "name", "Front desk", "system", "false")
		if n := len(d.lists("role list")); n != 4 {
			t.Errorf("%d roles, want the three of the system and one", n)
		}
		d.does("role delete "+id, why)
		d.refused("404 not_found", "role show "+id)
		d.covers("roles")

		maya := d.AddUser(idp.Agents, "maya@rtx.example")
		d.signedIn(maya)
		expect(t, "preview", d.does("policy preview agents", "--issuer-label", "RTX"), "people", "1", "without_factor", "1", "sessions", "1")
		before := d.does("policy show agents")
		saved := d.does("policy set agents", "--issuer-label", "RTX", "--apply", "immediately", why)
		expect(t, "saved", saved, "issuer_label", "RTX", "authenticator", fmt.Sprint(before["authenticator"]), "email_code", "false")
		if list := d.lists("session list"); len(list) != 0 {
			t.Errorf("applied immediately, and still signed in: %v", list)
		}
		d.refused("password", "policy set agents", "--no-authenticator", "--apply", "next_login", why)
		expect(t, "saved", d.does("policy set agents", "--no-authenticator", "--password-alone", "--apply", "next_login", why), "authenticator", "false", "issuer_label", "RTX")
		if list := d.lists("policy show"); len(list) != 2 || list[0]["settings"] == nil {
			t.Errorf("the policies are %v", list)
		}
		d.covers("audit-log-is-below", "get /populations", "get /populations/{population_id}/mfa-policy", "put /populations/{population_id}/mfa-policy", "post /populations/{population_id}/mfa-policy/preview")
		d.events()
		d.filters()
		d.covers("audit")
	})
}

func (d *desk) events() {
	d.t.Helper()
	listed := d.lists("audit list", "--kind", "policy.changed", "--population", "agents")
	out, complaints, code := d.run("", "audit export", "--kind", "policy.changed")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 2 || len(listed) != 2 {
		d.t.Fatalf("%d events are listed, %d exported, want 2: %s", len(listed), len(lines), complaints)
	}
	for i, line := range lines {
		var e map[string]any
		idptest.Must(d.t, json.Unmarshal([]byte(line), &e))
		expect(d.t, "exported", e, "id", fmt.Sprint(listed[i]["id"]), "kind", "policy.changed")
	}
	d.refused("from: ", "audit list", "--from", "yesterday")
}

// filters checks that both ways to read the audit log find the same.
func (d *desk) filters() {
	d.t.Helper()
	client := fmt.Sprint(d.does("client create", "--kind", "service", "--name", "Weekly", "--scope", idp.AdminScope)["client"].(map[string]any)["id"])
	user := fmt.Sprint(d.does("user create", "--email", "noor@rtx.example")["id"])
	for filter, kind := range map[string]string{ // of the one event, or none
		"--user=" + user: "user.created", "--client=" + client: "client.created", "--actor=" + user: "", "--population=contacts": "",
		"--from=2020-01-01T00:00:00Z --kind=client.created --client=" + client: "client.created",
		"--to=2020-01-01T00:00:00Z": "", "--from=2999-01-01T00:00:00Z": "",
	} {
		args := strings.Split(filter, " ")
		listed := d.lists(append([]string{"audit list"}, args...)...)
		out, _, _ := d.run("", append([]string{"audit export"}, args...)...)
		switch {
		case kind == "" && (len(listed) > 0 || out != ""):
			d.t.Errorf("with %s there are %v and %s", filter, listed, out)
		case kind != "" && (len(listed) != 1 || listed[0]["kind"] != kind || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"`+kind+`"`)):
			d.t.Errorf("with %s there are %v and %s, want one %s", filter, listed, out, kind)
		}
	}
}

// A list is followed over its pages, to its end or as far as one asks.
func TestListsAreWhole(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	const people = pageSize + 30
	for i := range people {
		u := idptest.User(idp.Agents, fmt.Sprintf("a%03d@rtx.example", i))
		idptest.Must(t, d.Store.CreateUser(t.Context(), u))
	}
	d.notes = nil
	seen := map[string]bool{}
	for _, u := range d.lists("user list", "--population", "agents") {
		seen[fmt.Sprint(u["id"])] = true
	}
	if len(seen) != people || len(d.notes) != 3 { // with the token
		t.Errorf("%d different people of %d by %v", len(seen), people, d.notes)
	}
	for _, limit := range []int{1, pageSize, pageSize + 1} {
		if n := len(d.lists("user list", "--population", "agents", "--limit", fmt.Sprint(limit))); n != limit {
			t.Errorf("at most %d: %d", limit, n)
		}
	}
	if out, complaints, code := d.run("", "user list", "--limit=-1"); code != 2 || out != "" {
		t.Errorf("less than nobody: exit code %d, %d bytes, %s", code, len(out), complaints)
	}
	if out, _, _ := d.run("", "user list", "--population", "contacts"); out != "[]\n" {
		t.Errorf("nobody is %q", out)
	}
	out, _, _ := d.run("", "user list", "--population", "agents", "--output", "table")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != people+1 || !strings.HasPrefix(lines[0], "ID ") || !strings.Contains(lines[1], "@rtx.example") {
		t.Errorf("the table has %d lines and begins with %q", len(lines), lines[:2])
	}
}

// An export may take longer than any other answer.
func TestAnExportOutlivesTheLimitOfAnAnswer(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	handler := d.Handler()
	hasty := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, apiBase) { // the token is no export
			idptest.Must(t, http.NewResponseController(w).SetWriteDeadline(time.Time{}))
		}
		handler.ServeHTTP(w, r)
	}))
	hasty.Config.WriteTimeout = time.Nanosecond
	hasty.Start()
	defer hasty.Close()
	d.refused("EOF", "audit list", "--issuer", hasty.URL)
	if out, complaints, code := d.run("", "audit export", "--issuer", hasty.URL); code != 0 || !strings.Contains(out, `"client.created"`) {
		t.Errorf("exit code %d, exported %q, %s", code, out, complaints)
	}
}

// What is printed as JSON is what the API answered, to the byte.
func TestJSONIsTheAnswerItself(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	u := d.AddUser(idp.Agents, "maya@rtx.example")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/token", strings.NewReader("grant_type=client_credentials&scope="+idp.AdminScope))
	idptest.Must(t, err)
	req.SetBasicAuth(d.id, d.secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		Access string `json:"access_token"`
	}
	idptest.Must(t, json.NewDecoder(d.Do(req).Body).Decode(&token))
	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+apiBase+"/users/"+u.ID, http.NoBody)
	idptest.Must(t, err)
	req.Header.Set("Authorization", "Bearer "+token.Access)
	want, err := io.ReadAll(d.Do(req).Body)
	idptest.Must(t, err)
	if out, _, _ := d.run("", "user show "+u.ID); out != string(want) || len(want) == 0 {
		t.Errorf("printed %s, answered %s", out, want)
	}
	out, _, _ := d.run("", "user show "+u.ID, "--output", "table")
	if !regexp.MustCompile(`(?m)^email +maya@rtx\.example$`).MatchString(out) {
		t.Errorf("the table is\n%s", out)
	}
}

// A change that was prepared on what is no longer true does not happen.
func TestStaleChangesAreRefused(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	u := d.AddUser(idp.Agents, "maya@rtx.example")
	client := d.does("client create", "--name", "App", "--population", "agents", "--redirect-uri", "https://a.example/cb")["client"].(map[string]any)
	role := d.does("role create", "--name", "Desk", why)
	connection := d.connection(idp.Connection{Kind: idp.OIDCConnection, Issuer: "https://login.partner.example"})
	for _, args := range [][]string{
		{"connection edit " + connection, "--name", "Else", why},
		{"connection delete " + connection, why},
		{"policy access set agents", "--sign-in", "both", "--yes", why},
		{"user edit " + u.ID, "--name", "Else"},
		{"user disable " + u.ID, why},
		{"user roles set " + u.ID, "--role", "agent", why},
		{"client edit " + fmt.Sprint(client["id"]), "--name", "Else"},
		{"client override set " + fmt.Sprint(client["id"]), "--mode", "off", "--apply", "next_login", why},
		{"role edit " + fmt.Sprint(role["id"]), "--name", "Else", why},
		{"role delete " + fmt.Sprint(role["id"]), why},
		{"policy set agents", "--issuer-label", "Else", "--apply", "next_login", why},
	} {
		d.refused("412 stale", append(args, "--if-version", "77")...)
		d.refused("repeat the change with the version", append(args, "--if-version", "77")...)
	}
	expect(t, "the client", d.does("client show "+fmt.Sprint(client["id"])), "name", "App", "version", fmt.Sprint(client["version"]))
	expect(t, "with its version", d.does("client edit "+fmt.Sprint(client["id"]), "--name", "Else", "--if-version", fmt.Sprint(client["version"])), "name", "Else")
}

// A change is made on what was read; if somebody else was there in between, it is theirs
// that stays.
func TestOvertakenChangesAreRefused(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	u := d.AddUser(idp.Agents, "maya@rtx.example")
	args := []string{"user edit " + u.ID, "--name", "Second"}
	d.between = func() {
		now, version, err := d.Store.VersionedUser(t.Context(), u.ID)
		idptest.Must(t, err)
		now.Name = "First"
		idptest.Must(t, d.Store.SaveUser(t.Context(), version, now))
	}
	d.refused("412 stale", args...)
	expect(t, "the person", d.does("user show "+u.ID), "name", "First")
	expect(t, "later", d.does(args...), "name", "Second")
}

// Whoever cannot get in is told why, by an exit code as well, and no secret shows.
func TestRefusedAccess(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleManager)
	d.does("user create", "--email", "maya@rtx.example")
	d.refused("403 forbidden", "role create", "--name", "Desk", why)
	d.refused("client that needs a role", "audit export")
	d.refused("403 forbidden", "audit list", "--output", "table")
	d.refused("ids of what there is", "user show nobody")
	d.refused("/email: ", "user create", "--email", "nobody")
	c, secret, err := d.Manage.CreateClient(t.Context(), idp.Client{Name: "Tickets", Kind: idp.ServiceClient, Scopes: []string{"tickets:read"}})
	idptest.Must(t, err)
	other := filepath.Join(t.TempDir(), "other")
	idptest.Must(t, os.WriteFile(other, []byte(secret), 0o600))
	d.refused("gatehouse:admin", "user list", "--client-id", c.ID, "--client-secret-file", other)
	d.refused("invalid_client", "user list", "--client-secret-file", other)
	d.refused("Check --client-id", "user list", "--client-id", "nobody")
	d.refused("is the issuer right?", "user list", "--issuer", d.url+"/elsewhere")
	d.refused("must be https", "user list", "--issuer", "http://id.example")
	d.refused("connection refused", "user list", "--issuer", "http://"+nobodyListens(t))
	d.refused("the client is missing", "user list", "--client-id", "")
	d.refused("the provider is missing", "user list", "--issuer", "")
	d.refused("no such file", "user list", "--client-secret-file", other+"2")
	d.refused("CA file", "user list", "--ca-file", other)
	if n := len(d.lists("user list")); n != 1 {
		t.Errorf("%d people, want 1", n)
	}
}

func nobodyListens(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	s.Close()
	return strings.TrimPrefix(s.URL, "http://")
}

func TestAnAddressInTwoPopulations(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	d.AddUser(idp.Agents, "maya@rtx.example")
	contact := d.AddUser(idp.Contacts, "maya@rtx.example")
	d.AddUser(idp.Contacts, "maya@rtx.example.org")
	d.refused("several populations", "user show maya@rtx.example")
	expect(t, "the contact", d.does("user show maya@rtx.example", "--of", "contacts"), "id", contact.ID)
	d.refused("is empty, or none", "user show ..")
	long := strings.Repeat("a", 60) + "@" + strings.Repeat("rtx.", 30) + "example"
	u := d.AddUser(idp.Agents, long)
	expect(t, "a long address", d.does("user show "+long), "id", u.ID)
}

// The connection comes from the environment or a file as well, and the secret from no flag.
func TestConnectionWithoutFlags(t *testing.T) {
	d := openDesk(t, idptest.Alone(t), idp.RoleAdmin)
	ask := func(args ...string) (string, int) {
		var out, complaints bytes.Buffer
		code := run(t.Context(), terminal{strings.NewReader(""), &out, &complaints}, args)
		return out.String() + complaints.String(), code
	}
	config := filepath.Join(t.TempDir(), "gatehouse.yaml")
	idptest.Must(t, os.WriteFile(config, fmt.Appendf(nil, "issuer: %s\nclient-id: %s\nclient-secret-file: %s\nrole:\n  output: json\n", d.url, d.id, d.file), 0o600))
	if out, code := ask("--config", config, "role", "list"); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("with a file: %d %s", code, out)
	}
	if out, code := ask("--config", config, "user", "list"); code != 0 || !strings.HasPrefix(out, "ID ") {
		t.Errorf("the output of roles is that of people: %d %s", code, out)
	}
	if out, code := ask("role", "list", "--issuer", d.url, "--client-id", d.id); code != 1 || !strings.Contains(out, secretVariable) {
		t.Errorf("without a secret: %d %s", code, out)
	}
	if out, code := ask("role", "list", "--client-secret", d.secret); code != 2 {
		t.Errorf("there is a flag for the secret: %d %s", code, out)
	}
	for name, value := range map[string]string{"GATEHOUSE_ISSUER": d.url, "GATEHOUSE_CLIENT_ID": d.id, secretVariable: d.secret, "GATEHOUSE_OUTPUT": "json", "GATEHOUSE_CLIENT_SECRET_FILE": "", "GATEHOUSE_CA_FILE": ""} {
		t.Setenv(name, value)
	}
	if out, code := ask("role", "list"); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("from the environment: %d %s", code, out)
	}
}

// A service client for the API can be made on the server without the API.
func TestFirstServiceClient(t *testing.T) {
	d := openDesk(t, idptest.Alone(t))
	var out, complaints bytes.Buffer
	args := []string{"admin", "service-client", "--name", "First", "--role", "admin", "--database-url", d.db.URL, "--data", d.data}
	if code := run(t.Context(), terminal{strings.NewReader(""), &out, &complaints}, args); code != 0 {
		t.Fatalf("exit code %d: %s", code, complaints.String())
	}
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	idptest.Must(t, json.Unmarshal(out.Bytes(), &made))
	idptest.Must(t, os.WriteFile(d.file, []byte(made.Secret), 0o600))
	d.id, d.secret = made.ID, made.Secret
	expect(t, "the first", d.does("client show "+d.id), "name", "First", "kind", "service", "roles", "[admin]", "scopes", "["+idp.AdminScope+"]")
}

// What a terminal would obey is not printed as it came.
func TestTablesHoldNoControlCharacters(t *testing.T) {
	got := fmt.Sprint(flatten("", json.RawMessage(`{"a":"x\u001b[31m\n\ty","b":[1,"ü"],"c":{"d":[{"e":true},{"e":null}]},"f":[],"g":12345678901234567890}`)))
	if want := "[{a x\uFFFD[31m\uFFFD\uFFFDy} {b 1 ü} {c.d.1.e true} {c.d.2.e <nil>} {f } {g 12345678901234567890}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
