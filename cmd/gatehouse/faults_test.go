//go:build unix

package main_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// writes asks for a token, which is a write, and returns the answer's status and Retry-After.
func (p *process) writes(ctx context.Context) (int, string) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {idp.AdminScope}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+"/token", strings.NewReader(form.Encode()))
	idptest.Must(p.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(p.service.ID, p.service.Secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header.Get("Retry-After")
}

// wantNoWrites fails unless a fault is answered by 503, Retry-After and a /readyz that says so,
// before a request's time is over.
func (p *process) wantNoWrites(fault string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	status, retry := p.writes(ctx)
	for status == http.StatusOK { // there may be room for a few
		status, retry = p.writes(ctx)
	}
	if status != http.StatusServiceUnavailable || retry == "" {
		p.t.Errorf("%s: %d, Retry-After %q", fault, status, retry)
	}
	for isReady(ctx, p.address) {
		if ctx.Err() != nil {
			p.t.Fatalf("%s: /readyz says that all is well", fault)
		}
		_, _ = p.writes(ctx)
	}
}

// wantWrites waits until all works again, without a restart.
func (p *process) wantWrites(after string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for {
		if status, _ := p.writes(ctx); status == http.StatusOK && isReady(ctx, p.address) {
			return
		}
		if !rest(ctx, 50*time.Millisecond) {
			p.t.Fatalf("after %s: it does not write again", after)
		}
	}
}

func TestAFullDiskUnderSQLiteIsAnsweredWith503AndHeals(t *testing.T) {
	t.Parallel()
	on := needDisk(t)
	p := installed(t, "sqlite:", func(p *process) { p.data = on.sub("data") })
	on.fill()
	p.wantNoWrites("a full disk")
	on.free()
	p.wantWrites("a full disk")
}

// PostgreSQL itself may end when there is no room for its log of writes. Somebody makes room and
// starts it again.
func TestAFullDiskUnderPostgresIsAnsweredWith503AndHeals(t *testing.T) {
	t.Parallel()
	on := needDisk(t)
	db := newClusterIn(t, on.sub("postgres"))
	db.start()
	p := installed(t, db.url())
	on.fill()
	p.wantNoWrites("a full disk")
	on.free()
	db.revive()
	p.wantWrites("a full disk")
}

// PostgreSQL is stopped in the middle of its work, and a process is.
func TestAStallIsAnsweredWith503AndHeals(t *testing.T) {
	t.Parallel()
	db := newCluster(t)
	db.start()
	p := installed(t, db.url())
	db.stall()
	t.Cleanup(db.goOn) // or it could not be ended
	p.wantNoWrites("a stall")
	db.goOn()
	p.wantWrites("a stall")

	other := p.second()
	idptest.Must(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	other.wantWrites("a stall of its neighbour")
	idptest.Must(t, p.cmd.Process.Signal(syscall.SIGCONT))
	p.wantWrites("a stall of its own")
}
