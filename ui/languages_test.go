package ui

import (
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
		`<html lang="de">`, "Anmelden &lt;&amp;&gt;", "<h1>Sign in</h1>",
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
