package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
)

// house is a provider on SQLite in a folder of its own.
func house(t *testing.T, folder string) *server.Server {
	t.Helper()
	s, err := server.Open(t.Context(), server.Config{Issuer: "http://localhost:1", DataDir: folder})
	idptest.Must(t, err)
	return s
}

func names(t *testing.T, s *store.Store) []string {
	t.Helper()
	list, err := s.Populations(t.Context())
	idptest.Must(t, err)
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names
}

func rename(t *testing.T, s *server.Server, name string) {
	t.Helper()
	e, err := s.Manage.Populations.Requirements(t.Context(), authz.System(), idp.Agents)
	idptest.Must(t, err)
	_, err = s.Manage.Populations.SaveBrand(t.Context(), authz.System(), populations.Change[idp.Brand]{ID: idp.Agents, Version: e.Version, To: idp.Brand{Name: name}})
	idptest.Must(t, err)
}

// The documented drill: a backup is made beside a provider that runs, refused while it
// runs, and restored beside the journal that a killed one has left.
func TestABackupIsRestoredBesideALeftJournal(t *testing.T) {
	data, backup := t.TempDir(), filepath.Join(t.TempDir(), "copy.db")
	s := house(t, data)
	rename(t, s, "Before the backup")
	if code, complaints := typed(t, "backup", backup, "--data", data); code != 0 {
		t.Fatal(complaints)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup is %v (%v)", info, err)
	}
	rename(t, s, "After the backup")
	if code, complaints := typed(t, "restore", backup, "--data", data); code != 1 || !strings.Contains(complaints, "in use") {
		t.Errorf("while it runs: exit code %d, %s", code, complaints)
	}
	if got := names(t, s.Store); !slices.Contains(got, "After the backup") {
		t.Errorf("a refused restore left %q", got)
	}
	// Killed: the journal stays behind.
	killed := t.TempDir()
	for _, part := range []string{"gatehouse.db", "gatehouse.db-wal", "gatehouse.db-shm", "master.key"} {
		content, err := os.ReadFile(filepath.Join(data, part))
		idptest.Must(t, err)
		idptest.Must(t, os.WriteFile(filepath.Join(killed, part), content, 0o600))
	}
	idptest.Must(t, s.Close())
	database := filepath.Join(killed, "gatehouse.db")
	if code, complaints := typed(t, "restore", backup, "--data", killed); code != 0 {
		t.Fatal(complaints)
	}
	if _, err := os.Stat(database + "-wal"); err == nil {
		t.Error("the journal of the old database is still there")
	}
	s = house(t, killed)
	if got := names(t, s.Store); !slices.Contains(got, "Before the backup") {
		t.Errorf("restored %q", got)
	}
	idptest.Must(t, s.Store.CheckIntegrity(t.Context()))
	idptest.Must(t, s.Close())
	aside, err := filepath.Glob(database + ".before-*")
	idptest.Must(t, err)
	old := slices.IndexFunc(aside, func(name string) bool { return !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") })
	if old < 0 {
		t.Fatalf("the old database is gone: %v", aside)
	}
	st, err := store.Open(t.Context(), store.SQLiteScheme+aside[old])
	idptest.Must(t, err)
	if got := names(t, st); !slices.Contains(got, "After the backup") {
		t.Errorf("aside is %q", got)
	}
	idptest.Must(t, st.Close())
}

// A backup that is none, is damaged, or was sealed under other keys changes nothing.
func TestABackupIsCheckedBeforeItIsRestored(t *testing.T) {
	data, other := t.TempDir(), t.TempDir()
	idptest.Must(t, house(t, data).Close())
	idptest.Must(t, house(t, other).Close())
	before, err := os.ReadFile(filepath.Join(data, "gatehouse.db"))
	idptest.Must(t, err)
	damaged := bytes.Clone(before)
	for i := 8192; i < len(damaged)/2; i++ {
		damaged[i] = 0x5a
	}
	elsewhere, err := os.ReadFile(filepath.Join(other, "gatehouse.db"))
	idptest.Must(t, err)
	for want, content := range map[string][]byte{
		"damaged": damaged, "file is not a database": bytes.Repeat([]byte("none "), 2000), "no tables of gatehouse": nil, "master keys do not open": elsewhere,
	} {
		file := filepath.Join(t.TempDir(), "backup.db")
		idptest.Must(t, os.WriteFile(file, content, 0o600))
		if code, complaints := typed(t, "restore", file, "--data", data); code != 1 || !strings.Contains(complaints, want) {
			t.Errorf("exit code %d: %s, want %s", code, complaints, want)
		}
		left, err := os.ReadDir(data)
		left = slices.DeleteFunc(left, func(f os.DirEntry) bool { return f.Name() == "gatehouse.db.lock" }) // of a start
		if now, errRead := os.ReadFile(filepath.Join(data, "gatehouse.db")); err != nil || errRead != nil || !bytes.Equal(now, before) || len(left) != 2 {
			t.Errorf("%s: the folder holds %v (%v)", want, left, err)
		}
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	idptest.Must(t, os.WriteFile(file, elsewhere, 0o600))
	if code, complaints := typed(t, "restore", file, "--data", data, "--keys-later"); code != 0 {
		t.Error(complaints)
	}
}

func TestNoProviderStartsOnADamagedDatabase(t *testing.T) {
	for name, pages := range map[string][2]int{"all": {0, 1000}, "all but the beginning": {2, 1000}, "one page": {30, 31}, "another": {50, 51}} {
		data := t.TempDir()
		idptest.Must(t, house(t, data).Close())
		file := filepath.Join(data, "gatehouse.db")
		content, err := os.ReadFile(file)
		idptest.Must(t, err)
		for i := pages[0] * 4096; i < min(len(content), pages[1]*4096); i++ {
			content[i] = 0x5a
		}
		idptest.Must(t, os.WriteFile(file, content, 0o600))
		_, err = server.Open(t.Context(), server.Config{Issuer: "http://localhost:1", DataDir: data})
		if err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "gatehouse restore") {
			t.Errorf("%s: started: %v", name, err)
		}
	}
}

// A file that is damaged while the provider runs is no file to send people to.
func TestReadinessNoticesADamagedDatabase(t *testing.T) {
	data := t.TempDir()
	s := house(t, data)
	defer func() { _ = s.Close() }()
	ready := func() int {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", http.NoBody))
		return w.Code
	}
	if got := ready(); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	st, err := store.Open(t.Context(), store.SQLiteScheme+filepath.Join(data, "gatehouse.db"))
	idptest.Must(t, err)
	for _, part := range []string{"gatehouse.db", "gatehouse.db-wal"} {
		file := filepath.Join(data, part)
		content, err := os.ReadFile(file)
		idptest.Must(t, err)
		for i := 4096; i < len(content); i++ {
			content[i] = 0x5a
		}
		idptest.Must(t, os.WriteFile(file, content, 0o600))
	}
	idptest.Must(t, st.Close())
	_, _ = s.Store.Populations(t.Context())
	_, _ = s.Store.SigningKeys(t.Context())
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("on a damaged file: %d", got)
	}
}

// The documented drill of a lost master key: the provider does not start, the command
// says what is lost, and does it; people set up their second step again.
func TestALostMasterKeyHasAWayOut(t *testing.T) {
	data, ctx := t.TempDir(), t.Context()
	s := house(t, data)
	u, err := s.Manage.People.CreateUser(ctx, people.NewUser{Population: idp.Agents, Email: "maya@rtx.example", Name: "Maya", Password: idptest.Password})
	idptest.Must(t, err)
	idptest.Must(t, s.Store.CreateFactor(ctx, idp.Factor{
		ID: "f", UserID: u.ID, Method: idp.MethodTOTP, Secret: s.Manage.Keyring.Seal([]byte("key"), keyring.AAD("factors", "f", "secret")), CreatedAt: idp.Now(),
	}))
	session, _ := idptest.Session(u, idp.Population{ID: idp.Agents, SessionLifetime: time.Hour})
	idptest.Must(t, s.Store.CreateSession(ctx, session))
	idptest.Must(t, s.Close())
	idptest.Must(t, os.Remove(filepath.Join(data, "master.key")))

	_, err = server.Open(ctx, server.Config{Issuer: "http://localhost:1", DataDir: data})
	if err == nil || !strings.Contains(err.Error(), "gatehouse keys forget") {
		t.Fatalf("without the key it says %v", err)
	}
	if code, complaints := typed(t, "keys", "forget", "--data", data); code != 1 || !strings.Contains(complaints, "say --yes") {
		t.Errorf("exit code %d: %s", code, complaints)
	}
	for range 2 { // again does no harm
		if code, complaints := typed(t, "keys", "forget", "--yes", "--data", data); code != 0 {
			t.Fatal(complaints)
		}
	}
	s = house(t, data)
	defer func() { _ = s.Close() }()
	enrolment, err := s.Store.Enrolment(ctx, u.ID)
	if err != nil || len(enrolment.Of(idp.MethodTOTP)) != 0 || enrolment.Recovery != nil {
		t.Errorf("the second steps are %+v (%v)", enrolment, err)
	}
	resets, err := s.Store.AuditEvents(ctx, idp.AuditMFAReset, "", 10)
	if err != nil || len(resets) != 1 || resets[0].UserID != u.ID {
		t.Errorf("the audit log says %+v (%v)", resets, err)
	}
	if _, err := s.Store.Session(ctx, session.ID); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("the session lives on: %v", err)
	}
	left, err := keys.Check(ctx, s.Store, s.Manage.Keyring)
	if err != nil || !left.Whole() {
		t.Errorf("left: %s (%v)", left, err)
	}
}
