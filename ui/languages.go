package ui

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// written are the languages that texts are written in, each a folder of messages, in the
// order in which they are offered. Each has all texts that people read on pages and in
// mails; with console, those of the console too.
var written = []struct {
	tag     string
	console bool
}{
	{fallback, true},
}

// ofConsole tells whether a file of messages, or a template, is read in the console alone.
func ofConsole(file string) bool { return strings.HasPrefix(file, "console") }

// forms are the plural forms of a text: those of its language by their names in CLDR, and
// "=0" for none at all, where that is said in words of its own.
type forms map[string]string

const exactlyNone = "=0"

var formNames = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

// formOf names the form that a number of things takes in a language.
func formOf(lang string, n int) string {
	return formNames[plural.Cardinal.MatchPlural(language.Make(lang), max(n, -n), 0, 0, 0, 0)]
}

// choose picks the form for the first number among the arguments.
func (f forms) choose(lang string, args []any) string {
	for _, arg := range args {
		n, ok := whole(arg)
		if !ok || len(f) == 1 {
			continue
		}
		if text, ok := f[exactlyNone]; ok && n == 0 {
			return text
		}
		if text, ok := f[formOf(lang, n)]; ok {
			return text
		}
		break
	}
	return f["other"]
}

// whole is an argument that is a number of things.
func whole(arg any) (n int, ok bool) {
	switch arg := arg.(type) {
	case int:
		return arg, true
	case int64:
		return int(arg), true
	}
	return 0, false
}

// Languages lists the languages there are catalogues for, English first.
func (u *UI) Languages() []string {
	langs := slices.Sorted(maps.Keys(u.catalogs))
	return append([]string{fallback}, slices.DeleteFunc(langs, func(l string) bool { return l == fallback })...)
}
