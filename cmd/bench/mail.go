package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/password"
	"gatehouse/idp/server"
)

// mails is how many email codes are sent for a row, each to another person.
const mails = 300

// mailGoal is how long half of the mails may take to arrive.
const mailGoal = 200 * time.Millisecond

// mailBench is a provider whose contacts get email codes, and where those arrive.
type mailBench struct {
	w       world
	box     *mailbox
	process *process
	// flows are the sign-ins under way, one for each person.
	flows []mailFlow
}

type mailFlow struct {
	browser *browser
	path    string
}

// sent is how long it took until a post was answered, and until its mail had come.
type sent struct {
	answer, mail time.Duration
}

// measureMail prints how long an email code takes, from the post that asks for it
// until the mail server has the mail in whole.
func measureMail(ctx context.Context, o options, data string) (err error) {
	if !strings.Contains("email code", o.only) {
		return nil
	}
	database, drop, err := newSchema(ctx, o.postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	m := &mailBench{}
	if m.box, err = newMailbox(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.box.close()) }()
	m.w = world{Data: filepath.Join(data, "mail"), Database: database, Mail: m.box.address}
	if err := m.fill(ctx); err != nil {
		return fmt.Errorf("prepare the mails: %w", err)
	}
	if m.process, err = start(ctx, roleProvider, orders{World: m.w}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.process.stop()) }()
	return m.rows(ctx, []int{1, o.workers})
}

// fill makes contacts who have a password and no authenticator, under a policy of
// email codes alone.
func (m *mailBench) fill(ctx context.Context) (err error) {
	srv, err := server.Open(ctx, m.w.config())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	c, secret, err := srv.Manage.Apps.CreateClient(ctx, idp.Client{
		Name: "Support portal", Populations: []string{idp.Contacts}, RedirectURIs: []string{redirectURI}, HomeURL: "https://app.example/",
	})
	if err != nil {
		return err
	}
	m.w.Clients = []benchClient{{ID: c.ID, Secret: secret}}
	before, err := srv.Store.Population(ctx, idp.Contacts)
	if err != nil {
		return err
	}
	_, err = srv.Manage.Populations.SavePolicy(ctx, authz.System(), populations.Change[idp.Policy]{
		ID: idp.Contacts, To: idp.Policy{Version: before.Policy.Version, EmailCode: true}, Apply: populations.OnNextLogin,
	})
	if err != nil {
		return err
	}
	hash, err := password.New(password.DefaultParams()).Hash(ctx, plain)
	if err != nil {
		return err
	}
	m.flows = make([]mailFlow, 2*mails)
	return srv.Store.Do(ctx, func(ctx context.Context) error {
		now := idp.Now()
		for i := range m.flows {
			err := srv.Store.CreateUser(ctx, idp.User{
				ID: idp.NewID(), PopulationID: idp.Contacts, Email: contact(i), Name: "Maya Example", Locale: "en",
				PasswordHash: hash, CreatedAt: now, UpdatedAt: now,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func contact(i int) string { return fmt.Sprintf("person%d@app.example", i) }

// rows measures both posts that send a code. The second one is of the same people
// in the same sign-in, a while later.
func (m *mailBench) rows(ctx context.Context, atOnce []int) error {
	fmt.Println("\n| Email code, PostgreSQL | at once | mails | answer (median) | mail in whole (median) | goal | 95 of 100 | after the answer (median) |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|")
	for i, n := range atOnce {
		if err := m.row("after the password", n, func(c *conn, k int) (sent, error) { return m.password(c, i*mails+k) }); err != nil {
			return err
		}
	}
	// A person gets no two codes within 30 s.
	err := execOn(ctx, m.w.Database, "UPDATE factors SET sent_at = sent_at - interval '1 minute' WHERE method = 'email'")
	if err != nil {
		return err
	}
	for i, n := range atOnce {
		if err := m.row("asked for once more", n, func(c *conn, k int) (sent, error) { return m.resend(c, i*mails+k) }); err != nil {
			return err
		}
	}
	return nil
}

// password begins a sign-in and posts the password, which sends a code.
func (m *mailBench) password(c *conn, person int) (sent, error) {
	f := &m.flows[person]
	f.browser = newBrowser(c, person)
	a, err := f.browser.ask(question(m.w.Clients[0]))
	if err != nil {
		return sent{}, err
	}
	f.path = a.header.Get("Location")
	if _, err := f.browser.ask(get(f.path)); err != nil {
		return sent{}, err
	}
	return m.send(f, person, post(f.path+"/password", url.Values{
		"population": {idp.Contacts}, "email": {contact(person)}, "password": {plain},
	}))
}

// resend asks for another code in the same sign-in.
func (m *mailBench) resend(c *conn, person int) (sent, error) {
	f := &m.flows[person]
	f.browser.conn = c
	return m.send(f, person, post(f.path+"/resend", nil))
}

// send posts what sends a mail, and waits for that.
func (m *mailBench) send(f *mailFlow, person int, r *http.Request) (sent, error) {
	arrived := m.box.expect(contact(person))
	begin := idp.Now()
	a, err := f.browser.ask(r)
	out := sent{answer: idp.Now().Sub(begin)}
	if err == nil && a.status != http.StatusSeeOther {
		err = fmt.Errorf("%s answered %d: %.200s", r.URL.Path, a.status, a.body)
	}
	if err != nil {
		return out, err
	}
	select {
	case at := <-arrived:
		out.mail = at.Sub(begin)
		return out, nil
	case <-time.After(patience):
		return out, errors.New("no mail came after " + r.URL.Path)
	}
}

// row sends its mails over n connections at once, and prints how long they took.
func (m *mailBench) row(name string, n int, send func(c *conn, k int) (sent, error)) error {
	took, errs := make([]sent, mails), make([]error, n)
	var next atomic.Int64
	var working sync.WaitGroup
	for i := range n {
		working.Go(func() {
			c, err := dial(m.process.address)
			if err != nil {
				errs[i] = err
				return
			}
			defer func() { _ = c.Close() }() // nothing is lost with it
			for k := next.Add(1) - 1; k < mails && errs[i] == nil; k = next.Add(1) - 1 {
				took[k], errs[i] = send(c, int(k))
			}
		})
	}
	working.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("email code, %s: %w", name, err)
	}
	answer := sorted(took, func(s sent) time.Duration { return s.answer })
	mail := sorted(took, func(s sent) time.Duration { return s.mail })
	after := sorted(took, func(s sent) time.Duration { return s.mail - s.answer })
	fmt.Printf("| %s | %d | %d | %s | **%s** | %d ms | %s | %s |\n", name, n, mails, milliseconds(answer.percentile(0.5)),
		milliseconds(mail.percentile(0.5)), mailGoal/time.Millisecond, milliseconds(mail.percentile(0.95)), milliseconds(after.percentile(0.5)))
	return nil
}

func sorted(list []sent, of func(sent) time.Duration) *figures {
	f := &figures{}
	for _, s := range list {
		f.took = append(f.took, of(s))
	}
	slices.Sort(f.took)
	return f
}
