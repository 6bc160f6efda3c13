package ui

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// written are the languages that texts are written in, by their tags (BCP 47), each a folder
// of messages. Each has all texts that people read on pages and in
// mails; with console, those of the console too.
var written = []struct {
	tag     string
	console bool
}{
	{fallback, true}, {"ar", false}, {"de", true}, {"es", false}, {"fr", false}, {"ja", false}, {"pt-BR", false},
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
	case Count:
		return int(arg), true
	case int64:
		return int(arg), true
	}
	return 0, false
}

// Languages lists the languages there are catalogues for, English first.
func (u *UI) Languages() []string { return u.languages(false) }

// languages are those of the console, or all.
func (u *UI) languages(console bool) []string {
	langs := slices.Sorted(maps.Keys(u.catalogs))
	return append([]string{fallback}, slices.DeleteFunc(langs, func(lang string) bool {
		return lang == fallback || console && !hasConsole(lang)
	})...)
}

func hasConsole(lang string) bool {
	for _, l := range written {
		if l.tag == lang {
			return l.console
		}
	}
	return false
}

// Wish is what is known of the language that a reader wants, the strongest first. All may be
// empty.
type Wish struct {
	Chosen    string // at the foot of a page
	Person    string // in their account
	UILocales string // what the app asked for (OpenID Connect Core 1.0 section 3.1.2.1)
	Accept    string // what the browser says (Accept-Language, RFC 9110 section 12.5.4)
	Default   string // of their user group
	Console   bool   // it is for the console, whose texts are not in all languages
}

// LanguagePath is where the form at the foot of a page posts the language that was chosen:
// its fields are lang and back, the address to go back to.
const LanguagePath = "/language"

// The most of a wish that is looked at: tags, and bytes.
const (
	maxTags   = 16
	maxWishes = 1000
)

// Match picks the language of a wish: the first of it that there is, or one near it, such as
// Brazilian Portuguese for pt-PT; else English.
func (u *UI) Match(w Wish) string {
	for _, tags := range [][]language.Tag{
		parsed(w.Chosen), parsed(w.Person), parsed(strings.Fields(cut(w.UILocales))...), accepted(w.Accept), parsed(w.Default),
	} {
		if len(tags) == 0 {
			continue
		}
		if _, at, sure := u.matcher[w.Console].Match(tags...); sure > language.No {
			return u.languages(w.Console)[at]
		}
	}
	return fallback
}

// Known is the language of ours that a tag names, empty for none.
func (u *UI) Known(tag string) string {
	if _, ok := u.catalogs[tag]; ok {
		return tag
	}
	return ""
}

func cut(s string) string { return s[:min(len(s), maxWishes)] }

// parsed are the tags that are some.
func parsed(tags ...string) (list []language.Tag) {
	for _, s := range tags[:min(len(tags), maxTags)] {
		if tag, err := language.Parse(cut(s)); s != "" && err == nil && tag != language.Und {
			list = append(list, tag)
		}
	}
	return list
}

// accepted are the languages of an Accept-Language header, best first.
func accepted(header string) []language.Tag {
	tags, _, err := language.ParseAcceptLanguage(cut(header))
	if err != nil {
		return nil
	}
	return tags[:min(len(tags), maxTags)]
}
