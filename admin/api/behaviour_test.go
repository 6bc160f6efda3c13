package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// Of ten who change the same thing at once, one wins, and nine are told.
func TestOneOfTenChangesWins(t *testing.T) {
	inBothOffices(t, func(t *testing.T, o *office) {
		objects := o.objects(idp.Agents)
		idptest.Must(t, o.Store.CreateConnection(t.Context(), idp.Connection{ID: idp.NewID(), PopulationID: idp.Agents, Kind: idp.OIDCConnection, Enabled: true}))
		client := into[api.Client](t, o.ask("all", "getClient", "/clients/"+objects["client_id"], nil))
		settings := object{}
		for _, field := range []string{"name", "auth_method", "redirect_uris", "post_logout_redirect_uris", "home_url", "grant_types", "scopes", "populations", "token_format", "signing_alg", "access_ttl", "refresh_ttl", "require_pkce", "backchannel_logout_uri", "roles"} {
			b, err := json.Marshal(client)
			idptest.Must(t, err)
			var all object
			idptest.Must(t, json.Unmarshal(b, &all))
			settings[field] = all[field]
		}
		for id, c := range map[string]struct {
			get    string // reads the version
			change func(i int) object
		}{
			"saveBrand": {"getPopulation", func(i int) object {
				return object{"name": fmt.Sprint("Name ", i), "brand_color": "", "logo_url": "", "help_url": "", "privacy_url": ""}
			}},
			"saveRegistration": {"getPopulation", func(i int) object {
				return object{"open": false, "allowed": []string{fmt.Sprintf("d%d.example", i)}, "denied": []string{}}
			}},
			"saveMFAPolicy": {"getMFAPolicy", func(i int) object {
				return object{"authenticator": true, "email_code": false, "issuer_label": fmt.Sprint("Label ", i), "apply": "next_login", "reason": "race"}
			}},
			"savePasswordRequirements": {"getPasswordRequirements", func(i int) object {
				change := requirements(9 + i)
				change["apply"], change["reason"] = "next_login", "race"
				return change
			}},
			"saveSessionConfiguration": {"getSessionConfiguration", func(i int) object {
				change := configuration(3600 + i)
				change["reason"] = "race"
				return change
			}},
			"saveMFAOverride": {"getMFAOverride", func(i int) object {
				return object{"mode": "required", "federated": i%2 == 0, "apply": "immediately", "reason": "race"}
			}},
			"updateClient": {"getClient", func(i int) object {
				changed := object{"name": fmt.Sprint("App ", i)}
				for k, v := range settings {
					if k != "name" {
						changed[k] = v
					}
				}
				return changed
			}},
			"saveAccess": {"getPopulation", func(int) object {
				return object{"password": true, "federated": true, "reason": "race"}
			}},
			"updateConnection": {"getConnection", func(i int) object {
				return with(connection(), "name", fmt.Sprint("Partner ", i), "reason", "race")
			}},
			"updateUser": {"getUser", func(i int) object { return object{"name": fmt.Sprint("Person ", i)} }},
			"setRoles":   {"getUser", func(int) object { return object{"roles": []string{"agent"}, "reason": "race"} }},
			"updateRole": {"getRole", func(i int) object {
				return object{"name": fmt.Sprint("Role ", i), "permissions": []string{"audit.read"}, "reason": "race"}
			}},
		} {
			get := o.find[c.get]
			before := o.ask("all", c.get, fill(get.Path(), objects), nil)
			etag := before.header.Get("ETag")
			op := o.find[id]
			path := fill(op.Path(), objects)
			want(t, id, o.ask("all", id, path, c.change(0)), http.StatusPreconditionRequired, "precondition_required")
			answers := idptest.Race(10, func(i int) answer { return o.ask("all", id, path, c.change(i), "If-Match", etag) })
			won := 0
			// Some of the ten ask for the same as the one that wins, and hear what there is.
			repeated := id == "saveAccess" || id == "setRoles" || id == "saveMFAOverride"
			for _, a := range answers {
				if a.status < 300 {
					won++
					after := o.ask("all", c.get, fill(get.Path(), objects), nil)
					if after.header.Get("ETag") != a.header.Get("ETag") || a.header.Get("ETag") == etag {
						t.Errorf("%s: ETag %s, then %s, now %s", id, etag, a.header.Get("ETag"), after.header.Get("ETag"))
					}
					continue
				}
				want(t, id, a, http.StatusPreconditionFailed, "stale")
			}
			if won != 1 && !repeated || won == 0 {
				t.Errorf("%s: %d won", id, won)
			}
			if repeated {
				continue
			}
			after := o.ask("all", c.get, fill(get.Path(), objects), nil)
			want(t, id, o.ask("all", id, path, c.change(11), "If-Match", etag), http.StatusPreconditionFailed, "stale")
			if still := o.ask("all", c.get, fill(get.Path(), objects), nil); !bytes.Equal(after.body, still.body) {
				t.Errorf("%s: a stale change changed %s to %s", id, after.body, still.body)
			}
		}
	})
}

// A list's pages hold everything once, however small they are.
func TestPagesAreComplete(t *testing.T) {
	inBothOffices(t, func(t *testing.T, o *office) {
		wanted := map[string][]string{}
		for range 7 {
			objects := o.objects(idp.Agents)
			wanted["listUsers"] = append(wanted["listUsers"], objects["user_id"])
			wanted["listClients"] = append(wanted["listClients"], objects["client_id"])
			wanted["listSessions"] = append(wanted["listSessions"], objects["session_id"])
			o.ask("none", "listUsers", "/users", nil)
		}
		events, err := o.Store.AuditEvents(t.Context(), "", "", 1000)
		idptest.Must(t, err)
		for _, e := range events {
			wanted["listAuditEvents"] = append(wanted["listAuditEvents"], e.ID)
		}
		for id, path := range map[string]string{"listUsers": "/users", "listClients": "/clients", "listSessions": "/sessions", "listAuditEvents": "/audit-events"} {
			got := o.walk(id, path)
			for _, want := range wanted[id] {
				if !slices.Contains(got, want) {
					t.Errorf("%s: %s is missing", id, want)
				}
			}
			if unique := slices.Compact(slices.Sorted(slices.Values(got))); len(unique) != len(got) {
				t.Errorf("%s: %d rows, %d of them different", id, len(got), len(unique))
			}
		}
		want(t, "another list's page", o.ask("all", "listUsers", "/users?after="+o.cursor("/clients", "listClients"), nil), http.StatusBadRequest, "bad_request")
	})
}

type rows struct {
	Users, Clients, Sessions, Events []struct{ ID string }
	Next                             string
}

func (o *office) cursor(path, id string) string {
	return into[rows](o.t, o.ask("all", id, path+"?limit=1", nil)).Next
}

// walk reads the ids of all pages of a list.
func (o *office) walk(id, path string) []string {
	o.t.Helper()
	var ids []string
	for after := ""; ; {
		page := into[rows](o.t, o.ask("all", id, path+"?limit=3"+after, nil))
		list := slices.Concat(page.Users, page.Clients, page.Sessions, page.Events)
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if page.Next == "" {
			return ids
		}
		if len(list) != 3 || len(ids) > 1000 {
			o.t.Fatalf("%s: a page of %d with another behind it", id, len(list))
		}
		after = "&after=" + url.QueryEscape(page.Next)
	}
}

func TestAnExportHoldsAllEvents(t *testing.T) {
	inBothOffices(t, func(t *testing.T, o *office) {
		empty := o.ask("all", "exportAuditEvents", "/audit-events/export?kind=keyring.forgotten", nil)
		if empty.status != http.StatusOK || len(empty.body) != 0 {
			t.Errorf("%d %s", empty.status, empty.body)
		}
		want(t, "a kind that there is not", o.ask("all", "exportAuditEvents", "/audit-events/export?kind=nothing.such", nil), http.StatusUnprocessableEntity, "unprocessable")
		o.objects(idp.Agents)
		a := o.ask("all", "exportAuditEvents", "/audit-events/export?kind=client.created", nil)
		events, err := o.Store.AuditEvents(t.Context(), idp.AuditClientCreated, "", 1000)
		idptest.Must(t, err)
		if n := bytes.Count(a.body, []byte("\n")); n != len(events) || n == 0 {
			t.Errorf("%d lines, %d events", n, len(events))
		}
	})
}

// A client is made, gets a second secret, loses the first, and goes.
func TestAClientsLife(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		a := o.ask("all", "createClient", "/clients", object{"name": "Shop", "kind": "web", "populations": []string{"contacts"}, "redirect_uris": []string{"https://shop.example/cb"}})
		made := into[api.CreatedClient](t, a)
		path := "/clients/" + made.Client.ID
		if made.Secret == nil || a.header.Get("Location") != "/sso"+api.Base+path || a.header.Get("ETag") == "" {
			t.Errorf("%v %s", a.header, a.body)
		}
		second := into[api.ClientSecret](t, o.ask("all", "addClientSecret", path+"/secrets", nil))
		if second.Secret == *made.Secret {
			t.Error("the same secret")
		}
		want(t, "how old they are", o.ask("all", "listClientSecrets", path+"/secrets", nil), http.StatusOK, "")
		want(t, "a third secret", o.ask("all", "addClientSecret", path+"/secrets", nil), http.StatusConflict, "conflict")
		want(t, "remove the older", o.ask("all", "removeClientSecret", path+"/secrets/0", nil), http.StatusNoContent, "")
		last := o.ask("all", "removeClientSecret", path+"/secrets/0", nil)
		want(t, "remove the last", last, http.StatusUnprocessableEntity, "unprocessable")
		if p := last.problem(t); p.Errors == nil || *(*p.Errors)[0].Parameter != "index" {
			t.Errorf("%s", last.body)
		}
		if c := into[api.Client](t, o.ask("all", "getClient", path, nil)); c.Secrets != 1 || bytes.Contains(last.body, []byte(second.Secret)) {
			t.Errorf("%+v", c)
		}
		bad := o.ask("all", "createClient", "/clients", object{"name": "S", "kind": "web", "populations": []string{"contacts"}, "redirect_uris": []string{"http://shop.example/cb"}})
		want(t, "plain http", bad, http.StatusUnprocessableEntity, "unprocessable")
		if p := bad.problem(t); p.Errors == nil || *(*p.Errors)[0].Pointer != "/redirect_uris" {
			t.Errorf("%s", bad.body)
		}
		because := object{"reason": "gone"}
		want(t, "delete", o.ask("all", "deleteClient", path, because), http.StatusNoContent, "")
		want(t, "delete again", o.ask("all", "deleteClient", path, because), http.StatusNotFound, "not_found")
		want(t, "the console's own", o.ask("all", "deleteClient", "/clients/"+idp.ConsoleClient, because), http.StatusForbidden, "forbidden")
	})
}

// A taken address is another answer than a stale version.
func TestAUsersAddress(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		made := o.ask("all", "createUser", "/users", object{"population": "agents", "email": "maya@rtx.example", "name": "Maya", "roles": []string{"manager"}})
		u := into[api.User](t, made)
		other := o.someone(idp.Agents)
		if made.header.Get("Location") != "/sso"+api.Base+"/users/"+u.ID || !slices.Equal(u.Roles, []string{"manager"}) {
			t.Errorf("%v %+v", made.header, u)
		}
		taken := o.ask("all", "createUser", "/users", object{"population": "agents", "email": "MAYA@rtx.example"})
		want(t, "the same address", taken, http.StatusConflict, "conflict")
		if p := taken.problem(t); p.Errors == nil || *(*p.Errors)[0].Pointer != "/email" {
			t.Errorf("%s", taken.body)
		}
		etag := made.header.Get("ETag")
		want(t, "somebody's address", o.ask("all", "updateUser", "/users/"+u.ID, object{"email": other.Email}, "If-Match", etag), http.StatusUnprocessableEntity, "unprocessable")
		changed := o.ask("all", "updateUser", "/users/"+u.ID, object{"email": "m@rtx.example"}, "If-Match", etag)
		want(t, "another address", changed, http.StatusOK, "")
		want(t, "stale", o.ask("all", "updateUser", "/users/"+u.ID, object{"email": other.Email}, "If-Match", etag), http.StatusPreconditionFailed, "stale")
		bad := o.ask("all", "updateUser", "/users/"+u.ID, object{"disabled": true}, "If-Match", changed.header.Get("ETag"))
		want(t, "without a reason", bad, http.StatusUnprocessableEntity, "unprocessable")
		want(t, "delete", o.ask("all", "deleteUser", "/users/"+u.ID, object{"reason": "left"}), http.StatusNoContent, "")
	})
}

// with is an object with other values; names and values in turn. A nil value leaves the
// name out.
func with(o object, pairs ...any) object {
	o = maps.Clone(o)
	for i := 0; i+1 < len(pairs); i += 2 {
		name := fmt.Sprint(pairs[i])
		if o[name] = pairs[i+1]; o[name] == nil {
			delete(o, name)
		}
	}
	return o
}

// connection is all that can be said of one in a change.
func connection() object {
	return object{
		"name": "Microsoft", "enabled": true, "issuer": "https://login.partner.example", "tenants": []string{}, "any_tenant": false,
		"personal_accounts": false, "client_id": "gatehouse", "trust": "local", "context": "", "domains": []string{}, "create_users": false,
		"name_claim": "", "email_claim": "", "department_claim": "", "roles": []object{}, "end_upstream": false, "domain_hint": "",
		"reason": "ticket 7",
	}
}

// A connection is made with a secret that nobody sees again, gets a certificate, and
// goes with those who are linked through it.
func TestAConnectionsLife(t *testing.T) {
	const tid, oid = "4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a", "11111111-2222-4333-8444-555555555555"
	inOffice(t, func(t *testing.T, o *office) {
		a := o.ask("all", "createConnection", "/connections", object{
			"population": "agents", "kind": "entra", "name": "Microsoft", "enabled": true, "tenants": []string{tid},
			"client_id": "app", "client_secret": "their own secret", "reason": "ticket 7",
			"roles": []object{{"claim": "roles", "value": "Desk", "role_id": "agent"}},
		})
		made := into[api.Connection](t, a)
		path := "/connections/" + made.ID
		if !made.HasSecret || made.Trust != "trusted" || len(made.Roles) != 1 || made.Certificate != nil || a.header.Get("Location") != "/sso"+api.Base+path {
			t.Errorf("%v %s", a.header, a.body)
		}
		none := o.ask("all", "getConnectionCertificate", path+"/certificate", nil)
		want(t, "no certificate", none, http.StatusNotFound, "not_found")
		settings := with(connection(), "issuer", "", "tenants", []string{tid}, "trust", "trusted", "new_certificate", true)
		changed := o.ask("all", "updateConnection", path, settings, "If-Match", a.header.Get("ETag"))
		if c := into[api.Connection](t, changed); c.HasSecret || c.Certificate == nil || c.CertificateExpiresAt == nil || len(c.Roles) != 0 {
			t.Errorf("%s", changed.body)
		}
		pem := o.ask("all", "getConnectionCertificate", path+"/certificate", nil)
		if pem.header.Get("Content-Disposition") == "" || !bytes.HasPrefix(pem.body, []byte("-----BEGIN CERTIFICATE-----")) {
			t.Errorf("%v %s", pem.header, pem.body)
		}
		again := o.ask("all", "updateConnection", path, settings, "If-Match", a.header.Get("ETag"))
		want(t, "again, the answer was lost", again, http.StatusOK, "")
		if !bytes.Equal(again.body, changed.body) || again.header.Get("ETag") != changed.header.Get("ETag") {
			t.Errorf("%s, not %s", again.body, changed.body)
		}
		want(t, "another change", o.ask("all", "updateConnection", path, with(settings, "name", "Contoso"), "If-Match", a.header.Get("ETag")), http.StatusPreconditionFailed, "stale")
		o.service("other", idp.Permissions()...)
		want(t, "of another", o.ask("other", "updateConnection", path, settings, "If-Match", a.header.Get("ETag")), http.StatusPreconditionFailed, "stale")

		u, other := o.someone(idp.Agents), o.someone(idp.Agents)
		identities := "/users/" + u.ID + "/identities"
		link := object{"connection_id": made.ID, "tenant_id": tid, "object_id": oid, "reason": "ticket 7"}
		want(t, "link", o.ask("all", "linkIdentity", identities, link), http.StatusNoContent, "")
		want(t, "link twice", o.ask("all", "linkIdentity", "/users/"+other.ID+"/identities", link), http.StatusConflict, "conflict")
		bad := o.ask("all", "linkIdentity", identities, with(link, "tenant_id", nil))
		want(t, "no tenant", bad, http.StatusUnprocessableEntity, "unprocessable")
		if p := bad.problem(t); p.Errors == nil || *(*p.Errors)[0].Pointer != "/tenant_id" {
			t.Errorf("%s", bad.body)
		}
		list := o.ask("all", "listIdentities", identities, nil)
		if i := into[api.IdentityList](t, list).Identities; len(i) != 1 || i[0].Subject != tid+"/"+oid || i[0].Connection != "Microsoft" || !i[0].LastSeenAt.IsZero() {
			t.Errorf("%s", list.body)
		}
		want(t, "unlink", o.ask("all", "unlinkIdentity", identities+"/"+made.ID, object{"reason": "left"}), http.StatusNoContent, "")
		want(t, "unlink again", o.ask("all", "unlinkIdentity", identities+"/"+made.ID, object{"reason": "left"}), http.StatusNotFound, "not_found")

		all := o.ask("all", "listConnections", "/connections?population=agents", nil)
		for _, answer := range []answer{a, changed, all} {
			if bytes.Contains(answer.body, []byte("their own secret")) || bytes.Contains(answer.body, []byte("PRIVATE")) {
				t.Errorf("a secret in %s", answer.body)
			}
		}
		because := object{"reason": "gone"}
		want(t, "delete a stale one", o.ask("all", "deleteConnection", path, because, "If-Match", a.header.Get("ETag")), http.StatusPreconditionFailed, "stale")
		want(t, "delete", o.ask("all", "deleteConnection", path, because, "If-Match", changed.header.Get("ETag")), http.StatusNoContent, "")
		want(t, "delete again", o.ask("all", "deleteConnection", path, because, "If-Match", changed.header.Get("ETag")), http.StatusNotFound, "not_found")
	})
}

// What cannot be saved of a connection or of portal access says which field.
func TestConnectionsSayWhichFieldIsWrong(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		objects := o.objects(idp.Agents)
		connectionPath, accessPath := "/connections/"+objects["connection_id"], "/populations/agents/access"
		expect := func(id, path, field, etag string, body object) {
			t.Helper()
			a := o.ask("all", id, path, body, "If-Match", etag)
			want(t, id+" "+field, a, http.StatusUnprocessableEntity, "unprocessable")
			if p := a.problem(t); p.Errors == nil || *(*p.Errors)[0].Pointer != "/"+field {
				t.Errorf("%s: %s", field, a.body)
			}
		}
		for field, value := range map[string]any{
			"issuer": "ftp://login.partner.example", "tenants": []string{"4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a"}, "domains": []string{"com"},
			"domain_hint": "com", "name": " ", "client_id": " ", "roles": []object{{"claim": "groups", "value": "g", "role_id": "invented"}},
		} {
			expect("updateConnection", connectionPath, field, `"1"`, with(connection(), field, value))
		}
		population := o.ask("all", "getPopulation", "/populations/agents", nil)
		if p := into[api.Population](t, population); p.Settings == nil || !p.Settings.Access.Password || p.Settings.Access.Federated {
			t.Errorf("%s", population.body)
		}
		preview := into[api.AccessPreview](t, o.ask("all", "previewAccess", accessPath+"/preview", nil))
		if preview.People < 1 || preview.NotLinked != preview.People {
			t.Errorf("%+v", preview)
		}
		expect("saveAccess", accessPath, "federated", population.header.Get("ETag"), object{"password": true, "federated": true, "reason": "x"})
		enabled := o.ask("all", "updateConnection", connectionPath, connection(), "If-Match", `"1"`)
		want(t, "switch it on", enabled, http.StatusOK, "")
		expect("saveAccess", accessPath, "password", population.header.Get("ETag"), object{"password": false, "federated": true, "reason": "x"})
		both := o.ask("all", "saveAccess", accessPath, object{"password": true, "federated": true, "reason": "x"}, "If-Match", population.header.Get("ETag"))
		if p := into[api.Population](t, both); !p.Settings.Access.Federated || both.header.Get("ETag") == population.header.Get("ETag") {
			t.Errorf("%s", both.body)
		}
	})
}
