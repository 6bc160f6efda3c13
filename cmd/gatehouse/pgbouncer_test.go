//go:build unix

package main_test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/need"
)

// pooled starts PgBouncer in transaction mode, with fewer connections than there are
// sign-ins, in front of a database, and returns the address through it.
func pooled(t *testing.T, database string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		need.OrSkip(t, "pgbouncer", err.Error())
	}
	behind, err := url.Parse(database)
	idptest.Must(t, err)
	password, _ := behind.User.Password()
	through := *behind
	through.Host = freeAddress(t)
	folder := idptest.Folder(t)
	config := fmt.Sprintf(`[databases]
%s = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = plain
auth_file = %s/users
pool_mode = transaction
default_pool_size = 2
log_connections = 0
log_disconnections = 0
`, strings.TrimPrefix(behind.Path, "/"), behind.Hostname(), behind.Port(), through.Port(), folder)
	users := fmt.Sprintf("%q %q\n", behind.User.Username(), password)
	for name, text := range map[string]string{"users": users, "pgbouncer.ini": config} {
		idptest.Must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	cmd := exec.Command(program, filepath.Join(folder, "pgbouncer.ini"))

	asNobody(t, cmd, folder)
	idptest.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return through.String()
}

// asNobody is for programs that refuse to run as root.
func asNobody(t *testing.T, cmd *exec.Cmd, folder string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	nobody, err := user.Lookup("nobody")
	idptest.Must(t, err)
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
	for at := folder; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		idptest.Must(t, err)
		if info.Mode().Perm()&0o005 == 0o005 {
			break // this folder, such as /tmp, and those above are open to all
		}
		idptest.Must(t, os.Chmod(at, 0o755)) // #nosec G302 -- a folder of the test's own
	}
	files, err := os.ReadDir(folder)
	idptest.Must(t, err)
	for _, f := range files {
		idptest.Must(t, os.Chown(filepath.Join(folder, f.Name()), int(uid), int(gid)))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// PgBouncer gives each transaction another connection: nothing that a connection remembers
// from the last one may count.
func TestPeopleSignInThroughPgBouncerInTransactionMode(t *testing.T) {
	t.Parallel()
	database := idptest.PostgresDatabase(t)
	address := pooled(t, database)
	p := installed(t, address, func(p *process) {
		p.more = []string{"--transaction-pooling", "--database-direct-url", database}
	})
	p.call("", "policy", "set", "agents", "--no-authenticator", "--password-alone", "--apply", "next_login", "--reason", "a test")
	var working sync.WaitGroup
	for range 3 {
		working.Go(func() {
			for range 3 {
				if err := signInOnce(t.Context(), idptest.NewBrowser(t), p.oauth); err != nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
}
