package manage_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

// held names what holds each function that looks before it writes: a line of limits, or
// another test that races it.
var held = map[string]string{
	"apps.AddClientSecret":         "secrets of an app",
	"connections.DeleteConnection": "TestTwoAdminsCannotCloseTheLastWayIn",
	"connections.Unlink":           "last identity of an admin",
	"connections.keepMapped":       "same connection",
	"connections.syncRoles":        "last admin of a connection",
	"factors.Regenerate":           "codes made again",
	"factors.ResetMFA":             "authenticators after a reset",
	"links.BreakGlass":             "links for emergencies",
	"links.CreateAdmin":            "first admin",
	"links.SetupLink":              "set-up links",
	"links.carryReset":             "reset links of a person",
	"links.reset":                  "use of a reset link",
	"people.KeepAnAdmin":           "last admin",
	"people.SetRoles":              "last admin",
	"people.UpdateUser":            "last admin",
	"people.removeUser":            "TestTwoAdminsCannotRemoveEachOther",
	"populations.AddPopulation":    "TestPopulationsAddedAtOnceAllReachOurOwnPages",
	"populations.carry":            "TestTwoAdminsCannotCloseTheLastWayIn",
	"roles.DeleteRole":             "TestARoleThatAConnectionGivesStays",
	"roles.onlyOneOfThatName":      "name of a new role",
	"self.AddAuthenticator":        "authenticators of a person",
	"self.AddPasskey":              "passkeys of a person",
	"self.AskEmail":                "links to another address",
	"self.ChangePassword":          "own password",
	"self.ConfirmEmail":            "use of an address's link",
	"self.RemoveAuthenticator":     "last authenticator",
}

// typed are the functions that bound what one request says or reads: the others change
// nothing about that.
var typed = []string{
	"authz.checkReason", "connections.admit", "connections.checkMappingForms", "entry.PageSize", "entry.Position", "people.query", "self.ownEvents",
}

// A function that takes a lock, or compares how many there are with how many there may be,
// looks before it writes: each is held by a race. A new one without a line fails here.
func TestEachLimitIsRaced(t *testing.T) {
	t.Parallel()
	found := limitsInCode(t)
	for _, f := range found {
		switch by := held[f]; {
		case by == "" && slices.Contains(typed, f):
		case by == "":
			t.Errorf("%s looks before it writes, and no line of held says which race holds it", f)
		case strings.HasPrefix(by, "Test"):
			if !slices.Contains(testsHere(t), by) {
				t.Errorf("%s: there is no %s", f, by)
			}
		case limits[by] == nil:
			t.Errorf("%s: limits has no %q", f, by)
		}
	}
	for _, f := range append(slices.Collect(maps.Keys(held)), typed...) {
		if !slices.Contains(found, f) {
			t.Errorf("%s takes no lock and counts nothing (any more)", f)
		}
	}
}

var (
	lockCall = regexp.MustCompile(`^(Lock[A-Z]\w*|OneAtATime|KeepAnAdmin)$`)
	bound    = regexp.MustCompile(`^([mM]ax|Most|Living)[A-Z]`)
)

// limitsInCode lists the functions of the rooms that look before they write, by their
// package and name.
func limitsInCode(t *testing.T) (names []string) {
	t.Helper()
	idptest.Must(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name != "OneAtATime" && looksFirst(f) {
				names = append(names, file.Name.Name+"."+f.Name.Name)
			}
		}
		return nil
	}))
	slices.Sort(names)
	return slices.Compact(names)
}

func looksFirst(f *ast.FuncDecl) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			found = found || ok && lockCall.MatchString(sel.Sel.Name)
		case *ast.BinaryExpr:
			found = found || isCompared(n.Op) && (isBound(n.X) || isBound(n.Y))
		}
		return !found
	})
	return found
}

func isCompared(op token.Token) bool {
	return slices.Contains([]token.Token{token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ}, op)
}

// isBound tells whether an expression is a constant by whose name things are counted.
func isBound(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		return bound.MatchString(x.Sel.Name)
	case *ast.Ident:
		return bound.MatchString(x.Name)
	}
	return false
}

func testsHere(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	idptest.Must(t, err)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		idptest.Must(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
