package registration_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/server"
)

// desk is a provider at which apps may register themselves.
type desk struct {
	*idptest.App
	t  *testing.T
	db *idptest.Database
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	json   map[string]any
}

func open(t *testing.T, db *idptest.Database, private bool) *desk {
	t.Helper()
	app := idptest.StartWith(t, server.Config{DatabaseURL: db.URL, DataDir: idptest.Folder(t), PrivateNetworks: private, Registration: true}, "/base")
	return &desk{app, t, db}
}

// overHTTP runs a test at such a provider, on both databases.
func overHTTP(t *testing.T, run func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) { run(t, open(t, db, false)) })
}

// token makes an initial access token. What its policy lacks is usual.
func (d *desk) token(p idp.RegistrationPolicy) (idp.InitialToken, string) {
	d.t.Helper()
	if p.Hosts == nil {
		p.Hosts = []string{"app.example", "*.rtx.example"}
	}
	if p.Populations == nil {
		p.Populations = []string{idp.Agents}
	}
	if p.MaxApps == 0 {
		p.MaxApps = 20
	}
	made, token, err := d.Manage.Apps.AddInitialToken(d.t.Context(), authz.System(), idp.InitialToken{Name: "Partner", Policy: p})
	idptest.Must(d.t, err)
	return made, token
}

// send sends a request with a token; body is JSON, or a text as it is.
func (d *desk) send(method, target, token string, body any) reply {
	d.t.Helper()
	text, raw := body.(string)
	if !raw && body != nil {
		b, err := json.Marshal(body)
		idptest.Must(d.t, err)
		text = string(b)
	}
	if !strings.HasPrefix(target, "http") {
		target = d.Issuer + target
	}
	req, err := http.NewRequestWithContext(d.t.Context(), method, target, strings.NewReader(text))
	idptest.Must(d.t, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return d.do(req)
}

func (d *desk) do(req *http.Request) reply {
	d.t.Helper()
	res := d.Do(req)
	b, err := io.ReadAll(res.Body)
	idptest.Must(d.t, err)
	r := reply{status: res.StatusCode, header: res.Header}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &r.json); err != nil {
			d.t.Fatalf("%s %s answers %d %q", req.Method, req.URL, res.StatusCode, b)
		}
	}
	return r
}

type metadata = map[string]any

// register registers an app that must be accepted.
func (d *desk) register(token string, m metadata) reply {
	d.t.Helper()
	if m["redirect_uris"] == nil {
		m["redirect_uris"] = []string{"https://app.example/cb"}
	}
	r := d.send("POST", "/register", token, m)
	if r.status != http.StatusCreated {
		d.t.Fatalf("%v is answered %d %v", m, r.status, r.json)
	}
	return r
}

func (r reply) text(name string) string {
	s, _ := r.json[name].(string)
	return s
}

// refused expects an error, and that its description names something.
func (d *desk) refused(what string, r reply, status int, code, names string) {
	d.t.Helper()
	if r.status != status || r.text("error") != code || !strings.Contains(r.text("error_description"), names) || r.header.Get("Cache-Control") != "no-store" {
		d.t.Errorf("%s: answered %d %v, want %d %s about %q", what, r.status, r.json, status, code, names)
	}
}

func TestRegistrationIsOffByDefault(t *testing.T) {
	t.Parallel()
	d := &desk{idptest.Start(t, idptest.Migrated(t), ""), t, nil}
	_, token := d.token(idp.RegistrationPolicy{})
	if r := d.send("POST", "/register", token, metadata{"redirect_uris": []string{"https://app.example/cb"}}); r.status != http.StatusNotFound {
		t.Errorf("answered %d", r.status)
	}
	if r := d.send("GET", "/.well-known/openid-configuration", "", nil); r.json["registration_endpoint"] != nil {
		t.Errorf("discovery has %v", r.json["registration_endpoint"])
	}
}

func TestAnAppRegistersItselfWithTheDefaultsOfTheRFC(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		endpoint := d.send("GET", "/.well-known/openid-configuration", "", nil).text("registration_endpoint")
		if endpoint != d.Issuer+"/register" {
			t.Fatalf("discovery has %q", endpoint)
		}
		made, token := d.token(idp.RegistrationPolicy{})
		r := d.send("POST", endpoint, token, metadata{"redirect_uris": []string{"https://app.example/cb"}, "client_name": "Their app", "contacts": []string{"a@app.example"}, "made_up": 7})
		if r.status != http.StatusCreated || r.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("answered %d %v", r.status, r.json)
		}
		want := metadata{
			"client_name": "Their app", "token_endpoint_auth_method": "client_secret_basic", "application_type": "web", "scope": "openid profile email offline_access",
			"client_secret_expires_at": 0.0, "id_token_signed_response_alg": "RS256", "registration_client_uri": endpoint + "/" + r.text("client_id"),
		}
		for name, value := range want {
			if r.json[name] != value {
				t.Errorf("%s is %v, want %v", name, r.json[name], value)
			}
		}
		for name, value := range map[string]string{"grant_types": "authorization_code", "response_types": "code", "redirect_uris": "https://app.example/cb"} {
			if list, _ := r.json[name].([]any); len(list) != 1 || list[0] != value {
				t.Errorf("%s is %v, want %s alone", name, r.json[name], value)
			}
		}
		if issued, _ := r.json["client_id_issued_at"].(float64); issued == 0 || r.text("client_secret") == "" || r.text("registration_access_token") == "" || r.json["made_up"] != nil || r.json["third_party"] != nil {
			t.Errorf("answered %v", r.json)
		}
		c, err := d.Store.ClientNow(t.Context(), r.text("client_id"))
		idptest.Must(t, err)
		if !c.ThirdParty || !slices.Equal(c.Populations, []string{idp.Agents}) {
			t.Errorf("the app is %+v", c)
		}
		if again, err := d.Store.InitialToken(t.Context(), made.ID); err != nil || again.Uses != 1 || again.UsedAt.IsZero() {
			t.Errorf("the token is %+v, %v", again, err)
		}
		for _, secret := range []string{token, r.text("client_secret"), r.text("registration_access_token")} {
			for _, row := range d.db.Rows(t, "clients", "registrations", "initial_tokens", "audit_events") {
				if strings.Contains(row, secret) {
					t.Errorf("a secret is stored: %s", row)
				}
			}
		}
	})
}

// Whatever a registrant says, people are asked what the app may have.
func TestAnAppThatRegisteredItselfIsAThirdPartys(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{Hosts: []string{"localhost"}})
		r := d.register(token, metadata{"redirect_uris": []string{"http://localhost:1/callback"}, "third_party": false, "populations": []string{"contacts"}, "roles": []string{"admin"}, "resources": []string{"urn:x"}, "access_ttl": 1})
		c, err := d.Store.ClientNow(t.Context(), r.text("client_id"))
		idptest.Must(t, err)
		if !c.ThirdParty || slices.Contains(c.Populations, "contacts") || len(c.Roles)+len(c.Resources) > 0 || c.AccessTTL == time.Second {
			t.Errorf("the app is %+v", c)
		}
		entry, err := d.Manage.Apps.Client(t.Context(), authz.System(), c.ID)
		idptest.Must(t, err)
		entry.ThirdParty = false
		if _, err := d.Manage.Apps.UpdateClient(t.Context(), authz.System(), entry); err == nil || !strings.Contains(err.Error(), "third_party") {
			t.Errorf("an admin makes it one of our own: %v", err)
		}
	})
}

func TestATokenIsNeededThatIsGood(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		body := metadata{"redirect_uris": []string{"https://app.example/cb"}}
		none := d.send("POST", "/register", "", body)
		d.refused("no token", none, http.StatusUnauthorized, "invalid_token", "")
		if challenge := none.header.Get("WWW-Authenticate"); challenge != "Bearer" {
			t.Errorf("without a token the challenge is %q", challenge)
		}
		withdrawn, gone := d.token(idp.RegistrationPolicy{})
		idptest.Must(t, d.Manage.Apps.WithdrawInitialToken(t.Context(), authz.System(), withdrawn.ID, "leaked"))
		_, used := d.token(idp.RegistrationPolicy{MaxApps: 1})
		mine := d.register(used, metadata{})
		for what, token := range map[string]string{
			"an invented one": idp.NewSecret(), "a withdrawn one": gone, "one that is used up": used,
			"a registration's": mine.text("registration_access_token"), "a client secret": mine.text("client_secret"), "rubbish": "\xff'\"",
		} {
			r := d.send("POST", "/register", token, body)
			d.refused(what, r, http.StatusUnauthorized, "invalid_token", "")
			if r.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
				t.Errorf("%s: the challenge is %q", what, r.header.Get("WWW-Authenticate"))
			}
		}
		_, late := d.token(idp.RegistrationPolicy{})
		d.db.Age(t, "initial_tokens", 8*24*time.Hour, "created_at", "expires_at")
		d.refused("an expired one", d.send("POST", "/register", late, body), http.StatusUnauthorized, "invalid_token", "")
		if n := d.db.Count(t, "registrations"); n != 1 {
			t.Errorf("%d apps are registered, want 1", n)
		}
	})
}

func TestTheLastUseOfATokenIsOneApps(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		d := open(t, db, false)
		_, token := d.token(idp.RegistrationPolicy{MaxApps: 3})
		statuses := idptest.Race(8, func(int) int {
			return d.send("POST", "/register", token, metadata{"redirect_uris": []string{"https://app.example/cb"}}).status
		})
		made := 0
		for _, s := range statuses {
			switch s {
			case http.StatusCreated:
				made++
			case http.StatusUnauthorized:
			default:
				t.Errorf("answered %d", s)
			}
		}
		if n := db.Count(t, "registrations"); made != 3 || n != 3 {
			t.Errorf("%d of 8 are answered, %d are there, want 3", made, n)
		}
	})
}

func TestThePolicyOfTheTokenHolds(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{})
		uri := func(s string) metadata { return metadata{"redirect_uris": []string{s}} }
		with := func(name string, value any) metadata {
			return metadata{"redirect_uris": []string{"https://app.example/cb"}, name: value}
		}
		const redirect, other = "invalid_redirect_uri", "invalid_client_metadata"
		for _, try := range []struct {
			body        metadata
			code, names string
		}{
			{metadata{}, redirect, "redirect_uris"},
			{uri("https://evil.example/cb"), redirect, "redirect_uris"},
			{uri("https://app.example.evil.example/cb"), redirect, "evil"},
			{uri("https://app.example@evil.example/cb"), redirect, "redirect_uris"},
			{uri("https://rtx.example/cb"), redirect, "rtx.example"}, // those below it alone
			{uri("http://app.example/cb"), redirect, "http"},
			{uri("https://app.example/cb#x"), redirect, "fragment"},
			{uri("com.example.app:/cb"), redirect, "redirect_uris"},
			{uri("javascript:alert(1)"), redirect, "redirect_uris"},
			{uri("https://app.example:0x/cb"), redirect, "redirect_uris"},
			{uri(""), redirect, "redirect_uris"},
			{metadata{"redirect_uris": "https://app.example/cb"}, redirect, "redirect_uris"},
			{metadata{"redirect_uris": nil}, redirect, "redirect_uris"},
			{with("grant_types", []string{"client_credentials"}), other, "grant_types"},
			{with("grant_types", []string{"authorization_code", idp.DeviceGrant}), other, "grant_types"},
			{with("grant_types", []string{idp.ExchangeGrant}), other, "grant_types"},
			{with("grant_types", []string{"password"}), other, "grant_types"},
			{with("scope", "openid "+idp.AdminScope), other, "scope: "},
			{with("scope", "openid roles"), other, "scope: "},
			{with("scope", 7), other, "scope: "},
			{with("response_types", []string{"code", "id_token"}), other, "response_types"},
			{with("response_types", "code"), other, "response_types"},
			{with("token_endpoint_auth_method", "none"), other, "token_endpoint_auth_method"},
			{with("token_endpoint_auth_method", "tls_client_auth"), other, "token_endpoint_auth_method"},
			{with("token_endpoint_auth_method", "private_key_jwt"), other, "jwks"},
			{with("application_type", "desktop"), other, "application_type"},
			{with("application_type", []int{1}), other, "application_type"},
			{with("jwks", map[string]any{"keys": []any{}}), other, "jwks"},
			{with("jwks", "not an object"), other, "jwks"},
			{with("jwks_uri", "https://evil.example/jwks"), other, "jwks_uri"},
			{with("logo_uri", "https://evil.example/logo.png"), other, "logo_uri"},
			{with("logo_uri", "http://169.254.169.254/latest"), other, "logo_uri"},
			{with("client_uri", "https://evil.example/"), other, "client_uri"},
			{with("policy_uri", "https://evil.example/"), other, "policy_uri"},
			{with("tos_uri", "https://evil.example/"), other, "tos_uri"},
			{with("initiate_login_uri", "https://evil.example/"), other, "initiate_login_uri"},
			{with("backchannel_logout_uri", "https://evil.example/"), other, "backchannel_logout_uri"},
			{with("post_logout_redirect_uris", []string{"https://evil.example/"}), other, "post_logout_redirect_uris"},
			{with("client_name", "moc\u202eelpmaxe"), other, "client_name"},
			{with("client_name", strings.Repeat("x", 101)), other, "client_name"},
			{with("id_token_signed_response_alg", "none"), other, "id_token_signed_response_alg"},
			{with("software_statement", "e30.e30."), "invalid_software_statement", ""},
		} {
			d.db.Exec(t, "DELETE FROM throttles") // the pace is another test's
			d.refused(strings.TrimSpace(try.names+" "+try.code), d.send("POST", "/register", token, try.body), http.StatusBadRequest, try.code, try.names)
		}
		if n := d.db.Count(t, "registrations"); n != 0 {
			t.Errorf("%d apps are registered all the same", n)
		}
	})
}

func TestWhatThePolicyAllowsIsGiven(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{
			Hosts: []string{"*.rtx.example", "com.example.app:", "127.0.0.1"}, PublicClients: true, GrantTypes: []string{"authorization_code", "refresh_token", idp.DeviceGrant},
			Scopes: []string{"openid", "email"}, SecretLifetime: time.Hour,
		})
		full := metadata{
			"redirect_uris": []string{"https://a.b.rtx.example/cb", "https://c.rtx.example/cb"}, "post_logout_redirect_uris": []string{"https://c.rtx.example/bye"},
			"client_name": "Full", "client_uri": "https://c.rtx.example/", "logo_uri": "https://c.rtx.example/logo.png", "policy_uri": "https://c.rtx.example/privacy",
			"tos_uri": "https://c.rtx.example/terms", "initiate_login_uri": "https://c.rtx.example/start", "backchannel_logout_uri": "https://c.rtx.example/out",
			"frontchannel_logout_uri": "https://c.rtx.example/front", "grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid email",
			"token_endpoint_auth_method": "client_secret_post", "id_token_signed_response_alg": "ES256", "dpop_bound_access_tokens": true, "require_pushed_authorization_requests": true,
		}
		r := d.register(token, full)
		for name, want := range full {
			a, _ := json.Marshal(r.json[name])
			b, _ := json.Marshal(want)
			if !bytes.Equal(a, b) {
				t.Errorf("%s is %s, want %s", name, a, b)
			}
		}
		issued, _ := r.json["client_id_issued_at"].(float64)
		if ends, _ := r.json["client_secret_expires_at"].(float64); ends < issued+3600 || ends > issued+3605 {
			t.Errorf("the secret of %v ends at %v", issued, ends)
		}
		spa := d.register(token, metadata{"redirect_uris": []string{"https://c.rtx.example/cb"}, "token_endpoint_auth_method": "none"})
		native := d.register(token, metadata{"redirect_uris": []string{"com.example.app:/cb", "http://127.0.0.1/cb"}, "application_type": "native"})
		for _, public := range []reply{spa, native} {
			if public.text("token_endpoint_auth_method") != "none" || public.json["client_secret"] != nil || public.json["client_secret_expires_at"] != nil {
				t.Errorf("a public app is answered %v", public.json)
			}
		}
		if native.text("application_type") != "native" {
			t.Errorf("a native app is answered %v", native.json)
		}
		key := `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
		keyed := d.register(token, metadata{"redirect_uris": []string{"https://c.rtx.example/cb"}, "token_endpoint_auth_method": "private_key_jwt", "jwks": json.RawMessage(key)})
		if back, _ := json.Marshal(keyed.json["jwks"]); !strings.Contains(string(back), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo") || keyed.json["client_secret"] != nil {
			t.Errorf("an app with keys is answered %v", keyed.json)
		}
	})
}

// A server that may reach its neighbours asks none of them for an app, unless an admin named
// the host.
func TestARegistrantMakesUsAskNobodyWhomTheAdminDidNotName(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		d := open(t, db, true)
		_, anywhere := d.token(idp.RegistrationPolicy{Hosts: []string{"*"}})
		_, named := d.token(idp.RegistrationPolicy{Hosts: []string{"*", "app.example"}})
		for _, field := range []string{"logo_uri", "backchannel_logout_uri", "jwks_uri"} {
			body := metadata{"redirect_uris": []string{"https://app.example/cb"}, field: "https://app.example/x"}
			if field == "jwks_uri" {
				body["token_endpoint_auth_method"] = "private_key_jwt"
			}
			d.refused(field, d.send("POST", "/register", anywhere, body), http.StatusBadRequest, "invalid_client_metadata", field)
			d.register(named, body)
		}
		d.register(anywhere, metadata{"redirect_uris": []string{"https://any.example/cb"}, "policy_uri": "https://any.example/"}) // a browser's to open
	})
}

func TestAnAppReadsChangesAndDeletesItsRegistration(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{})
		r := d.register(token, metadata{"client_name": "One", "tos_uri": "https://app.example/terms"})
		at, key, id := r.text("registration_client_uri"), r.text("registration_access_token"), r.text("client_id")
		read := d.send("GET", at, key, nil)
		if read.status != http.StatusOK || read.text("client_name") != "One" || read.json["client_secret"] != nil || read.text("registration_access_token") != key || read.text("registration_client_uri") != at {
			t.Errorf("read as %d %v", read.status, read.json)
		}
		body := metadata{"client_id": id, "client_secret": r.text("client_secret"), "client_name": "Two", "redirect_uris": []string{"https://x.rtx.example/cb"}}
		changed := d.send("PUT", at, key, body)
		if changed.status != http.StatusOK || changed.text("client_name") != "Two" || changed.json["tos_uri"] != nil || changed.text("registration_access_token") != key {
			t.Errorf("changed to %d %v", changed.status, changed.json)
		}
		c, err := d.Store.ClientNow(t.Context(), id)
		idptest.Must(t, err)
		if !c.AllowsRedirect("https://x.rtx.example/cb") || c.AllowsRedirect("https://app.example/cb") || !c.ThirdParty || c.TosURI != "" {
			t.Errorf("the app is %+v", c)
		}
		for what, wrong := range map[string]metadata{
			"client_id":        {"client_id": "another"},
			"client_secret":    {"client_id": id, "client_secret": "chosen"},
			"application_type": {"client_id": id, "application_type": "native"},
			"redirect_uris":    {"client_id": id, "redirect_uris": []string{"https://evil.example/cb"}},
		} {
			if wrong["redirect_uris"] == nil {
				wrong["redirect_uris"] = []string{"https://app.example/cb"}
			}
			code := "invalid_client_metadata"
			if what == "redirect_uris" {
				code = "invalid_redirect_uri"
			}
			d.refused("another "+what, d.send("PUT", at, key, wrong), http.StatusBadRequest, code, what)
		}
		other := d.register(token, metadata{})
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			for what, bad := range map[string]string{"another app's token": other.text("registration_access_token"), "the initial token": token, "the secret": r.text("client_secret"), "none": ""} {
				d.db.Exec(t, "DELETE FROM throttles")
				d.refused(method+" by "+what, d.send(method, at, bad, body), http.StatusUnauthorized, "invalid_token", "")
			}
			d.refused(method+" of nobody", d.send(method, "/register/nobody", key, body), http.StatusUnauthorized, "invalid_token", "")
		}
		if gone := d.send("DELETE", at, key, nil); gone.status != http.StatusNoContent {
			t.Errorf("deleting is answered %d %v", gone.status, gone.json)
		}
		d.refused("after that", d.send("GET", at, key, nil), http.StatusUnauthorized, "invalid_token", "")
		if _, err := d.Store.ClientNow(t.Context(), id); err == nil {
			t.Error("the app is still there")
		}
		if n := d.Audited(idp.AuditClientCreated) + d.Audited(idp.AuditClientChanged) + d.Audited(idp.AuditClientDeleted); n != 4 {
			t.Errorf("%d events, want 2 apps, a change and a deletion", n)
		}
	})
}

// The subjects of a sector are for its redirect URIs. A device's tokens go to the program that
// polls, which may be anywhere.
func TestNobodyJoinsASectorByTheDeviceGrant(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{GrantTypes: []string{"authorization_code", idp.DeviceGrant}})
		for what, m := range map[string]metadata{
			"a redirect URI of the sector": {"grant_types": []string{"authorization_code", idp.DeviceGrant}},
			"no redirect URI":              {"grant_types": []string{idp.DeviceGrant}, "redirect_uris": []string{}, "sector_identifier_uri": "https://app.example/sector.json"},
		} {
			m["subject_type"] = "pairwise"
			if m["redirect_uris"] == nil {
				m["redirect_uris"] = []string{"https://app.example/cb"}
			}
			d.refused(what, d.send("POST", "/register", token, m), http.StatusBadRequest, "invalid_client_metadata", "subject_type")
		}
		r := d.register(token, metadata{"subject_type": "pairwise"})
		body := metadata{"client_id": r.text("client_id"), "redirect_uris": []string{"https://app.example/cb"}, "subject_type": "pairwise", "grant_types": []string{"authorization_code", idp.DeviceGrant}}
		d.refused("later", d.send("PUT", r.text("registration_client_uri"), r.text("registration_access_token"), body), http.StatusBadRequest, "invalid_client_metadata", "subject_type")
	})
}

// What an admin made stricter stays, whatever the app says or leaves out.
func TestAChangeOfARegistrationLoosensNothing(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{})
		r := d.register(token, metadata{})
		id := r.text("client_id")
		now, err := d.Manage.Apps.Client(t.Context(), authz.System(), id)
		idptest.Must(t, err)
		stricter := now.Client
		stricter.DPoPBound, stricter.RequirePushed, stricter.SubjectType, stricter.Scopes = true, true, idp.PairwiseSubject, []string{"openid"}
		_, err = d.Manage.Apps.UpdateClient(t.Context(), authz.System(), apps.ClientEntry{Client: stricter, Version: now.Version})
		idptest.Must(t, err)
		for what, more := range map[string]metadata{
			"left out": {}, "said": {"subject_type": "public", "dpop_bound_access_tokens": false, "require_pushed_authorization_requests": false},
		} {
			more["client_id"], more["redirect_uris"], more["client_name"] = id, []string{"https://app.example/cb"}, what
			put := d.send("PUT", r.text("registration_client_uri"), r.text("registration_access_token"), more)
			if put.status != http.StatusOK || put.text("subject_type") != "pairwise" || put.text("client_name") != what || put.text("scope") != "openid" ||
				put.json["dpop_bound_access_tokens"] != true || put.json["require_pushed_authorization_requests"] != true {
				t.Errorf("%s: %d %v", what, put.status, put.json)
			}
		}
	})
}

func TestAWithdrawnTokenFreezesItsApps(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		made, token := d.token(idp.RegistrationPolicy{})
		r := d.register(token, metadata{})
		at, key := r.text("registration_client_uri"), r.text("registration_access_token")
		idptest.Must(t, d.Manage.Apps.WithdrawInitialToken(t.Context(), authz.System(), made.ID, "over"))
		body := metadata{"client_id": r.text("client_id"), "redirect_uris": []string{"https://x.rtx.example/cb"}}
		d.refused("a change", d.send("PUT", at, key, body), http.StatusForbidden, "insufficient_scope", "withdrawn")
		if read := d.send("GET", at, key, nil); read.status != http.StatusOK {
			t.Errorf("read as %d %v", read.status, read.json)
		}
		if gone := d.send("DELETE", at, key, nil); gone.status != http.StatusNoContent {
			t.Errorf("deleting is answered %d %v", gone.status, gone.json)
		}
	})
}

func TestAnAppWhoseSecretEndedGetsAnother(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{SecretLifetime: time.Hour})
		r := d.register(token, metadata{})
		at, key, id := r.text("registration_client_uri"), r.text("registration_access_token"), r.text("client_id")
		body := metadata{"client_id": id, "redirect_uris": []string{"https://app.example/cb"}}
		if same := d.send("PUT", at, key, body); same.json["client_secret"] != nil {
			t.Errorf("a secret that works is replaced: %v", same.json)
		}
		d.db.Exec(t, `UPDATE clients SET secret_facts = REPLACE(secret_facts, '"c":1', '"c":') WHERE id = '`+id+"'") // long ago
		again := d.send("PUT", at, key, body)
		if again.text("client_secret") == "" || again.text("client_secret") == r.text("client_secret") {
			t.Errorf("answered %d %v", again.status, again.json)
		}
	})
}

func TestBadBodiesAreRefused(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{})
		for _, text := range []string{"", "null", "[]", "7", `"x"`, "{", `{"redirect_uris":["https://app.example/cb"]} trailing`, "\xff", "{}{}"} {
			d.refused("body "+text, d.send("POST", "/register", token, text), http.StatusBadRequest, "invalid_client_metadata", "")
		}
		for _, text := range []string{`{"redirect_uris":["https://app.example/\u0000"]}`, `{"redirect_uris":[{"a":1}]}`, `{"redirect_uris":[null]}`} {
			d.refused("body "+text, d.send("POST", "/register", token, text), http.StatusBadRequest, "invalid_redirect_uri", "")
		}
		huge := d.send("POST", "/register", token, `{"client_name":"`+strings.Repeat("x", 2<<20)+`"}`)
		d.refused("a huge body", huge, http.StatusRequestEntityTooLarge, "invalid_request", "")
		form, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.Issuer+"/register", strings.NewReader("redirect_uris=x"))
		idptest.Must(t, err)
		form.Header.Set("Authorization", "Bearer "+token)
		form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		d.refused("a form", d.do(form), http.StatusBadRequest, "invalid_client_metadata", "application/json")
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			if r := d.send(method, "/register", token, nil); r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") != "POST" {
				t.Errorf("%s is answered %d", method, r.status)
			}
		}
		r := d.register(token, metadata{})
		twice, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.text("registration_client_uri"), http.NoBody)
		idptest.Must(t, err)
		twice.Header["Authorization"] = []string{"Bearer " + r.text("registration_access_token"), "Bearer x"}
		d.refused("two tokens", d.do(twice), http.StatusUnauthorized, "invalid_token", "")
	})
}

// An IP address registers a limited number of apps in a time.
func TestRegistrationsAreSlowedDown(t *testing.T) {
	overHTTP(t, func(t *testing.T, d *desk) {
		_, token := d.token(idp.RegistrationPolicy{MaxApps: 1000})
		for range 60 {
			if r := d.send("POST", "/register", token, metadata{}); r.status == http.StatusTooManyRequests {
				if r.header.Get("Retry-After") == "" {
					t.Error("it is not said until when")
				}
				return
			}
		}
		t.Error("sixty requests in a row are served")
	})
}

// FuzzRegistration looks for what answers a registration with a fault.
func FuzzRegistration(f *testing.F) {
	for _, seed := range []string{`{"redirect_uris":["https://app.example/cb"]}`, `{"jwks":{"keys":[{}]}}`, `{"scope":" "}`, `{"grant_types":[]}`, `{"client_name":"\u202e"}`} {
		f.Add(seed)
	}
	app := idptest.StartWith(f, server.Config{DatabaseURL: idptest.Migrated(f), DataDir: idptest.Folder(f), Registration: true}, "")
	_, token, err := app.Manage.Apps.AddInitialToken(f.Context(), authz.System(), idp.InitialToken{Name: "Fuzz", Policy: idp.RegistrationPolicy{
		MaxApps: 10000, Hosts: []string{"*"}, Populations: []string{idp.Agents}, PublicClients: true, GrantTypes: []string{"authorization_code", "refresh_token", idp.DeviceGrant},
	}})
	idptest.Must(f, err)
	f.Fuzz(func(t *testing.T, body string) {
		req := httptest.NewRequest(http.MethodPost, app.Issuer+"/register", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		res := httptest.NewRecorder()
		app.Handler().ServeHTTP(res, req)
		if res.Code >= http.StatusInternalServerError {
			t.Errorf("%q is answered %d %s", body, res.Code, res.Body)
		}
	})
}
