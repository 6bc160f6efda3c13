package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

// Releases are built outside of a repository, so each recipe tells the program its
// version by the same symbol; the linker ignores a symbol that does not exist.
func TestAReleaseSaysItsVersion(t *testing.T) {
	t.Parallel()
	symbol := regexp.MustCompile(`-X (gatehouse/idp\.release)=`)
	for _, recipe := range []string{"Dockerfile", ".goreleaser.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", recipe))
		idptest.Must(t, err)
		if !symbol.Match(text) {
			t.Errorf("%s does not set gatehouse/idp.release", recipe)
		}
	}
	program := filepath.Join(t.TempDir(), "gatehouse")
	// #nosec G204 -- the test's own words
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X gatehouse/idp.release=v9.8.7", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"version"}, {"--version"}} {
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput() // #nosec G204 -- the test's own words
		if said := strings.TrimSpace(string(out)); err != nil || said != "gatehouse v9.8.7" {
			t.Errorf("gatehouse %s says %q (%v)", args, said, err)
		}
	}
}
