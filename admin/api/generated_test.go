package api_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

// What oapi-codegen makes of the document compiles: no schema has the name of a type that
// every client has. make clients does the same with openapi-generator, in Java.
func TestAGeneratedClientCompiles(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	idptest.Must(t, err)
	code := filepath.Join(t.TempDir(), "client.gen.go")
	for _, args := range [][]string{
		{"tool", "-modfile=.ci/tools/go.mod", "oapi-codegen", "-generate", "types,client", "-package", "client", "-o", code, "admin/openapi.yaml"},
		{"build", "-modfile=.ci/tools/go.mod", "-o", os.DevNull, code},
	} {
		command := exec.CommandContext(t.Context(), "go", args...)
		command.Dir = root
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%.2000s", strings.Join(args, " "), err, out)
		}
	}
}
