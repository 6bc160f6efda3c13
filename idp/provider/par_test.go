package provider_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

const pushedURI = "urn:ietf:params:oauth:request_uri:"

// pushed is an attempt whose parameters were pushed: its URL has the request_uri alone. pairs
// are more parameters.
func (k *kit) pushed(p *idptest.Party, pairs ...string) idptest.Attempt {
	k.t.Helper()
	a := p.Begin(pairs...)
	r := k.push(p, a)
	r.want(k.t, 201, "")
	a.URL = k.opening(p, r.text("request_uri"))
	return a
}

func (k *kit) push(p *idptest.Party, a idptest.Attempt) *reply {
	k.t.Helper()
	u, err := url.Parse(a.URL)
	idptest.Must(k.t, err)
	form := u.Query()
	form.Del("client_id")
	return k.postTo("/par", p, form)
}

func (k *kit) opening(p *idptest.Party, uri string) string {
	return k.Issuer + "/authorize?" + url.Values{"client_id": {p.Client.ID}, "request_uri": {uri}}.Encode()
}

func TestAnAppPushesItsRequests(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		for _, c := range []idp.Client{
			{RequirePushed: true}, {AuthMethod: idp.ClientSecretPost}, {Kind: idp.SPAClient}, k.withKey(idp.Client{AuthMethod: idp.PrivateKeyJWT, RequirePushed: true}),
		} {
			p := k.AddParty(c)
			a := p.Begin()
			r := k.push(p, a)
			r.want(t, 201, "")
			uri := r.text("request_uri")
			if secs, _ := r.json["expires_in"].(float64); !strings.HasPrefix(uri, pushedURI) || len(uri) != len(pushedURI)+43 || secs < 5 || secs >= 600 || r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("answer %s, %v", r.body, r.header)
			}
			// What else the address has says nothing.
			open := edit(k.opening(p, uri), "state", "other", "redirect_uri", "https://evil.example/", "scope", "openid admin", "response_type", "token", "nonce", "x", "request", "x")
			page := k.browser.Get(open)
			got := k.redeem(p, p.Code(a, page.Left), a.Verifier)
			if got.want(t, 200, ""); part(t, got.text("id_token"), 1)["nonce"] != a.Nonce || page.Left.Query().Get("state") != a.State {
				t.Errorf("answers %s, %s", page.Left, got.body)
			}
			wantPage(t, k.browser.Get(open), 410)
		}
		if n := k.count("SELECT count(*) FROM pushed_requests"); n != 0 {
			t.Errorf("%d requests are left", n)
		}
	})
}

func TestWhatIsPushedIsCheckedAsWhatIsAsked(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, public := k.AddParty(idp.Client{}), k.AddParty(idp.Client{Kind: idp.NativeClient})
	for name, c := range map[string]struct {
		party *idptest.Party
		pairs []string
		code  string
	}{
		"another redirect URI": {p, []string{"redirect_uri", "https://evil.example/"}, "invalid_request"},
		"no redirect URI":      {p, []string{"redirect_uri", ""}, "invalid_request"},
		"a request_uri":        {p, []string{"request_uri", pushedURI + "x"}, "invalid_request"},
		"a request object":     {p, []string{"request", "e30.e30."}, "request_not_supported"},
		"another type":         {p, []string{"response_type", "token"}, "unsupported_response_type"},
		"no openid":            {p, []string{"scope", "email"}, "invalid_scope"},
		"another API":          {p, []string{"resource", "https://api.example/"}, "invalid_target"},
		"no PKCE":              {public, []string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		"a hint of nobody's":   {p, []string{"id_token_hint", "e30.e30.e30"}, "invalid_request"},
		"a huge state":         {p, []string{"state", strings.Repeat("s", 3000)}, "invalid_request"},
	} {
		a := c.party.Begin()
		a.URL = edit(a.URL, c.pairs...)
		if r := k.push(c.party, a); r.status != 400 || r.text("error") != c.code {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	u, err := url.Parse(p.Begin().URL)
	idptest.Must(t, err)
	body := u.RawQuery
	k.send("POST", "/par", body).want(t, 400, "invalid_client")
	k.send("POST", "/par", body, "Authorization", basic(p.Client.ID, "wrong")).want(t, 401, "invalid_client")
	k.send("POST", "/par", body, "Authorization", basic(public.Client.ID, "")).want(t, 401, "invalid_client")
	k.send("POST", "/par", body+"&state=twice", "Authorization", basic(p.Client.ID, p.Secret)).want(t, 400, "invalid_request")
	k.send("POST", "/par", body+"&x="+strings.Repeat("x", 70_000), "Authorization", basic(p.Client.ID, p.Secret)).want(t, 413, "invalid_request")
	k.send("POST", "/par?client_secret=x", body).want(t, 400, "invalid_request")
	k.send("GET", "/par", "").want(t, 405, "invalid_request")
	k.push(k.service(idp.Client{}), p.Begin()).want(t, 400, "unauthorized_client")
}

func TestARequestURIIsOfItsClientItsTimeAndItsBrowser(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p, other := k.AddParty(idp.Client{}), k.AddParty(idp.Client{})
	a := k.pushed(p)
	for name, target := range map[string]string{
		"another client's": edit(a.URL, "client_id", other.Client.ID), "not known": k.opening(p, pushedURI+idp.NewSecret()), "empty": k.opening(p, pushedURI),
		"a zero byte": k.opening(p, pushedURI+"\x00"),
	} {
		if page := k.browser.Get(target); page.Status != 410 || page.Left != nil {
			t.Errorf("%s: %d %v", name, page.Status, page.Left)
		}
	}
	p.Exchange(a, k.browser.Get(a.URL).Left)

	late := k.pushed(p)
	k.exec("UPDATE pushed_requests SET expires_at = " + ago(time.Second))
	wantPage(t, k.browser.Get(late.URL), 410)
	k.exec("UPDATE pushed_requests SET kept_until = " + ago(time.Second))
	_, err := k.Store.Sweep(t.Context(), idp.Now(), store.Retention{})
	idptest.Must(t, err)
	if n := k.count("SELECT count(*) FROM pushed_requests"); n != 0 {
		t.Errorf("%d requests are kept for ever", n)
	}

	moved := k.pushed(p)
	k.change(p, func(c *idp.Client) { c.RedirectURIs = []string{"https://rtx.example/new"} })
	if page := k.browser.Get(moved.URL); page.Left != nil || page.Status < 400 {
		t.Errorf("a redirect URI that was taken away: %d %v", page.Status, page.Left)
	}
	gone := k.pushed(other)
	idptest.Must(t, k.Store.DeleteClient(t.Context(), other.Client.ID, 0))
	wantPage(t, k.browser.Get(gone.URL), 400)
}

// A page that is loaded again begins again in the same browser; one code comes of it.
func TestAPushedRequestIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		p := k.AddParty(idp.Client{RequirePushed: true})
		a := k.pushed(p, "prompt", "login")
		for range 2 {
			if page := k.browser.Get(a.URL); page.Left != nil || page.Status != 200 {
				t.Fatalf("%d %v", page.Status, page.Left)
			}
		}
		wantPage(t, idptest.NewBrowser(t).Get(a.URL), 410)
		var ids []string
		k.outside(func(db *sql.DB) error {
			rows, err := db.QueryContext(t.Context(), "SELECT id FROM requests")
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return rows.Err()
		})
		if len(ids) != 2 {
			t.Fatalf("%d requests", len(ids))
		}
		k.exec("UPDATE pushed_requests SET expires_at = " + ago(time.Minute)) // people take longer
		answered, used := 0, 0
		for _, id := range ids {
			err := k.Store.Do(t.Context(), func(ctx context.Context) error {
				_, err := protocol(k).Resume(ctx, id, k.session)
				return err
			})
			switch {
			case err == nil:
				answered++
			case errors.Is(err, idp.ErrUsed):
				used++
			default:
				t.Error(err)
			}
		}
		if answered != 1 || used != 1 {
			t.Errorf("%d answers, %d refusals", answered, used)
		}
		wantPage(t, k.browser.Get(a.URL), 410)
	})
}

func TestAnAppThatMustPushIsAskedForNothingElse(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{RequirePushed: true})
	a := p.Begin()
	k.wantError(t, p, a, k.browser.Get(a.URL), "invalid_request")

	// What we lead back to is what was pushed, in this browser.
	a = k.pushed(p)
	b, secret := idptest.NewBrowser(t), idp.NewSecret()
	k.setCookie(b, "gatehouse_browser", secret)
	link := regexp.MustCompile(`/authorize\?[^"]*again=[^"]*`).FindString(b.Get(a.URL).Body)
	wantPage(t, k.browser.Get(a.URL), 410) // it would be answered at once there
	again := k.Issuer + html.UnescapeString(link)
	if page := b.Get(edit(again, "login_hint", "typed@rtx.example")); page.Status != 200 || page.Left != nil {
		t.Errorf("with an address typed: %d %v", page.Status, page.Left)
	}
	k.signInTo(b, idp.HashSecret(secret), k.user, idp.MethodPassword, idp.MethodTOTP)
	k.wantError(t, p, a, b.Get(edit(again, "scope", "openid email offline_access")), "invalid_request")
	k.wantError(t, p, a, b.Get(edit(again, "again", "9999999999."+idp.NewSecret())), "invalid_request")
	k.wantError(t, p, a, b.Get(edit(again, "again", "")), "invalid_request")
	k.wantError(t, p, a, k.browser.Get(again), "invalid_request")
	p.Code(a, b.Get(again).Left)
}

func TestPushedRequestsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{Kind: idp.SPAClient})
	k.pushed(p)
	k.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) INSERT INTO pushed_requests
		SELECT randomblob(32), client_id, parameters, network, browser_hash, created_at, expires_at, kept_until FROM pushed_requests, n`)
	r := k.push(p, p.Begin())
	r.want(t, 429, "temporarily_unavailable")
	if r.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	k.pushed(k.AddParty(idp.Client{Kind: idp.SPAClient}))
	k.exec("UPDATE pushed_requests SET expires_at = " + ago(time.Second))
	k.pushed(p)
}

func TestStatementsOfAPushedRequest(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		k := signedIn(t, idptest.StartWith(t, cfg, ""), db.URL)
		p := k.AddParty(idp.Client{})
		k.noted(p)
		u, err := url.Parse(p.Begin().URL)
		idptest.Must(t, err)
		r := k.request("POST", k.Issuer+"/par", u.Query())
		r.SetBasicAuth(p.Client.ID, p.Secret)
		statements(t, replica(k, cfg), r, 201, 2)
		r = k.request("POST", k.Issuer+"/par", u.Query())
		r.SetBasicAuth(p.Client.ID, p.Secret)
		r.Header.Set("DPoP", possessing(t).proof("POST", k.Issuer+"/par", nil))
		statements(t, replica(k, cfg), r, 201, 3)
		statements(t, replica(k, cfg), k.request("GET", k.pushed(p).URL, nil), http.StatusFound, 6)
	})
}

// FuzzPush: no form is our fault, and what is refused is refused as the specification says.
func FuzzPush(f *testing.F) {
	k := start(f, idptest.Migrated(f))
	p := k.AddParty(idp.Client{ID: "app", Kind: idp.NativeClient})
	u, err := url.Parse(p.Begin().URL)
	idptest.Must(f, err)
	for _, more := range []string{"", "&prompt=none", "&max_age=-1", "&request_uri=x", "&request=x", "&state=%00", "&%zz", ";", "&claims=%7B", "&client_assertion=x"} {
		f.Add(u.RawQuery + more)
	}
	f.Fuzz(func(t *testing.T, form string) {
		r := httptest.NewRequest("POST", "/par", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		k.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
		if rec.Code != 201 && (rec.Code < 400 || rec.Code >= 500 || !strings.Contains(rec.Body.String(), `"error":`)) {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}
