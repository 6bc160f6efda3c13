//go:build unix

package main_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/need"
)

// cluster is a PostgreSQL of a test's own, to be killed. Programs are killed and no machine
// is, so it forces nothing to the disk: what the kernel has outlives the program.
type cluster struct {
	t                      *testing.T
	programs, folder, host string
	password               string
	settings               []string
	cmd                    *exec.Cmd
	ended                  chan struct{}
	log                    *os.File
}

// postgresPrograms is where .ci/postgres finds them too.
func postgresPrograms(t *testing.T) string {
	t.Helper()
	if found, err := exec.LookPath("initdb"); err == nil {
		found, err = filepath.EvalSymlinks(found)
		idptest.Must(t, err)
		return filepath.Dir(found)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		need.OrSkip(t, "postgres", "initdb is neither in PATH nor in /usr/lib/postgresql")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// emptyCluster is one whose folder is still to be filled.
func emptyCluster(t *testing.T, folder string, settings ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, programs: postgresPrograms(t), folder: folder, host: freeAddress(t), password: idp.NewSecret(), settings: settings}
	idptest.Must(t, os.Mkdir(filepath.Join(c.folder, "data"), 0o700))
	var err error
	c.log, err = os.Create(filepath.Join(c.folder, "server.log"))
	idptest.Must(t, err)
	t.Cleanup(func() { _ = c.log.Close() })
	return c
}

func newCluster(t *testing.T, settings ...string) *cluster {
	t.Helper()
	return newClusterIn(t, idptest.Folder(t), settings...)
}

// newClusterIn is one whose files lie in a folder.
func newClusterIn(t *testing.T, folder string, settings ...string) *cluster {
	t.Helper()
	c := emptyCluster(t, folder, settings...)
	idptest.Must(t, os.WriteFile(filepath.Join(c.folder, "password"), []byte(c.password), 0o600))
	c.run("initdb", "--pgdata="+c.data(), "--no-sync", "--username=gatehouse", "--pwfile="+filepath.Join(c.folder, "password"), "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale")
	return c
}

// standby is a second one that follows the first. A commit of the first waits until it has
// it.
func (c *cluster) standby() *cluster {
	c.t.Helper()
	s := emptyCluster(c.t, idptest.Folder(c.t))
	s.password = c.password
	s.run("pg_basebackup", "--pgdata="+s.data(), "--dbname="+c.url(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream")
	s.start()
	return s
}

func (c *cluster) data() string { return filepath.Join(c.folder, "data") }

func (c *cluster) url() string {
	return (&url.URL{Scheme: "postgres", User: url.UserPassword("gatehouse", c.password), Host: c.host, Path: "/postgres", RawQuery: "sslmode=disable"}).String()
}

// run runs one of PostgreSQL's programs to its end.
func (c *cluster) run(program string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(c.programs, program), args...)
	asNobody(c.t, cmd, c.folder)
	cmd.Dir = c.folder
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// start starts it, and once more as long as what was killed still holds its memory, until
// it takes connections.
func (c *cluster) start() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for !c.tryStart(ctx) {
		if ctx.Err() != nil {
			out, _ := os.ReadFile(c.log.Name())
			c.t.Fatalf("PostgreSQL does not start:\n%s", out[max(0, len(out)-2000):])
		}
	}
}

func (c *cluster) tryStart(ctx context.Context) bool {
	c.t.Helper()
	_, port, err := net.SplitHostPort(c.host)
	idptest.Must(c.t, err)
	args := []string{"-D", c.data(), "-p", port}
	for _, setting := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off"}, c.settings...) {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(c.programs, "postgres"), args...)
	asNobody(c.t, cmd, c.folder)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.folder, c.log, c.log
	idptest.Must(c.t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !c.answers(ctx) {
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			_ = cmd.Process.Kill()
			return false
		case <-tick.C:
		}
	}
	if c.cmd == nil {
		c.t.Cleanup(func() { c.end(syscall.SIGQUIT) })
	}
	c.cmd, c.ended = cmd, ended
	return true
}

func (c *cluster) answers(ctx context.Context) bool {
	conn, err := pgx.Connect(ctx, c.url())
	if err != nil {
		return false
	}
	_ = conn.Close(ctx)
	return true
}

// end ends it by a signal: SIGKILL leaves what a crash leaves.
func (c *cluster) end(s syscall.Signal) {
	_ = c.cmd.Process.Signal(s)
	<-c.ended
}

// revive starts it if it has ended, or is about to by what was done to it.
func (c *cluster) revive() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for !c.answers(ctx) {
		select {
		case <-c.ended:
			c.start()
			return
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			c.t.Fatal("PostgreSQL does not answer again")
		}
	}
}

// stall stops the server and all processes that it has started, until goOn.
func (c *cluster) stall() { c.signalAll(syscall.SIGSTOP) }

func (c *cluster) goOn() { c.signalAll(syscall.SIGCONT) }

func (c *cluster) signalAll(s syscall.Signal) {
	c.t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	idptest.Must(c.t, err)
	server := c.cmd.Process.Pid
	idptest.Must(c.t, syscall.Kill(server, s)) // first: it starts no more of them
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		if n, _ := fmt.Sscan(line, &pid, &parent); n == 2 && parent == server {
			_ = syscall.Kill(pid, s) // or it has ended
		}
	}
}

// query runs a statement that gives one value.
func (c *cluster) query(statement string) (value string) {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.url())
	idptest.Must(c.t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(c.t.Context())) }()
	if err := conn.QueryRow(c.t.Context(), statement).Scan(&value); err != nil {
		c.t.Fatal(fmt.Errorf("%s: %w", statement, err))
	}
	return value
}
