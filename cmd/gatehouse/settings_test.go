package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"gatehouse/idp/idptest"
)

// parsed is what a command makes of a configuration file and of variables.
func parsed(t *testing.T, file string, variables []string, args ...string) (commands, error) {
	t.Helper()
	var c commands
	parser, err := kong.New(&c, append(withSettings(variables), kong.Name("gatehouse"))...)
	idptest.Must(t, err)
	if file != "" {
		path := filepath.Join(t.TempDir(), "gatehouse.yaml")
		idptest.Must(t, os.WriteFile(path, []byte(file), 0o600))
		args = append([]string{"--config", path}, args...)
	}
	_, err = parser.Parse(args)
	return c, err
}

func TestASettingThatNoCommandKnowsIsRefusedWithTheNearest(t *testing.T) {
	for file, want := range map[string]string{
		"database_url: postgres://db/gatehouse\n":                  "database_url is not known: did you mean database-url?",
		"serve:\n  isuer: https://id.example\n":                    "serve.isuer is not known: did you mean serve-issuer?",
		"Listen: :80\n":                                            "Listen is not known: did you mean listen?",
		"trusted-proxy: 10.0.0.0/8\n":                              "trusted-proxy is not known: did you mean trusted-proxies?",
		"config: other.yaml\n":                                     "config is not known",
		"database-url:\n":                                          "database-url has no value",
		"nothing:\n":                                               "nothing is not known",
		"listen: {port: 80}\n":                                     "listen.port is not known",
		"listen: :80\n---\nissuer: https://id.example\n":           "more than one document",
		"serve-issuer: https://a\nserve:\n  issuer: https://b\n":   "are the same setting",
		"serve:\n  1: 2\n":                                         "the names in it are no words",
		"listen: :80\nlisten: :81\n":                               "already defined",
		"smpt-server: mail\ndatabase_url: postgres://db/gatehouse": "smpt-server is not known: did you mean smtp-server?",
	} {
		if _, err := parsed(t, file, nil, "keys", "list"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
	for _, file := range []string{
		"", "# nothing\n", "serve:\n", "serve:\n  listen: :80\nlisten: :81\nissuer: https://id.example\ntrusted-proxies: [10.0.0.0/8]\n",
		"log: {level: debug}\n", "audit:\n  output: json\naudit-retention: 400d\n", "role:\n  output: json\n",
	} {
		if _, err := parsed(t, file, nil, "keys", "list"); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// A section called like the beginning of a setting hides it from nobody.
func TestASettingBesideASectionOfItsNameIsRead(t *testing.T) {
	c, err := parsed(t, "audit:\n  output: json\naudit-retention: 400d\nmail:\n  test:\n    to: a@rtx.example\nmail-from: b@rtx.example\n", nil, "serve")
	idptest.Must(t, err)
	if *c.Serve.AuditRetention != 400*24*time.Hour || c.Serve.MailFrom != "b@rtx.example" {
		t.Errorf("read %s and %q", *c.Serve.AuditRetention, c.Serve.MailFrom)
	}
}

func TestAVariableThatNoCommandKnowsIsRefusedWithTheNearest(t *testing.T) {
	for variable, want := range map[string]string{
		"GATEHOUSE_DATABASEURL=postgres://db": "GATEHOUSE_DATABASEURL is not known: did you mean GATEHOUSE_DATABASE_URL?",
		"GATEHOUSE_DATABASE-URL=x":            "did you mean GATEHOUSE_DATABASE_URL?",
		"GATEHOUSE_MASTERKEY=x":               "did you mean GATEHOUSE_MASTER_KEYS?",
		"GATEHOUSE_CLIENT_SECRETS=x":          "did you mean GATEHOUSE_CLIENT_SECRET?",
		"gatehouse_issuer=https://id.example": "did you mean GATEHOUSE_ISSUER?",
		"GATEHOUSE_LISTEN_PORT=8080":          "GATEHOUSE_LISTEN_PORT is not known",
		"GATEHOUSE_=":                         "GATEHOUSE_ is not known",
	} {
		if _, err := parsed(t, "", []string{variable, "PATH=/bin"}, "version"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", variable, err, want)
		}
	}
	known := []string{
		"GATEHOUSE_SERVICE_HOST=10.0.0.1", "GATEHOUSE_SERVICE_PORT_HTTP=80", "GATEHOUSE_PORT=tcp://10.0.0.1:80",
		"GATEHOUSE_PORT_80_TCP_ADDR=10.0.0.1", "GATEHOUSE_METRICS_SERVICE_HOST=10.0.0.2", "GATEHOUSE_METRICS_SERVICE_PORT=9090",
		"GATEHOUSE_METRICS_PORT=tcp://10.0.0.2:9090", "GATEHOUSE_METRICS_PORT_9090_TCP=tcp://10.0.0.2:9090", "GATEHOUSE_METRICS_PORT_9090_TCP_PROTO=tcp",
		"GATEHOUSE_TEST_POSTGRES_URL=x", "GATEHOUSE_CLIENT_SECRET=x", "GATEHOUSE_PORTAL_CLIENT_SECRET=x", "GATEHOUSE_OUTPUT=json",
		"GATEHOUSE_HEALTHCHECK_URL=x", "GATEHOUSEKEEPER=x", "OTHER_GATEHOUSE_X=x", "GATEHOUSE",
	}
	if _, err := parsed(t, "", known, "version"); err != nil {
		t.Error(err)
	}
}

func TestADurationWithoutAUnitIsRefused(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"8760h": 8760 * time.Hour, "400d": 400 * 24 * time.Hour, "0": 0, "720h30m": 720*time.Hour + 30*time.Minute,
		"8760": -1, "8760.5": -1, "1e6": -1, "true": -1, "400 days": -1, "d": -1, "-400d": -1, "4000000d": -1, "99999999999d": -1, "[1h]": -1,
	} {
		c, err := parsed(t, "audit-retention: "+text+"\n", nil, "serve")
		if want < 0 && (err == nil || !strings.Contains(err.Error(), "audit-retention")) || want >= 0 && (err != nil || *c.Serve.AuditRetention != want) {
			t.Errorf("in a file %s is %s (%v)", text, c.Serve.AuditRetention, err)
		}
		if text == "[1h]" {
			continue
		}
		if _, err := parsed(t, "", nil, "serve", "--audit-retention="+text); (err == nil) != (want >= 0) {
			t.Errorf("as a flag %s: %v", text, err)
		}
	}
}

// The whole program refuses, and makes nothing meanwhile.
func TestAMisspeltSettingStartsNothing(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	idptest.Must(t, os.WriteFile(file, []byte("database_url: postgres://db/gatehouse\nissuer: http://localhost:1\n"), 0o600))
	for name, with := range map[string]struct{ args, variable string }{
		"file": {args: "--config=" + file}, "variable": {variable: "GATEHOUSE_DATABASEURL"},
	} {
		args := []string{"serve", "--data", folder, "--listen", "127.0.0.1:0"}
		if with.args != "" {
			args = append([]string{with.args}, args...)
		}
		if with.variable != "" {
			t.Setenv(with.variable, "x")
		}
		var out, complaints bytes.Buffer
		if code := run(t.Context(), terminal{strings.NewReader(""), &out, &complaints}, args); code != 2 {
			t.Errorf("%s: exit code %d: %s", name, code, complaints.String())
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
			t.Errorf("%s: there is %v (%v)", name, left, err)
		}
	}
}

// serverCommands are the commands that open the database, without those that make one.
func serverCommands(t *testing.T) [][]string {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users.csv")
	idptest.Must(t, os.WriteFile(users, []byte("email\n"), 0o600))
	return [][]string{
		{"backup", filepath.Join(t.TempDir(), "copy.db")},
		{"migrate", "status"},
		{"migrate", "down", "--yes"},
		{"keys", "list"},
		{"keys", "rotate"},
		{"keys", "revoke", "none", "--yes"},
		{"keys", "reencrypt"},
		{"keys", "forget", "--yes"},
		{"admin", "create", "--issuer", "https://id.example"},
		{"admin", "sign-out-everyone", "--reason", "a test"},
		{"admin", "break-glass", "--issuer", "https://id.example"},
		{"admin", "service-client", "--name", "Set-up", "--role", "admin"},
		{"import", "users", users},
		{"mail", "test", "--to", "maya@rtx.example", "--smtp-server", "mail.example", "--mail-from", "help@rtx.example"},
	}
}

func TestACommandPointedAtTheWrongFolderMakesNoDatabase(t *testing.T) {
	for _, args := range serverCommands(t) {
		parent := t.TempDir()
		folder := filepath.Join(parent, "data")
		code, complaints := typed(t, append(args, "--data", folder)...)
		if code != 1 || !strings.Contains(complaints, "there is no database in "+folder) {
			t.Errorf("%v: exit code %d: %s", args, code, complaints)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
			t.Errorf("%v makes %v (%v)", args, left, err)
		}
	}
}

func TestACommandPointedAtAnotherDatabaseSaysSo(t *testing.T) {
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		_, err := db.SQL().ExecContext(t.Context(), "CREATE TABLE other (id TEXT)")
		idptest.Must(t, err)
		for _, args := range serverCommands(t) {
			code, complaints := typed(t, append(args, "--database-url", db.URL, "--data", t.TempDir())...)
			if code != 1 || !strings.Contains(complaints, "holds no tables of gatehouse") {
				t.Errorf("%v: exit code %d: %s", args, code, complaints)
			}
		}
	})
}

// The list above is complete.
func TestEveryCommandWithADatabaseIsTried(t *testing.T) {
	var c commands
	parser, err := kong.New(&c)
	idptest.Must(t, err)
	// What looks at the configuration makes nothing, and says so in a test of its own.
	tried := map[string]bool{"config check": true, "config show": true, "serve": true, "migrate up": true, "demo": true, "restore": true, "backup": true}
	for _, args := range serverCommands(t) {
		tried[args[0]+" "+args[1]] = true
	}
	var walk func(n *kong.Node, path string)
	walk = func(n *kong.Node, path string) {
		for _, f := range n.Flags {
			if f.Name == "database-url" && !tried[strings.TrimSpace(path)] {
				t.Errorf("%s is not tried without a database", path)
			}
		}
		for _, child := range n.Children {
			walk(child, strings.TrimSpace(path+" "+child.Name))
		}
	}
	walk(parser.Model.Node, "")
}

// typed runs the program, and returns what it complains of.
func typed(t *testing.T, args ...string) (code int, complaints string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), terminal{strings.NewReader(""), &out, &err}, args)
	return code, err.String()
}
