package api_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/web"
)

// Every field and parameter of every operation, with values that somebody might send
// who means harm: the document says what the answer is, and it is never our fault.
func TestHostileValues(t *testing.T) {
	inBothOffices(t, func(t *testing.T, o *office) {
		objects := o.objects(idp.Agents)
		count := 0
		for _, id := range slices.Sorted(maps.Keys(o.find)) {
			op := o.find[id]
			for _, attack := range op.Attacks() {
				count++
				if attack.Bad && o.Store.Dialect() == "postgres" {
					continue // no statement of an operation sees it: once is enough
				}
				a := o.send(op, o.hostile(op, attack, objects))
				switch {
				case attack.Unknown && a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest:
					t.Errorf("%s, %s: %d %.300s", id, attack.Name, a.status, a.body)
				case attack.Bad && !attack.Unknown && a.status != http.StatusBadRequest:
					t.Errorf("%s, %s: %d %.300s", id, attack.Name, a.status, a.body)
				case a.status >= 500 || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
					t.Errorf("%s, %s: %d %.300s", id, attack.Name, a.status, a.body)
				}
			}
		}
		if count < 1000 {
			t.Errorf("only %d attacks", count)
		}
	})
}

// hostile makes the request of an attack, as usual but for what it tries.
func (o *office) hostile(op *api.Operation, attack api.Attack, objects map[string]string) *http.Request {
	path := op.Path()
	for name, value := range attack.Segments {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	address := "/sso" + api.Base + fill(path, objects)
	body := attack.Body
	if op.TakesBody() && body == nil {
		body = api.Render(op.Sample())
	}
	r := httptest.NewRequestWithContext(o.t.Context(), op.Method(), address, bytes.NewReader(body))
	r.URL.RawQuery = attack.Query
	r.Header.Set("Authorization", "Bearer all")
	if len(body) > 0 || op.TakesBody() {
		r.Header.Set("Content-Type", "application/json")
	}
	switch {
	case attack.IfMatch != nil:
		r.Header["If-Match"] = attack.IfMatch
	case op.Versioned():
		r.Header.Set("If-Match", `"999999"`)
	}
	return r
}

func TestBodiesOfOtherKinds(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	op := o.find["createRole"]
	good := `{"name":"R","permissions":[],"reason":"x"}`
	for name, c := range map[string]struct {
		body   io.Reader
		header http.Header
		status int
	}{
		"no type":         {strings.NewReader(good), http.Header{}, 415},
		"a form":          {strings.NewReader("name=R"), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 415},
		"text":            {strings.NewReader(good), http.Header{"Content-Type": {"text/plain"}}, 415},
		"another charset": {strings.NewReader(good), http.Header{"Content-Type": {"application/json; charset=utf-16"}}, 415},
		"two types":       {strings.NewReader(good), http.Header{"Content-Type": {"application/json", "text/plain"}}, 415},
		"packed":          {strings.NewReader(good), http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, 415},
		"too large":       {strings.NewReader(`{"name":"` + strings.Repeat("a", web.MaxBody)), http.Header{"Content-Type": {"application/json"}}, 413},
		"of no length":    {io.MultiReader(strings.NewReader(strings.Repeat(" ", web.MaxBody)), strings.NewReader(good)), http.Header{"Content-Type": {"application/json"}}, 413},
		"with a charset":  {strings.NewReader(good), http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, 201},
	} {
		r := httptest.NewRequestWithContext(t.Context(), op.Method(), target(op), c.body)
		r.Header = c.header
		r.Header.Set("Authorization", "Bearer all")
		if a := o.send(op, r); a.status != c.status {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// What nobody may set cannot be set by naming it.
func TestMassAssignment(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	u := o.someone(idp.Agents)
	path := "/users/" + u.ID
	forbidden := object{
		"id": "x", "population": "contacts", "roles": []string{"admin"}, "password_hash": "x", "password": "gentle maple corner",
		"version": 9, "created_at": "2020-01-01T00:00:00Z", "system": true, "permissions": []string{"users.manage"},
	}
	for field, value := range forbidden {
		a := o.ask("all", "updateUser", path, object{"name": "New", field: value}, "If-Match", `"1"`)
		want(t, field, a, http.StatusBadRequest, "bad_request")
		if p := a.problem(t); p.Errors == nil || len(*p.Errors) != 1 || *(*p.Errors)[0].Pointer != "/"+field {
			t.Errorf("%s: %s", field, a.body)
		}
	}
	now, version, err := o.Store.VersionedUser(t.Context(), u.ID)
	if err != nil || version != 1 || now.Name != "Somebody" {
		t.Errorf("%+v, %d, %v", now, version, err)
	}
	a := o.ask("all", "createClient", "/clients", object{"name": "A", "kind": "web", "id": "chosen", "secret": "chosen"})
	want(t, "a client's id", a, http.StatusBadRequest, "bad_request")
}

// An id of something else is not found, and that thing stays as it is.
func TestIdsOfOtherObjects(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	mine, other := o.objects(idp.Agents), o.objects(idp.Contacts)
	set := idp.RecoverySet{ID: idp.NewID(), UserID: other["user_id"], CreatedAt: idp.Now(), DisabledAt: idp.Now()}
	code := idp.RecoveryCode{ID: idp.NewID(), SetID: set.ID, UserID: set.UserID, MAC: []byte("mac"), Sealed: []byte("sealed")}
	idptest.Must(t, o.Store.ReplaceRecoveryCodes(t.Context(), set, []idp.RecoveryCode{code}))
	because := object{"reason": "ticket 7"}
	for what, a := range map[string]answer{
		"somebody else's factor":  o.ask("all", "enableFactor", "/users/"+mine["user_id"]+"/factors/"+set.ID+"/enable", because),
		"a client as a person":    o.ask("all", "getUser", "/users/"+mine["client_id"], nil),
		"a person as a client":    o.ask("all", "deleteClient", "/clients/"+mine["user_id"], because),
		"a person as a role":      o.ask("all", "deleteRole", "/roles/"+mine["user_id"], because, "If-Match", `"1"`),
		"a person as a session":   o.ask("all", "endSession", "/sessions/"+mine["user_id"], because),
		"a session as a person":   o.ask("all", "signOut", "/users/"+mine["session_id"]+"/sign-out", because),
		"a role as a population":  o.ask("all", "getMFAPolicy", "/populations/"+mine["role_id"]+"/mfa-policy", nil),
		"a person as an override": o.ask("all", "getMFAOverride", "/clients/"+mine["user_id"]+"/mfa-override", nil),
	} {
		want(t, what, a, http.StatusNotFound, "not_found")
	}
}
