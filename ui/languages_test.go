package ui

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// germanUI is a UI with a second language that lacks most texts.
func germanUI(t *testing.T) *UI {
	t.Helper()
	texts, err := loadCatalogs()
	if err != nil {
		t.Fatal(err)
	}
	texts["de"] = map[Key]forms{
		"language.name": {"other": "Deutsch"},
		"signin.submit": {"other": "Anmelden <&>"},
		"code.text":     {"other": "<i>"},
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
	err := u.Render(&page, SignIn{Frame: Frame{Lang: "de", LanguageAction: "/language"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<html lang="de" dir="ltr">`, "Anmelden &lt;&amp;&gt;", "<h1>Sign in</h1>",
		`<span lang="de" aria-current="true">Deutsch</span>`, `name="lang" value="en"`, `lang="en">English</button>`,
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %s in\n%s", want, page.String())
		}
	}
}

func TestMatchSecondLanguage(t *testing.T) {
	u := germanUI(t)
	for _, c := range []struct{ accept, locales, want string }{
		{"de-AT,de;q=0.9,en;q=0.8", "", "de"},
		{"en;q=0.5, DE ;q=0.6", "", "de"},
		{"de;q=0, en", "", "en"},
		{"de", "en", "en"},
		{"en", "fr de-CH-1996", "de"},
		{"fr", "", "en"},
	} {
		if got := u.Match(c.accept, c.locales); got != c.want {
			t.Errorf("Match(%q, %q) = %q, want %q", c.accept, c.locales, got, c.want)
		}
	}
	if got := strings.Join(u.Languages(), " "); got != "en de" {
		t.Errorf("Languages() = %s", got)
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
