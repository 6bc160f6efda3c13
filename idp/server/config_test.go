package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
	"gatehouse/idp/server"
)

// lines are the errors of a configuration, one a field.
func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func working(folder string) server.Config {
	return server.Config{Issuer: "https://id.rtx.example", DataDir: folder}
}

func TestIssuer(t *testing.T) {
	for issuer, works := range map[string]bool{
		"https://id.rtx.example":      true,
		"https://rtx.example/sso":     true,
		"https://id.rtx.example:8443": true,
		"http://localhost:8080":       true,
		"http://127.0.0.1:8080/sso":   true,
		"http://[::1]:8080":           true,

		"":                             false,
		"id.rtx.example":               false,
		"/sso":                         false,
		"https://":                     false,
		"https:id.rtx.example":         false,
		"https://id.rtx.example/":      false,
		"https://id.rtx.example/sso/":  false,
		"https://id.rtx.example?a=b":   false,
		"https://id.rtx.example?":      false,
		"https://id.rtx.example#top":   false,
		"https://id.rtx.example#":      false,
		"https://maya@id.rtx.example":  false,
		"https://id.rtx.example:port":  false,
		"http://id.rtx.example":        false,
		"http://localhost.rtx.example": false,
		"http://127.0.0.1.rtx.example": false,
		"http://10.0.0.1":              false,
		"ftp://id.rtx.example":         false,
		"https://id.rtx.example/s o":   false,
		"https://id.rtx.example/s\nso": false,
	} {
		cfg := working(t.TempDir())
		cfg.Issuer = issuer
		got := lines(cfg.Check())
		if works && got != nil || !works && (len(got) != 1 || !strings.HasPrefix(got[0], "issuer: ")) {
			t.Errorf("%q: %q", issuer, got)
		}
	}
}

func TestTrustedProxies(t *testing.T) {
	for proxy, works := range map[string]bool{
		"10.0.0.1": true, "10.0.0.0/8": true, "::1": true, "fd00::/8": true,
		"": false, "proxy.rtx.example": false, "10.0.0.0/33": false, "10.0.0": false, "10.0.0.1:80": false, "10.0.0.1, 10.0.0.2": false,
	} {
		cfg := working(t.TempDir())
		cfg.TrustedProxies = []string{"192.0.2.1", proxy}
		got := lines(cfg.Check())
		if works && got != nil || !works && (len(got) != 1 || !strings.HasPrefix(got[0], "trusted-proxies: ")) {
			t.Errorf("%q: %q", proxy, got)
		}
	}
}

func TestConfigurationNeedsAPlaceForItsData(t *testing.T) {
	key := strings.Repeat("A", 43) + "="
	for name, c := range map[string]struct {
		cfg  server.Config
		want int
	}{
		"a folder":                 {server.Config{DataDir: "data"}, 0},
		"database and master keys": {server.Config{DatabaseURL: "postgres://localhost/gatehouse", MasterKeys: key}, 0},
		"database alone":           {server.Config{DatabaseURL: "postgres://localhost/gatehouse"}, 1},
		"master keys alone":        {server.Config{MasterKeys: key}, 1},
		"nothing":                  {server.Config{}, 2},
	} {
		c.cfg.Issuer = "https://id.rtx.example"
		got := lines(c.cfg.Check())
		if len(got) != c.want {
			t.Errorf("%s: %q", name, got)
		}
		for _, line := range got {
			if !strings.HasPrefix(line, "data: ") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	err := server.Config{
		Issuer: "http://id.rtx.example", DatabaseURL: "mysql://root:hunter2@localhost/gatehouse", MasterKeys: "hunter2",
		TrustedProxies: []string{"10.0.0.0/8", "one", "two"}, AuditRetention: new(-time.Hour),
	}.Check()
	got := lines(err)
	for i, start := range []string{"issuer: ", "database-url: ", "master-keys: ", `trusted-proxies: "one"`, `trusted-proxies: "two"`, "audit-retention: "} {
		if i >= len(got) || !strings.HasPrefix(got[i], start) {
			t.Errorf("line %d of %q does not start with %s", i, got, start)
		}
	}
	if len(got) != 6 {
		t.Errorf("%d lines", len(got))
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is shown: %v", err)
	}
}

func TestARetentionHasAFloor(t *testing.T) {
	for kept, works := range map[time.Duration]bool{
		0: true, 30 * 24 * time.Hour: true, 400 * 24 * time.Hour: true,
		8760: false, 8760 * time.Second: false, 8760 * time.Minute: false, 30*24*time.Hour - 1: false, -1: false,
	} {
		cfg := working(t.TempDir())
		cfg.AuditRetention = &kept
		got := lines(cfg.Check())
		if works && got != nil || !works && (len(got) != 1 || !strings.HasPrefix(got[0], "audit-retention: ")) {
			t.Errorf("%s: %q", kept, got)
		}
	}
}

// A new key in place of one that is lost would open nothing, and look as if it did.
func TestAMissingKeyFileIsNotMadeAnewWhereSomethingIsSealed(t *testing.T) {
	ctx, st, folder := t.Context(), idptest.Alone(t).Store, t.TempDir()
	cfg := working(folder)
	ring, err := cfg.Keyring(ctx, st)
	idptest.Must(t, err)
	_, err = keys.Secret(ctx, st, ring, keys.ForRefresh)
	idptest.Must(t, err)

	file := filepath.Join(folder, "master.key")
	idptest.Must(t, os.Rename(file, file+".kept"))
	if _, err := cfg.Keyring(ctx, st); err == nil || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("without the key file: %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a key file was made")
	}
	idptest.Must(t, os.Rename(file+".kept", file))
	if again, err := cfg.Keyring(ctx, st); err != nil || again.String() != ring.String() {
		t.Errorf("with the key file back: %s (%v)", again, err)
	}
}

func TestDefaultsStandInTheDataFolder(t *testing.T) {
	folder := t.TempDir()
	cfg := working(folder)
	if got, err := cfg.Database(); err != nil || got.URL != "sqlite:"+filepath.Join(folder, "gatehouse.db") {
		t.Errorf("the database is %s (%v)", got.URL, err)
	}
	st := idptest.Alone(t).Store
	first, err := cfg.Keyring(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	again, err := cfg.Keyring(t.Context(), st)
	if err != nil || first.String() != again.String() {
		t.Errorf("the second start has %s, the first %s (%v)", again, first, err)
	}
	cfg.DatabaseURL, cfg.MasterKeys = "postgres://localhost/gatehouse", strings.Repeat("A", 43)
	if got, err := cfg.Database(); err != nil || got.URL != cfg.DatabaseURL {
		t.Errorf("the database is %s (%v)", got.URL, err)
	}
	if given, err := cfg.Keyring(t.Context(), st); err != nil || given.String() == first.String() {
		t.Errorf("the keyring is %s (%v)", given, err)
	}
	if _, err := (server.Config{}).Database(); err == nil {
		t.Error("nothing has a database")
	}
}
