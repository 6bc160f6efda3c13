package server_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

// A mend is a patch that takes one guard out. Each test that it names must then fail:
// else nothing holds the promise. docs/security.md lists them all.
type mend struct {
	file    string
	promise string
	tests   []holding
	point   string // of the issue that found the fault
	patched []string
}

// holding is a test that holds a promise. The model is a second one where it was seen to find
// that the guard is missing. It does not find what another guard stops as well (mapped-import,
// prepared-account), nor what it does not draw: requests in flight, pages, mails, the length
// of passwords.
type holding struct {
	pkg  string // such as ./idp/provider
	test string // of that package, TestX or TestX/subtest
	// postgres: the test needs a PostgreSQL server.
	postgres bool
	flags    []string // of the test
}

var (
	updateMends = flag.Bool("update", false, "rewrite the generated part of docs/security.md")
	patchedFile = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)$`)
	mendHeader  = regexp.MustCompile(`(?m)^(Promise|Test|Point): (.+)$`)
)

const (
	moduleRoot    = "../.."
	securityPage  = moduleRoot + "/docs/security.md"
	beginPromises = "<!-- generated: begin -->\n"
	endPromises   = "<!-- generated: end -->\n"
)

func mends(t *testing.T) []mend {
	t.Helper()
	files, err := filepath.Glob("testdata/mends/*.patch")
	idptest.Must(t, err)
	list := make([]mend, len(files))
	for i, file := range files {
		list[i] = readMend(t, file)
	}
	slices.SortStableFunc(list, func(a, b mend) int {
		return cmp.Or(cmp.Compare(a.point, b.point), cmp.Compare(a.promise, b.promise), cmp.Compare(a.file, b.file))
	})
	return list
}

func readMend(t *testing.T, file string) mend {
	t.Helper()
	text, err := os.ReadFile(file)
	idptest.Must(t, err)
	m := mend{file: file}
	head, _, _ := strings.Cut(string(text), "\n--- ")
	for _, line := range mendHeader.FindAllStringSubmatch(head, -1) {
		switch line[1] {
		case "Promise":
			m.promise = line[2]
		case "Point":
			m.point = line[2]
		case "Test":
			words := strings.Fields(line[2])
			if len(words) < 2 {
				t.Fatalf("%s: Test: is a package and a test", file)
			}
			flags := slices.DeleteFunc(slices.Clone(words[2:]), func(word string) bool { return word == "postgres" })
			m.tests = append(m.tests, holding{words[0], words[1], len(flags) < len(words[2:]), flags})
		}
	}
	for _, name := range patchedFile.FindAllStringSubmatch(string(text), -1) {
		m.patched = append(m.patched, name[1])
	}
	if m.promise == "" || len(m.tests) == 0 || m.point == "" || len(m.patched) == 0 {
		t.Fatalf("%s: a mend has Promise, Test, Point and a patch", file)
	}
	return m
}

// apply takes the guard out in a copy of the files, below a folder of their own, by the
// names that they have in the module.
func (m mend) apply(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range m.patched {
		copyFile(t, filepath.Join(moduleRoot, name), filepath.Join(dir, name))
	}
	patch, err := filepath.Abs(m.file)
	idptest.Must(t, err)
	cmd := exec.CommandContext(t.Context(), "git", "apply", patch) // #nosec G204 -- a file of the tests
	cmd.Dir = dir
	// Below a repository git would take the paths for that one's.
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s no longer applies (make it anew from the code as it is): %v\n%s", m.file, err, out)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	idptest.Must(t, err)
	idptest.Must(t, os.MkdirAll(filepath.Dir(to), 0o700))
	idptest.Must(t, os.WriteFile(to, content, 0o600))
}

// overlay is what go's -overlay reads: the module's files, with those of dir in their place.
func (m mend) overlay(t *testing.T, dir string) string {
	t.Helper()
	root, err := filepath.Abs(moduleRoot)
	idptest.Must(t, err)
	replace := map[string]string{}
	for _, name := range m.patched {
		replace[filepath.Join(root, name)] = filepath.Join(dir, name)
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	idptest.Must(t, err)
	file := filepath.Join(dir, "overlay.json")
	idptest.Must(t, os.WriteFile(file, text, 0o600))
	return file
}

// compiled tells whether the compiler alone reads what the patch changes. A test may read
// any other file by itself, where no overlay reaches it.
func (m mend) compiled() bool {
	return !slices.ContainsFunc(m.patched, func(name string) bool { return !strings.HasSuffix(name, ".go") })
}

func TestEachMendAppliesAndNamesATestThatExists(t *testing.T) {
	for _, m := range mends(t) {
		t.Run(m.name(), func(t *testing.T) {
			m.apply(t)
			for _, h := range m.tests {
				h.mustExist(t)
			}
		})
	}
}

func (h holding) mustExist(t *testing.T) {
	t.Helper()
	name, _, _ := strings.Cut(h.test, "/")
	files, err := filepath.Glob(filepath.Join(moduleRoot, h.pkg, "*_test.go"))
	idptest.Must(t, err)
	if !slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		idptest.Must(t, err)
		return bytes.Contains(text, []byte("\nfunc "+name+"(t *testing.T)"))
	}) {
		t.Errorf("%s has no %s", h.pkg, name)
	}
}

// docs/security.md lists each promise with the test that holds it: with -update the
// table is written, and else compared.
func TestSecurityPageListsEachPromise(t *testing.T) {
	content, err := os.ReadFile(securityPage)
	idptest.Must(t, err)
	before, rest, opened := strings.Cut(string(content), beginPromises)
	_, after, closed := strings.Cut(rest, endPromises)
	if !opened || !closed {
		t.Fatalf("%s has lost its lines %sor %s", securityPage, beginPromises, endPromises)
	}
	var table strings.Builder
	table.WriteString("\n| What holds | Held by |\n| --- | --- |\n")
	for _, m := range mends(t) {
		held := make([]string, len(m.tests))
		for i, h := range m.tests {
			held[i] = fmt.Sprintf("`%s` `%s`", strings.TrimPrefix(h.pkg, "./"), h.test)
		}
		fmt.Fprintf(&table, "| %s | %s |\n", strings.ReplaceAll(m.promise, "|", `\|`), strings.Join(held, ", "))
	}
	want := before + beginPromises + table.String() + "\n" + endPromises + after
	if want == string(content) {
		return
	}
	if *updateMends {
		idptest.Must(t, os.WriteFile(securityPage, []byte(want), 0o644)) // #nosec G306 -- a page for everybody
		return
	}
	t.Errorf("%s does not list the promises of testdata/mends (go test ./idp/server -run TestSecurityPage -update)", securityPage)
}

// make mends: without its guard each promise's test must fail. This compiles a package
// for each guard, so it is no part of make test.
func TestWithoutItsGuardEachPromiseFails(t *testing.T) {
	if os.Getenv("GATEHOUSE_TEST_MENDS") == "" {
		t.Skip("make mends runs this")
	}
	for _, m := range mends(t) {
		t.Run(m.name(), func(t *testing.T) {
			t.Parallel()
			for _, h := range m.tests {
				if h.postgres {
					idptest.Postgres(t)
				}
				m.mustFail(t, h)
			}
		})
	}
}

func (m mend) mustFail(t *testing.T, h holding) {
	t.Helper()
	args, dir := []string{"test", "-vet=off", "-count=1", "-timeout=3m", "-run", h.pattern()}, moduleRoot
	env := os.Environ()
	if m.compiled() { // a test that builds the program itself has it without the guard, too
		env = append(env, strings.TrimSpace("GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+m.overlay(t, m.apply(t))))
	} else {
		dir = m.module(t)
	}
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat(args, []string{h.pkg}, h.flags)...) // #nosec G204 -- the module's own tests
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		t.Errorf("%s still passes without its guard, or did not run:\n%s", h.test, tail(out))
	case !bytes.Contains(out, []byte("--- FAIL: ")) && !bytes.Contains(out, []byte("panic: ")):
		t.Errorf("%s did not fail as a test does:\n%s", h.test, tail(out))
	}
}

func (m mend) name() string { return strings.TrimSuffix(filepath.Base(m.file), ".patch") }

// pattern runs the test alone: each part of its path is a pattern of its own.
func (h holding) pattern() string {
	parts := strings.Split(h.test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// module is a copy of the whole module without the guard.
func (m mend) module(t *testing.T) (dir string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = moduleRoot
	files, err := list.Output()
	idptest.Must(t, err)
	dir = t.TempDir()
	for name := range strings.SplitSeq(strings.TrimRight(string(files), "\x00"), "\x00") {
		copyFile(t, filepath.Join(moduleRoot, name), filepath.Join(dir, name))
	}
	root, err := filepath.Abs(filepath.Join(moduleRoot, "bin"))
	idptest.Must(t, err)
	idptest.Must(t, os.Symlink(root, filepath.Join(dir, "bin")))
	patched := m.apply(t)
	for _, name := range m.patched {
		copyFile(t, filepath.Join(patched, name), filepath.Join(dir, name))
	}
	return dir
}

func tail(out []byte) []byte { return out[max(0, len(out)-4000):] }
