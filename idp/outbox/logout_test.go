package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
)

const issuer = "https://id.example/base"

// listening is a client whose back-channel logout URI is the test's.
type listening struct {
	*outbox.Backchannel
	client idp.Client
	db     *idptest.Database
}

func newListening(t *testing.T, db *idptest.Database, alg idp.Algorithm, answer http.HandlerFunc) *listening {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	_, err := db.CreatePopulation(t.Context(), idptest.Population(idp.Agents), idp.Now())
	idptest.Must(t, err)
	signer, err := keys.Open(t.Context(), db.Store, ring(t))
	idptest.Must(t, err)
	l := &listening{db: db, client: idptest.Client(idp.Agents)}
	l.client.SigningAlg, l.client.BackchannelLogoutURI, l.client.SubjectType = alg, server.URL+"/logout?tenant=1", idp.PublicSubject
	idptest.Must(t, db.CreateClient(t.Context(), l.client))
	l.Backchannel = &outbox.Backchannel{Issuer: issuer, Store: db.Store, Signer: signer, HTTP: fetch.NewClient(true)}
	t.Cleanup(l.HTTP.CloseIdleConnections)
	return l
}

func (l *listening) tell(ctx context.Context) error {
	return l.Tell(ctx, store.Delivery{ID: "delivery", Lane: l.client.ID, Kind: outbox.LogoutKind, UserID: "maya", SessionID: "her session"})
}

// verified checks a logout token the way a relying party does, with the published
// keys alone, and returns its claims.
func verified(t *testing.T, document []byte, alg idp.Algorithm, token string) map[string]any {
	t.Helper()
	var published jose.JSONWebKeySet
	idptest.Must(t, json.Unmarshal(document, &published))
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	idptest.Must(t, err)
	header := jws.Signatures[0].Protected
	if typ := header.ExtraHeaders[jose.HeaderType]; typ != "logout+jwt" {
		t.Errorf("the token's type is %v", typ)
	}
	found := published.Key(header.KeyID)
	if len(found) != 1 {
		t.Fatalf("%d published keys are called %q", len(found), header.KeyID)
	}
	payload, err := jws.Verify(found[0])
	idptest.Must(t, err)
	var claims map[string]any
	idptest.Must(t, json.Unmarshal(payload, &claims))
	return claims
}

// OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.5.
func TestLogoutTokenSaysWhoseSessionIsOver(t *testing.T) {
	for _, alg := range idp.Algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			type request struct {
				method, path, kind string
				form               url.Values
			}
			heard := make(chan request, 1)
			l := newListening(t, idptest.Alone(t), alg, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				form, _ := url.ParseQuery(string(body))
				heard <- request{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), form}
			})
			before := idp.Now().Unix()
			idptest.Must(t, l.tell(t.Context()))
			got := receive(t, "the token", heard)
			if got.method != http.MethodPost || got.path != "/logout?tenant=1" || got.kind != "application/x-www-form-urlencoded" || len(got.form) != 1 {
				t.Errorf("the request: %+v", got)
			}
			token := got.form.Get("logout_token")
			document, _ := l.Signer.Document()
			claims := verified(t, document, alg, token)
			at, _ := claims["iat"].(float64)
			expires, _ := claims["exp"].(float64)
			if int64(at) < before || int64(at) > idp.Now().Unix() || expires != at+120 {
				t.Errorf("iat %v, exp %v", claims["iat"], claims["exp"])
			}
			delete(claims, "iat")
			delete(claims, "exp")
			want := map[string]any{ // and no nonce above all
				"iss": issuer, "aud": l.client.ID, "jti": "delivery", "sub": "maya", "sid": "her session",
				"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("claims: %s", diff)
			}
			// It is no other token of ours.
			for _, typ := range []keys.TokenType{keys.IDToken, keys.AccessToken} {
				if err := l.Signer.Verify(token, typ, &claims); !errors.Is(err, idp.ErrInvalid) {
					t.Errorf("as %s: %v", typ, err)
				}
			}
			idptest.Must(t, l.Signer.Verify(token, keys.LogoutToken, &claims))
		})
	}
}

// The sub is that of the session's ID tokens, and an app with pairwise subjects that was told
// none hears none.
func TestLogoutTokenCallsThePersonAsTheAppDoes(t *testing.T) {
	heard := make(chan string, 1)
	l := newListening(t, idptest.Alone(t), idp.ES256, func(_ http.ResponseWriter, r *http.Request) { heard <- r.FormValue("logout_token") })
	pairwise := l.client
	pairwise.ID, pairwise.Identifier, pairwise.SubjectType = "pairwise", "", idp.PairwiseSubject
	idptest.Must(t, l.db.CreateClient(t.Context(), pairwise))
	user := idptest.User(idp.Agents, "maya@rtx.example")
	idptest.Must(t, l.db.CreateUser(t.Context(), user))
	session, _ := idptest.Session(user, idptest.Population(idp.Agents))
	idptest.Must(t, l.db.CreateSession(t.Context(), session))
	grant, _ := idptest.Grant(pairwise, session)
	grant.Subject = "hers"
	idptest.Must(t, l.db.CreateGrant(t.Context(), grant))
	for sessionID, want := range map[string]any{session.ID: "hers", "another": nil} {
		idptest.Must(t, l.Tell(t.Context(), store.Delivery{ID: "delivery", Lane: "pairwise", Kind: outbox.LogoutKind, UserID: user.ID, SessionID: sessionID}))
		document, _ := l.Signer.Document()
		if got := verified(t, document, idp.ES256, receive(t, "the token", heard))["sub"]; got != want {
			t.Errorf("session %s: the sub is %v, want %v", sessionID, got, want)
		}
	}
}

func TestOnlyTwoAnswersMeanThatAClientHeard(t *testing.T) {
	var status atomic.Int64
	asked := make(chan string, 100)
	l := newListening(t, idptest.Alone(t), idp.ES256, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
	})
	for code, heard := range map[int64]bool{
		200: true, 204: true, 201: false, 202: false, 301: false, 302: false, 303: false, 307: false, 308: false,
		400: false, 401: false, 404: false, 429: false, 500: false, 501: false, 503: false,
	} {
		status.Store(code)
		err := l.tell(t.Context())
		if (err == nil) != heard {
			t.Errorf("%d: %v", code, err)
		}
		if errors.Is(err, idp.ErrInvalid) || errors.Is(err, idp.ErrNotFound) {
			t.Errorf("%d is final: %v", code, err) // a client that is broken today is told tomorrow
		}
		if path := receive(t, "the request", asked); path != "/logout" {
			t.Errorf("%d leads to %s", code, path)
		}
		nothing(t, "a redirect was followed", asked, 0)
	}
}

func TestClientThatDoesNotAnswerIsGivenUp(t *testing.T) {
	l := newListening(t, idptest.Alone(t), idp.ES256, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the other side is gone
		<-r.Context().Done()
	})
	l.HTTP.Timeout = 200 * time.Millisecond
	var timeout interface{ Timeout() bool }
	if err := l.tell(t.Context()); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a client that does not answer: %v", err)
	}
}

// Of ten megabytes the first are read: the client that waits until all are gone
// waits in vain, and has been told all the same.
func TestLongAnswerOfAClientIsCut(t *testing.T) {
	gone := make(chan error, 1)
	l := newListening(t, idptest.Alone(t), idp.ES256, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "10485760")
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- r.Context().Err()
	})
	begin := idp.Now()
	idptest.Must(t, l.tell(t.Context()))
	if took := idp.Now().Sub(begin); took >= fetch.Timeout {
		t.Errorf("it took %s", took)
	}
	receive(t, "the end of the connection", gone)
}

func TestClientThatIsGoneIsNotTold(t *testing.T) {
	asked := make(chan struct{}, 10)
	l := newListening(t, idptest.Alone(t), idp.ES256, func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })
	if err := l.Tell(t.Context(), store.Delivery{ID: "a", Lane: "invented"}); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a client that is gone: %v", err)
	}
	_, err := l.db.SQL().ExecContext(t.Context(), "UPDATE clients SET backchannel_logout_uri = ''")
	idptest.Must(t, err)
	if err := l.tell(t.Context()); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a client that does not want to be told: %v", err)
	}
	nothing(t, "a request", asked, 0)
}

// What a setting names is no way into our own network.
func TestClientInOurOwnNetworkIsNotReached(t *testing.T) {
	asked := make(chan struct{}, 10)
	l := newListening(t, idptest.Alone(t), idp.ES256, func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })
	l.HTTP = fetch.NewClient(false)
	if err := l.tell(t.Context()); !errors.Is(err, idp.ErrInvalid) {
		t.Errorf("http: %v", err)
	}
	_, err := l.db.SQL().ExecContext(t.Context(), "UPDATE clients SET backchannel_logout_uri = REPLACE(backchannel_logout_uri, 'http:', 'https:')")
	idptest.Must(t, err)
	l.Store = l.db.Replica(t) // which has not read the client yet
	if err := l.tell(t.Context()); !errors.Is(err, fetch.ErrAddress) {
		t.Errorf("loopback: %v", err)
	}
	nothing(t, "a request", asked, 0)
}

// The way of a token from the end of a session to a client that is down at first.
func TestWorkerTellsAClientUntilItHears(t *testing.T) {
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		status, ids := make(chan int, 2), make(chan string, 2)
		var l *listening
		l = newListening(t, db, idp.RS256, func(w http.ResponseWriter, r *http.Request) {
			document, _ := l.Signer.Document()
			id, _ := verified(t, document, idp.RS256, r.FormValue("logout_token"))["jti"].(string)
			ids <- id
			w.WriteHeader(<-status)
		})
		o := newOffice(t, db.Store)
		o.worker.Logout = l.Tell
		o.open(t)
		status <- http.StatusBadGateway
		status <- http.StatusOK
		idptest.Must(t, o.SignedOut(t.Context(), store.Party{ClientID: l.client.ID, UserID: "maya", SessionID: "s"}))
		id := receive(t, "the first attempt", ids)
		if d := putOff(t, db.Store, id, 1); d.LastError != "the app answered 502" || d.Lane != l.client.ID || d.Kind != outbox.LogoutKind {
			t.Errorf("the delivery: %+v", d)
		}
		if again := receive(t, "the second attempt", ids); again != id {
			t.Errorf("the same news has another jti: %s and %s", id, again)
		}
		if d := ended(t, db.Store, id); d.Outcome != store.Delivered || d.Attempts != 2 {
			t.Errorf("the delivery: %+v", d)
		}
	})
}

// A test of an app's logout notices is a token that ends nobody's session: no sub, and a sid
// that nobody has.
func TestATestOfLogoutNoticesEndsNoSession(t *testing.T) {
	t.Parallel()
	var token string
	db := idptest.Alone(t)
	l := newListening(t, db, idp.ES256, func(w http.ResponseWriter, r *http.Request) {
		token = r.PostFormValue("logout_token")
		if r.URL.Query().Get("tenant") != "1" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	idptest.Must(t, l.Test(t.Context(), l.client))
	document, _ := l.Signer.Document()
	claims := verified(t, document, idp.ES256, token)
	if claims["sub"] != nil || claims["sid"] == "" || claims["sid"] == nil || claims["aud"] != l.client.ID {
		t.Errorf("logout token %v", claims)
	}
	l.client.BackchannelLogoutURI = strings.Replace(l.client.BackchannelLogoutURI, "tenant=1", "tenant=3", 1)
	if err := l.Test(t.Context(), l.client); err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("the answer 418 is %v", err)
	}
}
