package conformance_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
)

// said are header and claims of a JWT, unverified.
func said(raw string) (header, claims map[string]any) {
	parts := strings.Split(raw, ".")
	for i, into := range []*map[string]any{&header, &claims} {
		if i < len(parts) {
			text, _ := base64.RawURLEncoding.DecodeString(parts[i])
			_ = json.Unmarshal(text, into) // nothing is said
		}
	}
	return header, claims
}

func assertionIn(form url.Values) map[string]any {
	_, claims := said(form.Get("client_assertion"))
	return claims
}

func proofIn(r *http.Request) map[string]any {
	_, claims := said(r.Header.Get("DPoP"))
	return claims
}

// jktIn is the thumbprint of the key of a request's proof, empty for none.
func jktIn(r *http.Request) string {
	header, _ := said(r.Header.Get("DPoP"))
	raw, _ := json.Marshal(header["jwk"])
	var key jose.JSONWebKey
	if key.UnmarshalJSON(raw) != nil {
		return ""
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// ahead is how far a time among claims is ahead of now, in seconds.
func ahead(claims map[string]any, name string) float64 {
	at, ok := claims[name].(float64)
	if !ok {
		return 0
	}
	return at - float64(idp.Now().Unix())
}

// accepts answers where a request is such as if all were well.
func accepts(path string, such func(r *http.Request, form url.Values) bool) fault {
	return answers(path, such, fine)
}

func fine(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/par":
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"request_uri":"urn:ietf:params:oauth:request_uri:x","expires_in":90}`)
	case "/authorize":
		backTo(w, r, callback, "code", "x")
	default:
		_, _ = fmt.Fprint(w, `{"sub":"x","access_token":"x","token_type":"DPoP","expires_in":60,"refresh_token":"x","scope":"openid"}`)
	}
}

// rejects refuses where a request is such.
func rejects(path, code string, such func(r *http.Request, form url.Values) bool) fault {
	return answers(path, such, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":%q}`, code)
	})
}

// asserts is such by the claims of the assertion.
func asserts(such func(claims map[string]any) bool) func(*http.Request, url.Values) bool {
	return func(_ *http.Request, form url.Values) bool {
		return form.Has("client_assertion") && such(assertionIn(form))
	}
}

// proves is such by the claims of the proof.
func proves(such func(claims map[string]any) bool) func(*http.Request, url.Values) bool {
	return func(r *http.Request, _ url.Values) bool { return r.Header.Get("DPoP") != "" && such(proofIn(r)) }
}

// ofForm is such by the parameters of a form.
func ofForm(such func(url.Values) bool) func(*http.Request, url.Values) bool {
	return func(r *http.Request, form url.Values) bool { return r.Method == http.MethodPost && such(form) }
}

func isGrant(form url.Values, name string) bool { return form.Get("grant_type") == name }

// meddles changes a request before the provider has it.
func meddles(path string, change func(r *http.Request, form url.Values)) fault {
	return func(_ *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			form := parameters(r)
			change(r, form)
			setParameters(r, form)
		}
		next.ServeHTTP(w, r)
	}
}

// entry is a request that was pushed, as a fault remembers it.
type entry struct {
	client, jkt string
	elapsed     int64
	opened      int
}

// ledger remembers requests by request_uri and by code_challenge.
type ledger struct {
	mu      sync.Mutex
	entries map[string]*entry
}

// watching remembers what was pushed, and meddles with what follows: instead answers where it
// likes, and tells whether it did.
func watching(instead func(h *house, e *entry, w http.ResponseWriter, r *http.Request, form url.Values) bool) fault {
	l := &ledger{entries: map[string]*entry{}}
	return func(h *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		form := parameters(r)
		switch r.URL.Path {
		case "/par":
			l.push(h, next, w, r, form)
			return
		case "/authorize", "/token":
			l.mu.Lock()
			e := l.entries[form.Get("request_uri")]
			if e == nil {
				e = l.entries[challenge(form.Get("code_verifier"))]
			}
			done := instead(h, e, w, r, form)
			if e != nil && r.URL.Path == "/authorize" {
				e.opened++
			}
			l.mu.Unlock()
			if done {
				return
			}
		}
		next.ServeHTTP(w, r)
	}
}

func (l *ledger) push(h *house, next http.Handler, w http.ResponseWriter, r *http.Request, form url.Values) {
	seen := httptest.NewRecorder()
	next.ServeHTTP(seen, r)
	var answer struct {
		URI string `json:"request_uri"`
	}
	_ = json.Unmarshal(seen.Body.Bytes(), &answer) // refused
	if answer.URI != "" {
		client, _ := assertionIn(form)["sub"].(string)
		e := &entry{client: client, jkt: jktIn(r), elapsed: h.elapsed.Load()}
		if e.jkt == "" {
			e.jkt = "param " + form.Get("dpop_jkt")
		}
		l.mu.Lock()
		l.entries[answer.URI], l.entries[form.Get("code_challenge")] = e, e
		l.mu.Unlock()
	}
	maps.Copy(w.Header(), seen.Header())
	w.WriteHeader(seen.Code)
	_, _ = fmt.Fprint(w, seen.Body)
}

// older tells whether a module made a request that much older.
func (e *entry) older(h *house, by time.Duration) bool {
	return e != nil && time.Duration(h.elapsed.Load()-e.elapsed) >= by
}

func signedIn(r *http.Request) bool { return strings.Contains(r.Header.Get("Cookie"), "session") }

// remembersRedirects takes the redirect URI of the last request of an app, or the only one
// there is, where a request has none.
func remembersRedirects(known bool) fault {
	var mu sync.Mutex
	last := map[string]string{}
	return meddles("/par", func(_ *http.Request, form url.Values) {
		client, _ := assertionIn(form)["sub"].(string)
		mu.Lock()
		defer mu.Unlock()
		before := last[client]
		switch {
		case form.Has("redirect_uri"):
			last[client] = form.Get("redirect_uri")
		case known && before != "":
			form.Set("redirect_uri", before)
		case !known && before == "":
			form.Set("redirect_uri", callback)
		}
	})
}

func refuseIf(w http.ResponseWriter, such bool, code string) bool {
	if such {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":%q}`, code)
	}
	return such
}

func fineIf(w http.ResponseWriter, r *http.Request, such bool) bool {
	if such {
		fine(w, r)
	}
	return such
}

// outsideWins answers an app by what stands beside the request_uri.
func outsideWins(w http.ResponseWriter, r *http.Request) {
	backTo(w, r, callback, "code", "x", "state", r.URL.Query().Get("state"))
}

func responseTypeIsCode(of string) fault {
	return alter("/par", func(q url.Values) {
		if q.Get("response_type") == of {
			q.Set("response_type", "code")
		}
	})
}

func isString(v any) bool {
	_, is := v.(string)
	return is
}

// acceptsAudience takes pushed requests whose assertion is for such an audience.
func acceptsAudience(such func(h *house, aud any) bool) fault {
	return func(h *house, next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/par" && such(h, assertionIn(parameters(r))["aud"]) {
			fine(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}
}
