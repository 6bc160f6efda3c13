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

	"golang.org/x/oauth2"

	"gatehouse/idp"
)

// PostgreSQL's primary is killed under load and its synchronous standby promoted: replicas
// that know both find it by themselves, and it has all that was acknowledged.
func TestAFailoverLosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	primary := newCluster(t, "synchronous_standby_names=*")
	primary.start()
	standby := primary.standby()
	c := newChaos(t, where{reached: primary.both(standby), database: primary.both(standby)})
	if got := primary.query("SELECT sync_state FROM pg_stat_replication"); got != "sync" {
		t.Fatalf("the standby is %s", got)
	}
	after := 0
	c.run(2*time.Minute, func(ctx context.Context) {
		c.await(ctx, 200)
		primary.end(syscall.SIGKILL)
		c.count(postgresKilled)
		standby.run("pg_ctl", "promote", "--pgdata="+standby.data(), "--wait")
		c.awaitBoth(ctx)
		after = c.sum().AcknowledgedInAll
		c.await(ctx, after+100)
	})
	c.lookUp()
	c.report("a failover", 0)
	if c.sum().AcknowledgedInAll < after+100 {
		t.Error("they do not write again")
	}
}

// both is the address of two servers, for connections that write.
func (c *cluster) both(other *cluster) string {
	return strings.Replace(c.url(), c.host, c.host+","+other.host, 1) + "&target_session_attrs=read-write"
}

// await waits until so many writes are acknowledged.
func (c *chaos) await(ctx context.Context, n int) {
	for c.sum().AcknowledgedInAll < n && rest(ctx, 20*time.Millisecond) {
	}
}

// awaitBoth waits until each replica by itself writes: half a minute at most.
func (c *chaos) awaitBoth(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, p := range c.replicas {
		service := oauth2.Config{ClientID: p.service.ID, ClientSecret: p.service.Secret}
		for {
			a, err := c.send("http://"+p.address, "/token", service, url.Values{"grant_type": {"client_credentials"}, "scope": {idp.AdminScope}})
			if err == nil && a.status == http.StatusOK {
				break
			}
			if !rest(ctx, 100*time.Millisecond) {
				c.t.Errorf("%s does not write: %d %v %v", p.address, a.status, a.body, err)
				return
			}
		}
	}
}
