package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

var (
	asvsRow  = regexp.MustCompile(`(?m)^\| \d+\.\d+\.\d+ .*$`)
	heldBy   = regexp.MustCompile("`([a-z/]+)` ((?:`Test\\w+`(?:, )?)+)")
	testName = regexp.MustCompile(`Test\w+`)
)

// Each requirement that docs/security.md names says which tests hold it.
func TestEachRequirementNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(securityPage)
	idptest.Must(t, err)
	rows := asvsRow.FindAllString(string(page), -1)
	if len(rows) == 0 {
		t.Fatal("there are no requirements")
	}
	for _, row := range rows {
		held := heldBy.FindAllStringSubmatch(row, -1)
		if len(held) == 0 {
			t.Errorf("no test holds %s", row)
		}
		for _, m := range held {
			there := testsOf(t, filepath.Join(moduleRoot, m[1]))
			for _, name := range testName.FindAllString(m[2], -1) {
				if !slices.Contains(there, name) {
					t.Errorf("%s has no %s", m[1], name)
				}
			}
		}
	}
}

func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	idptest.Must(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name) // #nosec G304 -- a file of the module
		idptest.Must(t, err)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// entrances are the places in the code where a session begins or a proof is noted, for the
// ways in of docs/security.md. One more is a way that nobody documented.
var entrances = map[string][]string{
	"a session begins": {"idp/login/finish.go"},
	"a proof is noted": {"idp/account/prove.go", "idp/factor.go", "idp/federation/claims.go", "idp/login/signin.go"},
}

func TestThereAreNoOtherWaysIn(t *testing.T) {
	t.Parallel()
	found := map[string][]string{}
	for _, root := range []string{"idp", "admin", "cmd", "mfa"} {
		idptest.Must(t, filepath.WalkDir(filepath.Join(moduleRoot, root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			name, err := filepath.Rel(moduleRoot, path)
			if err != nil || strings.HasPrefix(name, "idp/idptest/") || strings.HasPrefix(name, "idp/store/") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if what := entrance(name, n); what != "" && !slices.Contains(found[what], name) {
					found[what] = append(found[what], name)
				}
				return true
			})
			return nil
		}))
	}
	for what, want := range entrances {
		slices.Sort(found[what])
		if !slices.Equal(found[what], want) {
			t.Errorf("%s in %v, want %v", what, found[what], want)
		}
	}
}

// entrance says what a piece of code does that only ways in do. Proofs in a list are those
// of a question.
func entrance(name string, n ast.Node) string {
	switch n := n.(type) {
	case *ast.CallExpr:
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "CreateSession" {
			return "a session begins"
		}
	case *ast.CompositeLit:
		sel, outside := n.Type.(*ast.SelectorExpr)
		own, inside := n.Type.(*ast.Ident)
		inside = inside && filepath.Dir(name) == "idp" // others have proofs of their own
		if (outside && sel.Sel.Name == "Proof" || inside && own.Name == "Proof") && len(n.Elts) > 0 {
			return "a proof is noted"
		}
	}
	return ""
}
