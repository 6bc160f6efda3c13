//go:build unix

package main_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/need"
)

// patroni is a machine of docs/deploy/patroni: PostgreSQL, and what keeps it.
type patroni struct {
	cluster // whose server it starts and ends by itself
	api     string
	keeper  *exec.Cmd
	ended   chan struct{}
}

// newPatroni prepares a machine by the file of docs/deploy.
func newPatroni(t *testing.T, name, etcd, password string) *patroni {
	t.Helper()
	p := &patroni{cluster: *emptyCluster(t, idptest.Folder(t)), api: freeAddress(t)}
	p.password = password
	idptest.Must(t, os.Remove(p.data())) // Patroni makes it
	text, err := os.ReadFile("../../docs/deploy/patroni/patroni.yaml")
	idptest.Must(t, err)
	here := strings.NewReplacer(
		"name: db1", "name: "+name, "10.0.0.1:8008", p.api, "10.0.0.1:5432", p.host, "10.0.0.0/24", "127.0.0.0/8",
		"10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379", etcd, "/var/lib/postgresql/15/gatehouse", p.data(),
		"/usr/lib/postgresql/15/bin", p.programs, "/var/lib/postgresql/.pgpass_patroni", filepath.Join(p.folder, "pgpass"),
		"unix_socket_directories: /var/run/postgresql", `unix_socket_directories: ""`, "username: postgres", "username: gatehouse",
		"${POSTGRES_PASSWORD}", password, "${REPLICATION_PASSWORD}", password+"1", "${REWIND_PASSWORD}", password+"2",
	).Replace(string(text))
	for _, example := range []string{"10.0.0", "/var/", "${"} {
		if strings.Contains(here, example) {
			t.Fatalf("the file still has %q", example)
		}
	}
	idptest.Must(t, os.WriteFile(filepath.Join(p.folder, "patroni.yml"), []byte(here), 0o600))
	return p
}

// switchOn starts the machine.
func (p *patroni) switchOn() {
	p.t.Helper()
	p.keeper = p.program("patroni", filepath.Join(p.folder, "patroni.yml"))
	asNobody(p.t, p.keeper, p.folder)
	idptest.Must(p.t, os.Chmod(p.folder, 0o777)) // #nosec G302 -- Patroni makes its files in it
	idptest.Must(p.t, p.keeper.Start())
	ended := make(chan struct{})
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(ended) }(p.keeper)
	if p.ended == nil {
		p.t.Cleanup(p.switchOff)
	}
	p.ended = ended
}

func (p *patroni) program(name string, args ...string) *exec.Cmd {
	p.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		need.OrSkip(p.t, name, err.Error())
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.folder, p.log, p.log
	return cmd
}

// switchOff kills the keeper and PostgreSQL, as when the power is cut.
func (p *patroni) switchOff() {
	_ = p.keeper.Process.Kill()
	<-p.ended
	lines, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return // it has ended
	}
	first, _, _ := strings.Cut(string(lines), "\n")
	if pid, err := strconv.Atoi(first); err == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// role waits until Patroni says that the machine is so.
func (p *patroni) role(want func(status patroniStatus) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	var last patroniStatus
	for {
		if s, ok := p.status(ctx); ok && want(s) {
			return
		} else if ok {
			last = s
		}
		if !rest(ctx, 100*time.Millisecond) {
			out, _ := os.ReadFile(p.log.Name())
			p.t.Fatalf("the machine is %+v:\n%s", last, out[max(0, len(out)-3000):])
		}
	}
}

// patroniStatus is what Patroni answers about a machine.
type patroniStatus struct {
	State, Role string
	Sync        bool `json:"sync_standby"`
	Replication []struct {
		Sync string `json:"sync_state"`
	}
}

func (p *patroni) status(ctx context.Context) (s patroniStatus, ok bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.api+"/patroni", nil)
	idptest.Must(p.t, err)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, false
	}
	defer func() { _ = res.Body.Close() }()
	return s, json.NewDecoder(res.Body).Decode(&s) == nil
}

func leads(s patroniStatus) bool { return s.State == "running" && s.Role == "master" }

// follows says that it has all that was committed.
func follows(s patroniStatus) bool { return s.State == "running" && s.Role == "replica" && s.Sync }

// newEtcd starts the memory in which Patroni agrees, and returns its address.
func newEtcd(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		need.OrSkip(t, "etcd", err.Error())
	}
	folder, clients, peers := t.TempDir(), freeAddress(t), "http://"+freeAddress(t)
	cmd := exec.Command(program, "--data-dir", folder, "--listen-client-urls", "http://"+clients, "--advertise-client-urls", "http://"+clients,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers, "--log-level", "error")
	idptest.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for {
		c, err := net.Dial("tcp", clients)
		if err == nil {
			idptest.Must(t, c.Close())
			return clients
		}
		if !rest(t.Context(), 50*time.Millisecond) {
			t.Fatal("etcd does not answer")
		}
	}
}

// The machine of the primary loses its power under load. Patroni promotes the standby, which
// has all that was acknowledged, and the machine comes back as the new standby.
func TestPatroniLosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	etcd, password := newEtcd(t), idp.NewSecret()
	one, two := newPatroni(t, "db1", etcd, password), newPatroni(t, "db2", etcd, password)
	one.switchOn()
	one.role(leads)
	two.switchOn()
	two.role(follows)
	c := newChaos(t, where{reached: one.both(&two.cluster), database: one.both(&two.cluster)})
	after := 0
	c.run(5*time.Minute, func(ctx context.Context) {
		c.await(ctx, 200)
		one.switchOff()
		c.count(postgresKilled)
		two.role(leads)
		c.awaitBoth(ctx)
		after = c.sum().AcknowledgedInAll
		one.switchOn()
		one.role(follows)
		c.await(ctx, after+100)
	})
	c.lookUp()
	c.report("Patroni", 0)
	if c.sum().AcknowledgedInAll < after+100 {
		t.Error("they do not write again")
	}
}
