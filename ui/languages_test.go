package ui

import (
	"html/template"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// germanUI is a UI with a second language that lacks most texts.
func germanUI(t *testing.T) *UI {
	t.Helper()
	texts := maps.Clone(theCatalogs)
	texts["de"] = func() map[Key]forms {
		return map[Key]forms{
			"language.name": {"other": "Deutsch"},
			"signin.submit": {"other": "Anmelden <&>"},
			"code.text":     {"other": "<i>"},
		}
	}
	u, err := newUI("", texts)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSecondLanguage(t *testing.T) {
	u := germanUI(t)
	var page strings.Builder
	err := u.Render(&page, SignIn{Frame: Frame{Lang: "de", Here: "/login/1?a=b"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<html lang="de" dir="ltr">`, "Anmelden &lt;&amp;&gt;", "<h1>Sign in</h1>",
		`value="de" lang="de" aria-current="true">Deutsch</button>`, `name="lang" value="en" lang="en">English</button>`,
		`action="/language"`, `name="back" value="/login/1?a=b"`,
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %s in\n%s", want, page.String())
		}
	}
}

func TestTheLanguageIsTheStrongestWish(t *testing.T) {
	u, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		wish Wish
		want string
	}{
		{Wish{}, "en"},
		{Wish{Chosen: "ja", Person: "de", UILocales: "es", Accept: "fr", Default: "ar"}, "ja"},
		{Wish{Person: "de-CH", UILocales: "es", Accept: "fr", Default: "ar"}, "de"},
		{Wish{UILocales: "xx es-419 de", Accept: "fr", Default: "ar"}, "es"},
		{Wish{Accept: "fr-CA,fr;q=0.9,en;q=0.8", Default: "ar"}, "fr"},
		{Wish{Accept: "zh,ko;q=0.5", Default: "ar"}, "ar"},
		{Wish{Person: "zh", Accept: "de"}, "de"},
		{Wish{Accept: "pt-PT"}, "pt-BR"},
		{Wish{Accept: "pt"}, "pt-BR"},
		{Wish{Accept: "en;q=0.5, DE ;q=0.6"}, "de"},
		{Wish{Accept: "de;q=0, en"}, "en"},
		{Wish{Accept: "*", Default: "es"}, "es"},
		{Wish{Accept: ";;q=,,q=9", UILocales: "-- - und *", Default: "-"}, "en"},
		{Wish{UILocales: strings.Repeat("x", 10_000) + " de", Accept: strings.Repeat("de,", 10_000)}, "en"},
		{Wish{Person: "es", Accept: "de", Console: true}, "de"},
		{Wish{Person: "ja", Console: true}, "en"},
	} {
		if got := u.Match(c.wish); got != c.want {
			t.Errorf("Match(%.200v) = %q, want %q", c.wish, got, c.want)
		}
	}
}

// placeholders are those of a text, each once.
func placeholders(text string) map[string]bool {
	found := map[string]bool{}
	for _, p := range placeholder.FindAllString(text, -1) {
		found[p] = true
	}
	return found
}

// numbersOf lists numbers by the form that they take in a language, from one on.
func numbersOf(lang string) map[string][]int {
	numbers := map[string][]int{}
	for n := range 130 {
		numbers[formOf(lang, n+1)] = append(numbers[formOf(lang, n+1)], n+1)
	}
	return numbers
}

// wrongForms says what is wrong about the forms of a text, beside those in English. Where
// none at all is said in words of its own, it takes no form.
func wrongForms(lang string, numbers map[string][]int, english, text forms) (wrong []string) {
	_, none := english[exactlyNone]
	if numbers = maps.Clone(numbers); !none {
		numbers[formOf(lang, 0)] = append([]int{0}, numbers[formOf(lang, 0)]...)
	}
	if len(english) == 1 && len(text) == 1 { // without a number that matters
		numbers = map[string][]int{"other": {2, 3}}
	}
	want := slices.Collect(maps.Keys(numbers))
	if none {
		want = append(want, exactlyNone)
	}
	slices.Sort(want)
	if have := slices.Sorted(maps.Keys(text)); !slices.Equal(have, want) {
		wrong = append(wrong, "has the forms "+strings.Join(have, " ")+" and not "+strings.Join(want, " "))
	}
	all := placeholders(english["other"])
	for form, one := range text {
		have := placeholders(one)
		for p := range have {
			if !all[p] {
				wrong = append(wrong, form+" has "+p)
			}
		}
		// A form of one number may say it in words.
		if len(have) < len(all) && (len(numbers[form]) > 1 || len(have)+1 < len(all)) && form != exactlyNone {
			wrong = append(wrong, form+" lacks a placeholder")
		}
		if strings.TrimSpace(one) == "" {
			wrong = append(wrong, form+" is empty")
		}
	}
	return wrong
}

// TestCatalogues holds every language to English: all keys of what it has to have and no
// other, the same placeholders, and exactly the plural forms that the language has.
func TestCatalogues(t *testing.T) {
	for _, l := range written {
		numbers := numbersOf(l.tag)
		for _, console := range []bool{false, true} {
			part := func(file string) bool { return ofConsole(file) == console }
			english, err := readCatalog(fallback, part)
			if err != nil || len(english) < 500 {
				t.Fatalf("%d texts in English (%v)", len(english), err)
			}
			texts, err := readCatalog(l.tag, part)
			if err != nil {
				t.Fatal(err)
			}
			if console && !l.console {
				english = nil
			}
			for key, text := range texts {
				if english[key] == nil {
					t.Errorf("%s: %s is none of the texts, or those of %s (console: %t) need it not", l.tag, key, l.tag, console)
					continue
				}
				for _, wrong := range wrongForms(l.tag, numbers, english[key], text) {
					t.Errorf("%s: %s %s", l.tag, key, wrong)
				}
			}
			for key := range english {
				if texts[key] == nil {
					t.Errorf("%s: %s is missing", l.tag, key)
				}
			}
		}
	}
}

func TestTheCheckOfCataloguesFinds(t *testing.T) {
	days, plain := forms{"one": "1 day at {1}", "other": "{0} days at {1}"}, forms{"other": "{0} at {1:wait}"}
	none := forms{exactlyNone: "none", "one": "1", "other": "{0}"}
	for _, c := range []struct {
		what, lang    string
		english, text forms
		wrong         int
	}{
		{"the same", "en", days, days, 0},
		{"one form in Japanese", "ja", days, forms{"other": "{1}に{0}日"}, 0},
		{"a form that Japanese lacks", "ja", days, days, 1},
		{"no form for one", "de", days, forms{"other": "{0} Tage um {1}"}, 1},
		{"the six of Arabic", "ar", days, forms{"zero": "{1}", "one": "{1}", "two": "{1}", "few": "{0} {1}", "many": "{0} {1}", "other": "{0} {1}"}, 0},
		{"two forms in Arabic", "ar", days, days, 1},
		{"none at all in Arabic", "ar", none, forms{exactlyNone: "-", "one": "-", "two": "-", "few": "{0}", "many": "{0}", "other": "{0}"}, 0},
		{"a form of several numbers without the number", "ar", days, forms{"zero": "{1}", "one": "{1}", "two": "{1}", "few": "{1}", "many": "{0} {1}", "other": "{0} {1}"}, 1},
		{"one in French is none too", "fr", days, forms{"one": "1 jour {1}", "other": "{0} jours {1}"}, 1},
		{"none at all forgotten", "de", none, forms{"one": "1", "other": "{0}"}, 1},
		{"a placeholder too many", "de", plain, forms{"other": "{0} {1:wait} {2}"}, 1},
		{"a placeholder of another kind", "de", plain, forms{"other": "{0} {1}"}, 1},
		{"a placeholder forgotten", "de", plain, forms{"other": "{0}"}, 1},
		{"empty", "de", forms{"other": "x"}, forms{"other": " "}, 1},
	} {
		if wrong := wrongForms(c.lang, numbersOf(c.lang), c.english, c.text); (len(wrong) > 0) != (c.wrong > 0) {
			t.Errorf("%s: %q", c.what, wrong)
		}
	}
}

func TestTimesAreInTheZoneOfTheReader(t *testing.T) {
	u, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 14, 5, 6, 0, time.UTC)
	page := []byte(u.element("de", at, ""))
	for zone, want := range map[string]string{
		"": ">23. November 2026, 14:05 UTC</time>", "Europe/Berlin": ">23. November 2026, 15:05 CET</time>", "Asia/Tokyo": ">23. November 2026, 23:05 JST</time>",
		"Local": "14:05 UTC</time>", "../etc": "14:05 UTC</time>",
	} {
		got := string(u.inZone("de", page, zoneOf(zone)))
		if !strings.Contains(got, want) || !strings.Contains(got, `datetime="2026-11-23T14:05:06Z" title="23. November 2026, 14:05:06 UTC"`) {
			t.Errorf("%s: %s", zone, got)
		}
	}
	if got := u.element("ja", at, precise); !strings.Contains(string(got), "2026年11月23日 14:05:06 UTC</time>") {
		t.Error(got)
	}
	if got := u.onPage("en", *Key("held.since").With(at)); !strings.HasPrefix(string(got.(template.HTML)), `since <time datetime="2026-11-23T14:05:06Z"`) {
		t.Error(got)
	}
	if got := u.onPage("en", *Key("account.sessions.from").With("<time datetime=\x04")); got != "from <time datetime=\x04" { // escaped by the template
		t.Error(got)
	}
}

func TestAMailIsInTheFirstLanguageThatThereIs(t *testing.T) {
	u, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 31, 23, 30, 0, 0, time.UTC)
	for langs, want := range map[string]string{"": "Jan 2026", "de-AT fr": "Februar 2026", "zh  ja": "2026年2月1日 08:30 JST", "xx yy": "Jan 2026", "zh ar": "فبراير 2026"} {
		f := MailFrame{Lang: langs, At: at, Zone: "Asia/Tokyo"}
		if langs == "" || langs == "xx yy" {
			f.Zone = ""
		}
		letter, err := u.WriteMail(Mail{Kind: MailPasswordChanged, MailFrame: f})
		if err != nil || !strings.Contains(letter.Text, want) {
			t.Errorf("%q: no %s (%v) in\n%s", langs, want, err, letter.Text)
		}
	}
}
