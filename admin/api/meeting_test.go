package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
)

// A person is the same in a list and alone.
func TestAPersonHasOneShape(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		u := o.someone(idp.Agents, idp.RoleManager)
		idptest.Must(t, o.Store.CreateFactor(t.Context(), idp.Factor{
			ID: idp.NewID(), UserID: u.ID, Method: idp.MethodTOTP, Secret: []byte("sealed"), CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
		}))
		idptest.Must(t, o.Store.Audit(t.Context(), idp.AuditEvent{Kind: idp.AuditSignedIn, UserID: u.ID}))
		alone := o.ask("all", "getUser", "/users/"+u.ID, nil)
		list := into[struct{ Users []json.RawMessage }](t, o.ask("all", "listUsers", "/users?prefix="+u.Email, nil))
		if len(list.Users) != 1 || string(list.Users[0]) != strings.TrimSpace(string(alone.body)) {
			t.Errorf("alone %s, in a list %s", alone.body, list.Users)
		}
		if got := into[api.User](t, alone); !got.Authenticator || got.LastSignInAt.IsZero() || got.Version == 0 {
			t.Errorf("%+v", got)
		}
	})
}

// What there is not cannot narrow a list: an empty one would say that nobody is there.
func TestAnUnknownNameInAFilterIsRefused(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	for path, id := range map[string]string{
		"/users?population=agent": "listUsers", "/users?role=invented": "listUsers", "/sessions?population=agent": "listSessions",
		"/invitations?population=agent": "listInvitations", "/connections?population=agent": "listConnections",
		"/audit-events?population=agent": "listAuditEvents", "/audit-events?kind=user.crated": "listAuditEvents",
		"/audit-events/export?population=agent": "exportAuditEvents", "/audit-events/export?kind=user.crated": "exportAuditEvents",
	} {
		a := o.ask("all", id, path, nil)
		want(t, path, a, http.StatusUnprocessableEntity, "unprocessable")
		_, parameter, _ := strings.Cut(path, "?")
		parameter, _, _ = strings.Cut(parameter, "=")
		if p := a.problem(t); p.Errors == nil || *(*p.Errors)[0].Parameter != parameter {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	o.service("nothing")
	want(t, "without a permission", o.ask("nothing", "listUsers", "/users?population=agent", nil), http.StatusForbidden, "forbidden")
	if a := o.ask("all", "listUsers", "/users?population=contacts&role=agent", nil); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestA404SaysWhatThereIsNot(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	u := o.someone(idp.Agents)
	because := object{"reason": "ticket 7"}
	for missing, a := range map[string]answer{
		"user_id":       o.ask("all", "getUser", "/users/nobody", nil),
		"factor_id":     o.ask("all", "enableFactor", "/users/"+u.ID+"/factors/none/enable", because),
		"client_id":     o.ask("all", "getClient", "/clients/none", nil),
		"population_id": o.ask("all", "getPopulation", "/populations/none", nil),
		"role_id":       o.ask("all", "getRole", "/roles/none", nil),
		"connection_id": o.ask("all", "getConnection", "/connections/none", nil),
		"session_id":    o.ask("all", "endSession", "/sessions/none", because),
		"invitation_id": o.ask("all", "getInvitation", "/invitations/none", nil),
	} {
		want(t, missing, a, http.StatusNotFound, "not_found")
		noun := strings.TrimSuffix(missing, "_id")
		if p := a.problem(t); p.Errors == nil || *(*p.Errors)[0].Parameter != missing || !strings.Contains(*p.Detail, noun) {
			t.Errorf("%s: %s", missing, a.body)
		}
	}
}

// A program whose answer was lost sends the same again, and hears what there is.
func TestTheSameChangeAgainIsNoConflict(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		objects := o.objects(idp.Agents)
		policy := object{"authenticator": true, "email_code": false, "issuer_label": "Desk", "apply": "immediately", "reason": "x"}
		for id, c := range map[string]struct {
			get  string
			body object
		}{
			"saveBrand":                {"getPopulation", object{"name": "Desk", "brand_color": "", "logo_url": "", "help_url": "", "privacy_url": ""}},
			"saveRegistration":         {"getPopulation", object{"open": false, "allowed": []string{"rtx.example"}, "denied": []string{}}},
			"saveMFAPolicy":            {"getMFAPolicy", policy},
			"savePasswordRequirements": {"getPasswordRequirements", with(requirements(11), "apply", "immediately", "reason", "x")},
			"saveSessionConfiguration": {"getSessionConfiguration", with(configuration(1200), "reason", "x")},
			"saveMFAOverride":          {"getMFAOverride", object{"mode": "required", "apply": "immediately", "reason": "x"}},
			"updateConnection":         {"getConnection", with(connection(), "client_secret", "their own secret")},
			"updateUser":               {"getUser", object{"name": "Another"}},
			"setRoles":                 {"getUser", object{"roles": []string{"agent"}, "reason": "x"}},
			"updateRole":               {"getRole", object{"name": "Another", "permissions": []string{"audit.read"}, "reason": "x"}},
		} {
			get, op := o.find[c.get], o.find[id]
			etag := o.ask("all", c.get, fill(get.Path(), objects), nil).header.Get("ETag")
			first := o.ask("all", id, fill(op.Path(), objects), c.body, "If-Match", etag)
			again := o.ask("all", id, fill(op.Path(), objects), c.body, "If-Match", etag)
			if first.status >= 300 || again.status != first.status || again.header.Get("ETag") != first.header.Get("ETag") || string(again.body) != string(first.body) {
				t.Errorf("%s: %d %s %s, then %d %s %s", id, first.status, first.header.Get("ETag"), first.body, again.status, again.header.Get("ETag"), again.body)
			}
		}
	})
}

// An equal policy that signed nobody out is not what "immediately" asks for.
func TestAnEqualPolicyOfTheNextLoginIsNotImmediate(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	const path = "/populations/agents/mfa-policy"
	policy := object{"authenticator": true, "email_code": false, "issuer_label": "Desk", "apply": "next_login", "reason": "x"}
	etag := o.ask("all", "getMFAPolicy", path, nil).header.Get("ETag")
	want(t, "on the next login", o.ask("all", "saveMFAPolicy", path, policy, "If-Match", etag), http.StatusOK, "")
	want(t, "at once, of an old page", o.ask("all", "saveMFAPolicy", path, with(policy, "apply", "immediately"), "If-Match", etag), http.StatusPreconditionFailed, "stale")
}

// Many programs send no body with DELETE. One that was read may be named.
func TestADeleteNeedsNoBody(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		objects, person := o.objects(idp.Agents), o.someone(idp.Agents)
		for id, path := range map[string]string{
			"endSession": "/sessions/" + objects["session_id"], "deleteRole": "/roles/" + objects["role_id"],
			"deleteConnection": "/connections/" + objects["connection_id"], "deleteClient": "/clients/" + objects["client_id"],
			"deleteUser": "/users/" + person.ID,
		} {
			bare := o.ask("all", id, path, nil)
			want(t, id+" without a reason", bare, http.StatusUnprocessableEntity, "unprocessable")
			if p := bare.problem(t); p.Errors == nil || !strings.Contains(string(bare.body), "reason") {
				t.Errorf("%s: %s", id, bare.body)
			}
			if o.find[id].Versioned() {
				want(t, id+" of an old version", o.ask("all", id, path+"?reason=gone", nil, "If-Match", `"999"`), http.StatusPreconditionFailed, "stale")
			}
			want(t, id, o.ask("all", id, path+"?reason=gone", nil), http.StatusNoContent, "")
		}
		events := into[api.AuditEventList](t, o.ask("all", "listAuditEvents", "/audit-events?kind=role.deleted", nil)).Events
		if len(events) != 1 || events[0].Detail["reason"] != "gone" {
			t.Errorf("%+v", events)
		}
	})
}

// What a service did is found by its id, as what a person did.
func TestAServiceIsFoundAsActor(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	u := o.someone(idp.Agents)
	want(t, "disable", o.ask("all", "updateUser", "/users/"+u.ID, object{"disabled": true, "reason": "left"}, "If-Match", `"1"`), http.StatusOK, "")
	events := into[api.AuditEventList](t, o.ask("all", "listAuditEvents", "/audit-events?actor_id=service-all", nil)).Events
	if len(events) != 1 || events[0].Kind != "user.disabled" || events[0].Detail["service"] != "service-all" {
		t.Errorf("%+v", events)
	}
}

// Limits of the document are those of the server: what it allows is not refused for its
// length, size or characters, and what is beyond is refused at its field.
func TestLimitsOfTheDocumentAreTheServers(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	o.refit(func(p *manage.Parts) { p.Mailer = taken{} })
	url := func(n int, letter string) string {
		return "https://rtx.example/" + strings.Repeat(letter, n-len("https://rtx.example/"))
	}
	client := object{"name": "App", "kind": "web", "populations": []string{"agents"}, "redirect_uris": []string{"https://rtx.example/cb"}}
	brand := object{"name": "Desk", "brand_color": "", "logo_url": "", "help_url": "", "privacy_url": ""}
	role := object{"name": "Desk", "permissions": []string{}, "reason": "x"}
	passwords, sessions := with(requirements(12), "apply", "new_passwords", "reason", "x"), with(configuration(600), "session_lifetime", 34_560_000, "kept_lifetime", 34_560_000, "kept_idle", 34_560_000, "reason", "x")
	policy := object{"authenticator": true, "email_code": false, "issuer_label": "Desk", "apply": "next_login", "reason": "x"}
	for _, c := range []struct {
		id, get, path, field string
		body                 object
		good, bad            []any
	}{
		{"createClient", "", "/clients", "name", client, []any{strings.Repeat("a", 100), strings.Repeat("𝕏", 100)}, []any{strings.Repeat("a", 101), "", "a\u0085b", "a\x7fb", "a\x00b"}},
		{"createClient", "", "/clients", "home_url", client, []any{"", url(500, "a"), url(500, "é")}, []any{url(501, "a"), url(501, "é"), "https://rtx.example/\u009f"}},
		{"createClient", "", "/clients", "redirect_uris", client, []any{[]string{url(500, "a")}, []string{url(500, "é")}}, []any{[]string{url(501, "a")}, []string{"https://rtx.example/\u0080"}}},
		{"createClient", "", "/clients", "scopes", client, []any{[]string{"openid", strings.Repeat("a", 500)}}, []any{[]string{strings.Repeat("a", 501)}, []string{"a b"}, []string{""}, []string{"é"}}},
		{"createClient", "", "/clients", "access_ttl", client, []any{1, 900, json.Number("900.0"), json.Number("9e2"), 100_000_000}, []any{0, 100_000_001, json.Number("900.5"), json.Number("1e999999999")}},
		{"createClient", "", "/clients", "kind", client, []any{"web"}, []any{"", "Web", "gadget"}},
		{"createRole", "", "/roles", "name", role, []any{strings.Repeat("é", 60)}, []any{strings.Repeat("é", 61), "a\u0085b"}},
		{"createRole", "", "/roles", "reason", role, []any{strings.Repeat("é", 500), "two\nlines"}, []any{strings.Repeat("é", 501), "", "a\u0085b"}},
		{"saveBrand", "getPopulation", "/populations/agents/brand", "logo_url", brand, []any{url(500, "é"), ""}, []any{url(501, "a")}},
		{"saveBrand", "getPopulation", "/populations/agents/brand", "brand_color", brand, []any{"#0a5C36", ""}, []any{"#0a5c3", "red"}},
		{"saveMFAPolicy", "getMFAPolicy", "/populations/agents/mfa-policy", "issuer_label", policy, []any{strings.Repeat("𝕏", 64)}, []any{strings.Repeat("a", 65), "a:b"}},
		{"savePasswordRequirements", "getPasswordRequirements", "/populations/agents/password-requirements", "min_length", passwords, []any{8, 64, json.Number("12.0")}, []any{7, 65}},
		{"savePasswordRequirements", "getPasswordRequirements", "/populations/agents/password-requirements", "no_reuse", passwords, []any{0, 24}, []any{-1, 25}},
		{"saveSessionConfiguration", "getSessionConfiguration", "/populations/agents/session-configuration", "session_idle", sessions, []any{300, 34_560_000}, []any{299, 34_560_001}},
	} {
		ask := func(value any) answer {
			if c.get == "" {
				return o.ask("all", c.id, c.path, with(c.body, c.field, value))
			}
			etag := o.ask("all", c.get, fill(o.find[c.get].Path(), map[string]string{"population_id": "agents"}), nil).header.Get("ETag")
			return o.ask("all", c.id, c.path, with(c.body, c.field, value), "If-Match", etag)
		}
		for _, value := range c.good {
			if c.id == "createRole" && c.field != "name" {
				c.body = with(c.body, "name", idp.NewID())
			}
			if a := ask(value); a.status >= 300 {
				t.Errorf("%s %s %.40v: %d %s", c.id, c.field, value, a.status, a.body)
			}
		}
		for _, value := range c.bad {
			a := ask(value)
			want(t, c.id+" "+c.field, a, http.StatusBadRequest, "bad_request")
			if p := a.problem(t); p.Errors == nil && c.field != "access_ttl" || p.Errors != nil && !strings.HasPrefix(*(*p.Errors)[0].Pointer, "/"+c.field) {
				t.Errorf("%s %s %.40v: %s", c.id, c.field, value, a.body)
			}
		}
	}
}
