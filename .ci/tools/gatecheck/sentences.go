package main

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// sentenceFiles are the only files with English sentences outside the catalogues
// (ui/messages), each with its reason. A name that ends in a slash is a folder.
var sentenceFiles = []string{
	"cmd/",                 // the command line is in English
	"admin/apiclient/",     // a part of it
	"admin/api/problem.go", // what developers read: one table
	"admin/api/gen.go",     // a program that writes code
	"idp/observe/",         // the help of metrics
	"idp/idptest/",         // tests
	"ui/internal/",         // made-up pages
}

// sentence is how a text begins that a person may read: a capital letter, and three
// words of which the second or third begins with a small one. Errors and logs begin with a small letter, SQL with a word in capitals.
var sentence = regexp.MustCompile(`^[A-Z][a-z’']*,? ([a-z][a-z’'-]*[,:;]? [A-Za-z(“"'’-]|[A-Z][A-Za-z’'-]*[,:;]? [a-z])`)

// sentences forbids English sentences in code: people read texts of the catalogues, by
// their keys.
func sentences() *analysis.Analyzer {
	a := &analysis.Analyzer{Name: "sentences", Doc: "forbid English sentences outside the catalogues", Run: reportSentences}
	return except(a, maySayIt)
}

// maySayIt tells whether a file may hold sentences. The compiler gives absolute names.
func maySayIt(file string) bool {
	if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, ".gen.go") {
		return true
	}
	for _, allowed := range sentenceFiles {
		if strings.HasSuffix(file, "/"+allowed) || strings.HasSuffix(allowed, "/") && strings.Contains(file, "/"+allowed) {
			return true
		}
	}
	return false
}

func reportSentences(pass *analysis.Pass) (any, error) {
	for _, file := range pass.Files {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(lit.Value); err == nil && sentence.MatchString(text) {
				pass.Reportf(lit.Pos(), "a sentence stands in a catalogue (ui/messages), and code has its key")
			}
			return true
		})
	}
	return nil, nil
}
