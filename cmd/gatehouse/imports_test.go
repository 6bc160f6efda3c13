package main_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the import path that all packages of ours begin with.
const module = "gatehouse/"

// everything stands in an allow-map for all packages of ours but idptest.
const everything = "*"

// testKit is for tests alone, and all of them may import it.
const testKit = "idp/idptest"

// allowed is the map of the house: the packages of ours that each package may
// import. Imports point downward. A new edge is a line here that a reviewer
// reads, so think first whether the code stands in the right room. "x/..." is x and
// what is below it.
var allowed = map[string][]string{
	// These know nobody.
	"idp":         {},
	"ui":          {},
	"migrations":  {},
	"idp/keyring": {"idp"},

	// Made-up pages, to look at and to test with.
	"ui/internal/sample":  {"idp", "ui"},
	"ui/internal/preview": {"ui", "ui/internal/sample"},

	// Rules and storage.
	"mfa":          {"idp"},
	"idp/settings": {"idp"},
	"idp/password": {"idp", "idp/password/blocklist"},
	// Filters passwords, and is asked by nobody else.
	"idp/password/blocklist": {},
	"idp/store":              {"idp", "idp/keyring", "idp/settings", "mfa", "migrations"},

	// One concern each, on top of storage.
	"idp/web":                    {"idp", "idp/settings", "mfa", "ui"},
	"idp/keys":                   {"idp", "idp/keyring", "idp/store"},
	"idp/throttle":               {"idp", "idp/store"},
	"idp/fetch":                  {"idp"},
	"idp/mail":                   {"idp"},
	"idp/picture":                {"idp", "idp/fetch"},
	"idp/keyset":                 {"idp", "idp/fetch"},
	"idp/outbox":                 {"idp", "idp/keyring", "idp/keys", "idp/mail", "idp/store", "ui"},
	"idp/session":                {"idp", "idp/outbox", "idp/store"},
	"idp/jobs":                   {"idp"},
	"idp/observe":                {"idp", "idp/store", "mfa"},
	"idp/federation/certificate": {},
	"idp/certs":                  {},
	// The rooms of idp/manage. A room imports those above it here.
	"idp/manage/entry": {"idp", "idp/password", "idp/settings"},
	"idp/manage/authz": {"idp", "idp/manage/entry", "idp/store", "mfa"},
	"idp/manage/people": {
		"idp", "idp/manage/authz", "idp/manage/entry", "idp/outbox", "idp/password", "idp/session", "idp/settings", "idp/store", "mfa", "ui",
	},
	"idp/manage/factors": {"idp", "idp/keyring", "idp/manage/authz", "idp/manage/people", "idp/outbox", "idp/passkey", "idp/store", "mfa", "ui"},
	"idp/manage/connections": {
		"idp", "idp/federation/certificate", "idp/keyring", "idp/manage/authz", "idp/manage/entry", "idp/manage/factors",
		"idp/manage/people", "idp/session", "idp/settings", "idp/store", "mfa", "ui",
	},
	"idp/manage/apps": {"idp", "idp/fetch", "idp/keyset", "idp/manage/authz", "idp/manage/entry", "idp/settings", "idp/store"},
	"idp/manage/populations": {
		"idp", "idp/manage/apps", "idp/manage/authz", "idp/manage/connections", "idp/manage/entry", "idp/manage/people",
		"idp/outbox", "idp/passkey", "idp/password", "idp/settings", "idp/store", "mfa", "ui",
	},
	"idp/manage/roles":  {"idp", "idp/manage/authz", "idp/manage/connections", "idp/manage/entry", "idp/settings", "idp/store"},
	"idp/manage/system": {"idp", "idp/mail", "idp/manage/authz", "idp/manage/entry", "idp/manage/people", "idp/outbox", "idp/store", "ui"},
	"idp/manage/links": {
		"idp", "idp/keyring", "idp/manage/authz", "idp/manage/entry", "idp/manage/people", "idp/manage/populations",
		"idp/manage/system", "idp/outbox", "idp/password", "idp/store", "ui",
	},
	"idp/manage/self": {
		"idp", "idp/keyring", "idp/manage/authz", "idp/manage/connections", "idp/manage/entry", "idp/manage/factors",
		"idp/manage/links", "idp/manage/people", "idp/manage/system", "idp/outbox", "idp/passkey", "idp/password", "idp/session", "idp/store", "mfa", "ui",
	},
	"idp/manage": {"idp", "idp/keyring", "idp/manage/...", "idp/mail", "idp/outbox", "idp/passkey", "idp/password", "idp/session", "idp/settings", "idp/store", "ui"},

	// Files of people, for the command line.
	"idp/imports": {"idp", "idp/manage/...", "idp/password", "idp/settings", "mfa"},

	// What people and clients reach. None of these knows another: see apart.
	"idp/login": {
		"idp", "idp/keyring", "idp/manage/...", "idp/outbox", "idp/passkey", "idp/password", "idp/picture", "idp/session", "idp/store",
		"idp/throttle", "idp/web", "mfa", "ui",
	},
	"idp/dpop":         {"idp"},
	"idp/passkey":      {"idp"},
	"idp/provider":     {"idp", "idp/dpop", "idp/fetch", "idp/keys", "idp/keyset", "idp/session", "idp/store", "idp/throttle", "idp/web", "mfa", "ui"},
	"idp/registration": {"idp", "idp/manage/...", "idp/settings", "idp/throttle"},
	"idp/federation":   {"idp", "idp/federation/certificate", "idp/fetch", "idp/keyring", "idp/keyset", "idp/session", "idp/store", "idp/web", "ui"},
	"idp/pageauth":     {"idp", "idp/keyring", "idp/session", "idp/store", "idp/web", "mfa", "ui"},
	"idp/account": {
		"idp", "idp/pageauth", "idp/keyring", "idp/manage/...", "idp/passkey", "idp/password", "idp/session", "idp/store", "idp/throttle",
		"idp/web", "mfa", "ui",
	},
	"admin":     {"idp", "idp/federation/certificate", "idp/pageauth", "idp/keyring", "idp/keys", "idp/manage/...", "idp/passkey", "idp/session", "idp/settings", "idp/store", "idp/web", "mfa", "ui"},
	"admin/api": {"idp", "idp/federation/certificate", "idp/manage/...", "idp/settings", "idp/web", "mfa"},
	// On the other side of the wire.
	"admin/apiclient": {"idp"},

	// Assembly: the engine, its listeners, health and metrics.
	"idp/server": {
		"admin", "admin/api", "idp", "idp/account", "idp/federation", "idp/fetch", "idp/jobs", "idp/keyring", "idp/keys",
		"idp/login", "idp/mail", "idp/manage/...", "idp/observe", "idp/outbox", "idp/passkey", "idp/password", "idp/picture", "idp/provider", "idp/registration",
		"idp/session", "idp/store", "idp/throttle", "idp/web", "mfa", "migrations", "ui",
	},
	testKit: {everything},
	// The modules of the conformance suite. Tests alone.
	"idp/conformance": {"idp", "idp/manage/...", "idp/server"},
	// Relying parties of other people, for make interop. Tests alone.
	"idp/interop": {"idp", "idp/server"},
	// A stand-in for Microsoft, which the demo starts as well.
	testKit + "/entra": {"idp"},
	// A real browser, for the tests of pages.
	testKit + "/chromium": {testKit + "/need"},
	// Imports nothing, so that what asks for Chromium alone links no provider.
	testKit + "/need": {},

	"cmd/gatehouse": {everything},
	"cmd/bench":     {everything},

	// The demo's parts stand for other people's programs, and have nothing of
	// ours to lean on.
	"cmd/gatehouse/internal/demo/mailbox": {},
	"cmd/gatehouse/internal/demo/portal":  {},
	// The demo itself starts them beside the provider.
	"cmd/gatehouse/internal/demo": {everything},
}

// allowedInTests are edges beyond allowed that only the tests of a package have.
var allowedInTests = map[string][]string{
	"idp/certs":     {"idp"},
	"idp/account":   {"idp/server"},
	"cmd/gatehouse": {everything},
	"idp/provider":  {"idp/manage/...", "idp/server"}, // a test needs a configuration of its own
	"idp/manage":    {"idp/federation/certificate", "idp/settings", "idp/throttle", "mfa"},
	// The sign-in through another provider, as a browser sees it.
	"idp/federation":   {"idp/manage/...", "idp/settings"},
	"idp/imports":      {"ui"},
	"admin":            {"idp/throttle"},
	"admin/api":        {"idp/mail", "ui"},
	"idp/login":        {"idp/mail", "idp/server", "idp/settings"},
	"idp/outbox":       {"idp/fetch"},
	"idp/session":      {"idp/keyring"},
	"idp/registration": {"idp/server"},
	"ui":               {"ui/internal/sample", testKit + "/chromium", testKit + "/need"},
}

// apart are the rooms that must not reach one another, not even through a third
// package: the provider and the sign-in meet in stored rows.
var apart = []string{"admin", "idp/account", "idp/login", "idp/provider"}

// border keeps a library in the rooms that are made for it.
type border struct {
	library string   // the import path, or what it begins with
	within  []string // packages of ours that may import it, and those below them
	inTests bool     // whether all tests may, too
}

var borders = []border{
	{"gorm.io/", []string{"idp/store", testKit}, false},
	{"github.com/libtnb/sqlite", []string{"idp/store", testKit}, false},
	{"github.com/zitadel/oidc/v3/pkg/op", []string{"idp/provider"}, false},
	{"github.com/zitadel/oidc/v3/pkg/client/rp", []string{"idp/federation", "cmd/gatehouse/internal/demo"}, true},
	{"go.opentelemetry.io", []string{"idp/observe"}, true},
	{"github.com/coreos/go-oidc", []string{"idp/federation", "cmd/gatehouse/internal/demo", testKit}, true},
}

// vague are names that say nothing of what a package owns.
var vague = []string{"common", "helpers", "models", "services", "util"}

// listed is what `go list` tells of a package.
type listed struct {
	ImportPath   string
	Name         string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// path returns the package's path within the module.
func (p listed) path() string { return strings.TrimPrefix(p.ImportPath, module) }

// tests returns what the package's tests import.
func (p listed) tests() []string { return slices.Concat(p.TestImports, p.XTestImports) }

// packages lists all packages of the module.
func packages(t *testing.T) []listed {
	t.Helper()
	watchSources(t)
	cmd := exec.CommandContext(t.Context(), "go", "list",
		"-json=ImportPath,Name,Dir,GoFiles,Imports,TestImports,XTestImports,Deps", module+"...")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaints.String())
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// watchSources opens the folders of the module. `go test` keeps a result for as
// long as the files and folders that the test itself opened stay the same, and
// cannot know what `go list` reads.
func watchSources(t *testing.T) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || name == root {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsPointDownward(t *testing.T) {
	for _, p := range packages(t) {
		own, known := allowed[p.path()]
		if !known {
			t.Errorf("package %s is not on the map: add a line to allowed in cmd/gatehouse/imports_test.go "+
				"that says which packages of ours it may import", p.ImportPath)
			continue
		}
		for _, imported := range ours(p.Imports) {
			if !permits(own, imported) {
				t.Errorf("%s imports %s, which its line of allowed in cmd/gatehouse/imports_test.go does not hold",
					p.path(), imported)
			}
		}
		inTests := slices.Concat(own, allowedInTests[p.path()], []string{p.path(), testKit, testKit + "/entra", testKit + "/need"})
		for _, imported := range ours(p.tests()) {
			if !permits(inTests, imported) {
				t.Errorf("tests of %s import %s, which neither allowed nor allowedInTests in "+
					"cmd/gatehouse/imports_test.go holds", p.path(), imported)
			}
		}
	}
}

func TestRoomsStayApart(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(apart, p.path()) {
			continue
		}
		for _, reached := range ours(p.Deps) {
			if slices.Contains(apart, reached) {
				t.Errorf("%s reaches %s: these two meet in stored rows only", p.path(), reached)
			}
		}
	}
}

func TestLibrariesStayInTheirRooms(t *testing.T) {
	for _, p := range packages(t) {
		for _, b := range borders {
			if slices.ContainsFunc(b.within, func(room string) bool { return isWithin(p.path(), room) }) {
				continue
			}
			imports := p.Imports
			if !b.inTests {
				imports = slices.Concat(imports, p.tests())
			}
			for _, imported := range imports {
				if b.covers(imported) {
					t.Errorf("%s imports %s, which only %s may", p.path(), imported, strings.Join(b.within, ", "))
				}
			}
		}
	}
}

func TestPackagesSayWhatTheyOwn(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(vague, path.Base(p.path())) {
			t.Errorf("%s: name the package after what it owns", p.path())
		}
		if len(p.GoFiles) == 0 {
			continue // tests alone
		}
		if err := documented(p); err != nil {
			t.Errorf("%s: no package comment in doc.go that says what it owns and what it does not: %v", p.path(), err)
		}
	}
}

// documented returns an error unless doc.go begins with a package comment. A
// command may have it in main.go.
func documented(p listed) error {
	file := "doc.go"
	if p.Name == "main" && !slices.Contains(p.GoFiles, file) {
		file = "main.go"
	}
	source, err := os.ReadFile(filepath.Join(p.Dir, file))
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	if parsed.Doc == nil {
		return errors.New(file + " has none")
	}
	return nil
}

// ours returns those of the imports that are packages of ours, by their path
// within the module.
func ours(imports []string) []string {
	var names []string
	for _, imported := range imports {
		if name, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// permits reports whether an entry of an allow-map holds a package of ours.
func permits(entry []string, imported string) bool {
	if slices.ContainsFunc(entry, func(e string) bool {
		below, tree := strings.CutSuffix(e, "/...")
		return e == imported || tree && isWithin(imported, below)
	}) {
		return true
	}
	return slices.Contains(entry, everything) && imported != testKit
}

// isWithin reports whether a package is room or below it.
func isWithin(name, room string) bool {
	return name == room || strings.HasPrefix(name, room+"/")
}

// covers reports whether an import is of the library.
func (b border) covers(imported string) bool {
	return isWithin(imported, strings.TrimSuffix(b.library, "/"))
}
