package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis"
)

// found are the lines of a file in which the check finds a sentence.
func found(t *testing.T, name, code string) (lines []int) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "/src/gatehouse/"+name, code, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sentences().Run(&analysis.Pass{
		Fset: files, Files: []*ast.File{file},
		Report: func(d analysis.Diagnostic) { lines = append(lines, files.Position(d.Pos).Line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestSentencesAreFound(t *testing.T) {
	for text, is := range map[string]bool{
		"Enter an email address.":     true,
		"A name is needed":            true,
		"Access to Agent and Contact": true,
		"Don’t do that again":         true,
		"Sorry, not now.":             true,
		"Keep them where only you can read them. A new set makes these useless.\\n": true,
		"there is no such role":             false, // an error, for the log
		"SELECT id FROM users WHERE id = ?": false,
		"Content-Type":                      false,
		"Authorization, Content-Type, DPoP": false,
		"console.person.email":              false,
		"Agent portal":                      false,
		"":                                  false,
	} {
		if got := len(found(t, "idp/x.go", "package x\nconst a = \""+text+"\"\n")) == 1; got != is {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestSentencesMayStandInTheirFilesAlone(t *testing.T) {
	code := "package x\nconst a = `Enter an email address.`\n"
	for name, may := range map[string]bool{
		"cmd/gatehouse/x.go": true, "idp/x_test.go": true, "admin/api/server.gen.go": true, "ui/internal/sample/x.go": true,
		"admin/api/problem.go": true, "admin/apiclient/x.go": true,
		"admin/api/users.go": false, "idp/manage/problem.go": false, "idp/provider/x.go": false, "ui/x.go": false,
	} {
		if got := len(found(t, name, code)) == 0; got != may {
			t.Errorf("%s: %t", name, got)
		}
	}
	if got := found(t, "idp/x.go", strings.Repeat("\n", 6)+code); len(got) != 1 || got[0] != 8 {
		t.Errorf("lines %v", got)
	}
}
