package demo_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gatehouse/cmd/gatehouse/internal/demo/portal"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/chromium"
	"gatehouse/idp/manage"
	"gatehouse/idp/store"
)

func TestMain(m *testing.M) {
	code := m.Run()
	chromium.End()
	os.Exit(code)
}

// TestBrowser tells the stories of people who sign in, with a real browser.
// Each story has people of its own.
func TestBrowser(t *testing.T) {
	chromium := chromium.Shared(t)
	if idptest.OnBoth() {
		t.Run("PostgreSQL", func(t *testing.T) {
			firstAndSecondSignIn(t, startHouse(t, chromium, idptest.Postgres(t)))
		})
	}
	t.Run("SQLite", func(t *testing.T) {
		h := startHouse(t, chromium, "")
		for _, story := range []struct {
			name string
			tell func(*testing.T, *house)
		}{
			{"FirstAndSecondSignIn", firstAndSecondSignIn},
			{"SingleSignOnAndOut", singleSignOnAndOut},
			{"Keyboard", keyboard},
			{"BackAndReload", backAndReload},
			{"TwoTabs", twoTabs},
			{"WithoutScripts", withoutScripts},
		} {
			t.Run(story.name, func(t *testing.T) { story.tell(t, h) })
		}
	})
}

// firstAndSecondSignIn sets up an authenticator and uses it, and a recovery code.
func firstAndSecondSignIn(t *testing.T, h *house) {
	p := h.person(t, "agent@rtx.example")
	b := h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.setsUp(p)
	b.mustTick()
	b.downloads(p)
	b.finishes()
	b.reads(p.Email)
	b.reads("You signed in with password and authenticator app")
	b.picture("portal-signed-in")
	provedBoth(t, b.claims(h.agentPortal()))
	secondSignIn(t, h, p)
}

// provedBoth checks the claims of a sign-in with password and authenticator.
func provedBoth(t *testing.T, claims map[string]any) {
	t.Helper()
	if got := fmt.Sprint(claims["amr"]); got != "[pwd otp mfa]" {
		t.Errorf("amr: %s", got)
	}
	if claims["acr"] != "urn:gatehouse:acr:mfa" {
		t.Errorf("acr: %v", claims["acr"])
	}
	at, _ := claims["auth_time"].(float64)
	if ago := idp.Now().Sub(time.Unix(int64(at), 0)); ago < -time.Second || ago > 5*time.Minute {
		t.Errorf("auth_time: %v, %s ago", claims["auth_time"], ago)
	}
	if sid, _ := claims["sid"].(string); sid == "" {
		t.Errorf("sid: %v", claims["sid"])
	}
}

// secondSignIn: each code opens once, whichever browser asks.
func secondSignIn(t *testing.T, h *house, p *person) {
	next := p.code(t, 30*time.Second)
	b := h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.page("code")
	b.reads("Sent by itself after the sixth digit")
	b.types("#code", next)
	b.reads("You are signed in")

	b = h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.page("code")
	b.answers(next)
	b.sees("#code-error")
	b.reads("used already")
	b.picture("code-used")
	b.clicks(`form:has(input[name=method][value=recovery]) button`)
	b.page("recovery-code")
	b.answers(p.codes[0])
	b.page("recovery-notice")
	b.reads("9 recovery codes left")
	b.submits()
	b.reads("You are signed in")

	b = h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.clicks(`form:has(input[name=method][value=recovery]) button`)
	b.page("recovery-code")
	b.answers(p.codes[0])
	b.sees("#code-error")
	b.reads("used already")
	b.picture("recovery-code-used")
}

// singleSignOnAndOut: the second portal asks for nothing, until the person signs
// out.
func singleSignOnAndOut(t *testing.T, h *house) {
	p := h.person(t, "lead@rtx.example")
	second := h.secondPortal(t)
	b := h.window(t)
	b.visit(h.agentPortal())
	b.picture("portal-signed-out")
	b.signsIn(h.agentPortal(), p)
	b.setsUp(p)
	b.ticks()
	b.finishes()
	sid := b.claims(h.agentPortal())["sid"]
	b.visit(second)
	b.clicks(`a[href="/login"]`)
	b.reads("You are signed in")
	claims := b.claims(second)
	provedBoth(t, claims)
	if claims["sid"] != sid {
		t.Errorf("another session: %v, %v", claims["sid"], sid)
	}
	signOut(b, h, p)
}

// signOut ends the session everywhere; opened directly, it asks first.
func signOut(b *tab, h *house, p *person) {
	b.visit(h.agentPortal())
	b.clicks(`form[action="/logout"] button`)
	b.reads("signed out of this portal and of the sign-in service")
	b.picture("portal-after-sign-out")
	if status := b.visit(h.agentPortal() + "/me"); status != http.StatusUnauthorized {
		b.t.Errorf("/me answers %d after signing out", status)
	}
	b.signsIn(h.agentPortal(), p) // which needs the page that asks for the password
	b.page("code")
	b.answers(p.code(b.t, 30*time.Second))
	b.reads("You are signed in")

	b.visit(h.Issuer + "/end_session")
	b.page("sign-out")
	b.reads(p.Email)
	b.submits()
	b.page("signed-out")
	b.visit(h.agentPortal() + "/login")
	b.page("signin")
}

// secondPortal serves one more portal for agents, until the test ends. It is of
// the other kind, since portals of one kind share their cookies on localhost.
func (h *house) secondPortal(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	base := "http://localhost:" + port
	secret := h.client(t, idp.Client{
		ID: "second-portal", Name: "Second portal", HomeURL: base + "/",
		RedirectURIs: []string{base + "/callback"}, Populations: []string{idp.Agents},
	})
	made, err := portal.New(t.Context(), portal.Config{
		Kind: portal.Support, Name: "Second portal", BaseURL: base,
		Issuer: h.Issuer, ClientID: "second-portal", ClientSecret: secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: made.Handler(), ReadHeaderTimeout: patience}
	over := make(chan error, 1)
	go func() { over <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-over
	})
	return base
}

// client registers an app in the demo's database.
func (h *house) client(t *testing.T, c idp.Client) string {
	t.Helper()
	s, err := store.Open(t.Context(), store.SQLiteScheme+filepath.Join(h.data, "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, secret, err := manage.New(manage.Parts{Store: s}).Apps.CreateClient(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// keyboard signs in for the first time without touching the mouse.
func keyboard(t *testing.T, h *house) {
	p := h.person(t, "contact2@customer.example")
	b := h.window(t)
	b.visit(h.supportPortal())
	b.tabsTo(`a[href="/login"]`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.page("signin")
	b.tabsTo("#email")
	b.do(chromedp.KeyEvent(p.Email))
	b.tabsTo("#password")
	b.do(chromedp.KeyEvent(p.Password + kb.Enter))
	b.page("enrol")
	p.key = b.text("#key")
	b.tabsTo("#code")
	b.do(chromedp.KeyEvent(p.code(t, 0) + kb.Enter))
	b.page("recovery-codes")
	b.tabsTo("input[name=saved]")
	b.do(chromedp.KeyEvent(" "))
	b.tabsTo("button.primary")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.reads("You are signed in")
	b.picture("support-portal-signed-in")
}

// backAndReload: history leads to where the sign-in is, and always on.
func backAndReload(t *testing.T, h *house) {
	p := h.person(t, "agent2@rtx.example")
	b := h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.page("enrol")
	flow := mustAsk[string](b, "location.href")
	b.do(chromedp.NavigateBack())
	b.page("enrol") // the password was accepted, so it is not asked for again
	b.do(chromedp.Reload())
	b.setsUp(p)
	b.do(chromedp.NavigateBack())
	b.page("recovery-codes")
	b.do(chromedp.Reload())
	b.page("recovery-codes")
	b.ticks()
	b.finishes()
	b.do(chromedp.Reload())
	b.reads("You are signed in")
	b.do(chromedp.NavigateBack())
	b.leadsOn()
	b.visit(flow)
	b.page("problem")
	b.reads("You have finished this sign-in")
	b.clicks("a.button")
	b.reads("You are signed in")
	b.visit(h.Issuer + "/login")
	b.reads("Start from your portal")
	b.picture("opened-directly")
}

// twoTabs: the tab that is behind catches up.
func twoTabs(t *testing.T, h *house) {
	p := h.person(t, "admin@rtx.example")
	ahead := h.window(t)
	ahead.visit(h.agentPortal())
	ahead.clicks(`a[href="/login"]`)
	ahead.page("signin")
	behind := ahead.another()
	behind.visit(mustAsk[string](ahead, "location.href"))
	behind.sees("#password")
	ahead.givesPassword(p)
	ahead.sees("main.page-enrol")
	behind.givesPassword(p)
	behind.sees("main.page-enrol")
	ahead.setsUp(p)
	behind.answers("000000")
	behind.sees("main.page-recovery-codes")
	behind.ticks()
	ahead.ticks()
	ahead.finishes()
	behind.submits()
	behind.until(`!document.querySelector("main.page-recovery-codes")`)
	behind.leadsOn()
}

// leadsOn checks that a page has a way on, and follows it to the portal.
func (b *tab) leadsOn() {
	b.t.Helper()
	b.sees("main a[href], main button")
	b.picture("leads-on")
	if mustAsk[bool](b, `document.body.innerText.includes("You are signed in")`) {
		return
	}
	b.clicks("main a.button")
	b.reads("You are signed in")
}

// withoutScripts: nothing of a sign-in needs them.
func withoutScripts(t *testing.T, h *house) {
	p := h.person(t, "contact@customer.example")
	b := h.window(t)
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.signsIn(h.supportPortal(), p)
	b.setsUp(p)
	if !mustAsk[bool](b, `document.querySelector("[data-print]").hidden`) {
		t.Error("a button that needs scripts is shown without them")
	}
	b.mustTick()
	b.ticks()
	b.finishes()
	provedBoth(t, b.claims(h.supportPortal()))
}

// signsIn goes from the portal's button through the first page.
func (b *tab) signsIn(portal string, p *person) {
	b.t.Helper()
	b.visit(portal)
	b.clicks(`a[href="/login"]`)
	b.page("signin")
	b.givesPassword(p)
}

// givesPassword fills in the first page.
func (b *tab) givesPassword(p *person) {
	b.t.Helper()
	b.types("#email", p.Email)
	b.types("#password", p.Password)
	b.submits()
}

// submits presses the page's primary button.
func (b *tab) submits() {
	b.t.Helper()
	b.clicks("main button.primary")
}

// answers gives a code to the page that asks for one.
func (b *tab) answers(code string) {
	b.t.Helper()
	b.types("#code", code)
	b.submits()
}

// setsUp adds the account to the person's app, and notes the recovery codes.
func (b *tab) setsUp(p *person) {
	b.t.Helper()
	b.page("enrol")
	p.key = b.text("#key")
	b.answers(p.code(b.t, 0))
	b.page("recovery-codes")
	p.codes = mustAsk[[]string](b, `[...document.querySelectorAll("#codes li")].map((li) => li.textContent)`)
	slices.Sort(p.codes)
	if n := len(slices.Compact(slices.Clone(p.codes))); n != 10 {
		b.t.Errorf("%d recovery codes", n)
	}
}

// mustTick tries to leave the recovery codes without having saved them.
func (b *tab) mustTick() {
	b.t.Helper()
	b.submits()
	b.sees(".field:has(input[name=saved][aria-describedby=saved-error]) #saved-error")
	b.picture("recovery-codes-error")
}

// ticks says that the codes are saved.
func (b *tab) ticks() {
	b.t.Helper()
	b.clicks("input[name=saved]")
	b.sees("input[name=saved]:checked")
}

// finishes leaves the recovery codes for the portal.
func (b *tab) finishes() {
	b.t.Helper()
	if !mustAsk[bool](b, `document.querySelector("input[name=saved]").checked`) {
		b.ticks()
	}
	b.submits()
	b.reads("You are signed in")
}

// downloads saves the file of recovery codes, which has what the page shows.
func (b *tab) downloads(p *person) {
	b.t.Helper()
	dir, home := b.t.TempDir(), chromedp.FromContext(b.ctx).BrowserContextID
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: home, DownloadPath: dir,
		})
		return err
	}))
	kind := mustAsk[string](b, `fetch(document.querySelector("a[download]").href).then((r) => r.headers.get("Content-Type"))`)
	if !strings.HasPrefix(kind, "text/plain") {
		b.t.Errorf("the download is %s", kind)
	}
	b.clicks("a[download]")
	text := b.file(filepath.Join(dir, "recovery-codes.txt"))
	for _, code := range p.codes {
		if strings.Count(text, code) != 1 {
			b.t.Errorf("the download does not have a code of the page once:\n%s", text)
		}
	}
	if !strings.Contains(text, p.Email) {
		b.t.Errorf("the download does not say whose codes these are:\n%s", text)
	}
}

// file waits for a download, which gets its name once it is whole.
func (b *tab) file(name string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile(name); err == nil {
			return string(text)
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("no download\n%s", b.looks())
		case <-tick.C:
		}
	}
}

// tabsTo presses the tab key until the focus is there, once the page has it.
func (b *tab) tabsTo(selector string) {
	b.t.Helper()
	b.sees(selector)
	const far = 25
	there := fmt.Sprintf("document.activeElement?.matches(%q) ?? false", selector)
	for range far {
		if mustAsk[bool](b, there) {
			return
		}
		b.do(chromedp.KeyEvent(kb.Tab))
	}
	b.t.Fatalf("the tab key does not reach %s\n%s", selector, b.looks())
}

// agentPortal and supportPortal are the demo's two.
func (h *house) agentPortal() string   { return h.Portals[0].URL }
func (h *house) supportPortal() string { return h.Portals[1].URL }
