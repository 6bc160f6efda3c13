package api_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/admin/api"
	"gatehouse/idp"
)

// slowly sends an operation whose body comes in two halves; between them, when the caller
// was let in, something happens.
func (o *office) slowly(token, id, path, body string, meanwhile func()) answer {
	o.t.Helper()
	op := o.find[id]
	content, rest := io.Pipe()
	r := httptest.NewRequestWithContext(o.t.Context(), op.Method(), "/sso"+api.Base+path, content)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	go func() {
		_, _ = io.WriteString(rest, body[:1]) // returns once it is read: the caller is in
		meanwhile()
		_, _ = io.WriteString(rest, body[1:])
		_ = rest.Close()
	}()
	return o.send(op, r)
}

// takeAway ends what a token may, in one way or another. Whoever calls holds the lock.
var takeAway = map[string]struct {
	do     func(o *office, token string)
	status int
	code   string
}{
	"the service is deleted": {func(o *office, token string) {
		delete(o.tokens, token)
	}, 401, "invalid_token"},
	"the scope is gone": {func(o *office, token string) {
		access := o.tokens[token]
		access.Scopes = nil
		o.tokens[token] = access
	}, 403, "insufficient_scope"},
	"the role is taken away": {func(o *office, token string) {
		access := o.tokens[token]
		access.Roles = nil
		o.tokens[token] = access
	}, 403, "forbidden"},
}

// Who calls is found out before the body is read, which may take its time, and again
// afterwards.
func TestACallerIsNotWhoTheyWereWhenTheBodyBegan(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		for name, c := range takeAway {
			token := strings.ReplaceAll(name, " ", "-")
			o.service(token, idp.Permissions()...)
			email := idp.NewID() + "@rtx.example"
			a := o.slowly(token, "createUser", "/users", `{"population":"agents","email":"`+email+`"}`, func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				c.do(o, token)
			})
			want(t, name, a, c.status, c.code)
			if _, err := o.Store.UserByEmail(t.Context(), idp.Agents, email); err == nil {
				t.Errorf("%s, and the person was added", name)
			}
		}
	})
}

// A transaction may wait for a row that somebody else holds: the caller is found out once
// more before it is committed.
func TestACallerIsFoundOutOnceMoreAtTheEnd(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		for name, c := range takeAway {
			token := strings.ReplaceAll(name, " ", "-")
			o.service(token, idp.Permissions()...)
			email := idp.NewID() + "@rtx.example"
			o.found, o.late = 0, func() { c.do(o, token) }
			a := o.ask(token, "createUser", "/users", object{"population": "agents", "email": email})
			o.late = nil
			want(t, name, a, c.status, c.code)
			if _, err := o.Store.UserByEmail(t.Context(), idp.Agents, email); err == nil {
				t.Errorf("%s, and the person was added", name)
			}
		}
	})
}
