package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/people"
	"gatehouse/ui"
)

// office is the API over a provider's operations, with tokens of the test's own.
type office struct {
	*idptest.App
	t      testing.TB
	engine *gin.Engine
	find   map[string]*api.Operation

	mu     sync.Mutex
	tokens map[string]idp.AdminAccess
	// late, if not nil, happens right after a caller was found out for the second time,
	// which is when the body was read. It may change tokens.
	late  func()
	found int
}

// Prove implements api.Tokens.
func (o *office) Prove(r *http.Request) (context.Context, error) { return r.Context(), nil }

// AdminToken implements api.Tokens.
func (o *office) AdminToken(_ context.Context, token string) (idp.AdminAccess, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	access, ok := o.tokens[token]
	if o.found++; o.late != nil && o.found == 2 {
		defer o.late()
	}
	switch {
	case !ok:
		return access, idp.ErrTokenInvalid
	case len(access.Scopes) == 0:
		return access, idp.ErrScopeInsufficient
	}
	return access, nil
}

// refit makes the operations anew, with other parts.
func (o *office) refit(change func(*manage.Parts)) {
	change(&o.Manage.Parts)
	*o.Manage = *manage.New(o.Manage.Parts)
}

func open(t testing.TB, databaseURL string) *office {
	t.Helper()
	o := &office{App: idptest.Start(t, databaseURL, ""), t: t, tokens: map[string]idp.AdminAccess{}, find: map[string]*api.Operation{}}
	o.refit(func(p *manage.Parts) { p.Rotation = o.Keys })
	a := api.New(api.Config{Manage: o.Manage, Tokens: o, Text: texts(t)})
	o.engine = gin.New()
	o.engine.Use(func(c *gin.Context) {
		c.Request = c.Request.WithContext(idp.WithVisit(c.Request.Context(), &idp.Visit{RequestID: "request-1", Address: "203.0.113.7"}))
	})
	a.Routes(o.engine.Group("/sso"))
	operations, err := api.Operations()
	idptest.Must(t, err)
	for _, op := range operations {
		o.find[op.ID] = op
	}
	o.service("all", idp.Permissions()...)
	return o
}

// inOffice runs a test over HTTP.
func inOffice(t *testing.T, run func(t *testing.T, o *office)) {
	t.Helper()
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) { run(t, open(t, db.URL)) })
}

// inBothOffices runs a test on both databases.
func inBothOffices(t *testing.T, run func(t *testing.T, o *office)) {
	t.Helper()
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) { run(t, open(t, db.URL)) })
}

// service makes a token of a service that has these permissions.
func (o *office) service(token string, permissions ...string) {
	o.t.Helper()
	role := idp.Role{ID: idp.NewID(), Name: "Role of " + token, Permissions: permissions}
	idptest.Must(o.t, o.Store.CreateRole(o.t.Context(), role))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tokens[token] = idp.AdminAccess{ClientID: "service-" + token, Roles: []string{role.ID}, Scopes: []string{idp.AdminScope}}
}

// person makes a token of a person whose second step was some time ago.
func (o *office) person(token string, u idp.User, ago time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := idp.Now().Add(-ago)
	o.tokens[token] = idp.AdminAccess{
		UserID: u.ID, ClientID: "app", Scopes: []string{idp.AdminScope},
		Proofs: []idp.Proof{{Method: idp.MethodPassword, At: at}, {Method: idp.MethodTOTP, At: at}},
	}
}

// someone adds a person.
func (o *office) someone(population string, roles ...string) idp.User {
	o.t.Helper()
	u, err := o.Manage.People.CreateUser(o.t.Context(), people.NewUser{Population: population, Email: idp.NewID() + "@rtx.example", Name: "Somebody", Roles: roles})
	idptest.Must(o.t, err)
	return u
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is the body of a refusal.
func (a answer) problem(t testing.TB) api.Problem {
	t.Helper()
	var p api.Problem
	idptest.Must(t, json.Unmarshal(a.body, &p))
	return p
}

// into decodes the body.
func into[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil || a.status >= 300 {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

// target is the address of an operation; pairs name segments.
func target(op *api.Operation, pairs ...string) string {
	path := op.Path()
	for i := 0; i+1 < len(pairs); i += 2 {
		path = strings.ReplaceAll(path, "{"+pairs[i]+"}", pairs[i+1])
	}
	return "/sso" + api.Base + path
}

// send sends a request and checks that the answer is as the document says.
func (o *office) send(op *api.Operation, r *http.Request) answer {
	o.t.Helper()
	w := httptest.NewRecorder()
	o.engine.ServeHTTP(w, r)
	a := answer{w.Code, w.Header(), w.Body.Bytes()}
	if err := op.Conforms(a.status, a.header, a.body); err != nil {
		o.t.Errorf("%s: %s %s: %v\n%s", op.ID, r.Method, r.URL, err, a.body)
	}
	return a
}

// ask calls an operation. body is encoded, unless it is nil; with a map's key
// "If-Match" in headers.
func (o *office) ask(token, id, path string, body any, headers ...string) answer {
	o.t.Helper()
	op := o.find[id]
	if op == nil {
		o.t.Fatalf("there is no operation %s", id)
	}
	var content io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		idptest.Must(o.t, err)
		content = bytes.NewReader(b)
	}
	r := httptest.NewRequestWithContext(o.t.Context(), op.Method(), "/sso"+api.Base+path, content)
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return o.send(op, r)
}

// object is a JSON object.
type object = map[string]any

// want checks status and code of an answer.
func want(t testing.TB, what string, a answer, status int, code string) {
	t.Helper()
	if a.status != status || code != "" && string(a.problem(t).Code) != code {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, a.body, status, code)
	}
}

// texts write those of the catalogues in English.
func texts(t testing.TB) func(key string, args ...any) string {
	pages, err := ui.New(ui.Options{})
	idptest.Must(t, err)
	return func(key string, args ...any) string { return pages.Text("en", *ui.Key(key).With(args...)) }
}
