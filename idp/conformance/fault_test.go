package conformance_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/server"
)

// house is a provider with one person and one app, which can have a fault.
type house struct {
	*idptest.App
	email    string
	standing relyingParty
	admin    string // an access token of a service that may add apps
	fault    atomic.Pointer[fault]
	elapsed  atomic.Int64 // how much older modules made things
	told     chan string  // logout tokens that the app behind logoutPath is told
	database string       // its URL
	banks    banks
}

// A fault stands between the world and the provider.
type fault func(h *house, next http.Handler, w http.ResponseWriter, r *http.Request)

func open(t *testing.T, databaseURL string) *house {
	t.Helper()
	h := &house{email: "ana@rtx.example", told: make(chan string, 10), database: databaseURL}
	h.App = idptest.StartBehind(t, server.Config{DatabaseURL: databaseURL, DataDir: idptest.Folder(t), PrivateNetworks: true}, h.between)
	h.StartWork()
	// A password alone: the modules are about the protocol.
	h.SetPolicy(idp.Agents, idp.Policy{}, populations.OnNextLogin)
	h.AddUser(idp.Agents, h.email)
	h.standing = h.register(idp.Client{PostLogoutRedirectURIs: []string{bye}})
	service := h.register(idp.Client{Kind: idp.ServiceClient, Scopes: []string{idp.AdminScope}, Roles: []string{idp.RoleAdmin}})
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {idp.AdminScope}, "client_id": {service.id}, "client_secret": {service.secret},
	}
	r := &run{verdict: &verdict{TB: t}, house: h}
	h.admin = r.send(http.MethodPost, h.Issuer+"/token", form).text("access_token")
	if h.admin == "" {
		t.Fatal("the service gets no token")
	}
	return h
}

// logoutPath is where apps are told of the end of a session, at the provider's own address:
// so a fault stands between.
const logoutPath = "/rp/logout"

func (h *house) between(provider http.Handler) http.Handler {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == logoutPath {
			h.told <- r.PostFormValue("logout_token")
			return
		}
		provider.ServeHTTP(w, r)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := h.fault.Load(); f != nil {
			(*f)(h, next, w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ago is a time as a literal of both databases.
func ago(d time.Duration) string {
	return "'" + idp.Now().Add(-d).Format("2006-01-02 15:04:05.999999+00:00") + "'"
}

func (h *house) register(c idp.Client) relyingParty {
	p := h.AddParty(withDefaults(c))
	return relyingParty{p.Client.ID, p.Secret}
}

func withDefaults(c idp.Client) idp.Client {
	if c.Kind.SignsIn() && len(c.RedirectURIs) == 0 {
		c.RedirectURIs = []string{callback}
	}
	return c
}

// parameters are a request's, of query and form. The body can be read again.
func parameters(r *http.Request) url.Values {
	if r.Method != http.MethodPost {
		return r.URL.Query()
	}
	text, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(text))
	form, _ := url.ParseQuery(string(text))
	return form
}

// setParameters puts others in their place.
func setParameters(r *http.Request, form url.Values) {
	if r.Method != http.MethodPost {
		r.URL.RawQuery = form.Encode()
		return
	}
	text := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
}

// alter changes the parameters of requests to a path.
func alter(path string, change func(form url.Values)) fault {
	return func(_ *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			form := parameters(r)
			change(form)
			setParameters(r, form)
		}
		next.ServeHTTP(w, r)
	}
}

// without leaves a parameter out of requests to authorize.
func without(name string) fault { return alter("/authorize", func(q url.Values) { q.Del(name) }) }

// answers stands in for the provider where a request is such.
func answers(path string, such func(r *http.Request, form url.Values) bool, answer http.HandlerFunc) fault {
	return func(_ *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path && such(r, parameters(r)) {
			answer(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// refuses sends an app invalid_request where a request to authorize is such.
func refuses(such func(q url.Values) bool) fault {
	return answers("/authorize", func(_ *http.Request, q url.Values) bool { return such(q) }, func(w http.ResponseWriter, r *http.Request) {
		q := parameters(r)
		backTo(w, r, q.Get("redirect_uri"), "error", "invalid_request", "state", q.Get("state"))
	})
}

func has(name string) func(url.Values) bool {
	return func(q url.Values) bool { return q.Has(name) }
}

func is(name, value string) func(url.Values) bool {
	return func(q url.Values) bool { return q.Get(name) == value }
}

func backTo(w http.ResponseWriter, r *http.Request, uri string, pairs ...string) {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	http.Redirect(w, r, uri+"?"+q.Encode(), http.StatusFound)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// rewrites changes the provider's answers at a path where a request is such.
func rewrites(path string, such func(r *http.Request, form url.Values) bool, change func(header http.Header, body string) string) fault {
	return func(_ *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, path) || !such(r, parameters(r)) {
			next.ServeHTTP(w, r)
			return
		}
		seen := httptest.NewRecorder()
		next.ServeHTTP(seen, r)
		text := change(seen.Header(), seen.Body.String())
		seen.Header().Del("Content-Length")
		for name, values := range seen.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(seen.Code)
		_, _ = io.WriteString(w, text)
	}
}

// always is any request.
func always(*http.Request, url.Values) bool { return true }

// replaces changes a piece of the discovery document.
func replaces(from, to string) fault {
	return rewrites("/.well-known/openid-configuration", always, func(_ http.Header, body string) string { return strings.Replace(body, from, to, 1) })
}
