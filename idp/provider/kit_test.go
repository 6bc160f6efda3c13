package provider_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// kit is a provider with one person who is signed in, in one browser.
type kit struct {
	*idptest.App
	t       testing.TB
	url     string
	user    idp.User
	browser *idptest.Browser
	session idp.Session
	key     signingKey // see own
}

func start(t testing.TB, databaseURL string) *kit {
	t.Helper()
	return signedIn(t, idptest.Start(t, databaseURL, ""), databaseURL)
}

func signedIn(t testing.TB, app *idptest.App, databaseURL string) *kit {
	t.Helper()
	k := &kit{App: app, t: t, url: databaseURL}
	k.user = k.person("maya@rtx.example")
	k.browser, k.session = k.signIn(k.user, idp.MethodPassword, idp.MethodTOTP)
	return k
}

// person adds somebody without a password: hashing one takes time.
func (k *kit) person(email string) idp.User {
	k.t.Helper()
	u := idptest.User(idp.Agents, email)
	idptest.Must(k.t, k.Store.CreateUser(k.t.Context(), u))
	return u
}

// signIn is a browser with a session, as the sign-in pages leave it behind.
func (k *kit) signIn(u idp.User, methods ...idp.Method) (*idptest.Browser, idp.Session) {
	k.t.Helper()
	b, secret := idptest.NewBrowser(k.t), idp.NewSecret()
	k.setCookie(b, "gatehouse_browser", secret)
	return b, k.signInTo(b, idp.HashSecret(secret), u, methods...)
}

func (k *kit) signInTo(b *idptest.Browser, hash []byte, u idp.User, methods ...idp.Method) idp.Session {
	k.t.Helper()
	now, token := idp.Now(), idp.NewSecret()
	version, err := k.Store.PolicyVersion(k.t.Context())
	idptest.Must(k.t, err)
	s := idp.Session{
		ID: idp.NewID(), TokenHash: idp.HashSecret(token), BrowserHash: hash, UserID: u.ID,
		PopulationID: u.PopulationID, PolicyVersion: version, CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(time.Hour),
	}
	for i, m := range methods {
		s.Proofs = append(s.Proofs, idp.Proof{Method: m, At: now.Add(time.Duration(i-10) * time.Second), Version: version})
	}
	idptest.Must(k.t, k.Store.CreateSession(k.t.Context(), s))
	k.setCookie(b, "gatehouse_session_"+u.PopulationID, token)
	return s
}

func (k *kit) setCookie(b *idptest.Browser, name, value string) {
	u, err := url.Parse(k.Issuer)
	idptest.Must(k.t, err)
	b.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// code is a code of a new request, by single sign-on.
func (k *kit) code(p *idptest.Party, pairs ...string) (idptest.Attempt, string) {
	k.t.Helper()
	a := p.Begin(pairs...)
	return a, p.Code(a, k.opens(a.URL).Left)
}

// tokens are those of a new request.
func (k *kit) tokens(p *idptest.Party, pairs ...string) idptest.Tokens {
	k.t.Helper()
	a := p.Begin(pairs...)
	return p.Exchange(a, k.opens(a.URL).Left)
}

// opens follows a request, and says yes where the person is asked about the app.
func (k *kit) opens(target string) *idptest.Page {
	k.t.Helper()
	page := k.browser.Get(target)
	if _, _, asked := page.Form("/approve"); asked {
		page = k.browser.Submit(page, "/approve")
	}
	return page
}

// reply is an answer without a page.
type reply struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (r *reply) text(name string) string {
	s, _ := r.json[name].(string)
	return s
}

func (r *reply) want(t testing.TB, status int, code string) {
	t.Helper()
	if r.status != status || r.text("error") != code {
		t.Errorf("answer %d %s, want %d %s", r.status, r.body, status, code)
	}
}

// send sends a request as it is. pairs are headers.
func (k *kit) send(method, path, body string, pairs ...string) *reply {
	k.t.Helper()
	var in io.Reader = http.NoBody
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, k.Issuer+path, in)
	idptest.Must(k.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			req.Header.Set(pairs[i], pairs[i+1])
		}
	}
	return k.do(req)
}

func (k *kit) do(req *http.Request) *reply {
	k.t.Helper()
	res := k.Do(req)
	b, err := io.ReadAll(res.Body)
	if err != nil {
		k.t.Errorf("reading %s: %v", req.URL, err)
	}
	r := &reply{status: res.StatusCode, header: res.Header, body: string(b)}
	_ = json.Unmarshal(b, &r.json) // no JSON: then a test that looks inside fails
	return r
}

// post calls the token endpoint the way the party registered.
func (k *kit) post(p *idptest.Party, form url.Values) *reply {
	k.t.Helper()
	return k.postTo("/token", p, form)
}

// postTo calls an endpoint the way the party registered.
func (k *kit) postTo(path string, p *idptest.Party, form url.Values) *reply {
	k.t.Helper()
	switch p.Client.AuthMethod {
	case idp.NoClientAuth:
		form.Set("client_id", p.Client.ID)
	case idp.ClientSecretPost:
		form.Set("client_id", p.Client.ID)
		form.Set("client_secret", p.Secret)
	case idp.ClientSecretBasic:
		return k.send("POST", path, form.Encode(), "Authorization", basic(p.Client.ID, p.Secret))
	case idp.PrivateKeyJWT:
		asserted(form, k.own().sign(k.t, k.claimsOf(p.Client.ID)))
	}
	return k.send("POST", path, form.Encode())
}

func basic(id, secret string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}

func codeForm(p *idptest.Party, code, verifier string) url.Values {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.OAuth.RedirectURL},
	}
	if verifier != "" {
		form.Set("code_verifier", verifier)
	}
	return form
}

func (k *kit) redeem(p *idptest.Party, code, verifier string) *reply {
	k.t.Helper()
	return k.post(p, codeForm(p, code, verifier))
}

func (k *kit) refresh(p *idptest.Party, token string, pairs ...string) *reply {
	k.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return k.post(p, form)
}

func (k *kit) userinfo(token string) *reply {
	k.t.Helper()
	return k.send("GET", "/userinfo", "", "Authorization", "Bearer "+token)
}

// outside opens the database beside the provider.
func (k *kit) outside(use func(db *sql.DB) error) {
	k.t.Helper()
	driver, dsn := "pgx", k.url
	if path, ok := strings.CutPrefix(k.url, store.SQLiteScheme); ok {
		driver, dsn = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	idptest.Must(k.t, err)
	idptest.Must(k.t, errors.Join(use(db), db.Close()))
}

// inHardware has a session say of its passkey that its maker vouches for it.
func (k *kit) inHardware(s idp.Session) {
	k.t.Helper()
	k.exec(`UPDATE sessions SET proofs = REPLACE(proofs, '"m":"passkey"', '"m":"passkey","amr":["hwk"]') WHERE id = '` + s.ID + "'")
}

// exec changes rows the way time does.
func (k *kit) exec(statement string) {
	k.t.Helper()
	k.outside(func(db *sql.DB) error {
		_, err := db.ExecContext(k.t.Context(), statement)
		return err
	})
}

func (k *kit) count(query string) (n int) {
	k.t.Helper()
	k.outside(func(db *sql.DB) error { return db.QueryRowContext(k.t.Context(), query).Scan(&n) })
	return n
}

// ago is a time as a literal of both databases.
func ago(d time.Duration) string { return literal(idp.Now().Add(-d)) }

func literal(at time.Time) string { return "'" + at.Format("2006-01-02 15:04:05.999999+00:00") + "'" }

// edit changes parameters of a URL; an empty value removes one.
func edit(target string, pairs ...string) string {
	path, query, _ := strings.Cut(target, "?")
	q, _ := url.ParseQuery(query) // ours
	for i := 0; i < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return path + "?" + q.Encode()
}

// wantError reads an error out of an answer at the redirect URI.
func (k *kit) wantError(t testing.TB, p *idptest.Party, a idptest.Attempt, page *idptest.Page, code string) {
	t.Helper()
	if page.Left == nil {
		t.Fatalf("status %d (%s), want %s at the redirect URI", page.Status, page.Heading(), code)
	}
	q := page.Left.Query()
	if got := strings.SplitN(page.Left.String(), "?", 2)[0]; got != p.OAuth.RedirectURL {
		t.Errorf("sent to %s, want %s", got, p.OAuth.RedirectURL)
	}
	if q.Get("error") != code || q.Get("iss") != k.Issuer || q.Get("state") != a.State || q.Has("code") {
		t.Errorf("answer %s, want error %s, iss %s, state %s", page.Left, code, k.Issuer, a.State)
	}
}

// wantPage checks that an answer is a page of ours and leads nowhere.
func wantPage(t testing.TB, page *idptest.Page, status int) {
	t.Helper()
	if page.Status != status || page.Left != nil || !strings.Contains(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("status %d, type %q, location %v; want a page with status %d",
			page.Status, page.Header.Get("Content-Type"), page.Left, status)
	}
}
