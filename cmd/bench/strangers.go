package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/password"
	"gatehouse/idp/server"
)

const (
	// strangerRuns are those of a row on each side, after strangerWarmUp.
	strangerRuns, strangerWarmUp = 200, 20
	// strangerGoal is by how much the mean times of a known and an unknown
	// account may differ.
	strangerGoal = 0.1
	// strangerTries is how often a row is measured while its noise is above
	// strangerNoise; the quietest counts.
	strangerTries, strangerNoise = 4, 0.03
	// strangerPause is how long what follows an answer may take.
	strangerPause = 15 * time.Millisecond
)

// stranger numbers people, known and unknown: each is asked for once.
type stranger struct{ row, try, run int }

func (s stranger) number() int { return s.try*(strangerWarmUp+strangerRuns) + s.run }

// address is one for each side of each run.
func (s stranger) address(side int) int {
	return 2*((s.row*strangerTries*(strangerWarmUp+strangerRuns))+s.number()) + side
}

// comparison is what a row comes to: mean times, and the standard error of their
// difference as a part of the longer one.
type comparison struct {
	known, unknown time.Duration
	noise          float64
}

func (c comparison) longer() float64 { return float64(max(c.known, c.unknown)) }

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
	fmt.Println("\n| Known and unknown people | runs each | known (mean) | unknown (mean) | difference | goal | noise of the difference |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|")
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
	for row, p := range strangerPosts {
		best := comparison{noise: math.Inf(1)}
		for try := 0; try < strangerTries && best.noise > strangerNoise; try++ {
			got, err := compareStrangers(c, box, w.Clients[0], stranger{row: row, try: try}, p.step, p.status)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if got.noise < best.noise {
				best = got
			}
		}
		fmt.Printf("| %s, %s | %d | %s | %s | **%+.1f %%** | below %.0f %% | ± %.1f %% |\n", p.name, dialect, strangerRuns,
			milliseconds(best.known), milliseconds(best.unknown), 100*float64(best.known-best.unknown)/best.longer(),
			100*strangerGoal, 100*best.noise)
	}
	return nil
}

// compareStrangers asks for known and unknown people in an order that is drawn, each in
// a browser and from an address of their own. Before each, what is looked into after
// the previous answer is over: else the request after a known person's is slower.
func compareStrangers(c *conn, box *mailbox, client benchClient, who stranger, step string, status int) (out comparison, err error) {
	var sum, squares [2]float64
	var runs [2]int
	for _, n := range rand.Perm(2 * (strangerWarmUp + strangerRuns)) { // #nosec G404 -- an order, not a secret
		side := n % 2
		who.run = runs[side]
		runs[side]++
		time.Sleep(strangerPause)
		took, err := askStranger(c, box, client, who, side, step, status)
		if err != nil {
			return out, err
		}
		if who.run >= strangerWarmUp {
			sum[side], squares[side] = sum[side]+float64(took), squares[side]+float64(took)*float64(took)
		}
	}
	const n = strangerRuns
	variance := 0.0
	for side := range sum {
		variance += max(0, squares[side]-sum[side]*sum[side]/n) / (n - 1) / n
	}
	out.known, out.unknown = time.Duration(sum[0]/n), time.Duration(sum[1]/n)
	out.noise = math.Sqrt(variance) / out.longer()
	return out, nil
}

func askStranger(c *conn, box *mailbox, client benchClient, who stranger, side int, step string, status int) (time.Duration, error) {
	email := fmt.Sprintf("%s%d@app.example", [2]string{"person", "nobody"}[side], who.number())
	box.expect(email) // it is taken, and nothing waits for it
	b := newBrowser(c, who.address(side))
	a, err := b.ask(question(client))
	if err != nil {
		return 0, err
	}
	r := post(a.header.Get("Location")+step, url.Values{"population": {idp.Contacts}, "email": {email}, "password": {"not the password"}})
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
	c, secret, err := srv.Manage.Apps.CreateClient(ctx, idp.Client{
		Name: "Support portal", Populations: []string{idp.Contacts}, RedirectURIs: []string{redirectURI}, HomeURL: "https://app.example/",
	})
	if err != nil {
		return err
	}
	w.Clients = []benchClient{{ID: c.ID, Secret: secret}}
	p, err := srv.Manage.Populations.Population(ctx, authz.System(), idp.Contacts)
	if err != nil {
		return err
	}
	_, err = srv.Manage.Populations.SaveRegistration(ctx, authz.System(), populations.Change[idp.Registration]{
		ID:      idp.Contacts,
		Version: p.Version, To: idp.Registration{Open: true},
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
		for i := range strangerTries * (strangerWarmUp + strangerRuns) {
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
