//go:build unix

package main_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"gatehouse/admin/apiclient"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// Environment variables: how long it lasts on each database, and settings of PostgreSQL that
// are tried out.
const (
	chaosTime     = "GATEHOUSE_TEST_CHAOS"
	chaosPostgres = "GATEHOUSE_TEST_CHAOS_POSTGRES"
)

// The populations of the run: people of one sign in by password alone, those of another with
// an authenticator app, those of a third with an email code, and the policy of the last one
// is changed again and again.
const (
	plainly   = "agents"
	byApp     = "contacts"
	byMail    = "mailed"
	unsettled = "unsettled"
)

// chaos is two replicas behind a proxy, on a database, while all of them are killed.
type chaos struct {
	*ledger
	t        *testing.T
	replicas [2]*process
	proxy    *balancer
	cluster  *cluster      // nil on SQLite
	wire     *idptest.Wire // between replicas and PostgreSQL, or nil
	disk     *disk         // of the database, or nil
	db       *sql.DB       // for what the ledger looks up at the end
	box      *idptest.Mailbox
	admin    *apiclient.Client
	apps     map[string]oauth2.Config // by population
	device   oauth2.Config
	keyed    string // client_id of a service that authenticates by key
	key      *idptest.Key
	client   *http.Client
	patient  *patient
}

// TestChaos is make chaos: no acknowledged write is lost, and what may happen once happens
// once, while replicas and PostgreSQL are killed, drained and stopped.
func TestChaos(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv(chaosTime))
	if err != nil {
		t.Skip(chaosTime + " does not say how long: make chaos")
	}
	for _, on := range []struct {
		name string
		open func(*testing.T) *chaos
	}{{"SQLite", chaosOnSQLite}, {"PostgreSQL", chaosOnPostgres}} {
		t.Run(on.name, func(t *testing.T) {
			c := on.open(t)
			c.run(length, c.disturb)
			c.lookUp()
			c.report(on.name, length)
		})
	}
}

func chaosOnSQLite(t *testing.T) *chaos {
	on := smallDisk(t)
	folder := ""
	if on != nil {
		folder = on.sub("data")
	}
	c := newChaos(t, where{folder: folder})
	c.disk = on
	return c
}

// chaosOnPostgres takes settings of PostgreSQL: with synchronous_commit=off a run must lose
// writes.
func chaosOnPostgres(t *testing.T) *chaos {
	on := smallDisk(t)
	folder := idptest.Folder(t)
	if on != nil {
		folder = on.sub("postgres")
	}
	cluster := newClusterIn(t, folder, strings.Fields(os.Getenv(chaosPostgres))...)
	cluster.start()
	wire := idptest.NewWire(t, cluster.url())
	c := newChaos(t, where{reached: wire.URL, database: cluster.url()})
	c.cluster, c.wire, c.disk = cluster, wire, on
	return c
}

// smallDisk is nil where none can be had.
func smallDisk(t *testing.T) *disk {
	t.Helper()
	d, err := newDisk(t)
	if err != nil {
		t.Logf("no disk becomes full: %v", err)
	}
	return d
}

// where is the database of a run: a folder of SQLite's, or a PostgreSQL as replicas reach it and
// itself.
type where struct{ folder, reached, database string }

func newChaos(t *testing.T, at where) *chaos {
	t.Helper()
	patient := &patient{TB: t, ctx: t.Context()}
	c := &chaos{
		ledger: newLedger(), t: t, proxy: newBalancer(patient), box: idptest.NewMailbox(patient),
		apps: map[string]oauth2.Config{}, patient: patient,
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "replicas.log"))
	idptest.Must(t, err)
	t.Cleanup(func() { _ = log.Close() })
	first := installed(t, cmp.Or(at.reached, "sqlite:"), func(p *process) {
		p.served, p.drain, p.log, p.data = c.proxy.URL, "500ms", log, at.folder
		p.serving = []string{
			"--trusted-proxies", "127.0.0.1", "--smtp-server", c.box.Address, "--smtp-security", "none", "--mail-from", "RTX <no-reply@rtx.example>",
		}
	})
	c.replicas = [2]*process{first, first.second()}
	for _, p := range c.replicas {
		c.proxy.set(p, true)
		go c.proxy.watch(t.Context(), p)
	}
	c.db = idptest.Outside(t, cmp.Or(at.database, "sqlite:"+filepath.Join(first.data, "gatehouse.db")))
	c.admin, err = apiclient.New(t.Context(), apiclient.Config{Issuer: first.issuer(), ClientID: first.service.ID, ClientSecret: first.service.Secret})
	idptest.Must(t, err)
	c.furnish(first)
	c.client = &http.Client{
		Transport: c.countedRequests(), Timeout: 25 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// furnish makes populations and apps.
func (c *chaos) furnish(p *process) {
	c.t.Helper()
	for _, id := range []string{byMail, unsettled} {
		_, err := c.admin.Do(c.t.Context(), apiclient.Request{Method: http.MethodPost, Path: "/populations", Body: map[string]string{"id": id, "name": id}})
		idptest.Must(c.t, err)
	}
	alone := []string{"--no-authenticator", "--password-alone", "--apply", "next_login", "--reason", "chaos"}
	p.call("", append([]string{"policy", "set", plainly}, alone...)...)
	p.call("", append([]string{"policy", "set", unsettled}, alone...)...)
	p.call("", "policy", "set", byMail, "--no-authenticator", "--email-code", "--apply", "next_login", "--reason", "chaos")
	for _, id := range []string{plainly, byApp, byMail, unsettled} {
		c.apps[id] = c.app(p, "--population", id, "--redirect-uri", redirectURI, "--access-ttl", "86400")
	}
	c.device = c.app(p, "--kind", "native", "--population", plainly, "--grant-type", idp.DeviceGrant)
	c.key = idptest.NewKey(c.t, jose.ES256)
	c.keyed = c.app(p, "--kind", "service", "--scope", "gatehouse:admin", "--role", "agent", "--auth-method", "private_key_jwt", "--jwks", c.key.JWKS()).ClientID
}

func (c *chaos) app(p *process, flags ...string) oauth2.Config {
	c.t.Helper()
	var made struct {
		Client struct{ ID string }
		Secret string
	}
	out := p.call("", append([]string{"client", "create", "--name", "Chaos"}, flags...)...)
	idptest.Must(c.t, json.Unmarshal([]byte(out), &made))
	app := p.oauth
	app.ClientID, app.ClientSecret = made.Client.ID, made.Secret
	return app
}

// countedRequests sends the requests of the load and counts them by their outcome, each from
// an address of its own: those of one address that fail are slowed down.
func (c *chaos) countedRequests() http.RoundTripper {
	wide := http.DefaultTransport.(*http.Transport).Clone()
	wide.MaxIdleConnsPerHost = 64
	c.t.Cleanup(wide.CloseIdleConnections)
	return roundTrips(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), rand.IntN(256)))
		res, err := wide.RoundTrip(r)
		c.outcome(res, err)
		return res, err
	})
}

// newBrowser is one that belongs to the load.
func (c *chaos) newBrowser(tb testing.TB) *idptest.Browser {
	return idptest.NewBrowser(tb).Through(c.client.Transport)
}

type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// run has everybody work and race for a time at most, until disturb returns.
func (c *chaos) run(length time.Duration, disturb func(context.Context)) {
	ctx, stop := context.WithTimeout(c.t.Context(), length)
	defer stop()
	c.patient.ctx = ctx
	var working sync.WaitGroup
	for i, work := range c.work() {
		person := c.addPerson(c.t, plainly, fmt.Sprintf("worker%d@rtx.example", i), idptest.Password)
		working.Go(func() {
			for ctx.Err() == nil {
				if err := c.patient.attempt(func(tb testing.TB) { work(tb, person) }); err != nil {
					c.note(err)
					rest(ctx, 50*time.Millisecond)
				}
			}
		})
	}
	disturb(ctx)
	stop()
	working.Wait()
	c.patient.ctx = c.t.Context()
}

// rest waits, and tells whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// report prints what came of it, as a table and as JSON, and fails the test for what may
// not be.
func (c *chaos) report(name string, length time.Duration) {
	c.t.Helper()
	sum := c.sum()
	c.t.Logf("%s, %s, %d cores\n%s", name, length, runtime.NumCPU(), sum.table())
	out, err := json.Marshal(map[string]any{"database": name, "seconds": length.Seconds(), "cores": runtime.NumCPU(), "result": sum})
	idptest.Must(c.t, err)
	fmt.Println(string(out))
	for _, complaint := range append(c.lost, c.doubled...) {
		c.t.Error(complaint)
	}
	if n := sum.Requests["500"]; n > 0 {
		c.t.Errorf("%d requests were answered by 500: a fault of the database is 503", n)
	}
	if sum.Kills == 0 || sum.RacesInAll == 0 || sum.AcknowledgedInAll == 0 {
		c.t.Error("nothing was killed, raced or acknowledged")
	}
}
