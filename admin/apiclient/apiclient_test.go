package apiclient_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/admin/apiclient"
	"gatehouse/idp/idptest"
)

const secret = "s3cr3t-of-nightly"

// provider answers /token and whatever else a test has it answer.
func provider(t *testing.T, answer http.HandlerFunc) *http.ServeMux {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		id, password, _ := r.BasicAuth()
		if id != "nightly" || password != secret || r.FormValue("scope") != "gatehouse:admin" || r.FormValue("grant_type") != "client_credentials" {
			t.Errorf("the request for a token is %v of %q", r.Form, id)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"t0ken","token_type":"Bearer","expires_in":900}`)
	})
	if answer != nil {
		mux.HandleFunc("/admin/api/v1/", answer)
	}
	return mux
}

func dial(t *testing.T, cfg apiclient.Config) *apiclient.Client {
	t.Helper()
	cfg.ClientID, cfg.ClientSecret = "nightly", secret
	c, err := apiclient.New(t.Context(), cfg)
	idptest.Must(t, err)
	return c
}

// start runs a provider and a client of it.
func start(t *testing.T, answer http.HandlerFunc) *apiclient.Client {
	t.Helper()
	s := httptest.NewServer(provider(t, answer))
	t.Cleanup(s.Close)
	return dial(t, apiclient.Config{Issuer: s.URL})
}

func TestSecretCrossesNoNetworkInTheClear(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://id.example": true, "https://id.example/sso": true, "https://id.example/": true,
		"http://localhost:8080": true, "http://127.0.0.1:8080": true, "http://127.9.9.9": true, "http://[::1]:8080": true,
		"http://id.example": false, "http://192.168.0.1": false, "http://localhost.id.example": false, "http://0.0.0.0": false,
		"http://127.0.0.1@id.example": false, "https://user:pass@id.example": false, "https://id.example?x=1": false,
		"ftp://localhost": false, "id.example": false, "https://": false, "": false, "//localhost": false,
	} {
		if _, err := apiclient.New(t.Context(), apiclient.Config{Issuer: issuer}); (err == nil) != good {
			t.Errorf("issuer %q: error %v, want good %t", issuer, err, good)
		}
	}
}

// A redirect, wherever it leads, gets neither the secret nor the token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s got here, with Authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	away := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}
	all := httptest.NewServer(http.HandlerFunc(away))
	defer all.Close()
	for name, c := range map[string]*apiclient.Client{
		"token": dial(t, apiclient.Config{Issuer: all.URL}), "operation": start(t, away),
	} {
		if _, err := c.Do(t.Context(), apiclient.Request{Method: http.MethodGet, Path: "/users"}); err == nil || !strings.Contains(err.Error(), "redirect") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestPrivateCA(t *testing.T) {
	s := httptest.NewUnstartedServer(provider(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	folder := t.TempDir()
	good, empty := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "empty.pem")
	idptest.Must(t, os.WriteFile(good, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	idptest.Must(t, os.WriteFile(empty, nil, 0o600))
	ask := func(c *apiclient.Client) error {
		_, err := c.Do(t.Context(), apiclient.Request{Method: http.MethodGet, Path: "/users"})
		return err
	}
	if err := ask(dial(t, apiclient.Config{Issuer: s.URL, CAFile: good})); err != nil {
		t.Errorf("with its CA: %v", err)
	}
	if err := ask(dial(t, apiclient.Config{Issuer: s.URL})); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without its CA: %v", err)
	}
	for _, file := range []string{empty, filepath.Join(folder, "missing.pem")} {
		if _, err := apiclient.New(t.Context(), apiclient.Config{Issuer: s.URL, CAFile: file}); err == nil {
			t.Errorf("%s is taken for certificates", file)
		}
	}
}

func TestRequestsAndAnswers(t *testing.T) {
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("ETag", `"8"`)
		_, _ = fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("If-Match"), r.Header.Get("Content-Type"), body)
	})
	a, err := c.Do(t.Context(), apiclient.Request{
		Method: http.MethodPut, Path: apiclient.At("users", "a b/c", "roles"), Query: url.Values{"x": {"1&2"}}, IfMatch: `"7"`, Body: map[string]int{"n": 1},
	})
	want := `PUT /admin/api/v1/users/a%20b%2Fc/roles?x=1%262 Bearer t0ken "7" application/json {"n":1}`
	if err != nil || string(a.Body) != want || a.ETag != `"8"` {
		t.Errorf("got %s %s %v, want %s", a.Body, a.ETag, err, want)
	}
	for _, id := range []string{"", ".", "..", "x/../../clients"} {
		if a, err := c.Do(t.Context(), apiclient.Request{Method: http.MethodDelete, Path: apiclient.At("users", id, "factors")}); err == nil {
			t.Errorf("the id %q is sent: %s", id, a.Body)
		}
	}
}

// pages answers a list of n numbers, size a page.
func pages(t *testing.T, n, size int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("population") != "agents" {
			t.Errorf("a page of %s", r.URL)
		}
		var from int
		_, _ = fmt.Sscan(r.URL.Query().Get("after"), &from)
		page := map[string]any{"numbers": []int{}}
		var items []int
		for i := from; i < min(from+size, n); i++ {
			items = append(items, i)
		}
		if items != nil {
			page["numbers"] = items
		}
		if from+size < n {
			page["next"] = fmt.Sprint(from + size)
		}
		idptest.Must(t, json.NewEncoder(w).Encode(page))
	}
}

func TestListsAreFollowedToTheirEnd(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 10} {
		c := start(t, pages(t, n, 3))
		query := url.Values{"population": {"agents"}}
		var got []string
		for item, err := range c.List(t.Context(), apiclient.Request{Method: http.MethodGet, Path: "/numbers", Query: query}, "numbers") {
			idptest.Must(t, err)
			got = append(got, string(item))
		}
		var want []string
		for i := range n {
			want = append(want, fmt.Sprint(i))
		}
		if !slices.Equal(got, want) || len(query) != 1 {
			t.Errorf("%d: got %v; the query is now %v", n, got, query)
		}
	}
	c := start(t, pages(t, 10, 3))
	for _, err := range c.List(t.Context(), apiclient.Request{Method: http.MethodGet, Path: "/x", Query: url.Values{"population": {"agents"}}}, "letters") {
		if err == nil {
			t.Error("an answer without the list is taken for a list")
		}
	}
}

func TestWhatBreaksOffIsNotComplete(t *testing.T) {
	c := start(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	r := apiclient.Request{Method: http.MethodGet, Path: "/audit-events/export"}
	var out strings.Builder
	if err := c.Copy(t.Context(), &out, r); err == nil || out.String() != "{}\n" {
		t.Errorf("copied %q, error %v", out.String(), err)
	}
	if a, err := c.Do(t.Context(), r); err == nil {
		t.Errorf("answered %s", a.Body)
	}
}

func TestRefusals(t *testing.T) {
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/admin/api/v1/page" {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<h1>proxy</h1>")
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"status":422,"code":"unprocessable","detail":"Not so.","request_id":"r1","errors":[{"pointer":"/email","detail":"is taken"},{"parameter":"limit","detail":"is too much"},{"pointer":"","detail":"is empty"}]}`)
	})
	for path, want := range map[string]string{
		"/users": "Not so. (422 unprocessable, request r1)\n  /email: is taken\n  limit: is too much\n  is empty",
		"/page":  "This is not an answer of the admin API: is the issuer right? (502 Bad Gateway)",
	} {
		_, err := c.Do(t.Context(), apiclient.Request{Method: http.MethodGet, Path: path})
		var p *apiclient.Problem
		if !errors.As(err, &p) || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

// Whatever the token endpoint answers, the error helps and does not repeat secrets.
func TestNoToken(t *testing.T) {
	for answer, want := range map[string]string{
		`{"error":"invalid_client","error_description":"` + secret + `"}`: "does not know this client id with this secret",
		`{"error":"invalid_scope"}`:                                       "gatehouse:admin",
		`{"error":"unauthorized_client"}`:                                 "not of kind service",
		`{"error":"slow_down","error_description":"Later."}`:              "Later. (slow_down)",
		`<h1>` + secret + `</h1>`:                                         "is the issuer right?",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, answer)
		}))
		c := dial(t, apiclient.Config{Issuer: s.URL})
		_, err := c.Do(t.Context(), apiclient.Request{Method: http.MethodGet, Path: "/users"})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want %q", answer, err, want)
		}
		s.Close()
	}
}
