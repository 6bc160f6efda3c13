package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/password"
	"gatehouse/idp/server"
)

const (
	// strangerRuns are those of a row on each side, after strangerWarmUp.
	strangerRuns, strangerWarmUp = 200, 20
	// strangerGoal is by how much the mean times may differ (REQUIREMENTS, unknown
	// account).
	strangerGoal = 0.1
)

// strangerPosts are what is answered alike for known and unknown people: the step of
// the sign-in that is posted to, and the status of its answer.
var strangerPosts = []struct {
	name, step string
	status     int
}{
	{"forgot password", "/forgot", http.StatusSeeOther},
	{"registration", "/register", http.StatusSeeOther},
	{"sign-in, wrong password", "/password", http.StatusUnprocessableEntity},
}

// measureStrangers prints how long answers take for people who have an account and for
// people who have none.
func measureStrangers(ctx context.Context, o options, data string) error {
	if !strings.Contains("known and unknown people", o.only) {
		return nil
	}
	fmt.Println("\n| Known and unknown people | runs each | known (mean) | unknown (mean) | difference | goal |")
	fmt.Println("|---|---:|---:|---:|---:|---:|")
	database, drop, err := newSchema(ctx, o.postgres)
	if err != nil {
		return err
	}
	err = strangersOn(ctx, "PostgreSQL", world{Data: filepath.Join(data, "strangers"), Database: database})
	return errors.Join(err, drop(), strangersOn(ctx, "SQLite", world{Data: filepath.Join(data, "strangers-sqlite")}))
}

func strangersOn(ctx context.Context, dialect string, w world) (err error) {
	box, err := newMailbox()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.close()) }()
	w.Mail = box.address
	if err := fillStrangers(ctx, &w); err != nil {
		return fmt.Errorf("prepare known and unknown people: %w", err)
	}
	process, err := start(ctx, roleProvider, orders{World: w})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.stop()) }()
	c, err := dial(process.address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // nothing is lost with it
	for i, p := range strangerPosts {
		known, unknown, err := compareStrangers(c, box, w.Clients[0], i, p.step, p.status)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		difference := float64(known-unknown) / float64(max(known, unknown))
		fmt.Printf("| %s, %s | %d | %s | %s | **%+.1f %%** | below %.0f %% |\n", p.name, dialect, strangerRuns,
			milliseconds(known), milliseconds(unknown), 100*difference, 100*strangerGoal)
	}
	return nil
}

// compareStrangers asks for known and unknown people in turns, each in a browser and
// from an address of their own, and returns the mean times of the posts. Each side
// follows the other as often as itself: what happens after an answer disturbs both
// alike.
func compareStrangers(c *conn, box *mailbox, client benchClient, row int, step string, status int) (known, unknown time.Duration, err error) {
	for i := range strangerWarmUp + strangerRuns {
		pair := [2]time.Duration{}
		for turn := range pair {
			side := (turn + i) % 2
			who := fmt.Sprintf("person%d@app.example", i)
			if side == 1 {
				who = fmt.Sprintf("nobody%d@app.example", i)
			}
			box.expect(who) // it is taken, and nobody waits for it
			if pair[side], err = askStranger(c, client, (row*(strangerRuns+strangerWarmUp)+i)*2+side, step, who, status); err != nil {
				return 0, 0, err
			}
		}
		if i >= strangerWarmUp {
			known, unknown = known+pair[0], unknown+pair[1]
		}
	}
	return known / strangerRuns, unknown / strangerRuns, nil
}

func askStranger(c *conn, client benchClient, address int, step, who string, status int) (time.Duration, error) {
	b := newBrowser(c, address)
	a, err := b.ask(question(client))
	if err != nil {
		return 0, err
	}
	flow := a.header.Get("Location")
	r := post(flow+step, url.Values{"population": {idp.Contacts}, "email": {who}, "password": {"not the password"}})
	begin := idp.Now()
	a, err = b.ask(r)
	took := idp.Now().Sub(begin)
	if err == nil && a.status != status {
		err = fmt.Errorf("%s answered %d: %.300s", step, a.status, a.body)
	}
	return took, err
}

// fillStrangers makes contacts who may register themselves, and some who did.
func fillStrangers(ctx context.Context, w *world) (err error) {
	srv, err := server.Open(ctx, w.config())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	c, secret, err := srv.Manage.CreateClient(ctx, idp.Client{
		Name: "Support portal", Populations: []string{idp.Contacts}, RedirectURIs: []string{redirectURI}, HomeURL: "https://app.example/",
	})
	if err != nil {
		return err
	}
	w.Clients = []benchClient{{ID: c.ID, Secret: secret}}
	p, err := srv.Manage.Population(ctx, manage.System(), idp.Contacts)
	if err != nil {
		return err
	}
	_, err = srv.Manage.SaveRegistration(ctx, manage.System(), idp.Contacts, manage.RegistrationChange{
		Version: p.Version, Registration: idp.Registration{Open: true},
	})
	if err != nil {
		return err
	}
	hash, err := password.New(password.DefaultParams()).Hash(ctx, plain)
	if err != nil {
		return err
	}
	now := idp.Now()
	return srv.Store.Do(ctx, func(ctx context.Context) error {
		for i := range strangerWarmUp + strangerRuns {
			err := srv.Store.CreateUser(ctx, idp.User{
				ID: idp.NewID(), PopulationID: idp.Contacts, Email: fmt.Sprintf("person%d@app.example", i), Name: "Maya Example",
				PasswordHash: hash, CreatedAt: now, UpdatedAt: now,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
