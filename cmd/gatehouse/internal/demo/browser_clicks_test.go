package demo_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"

	"gatehouse/idp"
	"gatehouse/idp/idptest/chromium"
	"gatehouse/idp/manage/populations"
)

// mostClicks is what a task of an admin may take, from the overview to done.
const mostClicks = 4

// clicking is a task on its way: what is pressed or chosen counts, typing into a field does not.
type clicking struct {
	adminTab
	clicked int
}

func (c *clicking) presses(selector string) {
	c.t.Helper()
	c.clicks(selector)
	c.clicked++
}

// fills types into a field that the tab key reaches.
func (c *clicking) fills(selector, text string) {
	c.t.Helper()
	c.sees(selector)
	mustAsk[chromedp.Void](c.tab, fmt.Sprintf("(() => { const e = document.querySelector(%q); e.focus(); e.select(); })()", selector))
	c.do(chromedp.KeyEvent(text))
}

// finds looks for a person in the menu: the enter key counts.
func (c *clicking) finds(email string) {
	c.t.Helper()
	c.fills("#find", email+"\r")
	c.clicked++
	c.page("console-person")
}

// TestBrowserClicks counts what each task takes an admin, from the overview to done, and holds the
// table in docs/admin.md to it.
func TestBrowserClicks(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	m := h.manager(t)
	agent := h.person(t, "agent@rtx.example")
	at := h.window(t)
	policy(t, m, idp.Agents, idp.Policy{Authenticator: true}, populations.OnNextLogin)
	policy(t, m, idp.Contacts, idp.Policy{}, populations.OnNextLogin)
	at.signsIn(h.agentPortal(), agent)
	at.setsUp(agent)
	at.finishes()
	b := firstAdmin(t, h, m)

	told := clickTable(t)
	for _, task := range adminTasks(agent) {
		c := &clicking{adminTab: b}
		b.visit(h.Issuer + "/admin")
		b.page("console-overview")
		task.run(c)
		b.reads(task.done)
		if c.clicked > mostClicks || told[task.name] != c.clicked {
			t.Errorf("%q takes %d clicks; docs/admin.md says %d", task.name, c.clicked, told[task.name])
		}
		delete(told, task.name)
	}
	for name := range told {
		t.Errorf("docs/admin.md has %q, which is not measured", name)
	}
}

type adminTask struct {
	name, done string
	run        func(c *clicking)
}

const reason = "#reason"

// saving is a change of a user group's or an app's rules: page by its link, choice by what is set,
// and when it applies.
func saving(link string, set func(c *clicking), when string) func(c *clicking) {
	return func(c *clicking) {
		c.presses("main a[href$=" + strconv.Quote(link) + "]")
		set(c)
		c.fills(reason, "ticket 4711")
		c.presses("button[name=apply][value=" + when + "]")
		if when == "immediately" {
			c.reads("When should this apply?")
			c.presses("main button.primary")
		}
	}
}

func choice(selector string) func(c *clicking) {
	return func(c *clicking) { c.presses(selector) }
}

// onPerson is a task on the page of a person.
func onPerson(email string, presses ...string) func(c *clicking) {
	return func(c *clicking) {
		c.finds(email)
		for _, selector := range presses {
			c.presses(selector)
		}
		c.fills(reason, "on the telephone")
		c.presses("main button.primary")
	}
}

func adminTasks(p *person) []adminTask {
	const contacts, app = "/authentication/contacts", "/apps/agent-portal/mfa"
	return []adminTask{
		{"MFA, on next login", "It applies from the next sign-in on.", saving(contacts+"/mfa", choice("#authenticator"), "next_login")},
		{"MFA, immediately", "Everyone affected is signed out.", saving(contacts+"/mfa", choice("#email_code"), "immediately")},
		{"Portal access", "Saved. Sessions and access", func(c *clicking) {
			c.presses(`main a[href$="` + contacts + `/access"]`)
			c.presses("main input[value=password]")
			c.presses("main button.primary")
			c.reads("Change portal access")
			c.fills(reason, "ticket 4711")
			c.presses("main button.primary")
		}},
		{"Password requirements, on next login", "It applies from the next sign-in on.", saving(contacts+"/passwords", choice("#digit"), "next_login")},
		{"Password requirements, immediately", "Everyone affected is signed out.", saving(contacts+"/passwords", choice("#upper"), "immediately")},
		{"An app's second step, on next login", "It applies from the next sign-in on.", saving(app, choice("main input[value=required]"), "next_login")},
		{"An app's second step, immediately", "Everyone is signed out of the app.", saving(app, choice("main input[value=off]"), "immediately")},
		{"Give a role", "The roles are saved.", onPerson(p.Email, `main a[href$="/roles"]`, "main input[value=manager]")},
		{"View recovery codes", p.codes[0], onPerson(p.Email, `main a[href$="/sign-in"]`, `main a[href$="/recovery-codes"]`)},
		{"Reset MFA", "MFA is reset.", onPerson(p.Email, `main a[href$="/sign-in"]`, `main a[href$="/reset-mfa"]`)},
		{"Invite a person", "The invitation is on its way.", func(c *clicking) {
			c.presses(`nav a[href$="/people"]`)
			c.presses(`main a[href*="/invite"]`)
			c.fills("#email", "new@rtx.example")
			c.presses("main button.primary")
		}},
		{"Connect an app", "Code to copy", func(c *clicking) {
			c.presses(`nav a[href$="/apps"]`)
			c.presses(`main a[href$="/apps/new"]`)
			c.presses(`main a[href$="/apps/new/web"]`)
			c.fills("#name", "Wallboard")
			c.fills("#redirect_uris", "https://wallboard.example/callback")
			c.presses("main button.primary")
		}},
	}
}

var clickRow = regexp.MustCompile(`(?m)^\| ([^|]+) \| (\d+) \|`)

// clickTable is what docs/admin.md says that each task takes.
func clickTable(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, row := range clickRow.FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		told[row[1]] = n
	}
	return told
}
