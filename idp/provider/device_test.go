package provider_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
)

// device is a device that shows a code.
type device struct {
	k                       *kit
	party                   *idptest.Party
	code, userCode, address string
}

func (k *kit) deviceApp(c idp.Client) *idptest.Party {
	k.t.Helper()
	c.Kind, c.GrantTypes = idp.NativeClient, []string{idp.DeviceGrant, "refresh_token"}
	return k.AddParty(c)
}

// device asks for a code.
func (k *kit) device(p *idptest.Party, pairs ...string) *device {
	k.t.Helper()
	form := url.Values{"scope": {"openid email offline_access"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := k.postTo("/device_authorization", p, form)
	if r.status != 200 {
		k.t.Fatalf("%d %s", r.status, r.body)
	}
	return &device{k: k, party: p, code: r.text("device_code"), userCode: r.text("user_code"), address: r.text("verification_uri_complete")}
}

// poll asks for the tokens, the interval after the poll before.
func (d *device) poll() *reply {
	d.k.t.Helper()
	d.k.exec("UPDATE device_authorizations SET polled_ms = 0")
	return d.k.post(d.party, url.Values{"grant_type": {idp.DeviceGrant}, "device_code": {d.code}})
}

// enter types the code of the device in a browser that is signed in.
func (d *device) enter(b *idptest.Browser) *idptest.Page {
	d.k.t.Helper()
	return b.Submit(b.Get(d.k.Issuer+"/device"), "/device", "user_code", strings.ToLower(strings.ReplaceAll(d.userCode, "-", " ")))
}

func TestADeviceIsSignedInFromAnotherBrowser(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		d := k.device(k.deviceApp(idp.Client{Name: "Wall display"}))
		if !strings.HasPrefix(d.address, k.Issuer+"/device?user_code=") {
			t.Errorf("verification_uri_complete %s", d.address)
		}
		d.poll().want(t, 400, "authorization_pending")
		page := d.enter(k.browser)
		for _, part := range []string{d.userCode, "Wall display", "127.0.0.1", k.user.Email, "Is this code on the device in front of you?"} {
			if !strings.Contains(page.Body, part) {
				t.Errorf("the page does not say %q", part)
			}
		}
		d.poll().want(t, 400, "authorization_pending") // the code alone is not enough
		done := k.browser.Submit(page, "/approve")
		if done.Status != 200 || done.Heading() != "Your device is signed in" {
			t.Errorf("%d %s", done.Status, done.Heading())
		}
		r := d.poll()
		r.want(t, 200, "")
		if r.text("id_token") == "" || r.text("refresh_token") == "" || r.text("scope") != "openid email offline_access" {
			t.Errorf("tokens %s", r.body)
		}
		k.userinfo(r.text("access_token")).want(t, 200, "")
		r = k.refresh(d.party, r.text("refresh_token"))
		r.want(t, 200, "")
		if k.Audited(idp.AuditClientAuthorized) != 1 {
			t.Error("the audit log has no sign-in")
		}
		d.poll().want(t, 400, "invalid_grant") // once; and one of the two was stolen
		k.refresh(d.party, r.text("refresh_token")).want(t, 400, "invalid_grant")
	})
}

func TestALinkWithTheCodeFillsItInAndDecidesNothing(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	d := k.device(k.deviceApp(idp.Client{}))
	page := k.browser.Get(d.address)
	if !strings.Contains(page.Body, `value="`+d.userCode+`"`) {
		t.Error("the code is not filled in")
	}
	d.poll().want(t, 400, "authorization_pending")
	k.browser.Submit(k.browser.Submit(page, "/device", "user_code", d.userCode), "/approve")
	d.poll().want(t, 200, "")
}

func TestThisIsNotMeRefusesTheDevice(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	d := k.device(k.deviceApp(idp.Client{}))
	page := d.enter(k.browser)
	if done := k.browser.Submit(page, "/deny"); done.Heading() != "The device was refused" {
		t.Errorf("%d %s", done.Status, done.Heading())
	}
	d.poll().want(t, 400, "access_denied")
	if k.Audited(idp.AuditDeviceDenied) != 1 {
		t.Error("the audit log does not have it")
	}
	k.browser.Submit(page, "/approve")
	d.poll().want(t, 400, "access_denied")
	if again := d.enter(k.browser); again.Status != 422 {
		t.Errorf("a code that was refused: %d", again.Status)
	}
}

func TestTheSignInForADeviceIsAsForAnyApp(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	user := k.AddUser(idp.Agents, "phone@rtx.example")
	d, b := k.device(k.deviceApp(idp.Client{})), idptest.NewBrowser(t)
	page := d.enter(b)
	if !strings.HasPrefix(page.URL.Path, "/login/") {
		t.Fatalf("at %s (%s)", page.URL, page.Heading())
	}
	page = b.Submit(page, "/password", "email", user.Email, "password", idptest.Password)
	page = b.Submit(page, "/enrol", "code", idptest.Scan(t, page).Code(0)) // what the policy asks for
	page = b.Submit(page, "/saved", "saved", "yes")
	b.Submit(page, "/approve")
	r := d.poll()
	if r.want(t, 200, ""); part(t, r.text("id_token"), 1)["acr"] != string(idp.ACRMFA) {
		t.Errorf("acr %v", part(t, r.text("id_token"), 1)["acr"])
	}

	// With the address of the page alone nobody gets on: it is this browser's and session's.
	d = k.device(d.party)
	page = d.enter(b)
	target, _, _ := page.Form("/approve")
	for name, stranger := range map[string]*idptest.Browser{"another browser": idptest.NewBrowser(t), "another person's": k.browser} {
		if got := stranger.Post(target, url.Values{}); got.Heading() != "Connect a device" {
			t.Errorf("%s: %d %s", name, got.Status, got.Heading())
		}
	}
	d.poll().want(t, 400, "authorization_pending")
	another := b.Submit(page, "/device")
	if another.Heading() != "Choose an account" {
		t.Errorf("another account: %s", another.Heading())
	}
	k.exec("UPDATE sessions SET ended_at = " + ago(time.Second) + " WHERE user_id = '" + user.ID + "'")
	if got := b.Post(target, url.Values{}); got.Heading() != "Connect a device" {
		t.Errorf("after the sign-out: %d %s", got.Status, got.Heading())
	}
	d.poll().want(t, 400, "authorization_pending")
}

func TestWhatIsTakenBeforeTheDecisionOrThePollIsGone(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]string{
		"the grant type": "UPDATE clients SET grant_types = 'authorization_code refresh_token'",
		"the person":     "UPDATE users SET disabled = true",
		"the portal":     "UPDATE clients SET populations = 'contacts'",
		"the session":    "UPDATE sessions SET ended_at = " + ago(time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := start(t, idptest.Migrated(t))
			d := k.device(k.deviceApp(idp.Client{}), "scope", "openid")
			page := d.enter(k.browser)
			waiting := k.device(d.party)
			open := waiting.enter(k.browser)
			k.browser.Submit(page, "/approve")
			k.exec(take)
			if got := k.browser.Submit(open, "/approve"); got.Heading() != "Connect a device" {
				t.Errorf("a decision afterwards: %d %s", got.Status, got.Heading())
			}
			if r := d.poll(); r.text("error") != "unauthorized_client" { // once the client was read anew
				r.want(t, 400, "invalid_grant")
			}
		})
	}
}

func TestTokensOfADeviceEndWithItsGrantType(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	d := k.device(k.deviceApp(idp.Client{}))
	k.browser.Submit(d.enter(k.browser), "/approve")
	r := d.poll()
	k.userinfo(r.text("access_token")).want(t, 200, "")
	k.exec("UPDATE clients SET grant_types = 'authorization_code refresh_token'")
	k.userinfo(r.text("access_token")).want(t, 401, "invalid_token")
	k.refresh(d.party, r.text("refresh_token")).want(t, 400, "invalid_grant")
}

func TestTheCodeOfADeviceIsOfNoUseElsewhere(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.AddParty(idp.Client{Kind: idp.NativeClient, GrantTypes: []string{"authorization_code", idp.DeviceGrant}})
	d := k.device(p)
	k.browser.Submit(d.enter(k.browser), "/approve")
	other := &device{k: k, party: k.deviceApp(idp.Client{}), code: d.code}
	other.poll().want(t, 400, "invalid_grant")
	k.post(p, url.Values{"grant_type": {"authorization_code"}, "code": {d.code}, "redirect_uri": {idptest.RedirectURI}}).want(t, 400, "invalid_grant")
	a, code := k.code(p)
	(&device{k: k, party: p, code: code}).poll().want(t, 400, "invalid_grant")
	k.redeem(p, code, a.Verifier).want(t, 200, "")
	d.poll().want(t, 200, "")
}

func TestADeviceHearsWhatIsWrong(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	p := k.deviceApp(idp.Client{})
	ask := func(p *idptest.Party, form url.Values) *reply { return k.postTo("/device_authorization", p, form) }
	ask(p, url.Values{}).want(t, 400, "invalid_scope")
	ask(p, url.Values{"scope": {"admin"}}).want(t, 400, "invalid_scope")
	ask(p, url.Values{"scope": {"openid"}, "resource": {"https://api.example/"}}).want(t, 400, "invalid_target")
	ask(p, url.Values{"scope": {"openid", "openid"}}).want(t, 400, "invalid_request")
	ask(k.AddParty(idp.Client{}), url.Values{"scope": {"openid"}}).want(t, 400, "unauthorized_client")
	k.send("POST", "/device_authorization", "scope=openid&client_id=nobody").want(t, 400, "invalid_client")
	k.send("GET", "/device_authorization", "").want(t, 405, "invalid_request")
	web := k.AddParty(idp.Client{GrantTypes: []string{idp.DeviceGrant}})
	k.send("POST", "/device_authorization", "scope=openid&client_id="+web.Client.ID).want(t, 400, "invalid_client")
	ask(web, url.Values{"scope": {"openid"}}).want(t, 200, "")

	d := k.device(p)
	k.post(p, url.Values{"grant_type": {idp.DeviceGrant}}).want(t, 400, "invalid_request")
	form := url.Values{"grant_type": {idp.DeviceGrant}, "device_code": {d.code}}
	k.post(p, form).want(t, 400, "authorization_pending")
	k.post(p, form).want(t, 400, "slow_down")
	k.exec("UPDATE device_authorizations SET expires_at = " + ago(time.Second))
	d.poll().want(t, 400, "expired_token")
	if page := d.enter(k.browser); page.Status != 422 || page.Heading() != "Connect a device" {
		t.Errorf("a code whose time is over: %d %s", page.Status, page.Heading())
	}
	(&device{k: k, party: p, code: "guessed"}).poll().want(t, 400, "invalid_grant")
}

func TestGuessesAtCodesOfDevicesAreSlowedDown(t *testing.T) {
	t.Parallel()
	k := start(t, idptest.Migrated(t))
	k.device(k.deviceApp(idp.Client{}))
	guess := func() *idptest.Page { return (&device{k: k, userCode: "BBBB-BBBB"}).enter(k.browser) }
	for range 20 {
		if page := guess(); page.Status != 422 {
			t.Fatalf("status %d", page.Status)
		}
	}
	if page := guess(); page.Status != 429 || page.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
	}
	k.exec("UPDATE throttles SET next_at = last_at")
	d := k.device(k.deviceApp(idp.Client{}))
	if page := d.enter(k.browser); page.Status != 200 {
		t.Errorf("the right code later: %d", page.Status)
	}
}

func TestOneOfManyPollsGetsTheTokensOfADevice(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		k := start(t, db.URL)
		d := k.device(k.deviceApp(idp.Client{}))
		k.browser.Submit(d.enter(k.browser), "/approve")
		won := 0
		for _, status := range idptest.Race(10, func(int) int {
			return k.post(d.party, url.Values{"grant_type": {idp.DeviceGrant}, "device_code": {d.code}}).status
		}) {
			if status == 200 {
				won++
			} else if status != 400 {
				t.Errorf("status %d", status)
			}
		}
		if won > 1 {
			t.Errorf("%d polls got tokens", won)
		}
	})
}

func TestStatementsOfDevices(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		cfg := server.Config{DatabaseURL: db.URL, MasterKeys: base64.StdEncoding.EncodeToString(idp.HashSecret("k"))}
		k := signedIn(t, idptest.StartWith(t, cfg, ""), db.URL)
		d := k.device(k.deviceApp(idp.Client{}))
		form := url.Values{"client_id": {d.party.Client.ID}, "scope": {"openid"}}
		statements(t, replica(k, cfg), k.request("POST", k.Issuer+"/device_authorization", form), 200, 2)
		form = url.Values{"client_id": {d.party.Client.ID}, "grant_type": {idp.DeviceGrant}, "device_code": {d.code}}
		statements(t, replica(k, cfg), k.request("POST", k.Issuer+"/token", form), 400, 2)
		k.browser.Submit(d.enter(k.browser), "/approve")
		statements(t, replica(k, cfg), k.request("POST", k.Issuer+"/token", form), 200, 6)
	})
}

// FuzzDevice: neither a device nor a person can type what is our fault.
func FuzzDevice(f *testing.F) {
	k := start(f, idptest.Migrated(f))
	p := k.deviceApp(idp.Client{ID: "tv"})
	d := k.device(p)
	f.Add("client_id=tv&scope=openid", "/device_authorization")
	f.Add("client_id=tv&scope=%00&resource=%ff", "/device_authorization")
	f.Add("client_id=tv&grant_type="+url.QueryEscape(idp.DeviceGrant)+"&device_code="+d.code, "/token")
	f.Add("client_id=tv&grant_type="+url.QueryEscape(idp.DeviceGrant)+"&device_code=%00%ff", "/token")
	f.Add("user_code="+d.userCode, "/device")
	f.Add("user_code=%f0%9d%90%81CDF-GHJK&other=x", "/device")
	f.Add("%zz", "/device")
	f.Add("", "/device/%00/%ff/approve")
	f.Add("", "/device/"+idp.NewID()+"/"+k.session.ID+"/deny")
	cookies := k.request("GET", "/", nil).Header["Cookie"]
	paths := []string{"/device_authorization", "/token", "/device", "/device/"}
	f.Fuzz(func(t *testing.T, form, path string) {
		if !slices.ContainsFunc(paths, func(begin string) bool { return strings.HasPrefix(path, begin) }) {
			return
		}
		for _, r := range []*http.Request{
			{Method: "POST", URL: &url.URL{Path: path}, Body: http.NoBody},
			{Method: "GET", URL: &url.URL{Path: path, RawQuery: form}, Body: http.NoBody},
		} {
			r.Host, r.RemoteAddr, r.Header = "x", "127.0.0.1:1", http.Header{"Cookie": cookies}
			if r.Method == "POST" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Body = httptest.NewRequest("POST", "/", strings.NewReader(form)).Body
			}
			rec := httptest.NewRecorder()
			k.Handler().ServeHTTP(rec, r.WithContext(t.Context()))
			if rec.Code >= 500 || strings.Contains(rec.Body.String(), `"access_token"`) {
				t.Errorf("%s %s: %d %s", r.Method, path, rec.Code, rec.Body)
			}
		}
	})
}
