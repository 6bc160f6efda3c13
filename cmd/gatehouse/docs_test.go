package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"gatehouse/idp/idptest"
)

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	// commandLine is what follows the program's name, to the end of the command.
	commandLine = regexp.MustCompile(`(?m)(?:^|[|(] ?)gatehouse ((?:"[^"]*"|[^\n"|)>#])+)`)
	shellWord   = regexp.MustCompile(`"[^"]*"|\S+`)
	variable    = regexp.MustCompile(`\$\w+`)
)

// documented lists the commands that a text tells people to type.
func documented(text string) [][]string {
	var all [][]string
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for _, line := range commandLine.FindAllStringSubmatch(strings.ReplaceAll(block[1], "\\\n", ""), -1) {
			words := shellWord.FindAllString(line[1], -1)
			for i, w := range words {
				words[i] = variable.ReplaceAllString(strings.Trim(w, `"`), "1")
			}
			all = append(all, slices.DeleteFunc(words, func(w string) bool { return w == "…" }))
		}
	}
	return all
}

// Whatever the documents tell people to type is a command, with those flags.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Setenv("GATEHOUSE_ISSUER", "https://id.example") // where a document leaves it out
	files, err := filepath.Glob("../../docs/*.md")
	idptest.Must(t, err)
	files = append(files, "../../docs/deploy/README.md")
	n := 0
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		idptest.Must(t, err)
		for _, args := range documented(string(text)) {
			c := newCommands()
			parser, err := kong.New(c, append(withSettings(nil), kong.Name("gatehouse"))...)
			idptest.Must(t, err)
			if _, err := parser.Parse(args); err != nil && !strings.Contains(err.Error(), "no such file") { // of the reader's own
				t.Errorf("%s: gatehouse %s: %v", filepath.Base(file), strings.Join(args, " "), err)
			}
			n++
		}
	}
	if n < 20 {
		t.Errorf("only %d commands are found", n)
	}
}
