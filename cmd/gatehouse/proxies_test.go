//go:build unix

package main_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/need"
)

// proxied is how to run a proxy with its file of docs/deploy/proxies.
type proxied struct {
	file, program string
	// whole makes a configuration of the file's text that runs in a folder, on a port.
	whole func(text, folder, port string) string
	args  func(file string) []string
}

var proxies = []proxied{
	{
		file: "nginx.conf", program: "nginx",
		whole: func(text, folder, port string) string {
			return "daemon off; pid " + folder + "/pid; error_log stderr crit;\nevents {}\nhttp { access_log off; client_body_temp_path " + folder +
				"/a; proxy_temp_path " + folder + "/b; fastcgi_temp_path " + folder + "/c; uwsgi_temp_path " + folder + "/d; scgi_temp_path " + folder + "/e;\n" +
				strings.Replace(text, "listen 443", "listen 127.0.0.1:"+port, 1) + "}\n"
		},
		args: func(file string) []string { return []string{"-c", file} },
	},
	{
		file: "Caddyfile", program: "caddy",
		whole: func(text, folder, port string) string {
			return "{\n admin off\n auto_https off\n storage file_system " + folder + "/caddy\n}\n" + strings.Replace(text, "id.example {",
				"https://localhost:"+port+" {\n tls "+folder+"/id.example.crt "+folder+"/id.example.key", 1)
		},
		args: func(file string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
	},
	{
		file: "haproxy.cfg", program: "haproxy",
		whole: func(text, _, port string) string {
			return strings.Replace(text, "bind :443", "bind 127.0.0.1:"+port, 1)
		},
		args: func(file string) []string { return []string{"-db", "-f", file} },
	},
	{
		file: "apache.conf", program: "apache2",
		whole: func(text, folder, port string) string {
			modules := ""
			for _, m := range []string{
				"mpm_event", "authn_core", "authz_core", "ssl", "socache_shmcb", "http2", "proxy", "proxy_http", "proxy_balancer",
				"proxy_hcheck", "watchdog", "slotmem_shm", "lbmethod_byrequests", "headers", "unixd",
			} {
				modules += "<IfModule !" + m + "_module>\nLoadModule " + m + "_module /usr/lib/apache2/modules/mod_" + m + ".so\n</IfModule>\n"
			}
			return modules + "User nobody\nGroup nogroup\nServerName localhost\nListen 127.0.0.1:" + port + "\nPidFile " + folder + "/pid\nErrorLog /dev/stderr\nLogLevel crit\nDefaultRuntimeDir " + folder + "\n" +
				strings.Replace(text, "<VirtualHost *:443>", "<VirtualHost *:"+port+">", 1)
		},
		args: func(file string) []string { return []string{"-DFOREGROUND", "-f", file} },
	},
}

// start runs the proxy in front of two processes.
func (x proxied) start(t *testing.T, port string, first, second string) {
	t.Helper()
	folder := idptest.Folder(t)
	idptest.Must(t, os.Chmod(folder, 0o755)) // #nosec G302 -- the proxy gives up being root
	certified(t, folder)
	text, err := os.ReadFile(filepath.Join("../../docs/deploy/proxies", x.file))
	idptest.Must(t, err)
	config := x.whole(strings.NewReplacer("10.0.0.11:8080", first, "10.0.0.12:8080", second, "/etc/ssl/", folder+"/").Replace(string(text)), folder, port)
	file := filepath.Join(folder, x.file)
	idptest.Must(t, os.WriteFile(file, []byte(config), 0o600))
	cmd := exec.Command(x.program, x.args(file)...)
	cmd.Env = append(os.Environ(), "HOME="+folder)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	idptest.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // each ends its own children
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
}

// Each file of docs/deploy/proxies is run as it stands, but for names, ports and paths:
// people sign in through it, and a process that stops takes no request with it.
func TestPeopleSignInThroughEachProxyOfTheDocs(t *testing.T) {
	t.Parallel()
	for _, x := range proxies {
		t.Run(x.file, func(t *testing.T) {
			if _, err := exec.LookPath(x.program); err != nil {
				need.OrSkip(t, x.program, err.Error())
			}
			address := freeAddress(t)
			_, port, _ := strings.Cut(address, ":")
			first := installed(t, idptest.SQLite(t), func(p *process) {
				p.served, p.drain, p.serving = "https://localhost:"+port, "3s", []string{"--trusted-proxies", "127.0.0.1"}
			})
			second := first.second()
			first.call("", "policy", "set", "agents", "--no-authenticator", "--password-alone", "--apply", "next_login", "--reason", "a test")
			x.start(t, port, first.address, second.address)
			wantSoon(t, first.served+"/keys")
			idptest.Must(t, signInOnce(t.Context(), idptest.NewBrowser(t), first.oauth))

			over := make(chan struct{})
			var asking sync.WaitGroup
			var asked, failed atomic.Int64
			asking.Go(func() {
				for !closed(over) {
					asked.Add(1)
					if res, err := http.Get(first.served + "/keys"); err != nil || res.StatusCode != http.StatusOK {
						failed.Add(1)
						t.Log(res, err)
					} else {
						_ = res.Body.Close()
					}
				}
			})
			first.stop()
			idptest.Must(t, signInOnce(t.Context(), idptest.NewBrowser(t), first.oauth))
			close(over)
			asking.Wait()
			if failed.Load() > 0 {
				t.Errorf("%d of %d requests failed while a process stopped", failed.Load(), asked.Load())
			}
		})
	}
}

// wantSoon waits until somebody answers.
func wantSoon(t *testing.T, url string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		res, err := http.Get(url)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		<-tick.C
	}
	t.Fatalf("nobody answers at %s", url)
}
