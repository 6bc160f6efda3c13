package api_test

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
)

var update = flag.Bool("update", false, "write admin/openapi.yaml")

// What is committed is what is served, but for the server's URL.
func TestTheDocumentIsWritten(t *testing.T) {
	written, err := api.Written()
	idptest.Must(t, err)
	if *update {
		idptest.Must(t, os.WriteFile("../openapi.yaml", written, 0o600))
	}
	committed, err := os.ReadFile("../openapi.yaml")
	idptest.Must(t, err)
	if !bytes.Equal(committed, written) {
		t.Error("admin/openapi.yaml is another one: go test ./admin/api -run TestTheDocumentIsWritten -update")
	}
}

func TestTheDocumentSaysWhatTheCodeDoes(t *testing.T) {
	operations, err := api.Operations()
	idptest.Must(t, err)
	left := authz.Operations()
	documented := map[string]bool{}
	for _, op := range operations {
		permissions, ok := authz.Operations()[op.Manage]
		slices.Sort(permissions)
		if !ok || !slices.Equal(permissions, slices.Sorted(slices.Values(op.Permissions()))) {
			t.Errorf("%s: the document allows %s by %q, the rule says %q", op.ID, op.Manage, op.Permissions(), permissions)
		}
		delete(left, op.Manage)
		documented[op.Method()+" /sso"+api.Base+op.GinPath()] = true
		if op.Summary() == "" || op.ID == "" || op.Tag() == "" {
			t.Errorf("%s %s: no summary, id or tag", op.Method(), op.Path())
		}
	}
	delete(left, "ImportUser") // a command on the server: a file of a million people is no request
	for name := range left {
		t.Errorf("nothing in the document carries out %s", name)
	}
	engine := gin.New()
	api.New(api.Config{}).Routes(engine.Group("/sso"))
	routed := map[string]bool{}
	for _, r := range engine.Routes() {
		if strings.Contains(r.Handler, "(*API).Routes") {
			routed[r.Method+" "+r.Path] = true
		}
	}
	if diff := cmp.Diff(documented, routed); diff != "" {
		t.Error(diff)
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	engine := gin.New()
	api.New(api.Config{Issuer: "https://id.example"}).Routes(&engine.RouterGroup)
	source, err := os.ReadFile("../openapi.yaml")
	idptest.Must(t, err)
	for path, c := range map[string]struct{ kind, holds string }{
		"/":             {"text/html; charset=utf-8", "setRoles"},
		"/page.css":     {"text/css; charset=utf-8", "color-scheme"},
		"/openapi.yaml": {"application/yaml", string(source)},
		"/openapi.json": {"application/json", `"openapi":"3.1.0"`},
	} {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Base+path, http.NoBody))
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Type") != c.kind || !strings.Contains(w.Body.String(), c.holds) {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'") {
			t.Errorf("%s: %v", path, h)
		}
		for _, inline := range []string{"<script", "<style", " style=", " onclick", "http:", "https:"} {
			if path == "/" && bytes.Contains(w.Body.Bytes(), []byte(inline)) {
				t.Errorf("the page has %s", inline)
			}
		}
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	for _, method := range []string{"PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, "/sso"+api.Base+"/users", http.NoBody)
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "GET")
		o.engine.ServeHTTP(w, r)
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD, POST" ||
			w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
}

// Cookies, forms and other schemes open nothing.
func TestOnlyBearerTokensCount(t *testing.T) {
	o := open(t, idptest.Alone(t).URL)
	bare := o.someone(idp.Agents, idp.RoleAdmin)
	o.person("stale", bare, authz.FreshSecondStep*2)
	o.tokens["password"] = idp.AdminAccess{UserID: bare.ID, Scopes: []string{idp.AdminScope}, Proofs: []idp.Proof{{Method: idp.MethodPassword, At: idp.Now()}}}
	o.tokens["scopeless"] = idp.AdminAccess{UserID: bare.ID}
	get, sensitive := o.find["listRoles"], o.find["rotateKeys"]
	const realm = `Bearer realm="gatehouse"`
	for name, c := range map[string]struct {
		op            *api.Operation
		authorization []string
		status        int
		challenge     string
	}{
		"nothing":             {get, nil, 401, realm},
		"basic":               {get, []string{"Basic YWxsOg=="}, 401, realm},
		"empty":               {get, []string{"Bearer "}, 401, realm + `, error="invalid_token"`},
		"two":                 {get, []string{"Bearer all", "Bearer all"}, 401, realm + `, error="invalid_token"`},
		"two in one":          {get, []string{"Bearer all all"}, 401, realm + `, error="invalid_token"`},
		"unknown":             {get, []string{"Bearer invented"}, 401, realm + `, error="invalid_token"`},
		"in small letters":    {get, []string{"bearer all"}, 200, ""},
		"behind two spaces":   {get, []string{"Bearer  all"}, 200, ""},
		"behind many spaces":  {get, []string{"BEARER     all"}, 200, ""},
		"without the scope":   {get, []string{"Bearer scopeless"}, 403, realm + `, error="insufficient_scope", scope="gatehouse:admin"`},
		"by password alone":   {get, []string{"Bearer password"}, 401, realm + `, error="insufficient_user_authentication", acr_values="urn:gatehouse:acr:two-step"`},
		"stale, harmless":     {get, []string{"Bearer stale"}, 200, ""},
		"stale and sensitive": {sensitive, []string{"Bearer stale"}, 401, realm + `, error="insufficient_user_authentication", acr_values="urn:gatehouse:acr:two-step", max_age="600"`},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.op.Method(), target(c.op), strings.NewReader(`{"reason":"x"}`))
		if !c.op.TakesBody() {
			r = httptest.NewRequestWithContext(t.Context(), c.op.Method(), target(c.op), http.NoBody)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header["Authorization"] = c.authorization
		r.AddCookie(&http.Cookie{Name: "gatehouse_session_agents", Value: "all"})
		a := o.send(c.op, r)
		if a.status != c.status || a.header.Get("WWW-Authenticate") != c.challenge || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
	}
}
