package demo_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/outbox"
	"gatehouse/idp/server"
	"gatehouse/idp/store"

	"gatehouse/idp/idptest/chromium"
)

// TestBrowserMFA tells the stories in which an admin changes what is asked.
func TestBrowserMFA(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	m := h.manager(t)
	for _, story := range []struct {
		name string
		tell func(*testing.T, *house, *manage.Manager)
	}{
		{"EmailCode", emailCode},
		{"AppThenEmail", appThenEmail},
		{"StepUp", stepUp},
		{"FewCodesLeft", fewCodesLeft},
	} {
		t.Run(story.name, func(t *testing.T) { story.tell(t, h, m) })
	}
}

// manager is an admin beside the demo, in a process of their own so to speak.
func (h *house) manager(t *testing.T) *manage.Manager {
	t.Helper()
	cfg := server.Config{Issuer: h.Issuer, DataDir: h.data, DatabaseURL: h.database}
	s, err := store.Open(t.Context(), cmp.Or(h.database, store.SQLiteScheme+filepath.Join(h.data, "gatehouse.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ring, err := cfg.Keyring(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	m, err := server.NewManager(t.Context(), cfg, s, ring, func(p *manage.Parts) { p.Mailer = demoMail{} })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// demoMail says that the demo has a mail server.
type demoMail struct{ outbox.Mailer }

// policy puts a population's policy in force.
func policy(t *testing.T, m *manage.Manager, population string, p idp.Policy, apply populations.Apply) {
	t.Helper()
	now, err := m.Store.Population(t.Context(), population)
	if err != nil {
		t.Fatal(err)
	}
	p.Version, p.IssuerLabel = now.Policy.Version, now.Policy.IssuerLabel
	_, err = m.Populations.SavePolicy(t.Context(), authz.System(), populations.Change[idp.Policy]{
		ID: population, To: p, Apply: apply, PasswordAlone: true,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// emailCode: somebody without an authenticator chooses the email code.
func emailCode(t *testing.T, h *house, m *manage.Manager) {
	policy(t, m, idp.Contacts, idp.Policy{Authenticator: true, EmailCode: true}, populations.OnNextLogin)
	p := h.person(t, "contact@customer.example")
	b := h.window(t)
	b.signsIn(h.supportPortal(), p)
	b.page("choose-method")
	b.clicks(`form:has(input[value=email]) button`)
	b.page("email-code")
	b.answers("000000")
	b.sees("#code-error")
	b.picture("email-code-wrong")
	b.answers(h.mailed(t, p, 0))
	b.reads("You are signed in")
	claims := b.claims(h.supportPortal())
	if got := fmt.Sprint(claims["acr"], claims["amr"]); got != "urn:gatehouse:acr:two-step[pwd otp mca mfa]" {
		t.Errorf("acr and amr: %s", got)
	}
}

// appThenEmail: an email code comes before the app is set up; afterwards the app is
// asked for first, and email is the fallback.
func appThenEmail(t *testing.T, h *house, m *manage.Manager) {
	policy(t, m, idp.Contacts, idp.Policy{Authenticator: true, EmailCode: true}, populations.OnNextLogin)
	p := h.person(t, "contact2@customer.example")
	b := h.window(t)
	b.signsIn(h.supportPortal(), p)
	b.sees("main.page-choose-method")
	b.clicks(`form:has(input[value=totp]) button`)
	b.reads("Before you set up your app")
	b.picture("email-before-app")
	b.answers(h.mailed(t, p, 0))
	b.setsUp(p)
	b.finishes()
	b = h.window(t)
	b.signsIn(h.supportPortal(), p)
	b.sees("main.page-code")
	b.picture("code-with-email")
	b.clicks(`form:has(input[value=email]) button`)
	b.sees("main.page-email-code")
	b.picture("email-too-soon") // the code from before the set-up is not thirty seconds old
}

// stepUp: a page of the agent portal asks for more than the sign-in proved, and an
// admin who signs everybody out reaches the portal too.
func stepUp(t *testing.T, h *house, m *manage.Manager) {
	p := h.person(t, "agent@rtx.example")
	b := h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.setsUp(p)
	b.finishes()
	policy(t, m, idp.Agents, idp.Policy{}, populations.OnNextLogin)
	b = h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.reads("You are signed in")
	b.visit(h.agentPortal() + "/exports")
	b.reads("Confirm it is you")
	b.clicks("main a.button")
	b.page("code")
	b.answers(p.code(t, 30*time.Second))
	b.reads("strong and recent enough")
	provedBoth(t, b.claims(h.agentPortal()))

	policy(t, m, idp.Agents, idp.Policy{Authenticator: true}, populations.Immediately)
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		if status := b.visit(h.agentPortal() + "/me"); status == http.StatusUnauthorized {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the portal was not told of the sign-out")
		}
	}
}

// fewCodesLeft: whoever is down to the last recovery codes gets new ones, once two
// hours have passed.
func fewCodesLeft(t *testing.T, h *house, _ *manage.Manager) {
	p := h.person(t, "agent2@rtx.example")
	b := h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.setsUp(p)
	b.finishes()
	b = h.window(t)
	b.signsIn(h.agentPortal(), p)
	b.clicks(`form:has(input[value=recovery]) button`)
	b.sees("main.page-recovery-code")
	b.answers(p.codes[0])
	b.reads("You have 9 recovery codes left")
	h.age(t, `UPDATE recovery_codes SET used_at = '2020-01-01 00:00:00+00:00' WHERE id IN
		(SELECT id FROM recovery_codes WHERE used_at IS NULL AND user_id = (SELECT id FROM users WHERE email = '`+p.Email+`') LIMIT 7)`)
	b.do(chromedp.Reload())
	b.reads("You have 2 recovery codes left")
	b.reads("Codes can be made again two hours after the last set")
	b.picture("recovery-few-too-soon")
	h.age(t, "UPDATE recovery_sets SET created_at = '2020-01-01 00:00:00+00:00'")
	b.do(chromedp.Reload())
	b.reads("Make 10 new recovery codes")
	b.picture("recovery-few")
	b.clicks(`form[action$=regenerate] button`)
	b.page("recovery-codes")
	b.finishes()
}

// age changes rows beside the program, to let time pass.
func (h *house) age(t *testing.T, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(h.data, "gatehouse.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

var sixDigits = regexp.MustCompile(`^[0-9]{6}`)

// mailed waits for a code in the demo's mailbox, the one after skip others, and
// returns it.
func (h *house) mailed(t *testing.T, p *person, skip int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		if codes := h.codesTo(ctx, t, p.Email); len(codes) > skip {
			return codes[len(codes)-1-skip]
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no code came to %s", p.Email)
		}
	}
}

// codesTo lists the codes in the mailbox for an address, newest first.
func (h *house) codesTo(ctx context.Context, t *testing.T, email string) []string {
	t.Helper()
	var codes []string
	for _, subject := range h.mails(ctx, t, email) {
		if code := sixDigits.FindString(subject); code != "" {
			codes = append(codes, code)
		}
	}
	return codes
}

// mails lists the subjects of the mails to an address, newest first.
func (h *house) mails(ctx context.Context, t *testing.T, email string) []string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.Mailbox+"/api/v1/messages", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var list struct {
		Messages []struct {
			Subject string
			To      []struct{ Address string }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, m := range list.Messages {
		if m.To[0].Address == email {
			subjects = append(subjects, m.Subject)
		}
	}
	return subjects
}
