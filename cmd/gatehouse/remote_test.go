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
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	mailer "gatehouse/idp/mail"
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
	d := &desk{t: t, db: db, data: idptest.Folder(t)}
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
	c, secret, err := d.Manage.Apps.CreateClient(d.t.Context(), idp.Client{
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
	return o.String(), serversSlowness.ReplaceAllString(e.String(), ""), code
}

// serversSlowness matches what the server, which is in this process too, logs on a busy
// machine. It is not the command's.
var serversSlowness = regexp.MustCompile(`(?m)^time=.* msg="slow statement" .*\n`)

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
	d.fails(exitRefused, want, args...)
}

func (d *desk) fails(as int, want string, args ...string) {
	d.t.Helper()
	out, complaints, code := d.run("", args...)
	if code != as || out != "" || !strings.Contains(complaints, want) || strings.Contains(complaints, d.secret) {
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

// appFlags are flags of a client's that are not its defaults.
var appFlags = []string{
	"--auth-method", "client_secret_post", "--post-logout-uri", "https://a.example/", "--home-url", "https://a.example/",
	"--grant-type", "authorization_code,refresh_token", "--scope", "openid,email,offline_access", "--token-format", "jwt", "--signing-alg", "ES256",
	"--access-ttl", "60", "--refresh-ttl", "3600", "--require-pkce", "--backchannel-logout-uri", "https://a.example/out", "--logo-uri", "https://a.example/logo.png",
	"--third-party", "--policy-uri", "https://a.example/privacy", "--tos-uri", "https://a.example/terms",
	"--roles-claim", "groups", "--id-token-claims", "--plain-population", "--dpop-bound-access-tokens",
	"--subject-type", "public", "--response-mode", "query,form_post", "--sector-identifier-uri", "", "--frontchannel-logout-uri", "https://c.example/out", "--initiate-login-uri", "https://a.example/start",
	"--require-pushed-authorization-requests", "--secret-lifetime", "7776000", "--resource", "https://api.example/tickets", "--default-resource", "https://api.example/tickets",
}

func TestClients(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		d := openDesk(t, db, idp.RoleAdmin)
		d.does("client create", "--kind", "api", "--name", "Tickets", "--identifier", "https://api.example/tickets", "--scope", "tickets:read")
		created := d.does(slices.Concat([]string{"client create", "--name", "Portal", "--population", "contacts,agents", "--redirect-uri", "https://a.example/cb", "--redirect-uri", "https://c.example/cb"}, appFlags)...)
		client, _ := created["client"].(map[string]any)
		id, _ := client["id"].(string)
		secret, _ := created["secret"].(string)
		if secret == "" {
			t.Errorf("the secret is not shown: %v", created)
		}
		edited := d.does("client edit "+id, "--name", "Portal 2", "--redirect-uri", "https://c.example/cb", "--access-ttl", "60", "--no-require-pkce")
		expect(t, "edited", edited, "name", "Portal 2", "redirect_uris", "[https://c.example/cb]", "access_ttl", "60", "populations", "[contacts agents]", "kind", "web")
		edited = d.does("client edit "+id, "--post-logout-uri", "https://c.example/")
		expect(t, "with a list", edited, "post_logout_redirect_uris", "[https://c.example/]")
		edited = d.does("client edit "+id, "--post-logout-uri", "", "--home-url", "https://c.example/")
		expect(t, "edited again", edited, "post_logout_redirect_uris", "[]", "home_url", "https://c.example/", "name", "Portal 2")
		expect(t, "shown", d.does("client show "+id), "name", "Portal 2", "secrets", "1")

		if listed, _ := d.does("client secret list " + id)["secrets"].([]any); len(listed) != 1 {
			t.Errorf("secrets %v", listed)
		}
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

		d.does(slices.Concat([]string{"client edit " + id}, appFlags)...)
		shown := d.does("client show " + id)
		expect(t, "set", shown, "auth_method", "client_secret_post", "grant_types", "[authorization_code refresh_token]", "scopes", "[openid email offline_access]",
			"token_format", "jwt", "signing_alg", "ES256", "access_ttl", "60", "refresh_ttl", "3600", "require_pkce", "true", "backchannel_logout_uri", "https://a.example/out",
			"roles_claim", "groups", "id_token_claims", "true", "plain_population", "true")
		brought := filepath.Join(t.TempDir(), "secret")
		idptest.Must(t, os.WriteFile(brought, []byte(idp.NewSecret()+"\n"), 0o600))
		weekly := d.does("client create", "--kind", "service", "--name", "Weekly", "--role", "agent", "--scope", idp.AdminScope, "--id", "weekly", "--secret-file", brought)
		if c, _ := weekly["client"].(map[string]any); c["id"] != "weekly" || weekly["secret"] != nil {
			t.Errorf("%v", weekly)
		}

		keys := `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
		keyed := d.does("client create", "--kind", "service", "--name", "Keyed", "--id", "keyed", "--scope", "tickets:read", "--auth-method", "private_key_jwt", "--jwks", keys)
		if c, _ := keyed["client"].(map[string]any); c["jwks"] != keys || keyed["secret"] != nil {
			t.Errorf("%v", keyed)
		}
		expect(t, "keys of an address", d.does("client edit keyed", "--jwks", "", "--jwks-uri", "https://a.example/jwks"), "jwks", "", "jwks_uri", "https://a.example/jwks")
		d.does("client create", "--kind", "service", "--name", "Published", "--scope", "tickets:read", "--auth-method", "private_key_jwt", "--jwks-uri", "https://a.example/jwks")
		d.does("client edit keyed", "--jwks", keys, "--jwks-uri", "")
		d.refused("signing_alg", "client edit keyed", "--fapi")
		expect(t, "FAPI 2.0", d.does("client edit keyed", "--fapi", "--signing-alg", "ES256"), "fapi", "true", "dpop_bound_access_tokens", "true")
		bank := d.does("client create", "--name", "Bank", "--population", "agents", "--redirect-uri", "https://bank.example/cb", "--fapi", "--jwks", keys)
		made, _ := bank["client"].(map[string]any)
		expect(t, "a new app with FAPI", made, "auth_method", "private_key_jwt", "signing_alg", "PS256", "require_pkce", "true", "require_pushed_authorization_requests", "true")

		d.initialTokens()
		d.does("client delete "+id, why)
		d.refused("404 not_found", "client show "+id)
		d.covers("clients")
	})
}

// initialTokens makes, lists and withdraws a token by which apps register themselves.
func (d *desk) initialTokens() {
	d.t.Helper()
	made := d.does("initial-token create", "--name", "Partner", "--population", "agents", "--redirect-host", "*.partner.example,com.partner.app:", "--max-apps", "3",
		"--lifetime", "86400", "--grant-type", "authorization_code", "--scope", "openid,email", "--public-clients", "--secret-lifetime", "7776000")
	about, _ := made["initial_access_token"].(map[string]any)
	id, token := fmt.Sprint(about["id"]), fmt.Sprint(made["token"])
	expect(d.t, "made", about, "max_apps", "3", "apps", "0", "redirect_hosts", "[*.partner.example com.partner.app:]", "scopes", "[openid email]", "public_clients", "true", "lifetime", "86400", "secret_lifetime", "7.776e+06")
	registered, err := d.Manage.Apps.Register(d.t.Context(), token, map[string]json.RawMessage{"redirect_uris": json.RawMessage(`["https://a.partner.example/cb"]`)})
	idptest.Must(d.t, err)
	expect(d.t, "registered", d.does("client registration "+registered.ID), "initial_access_token_id", id, "initial_access_token_name", "Partner")
	d.refused("404 not_found", "client registration "+d.id)
	if list := d.lists("initial-token list"); len(list) != 1 || fmt.Sprint(list[0]["apps"]) != "1" || list[0]["token"] != nil {
		d.t.Errorf("tokens %v", list)
	}
	d.does("initial-token withdraw "+id, why)
	if shown := d.does("initial-token show " + id); shown["withdrawn_at"] == nil {
		d.t.Errorf("shown as %v", shown)
	}
	d.refused("host", "initial-token create", "--name", "P", "--population", "agents", "--redirect-host", "https://partner.example")
}

var segment = regexp.MustCompile(`\{[^}]+\}`)

// fullConnection are flags of a connection's that are not its defaults.
var fullConnection = []string{
	"--enabled", "--authority", "https://login.microsoftonline.us", "--tenant", tenant, "--no-personal-accounts", "--trust", "evidence", "--context", "c7",
	"--domain", "rtx.example,rtx.test", "--create-users", "--name-claim", "given", "--email-claim", "mail", "--department-claim", "dept",
	"--role", "groups:a=b:c=agent,roles:Desk=manager", "--end-upstream", "--domain-hint", "rtx.example", "--no-any-tenant",
}

// linkIn is the link of an invitation's mail.
var linkIn = regexp.MustCompile(`https?://\S+/invitation\S+`)

const tenant, object = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a", "11111111-2222-4333-8444-555555555555"

func TestRolesPoliciesAndTheAuditLog(t *testing.T) {
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
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
		roots := filepath.Join(t.TempDir(), "roots.pem")
		idptest.Must(t, os.WriteFile(roots, []byte(idptest.NewMaker(t, [16]byte{1}).PEM()), 0o600))
		expect(t, "saved", d.does("policy set agents", "--security-keys", "ee882879-721c-4913-9775-3dfcce97072a", "--security-key-roots", roots,
			"--only-security-keys", "--password-alone", "--apply", "next_login", why), "security_keys", "[ee882879-721c-4913-9775-3dfcce97072a]", "only_security_keys", "true")
		expect(t, "saved", d.does("policy set agents", "--security-keys", "", "--security-key-roots", "", "--no-only-security-keys",
			"--password-alone", "--apply", "next_login", why), "security_keys", "[]", "security_key_roots", "")
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
	d.fails(exitUnreachable, "EOF", "audit list", "--issuer", hasty.URL)
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
	c, secret, err := d.Manage.Apps.CreateClient(t.Context(), idp.Client{Name: "Tickets", Kind: idp.ServiceClient, Scopes: []string{"tickets:read"}})
	idptest.Must(t, err)
	other := filepath.Join(t.TempDir(), "other")
	idptest.Must(t, os.WriteFile(other, []byte(secret), 0o600))
	d.refused("gatehouse:admin", "user list", "--client-id", c.ID, "--client-secret-file", other)
	d.refused("invalid_client", "user list", "--client-secret-file", other)
	d.refused("Check --client-id", "user list", "--client-id", "nobody")
	d.fails(exitUnreachable, "is the issuer right?", "user list", "--issuer", d.url+"/elsewhere")
	d.refused("must be https", "user list", "--issuer", "http://id.example")
	d.fails(exitUnreachable, "connection refused", "user list", "--issuer", "http://"+nobodyListens(t))
	d.fails(exitUsage, "the client is missing", "user list", "--client-id", "")
	d.fails(exitUsage, "the provider is missing", "user list", "--issuer", "")
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
	if out, code := ask("role", "list", "--issuer", d.url, "--client-id", d.id); code != exitUsage || !strings.Contains(out, secretVariable) {
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
