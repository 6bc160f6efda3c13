package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pquerna/otp/totp"

	"gatehouse/idp"
)

const (
	browserCookie = "__Host-gatehouse_browser"
	sessionCookie = "__Host-gatehouse_session_" + idp.Agents
)

// operation is something that is measured.
type operation struct {
	name string
	// goal is the ratio to the floor that is aimed at, zero for none.
	goal float64
	// prepare runs before each round, outside of what is measured.
	prepare func(ctx context.Context) error
	do      func(l *lane) error
	// limit is how often it can be done in a round; zero for no limit.
	limit int64
	// length is by how much its rounds are longer than others, zero for not.
	length time.Duration
}

// lane is one of the connections that ask at the same time, and what belongs to
// the person behind it.
type lane struct {
	*conn
	index   int
	cookies string
}

func nothing(context.Context) error { return nil }

// operations are those of a database. On SQLite only the sign-in: the others
// share its way to the disk.
func (b *bench) operations(dialect string) []operation {
	signIn := operation{
		name: "sign-in, " + dialect, goal: 0.9, limit: usersPerRound, length: 3, prepare: nothing,
		do: func(l *lane) error {
			_, _, err := b.signIn(l.conn, int(b.nextUser.Add(1)), b.w.Clients[0])
			return err
		},
	}
	if dialect == "SQLite" {
		return []operation{signIn}
	}
	list := []operation{
		{name: "discovery", goal: 0.9, prepare: nothing, do: fetching("/.well-known/openid-configuration")},
		{name: "discovery, floor with the same headers", prepare: nothing, do: fetching("/.well-known/openid-configuration?" + withHeaders)},
		{name: "keys", goal: 0.9, prepare: nothing, do: fetching("/keys")},
		{name: "authorize with a session", prepare: nothing, do: func(l *lane) error {
			_, err := authorize(l.conn, b.w.Clients[0], l.cookies)
			return err
		}},
	}
	for _, c := range b.w.Clients {
		list = append(list, b.exchange(c))
	}
	for _, c := range b.w.Clients {
		list = append(list, b.refresh(c))
	}
	return append(list, b.userinfo(), signIn, b.passkeys(dialect))
}

func fetching(path string) func(l *lane) error {
	return func(l *lane) error {
		_, err := l.expect(http.StatusOK, get(path))
		return err
	}
}

// codesPerRound are more than a round of the floor takes.
const codesPerRound = 3200

func (b *bench) exchange(c benchClient) operation {
	var codes []string
	var next atomic.Int64
	return operation{
		name: "code exchange, " + c.String(), goal: 0.6, limit: codesPerRound,
		prepare: func(ctx context.Context) (err error) {
			next.Store(0)
			codes, err = b.manyCodes(ctx, c)
			return err
		},
		do: func(l *lane) error {
			_, err := redeem(l.conn, c, codes[next.Add(1)-1])
			return err
		},
	}
}

func (b *bench) refresh(c benchClient) operation {
	return operation{
		name: "refresh, " + c.String(), goal: 0.6,
		prepare: func(ctx context.Context) error { return b.giveTokens(c, true) },
		do: func(l *lane) error {
			out, err := tokens(l.conn, c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {b.tokens[l.index]}})
			b.tokens[l.index] = out.RefreshToken
			return err
		},
	}
}

func (b *bench) userinfo() operation {
	return operation{
		name:    "userinfo, opaque token",
		prepare: func(ctx context.Context) error { return b.giveTokens(b.w.Clients[0], false) },
		do: func(l *lane) error {
			r := get("/userinfo")
			r.Header.Set("Authorization", "Bearer "+b.tokens[l.index])
			_, err := l.expect(http.StatusOK, r)
			return err
		},
	}
}

// String is how the table names a client.
func (c benchClient) String() string { return string(c.Alg) + ", " + string(c.Format) }

// giveTokens gives every lane a fresh token: refresh or access.
func (b *bench) giveTokens(c benchClient, refresh bool) error {
	for i, cookies := range b.cookies {
		code, err := authorize(b.helper, c, cookies)
		if err != nil {
			return err
		}
		out, err := redeem(b.helper, c, code)
		if err != nil {
			return err
		}
		b.tokens[i] = out.AccessToken
		if refresh {
			b.tokens[i] = out.RefreshToken
		}
	}
	return nil
}

// manyCodes makes codes from one for each lane, by copying its grant.
func (b *bench) manyCodes(ctx context.Context, c benchClient) ([]string, error) {
	var codes []string
	for _, cookies := range b.cookies {
		template, err := authorize(b.helper, c, cookies)
		if err != nil {
			return nil, err
		}
		var ids []string
		var hashes [][]byte
		for range codesPerRound/len(b.cookies) + 1 {
			code := idp.NewSecret()
			codes, ids, hashes = append(codes, code), append(ids, idp.NewID()), append(hashes, idp.HashSecret(code))
		}
		err = execOn(ctx, b.w.Database, `INSERT INTO grants (id, client_id, user_id, session_id, population_id, policy_version,
			redirect_uri, scope, nonce, code_challenge, code_hash, code_expires_at, proofs, acr, offline, created_at, expires_at)
			SELECT n.id, client_id, user_id, session_id, population_id, policy_version,
			redirect_uri, scope, nonce, code_challenge, n.hash, code_expires_at, proofs, acr, offline, created_at, expires_at
			FROM grants, unnest($1::text[], $2::bytea[]) AS n (id, hash) WHERE code_hash = $3`, ids, hashes, idp.HashSecret(template))
		if err != nil {
			return nil, err
		}
	}
	// Lanes use the codes of all people in turns.
	mixed := make([]string, len(codes))
	each := len(codes) / len(b.cookies)
	for i := range codes {
		mixed[i] = codes[i%len(b.cookies)*each+i/len(b.cookies)]
	}
	return mixed, execOn(ctx, b.w.Database, "ANALYZE grants")
}

// question is an authorization request.
func question(c benchClient) *http.Request {
	return get("/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {redirectURI}, "scope": {scope},
		"state": {"xyz"}, "nonce": {"n-0S6_WzA2Mj"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode())
}

// authorize gets a code by single sign-on.
func authorize(c *conn, client benchClient, cookies string) (string, error) {
	r := question(client)
	r.Header.Set("Cookie", cookies)
	a, err := c.do(r)
	if err != nil {
		return "", err
	}
	return codeOf(a)
}

func codeOf(a answer) (string, error) {
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || u.Query().Get("code") == "" {
		return "", fmt.Errorf("no code: %d %s %.200s", a.status, a.header.Get("Location"), a.body)
	}
	return u.Query().Get("code"), nil
}

func redeem(c *conn, client benchClient, code string) (response, error) {
	return tokens(c, client, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
	})
}

func tokens(c *conn, client benchClient, form url.Values) (out response, err error) {
	r := post("/token", form)
	r.SetBasicAuth(client.ID, client.Secret)
	a, err := c.expect(http.StatusOK, r)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(a.body, &out)
}

// browser is one person's, with an address of its own.
type browser struct {
	*conn
	address string
	jar     map[string]string
}

func newBrowser(c *conn, user int) *browser {
	return &browser{c, fmt.Sprintf("203.0.%d.%d", user>>8, user&255), map[string]string{}}
}

// ask sends a request with the browser's cookies, and keeps those of the answer.
func (b *browser) ask(r *http.Request) (answer, error) {
	r.Header.Set("X-Forwarded-For", b.address)
	var list []string
	for name, value := range b.jar {
		list = append(list, name+"="+value)
	}
	r.Header.Set("Cookie", strings.Join(list, "; "))
	a, err := b.do(r)
	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		b.jar[cookie.Name] = cookie.Value
	}
	return a, err
}

// leadsOn is where the page at the end of a sign-in goes by itself: to the app.
var leadsOn = regexp.MustCompile(`http-equiv="refresh" content="0; ?url=([^"]+)"`)

// signIn goes all the way as a browser does, pages included, and returns the
// cookies and the code.
func (b *bench) signIn(c *conn, user int, client benchClient) (cookies, code string, err error) {
	if user >= len(b.w.Users) {
		return "", "", errors.New("all people have signed in")
	}
	person := newBrowser(c, user)
	a, err := person.ask(question(client))
	if err != nil {
		return "", "", err
	}
	flow := a.header.Get("Location")
	otp, err := totp.GenerateCode(b.w.TOTPKey, idp.Now())
	if err != nil {
		return "", "", err
	}
	for _, r := range []*http.Request{
		get(flow), post(flow+"/password", url.Values{"population": {idp.Agents}, "email": {b.w.Users[user]}, "password": {plain}}),
		get(flow), post(flow+"/totp", url.Values{"code": {otp}}),
	} {
		if a, err = person.ask(r); err != nil {
			return "", "", err
		}
	}
	if on := leadsOn.FindStringSubmatch(string(a.body)); on != nil {
		a.header.Set("Location", html.UnescapeString(on[1]))
	}
	code, err = codeOf(a)
	return browserCookie + "=" + person.jar[browserCookie] + "; " + sessionCookie + "=" + person.jar[sessionCookie], code, err
}
