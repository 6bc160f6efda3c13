package login_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// statements posts the form of a page, and says how many statements the answer took.
func (h *house) statements(b *idptest.Browser, page *idptest.Page, action string, pairs ...string) int {
	h.t.Helper()
	target, fields, ok := page.Form(action)
	if !ok {
		h.t.Fatalf("%q has no form %s", page.Heading(), action)
	}
	for i := 0; i < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	u, err := url.Parse(target)
	idptest.Must(h.t, err)
	r := httptest.NewRequest(http.MethodPost, u.Path, strings.NewReader(fields.Encode()))
	r.Host = h.site().Host
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range b.Jar.Cookies(h.site()) {
		r.AddCookie(c)
	}
	ctx, n := store.CountStatements(r.Context())
	rec := httptest.NewRecorder()
	h.Handler().ServeHTTP(rec, r.WithContext(ctx))
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), idptest.RedirectURI) {
		h.t.Fatalf("%s: %d %s", target, rec.Code, rec.Body)
	}
	return int(n.Load())
}

// A sign-in with nothing but a passkey takes no more statements than the code of one that has
// a password before it; as a second step a passkey takes no more than a code does.
func TestAPasskeyTakesNoMoreStatementsThanACode(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := passkeys(t, db, andApp)
		d := h.device()
		b := idptest.NewBrowser(t)
		page := b.Submit(h.accepted(b), "/method", "method", "totp")
		phone := idptest.Scan(t, page)
		page = b.Submit(page, "/enrol", "code", phone.Code(0))
		wantLeft(t, b.Submit(page, "/saved", "saved", "yes"))
		second := "second@rtx.example"
		h.AddUser("agents", second)
		b = idptest.NewBrowser(t)
		page = b.Submit(h.atPassword(b), "/password", "email", second, "password", idptest.Password)
		page = b.Submit(page, "/method", "method", "passkey")
		page = b.Submit(page, "/enrol", "credential", d.Create(askedFor(t, page)))
		wantLeft(t, b.Submit(page, "/saved", "saved", "yes"))

		h.forget()
		b = idptest.NewBrowser(t)
		page = h.accepted(b)
		code := h.statements(b, page, "/totp", "code", phone.Code(0))
		b = idptest.NewBrowser(t)
		page = b.Submit(h.atPassword(b), "/password", "email", second, "password", idptest.Password)
		step := h.statements(b, page, "/passkey", "credential", d.Use(askedFor(t, page)))
		b = idptest.NewBrowser(t)
		page = h.atPassword(b)
		alone := h.statements(b, page, "/passkey", "credential", d.Use(askedFor(t, page)))
		if step > code || alone > code {
			t.Errorf("a code takes %d statements, a passkey as a second step %d, and alone %d", code, step, alone)
		}
		t.Logf("a code takes %d statements, a passkey as a second step %d, and alone %d", code, step, alone)
	})
}
