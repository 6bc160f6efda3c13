package ui

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var (
	inputs     = regexp.MustCompile(`<(?:input|textarea)[^>]*>`)
	inputName  = regexp.MustCompile(` name="([^"{]+)"`)
	takeSecret = regexp.MustCompile(`type="password"|autocomplete="(?:one-time-code|current-password|new-password)"|class="[^"]*(?:code|recovery)|data-digits`)
)

// Every input that takes a secret has a name that is known for it.
func TestNamesOfSecretsAreKnown(t *testing.T) {
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, entry := range entries {
		text, err := templateFiles.ReadFile("templates/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, input := range inputs.FindAllString(string(text), -1) {
			if !takeSecret.MatchString(input) {
				continue
			}
			seen++
			if m := inputName.FindStringSubmatch(input); m == nil || !IsSecret(m[1]) {
				t.Errorf("%s: %s takes a secret under a name that is not known for it", entry.Name(), input)
			}
		}
	}
	if seen < 4 {
		t.Errorf("only %d inputs take a secret", seen)
	}
}

func TestRefillFillsInOneFormAndNoSecret(t *testing.T) {
	const page = `<!DOCTYPE html><html><head></head><body><form action="/other" method="post"><input name="name" value="other"></form>` +
		`<form action="/p" method="post"><input type="hidden" name="version" value="9"><input type="hidden" name="id" value="1"><input name="name" value="old">` +
		`<input name="secretly" type="password"><input name="pin" autocomplete="one-time-code"><input name="fixed" value="x" disabled>` +
		`<input type="checkbox" name="on" value="on" checked><input type="checkbox" name="off" value="on"><input type="radio" name="r" value="1" checked><input type="radio" name="r" value="2">` +
		`<select name="s"><option value="a" selected>A</option><option value="b">B</option></select><textarea name="t">old</textarea></form></body></html>`
	out, err := Refill([]byte(page), Typed{Page: "/p", Notice: "Back <again>", Fields: url.Values{
		"version": {"3"}, "id": {"evil"}, "name": {`"><script>alert(1)</script>`}, "secretly": {"hunter2"}, "pin": {"123456"}, "fixed": {"y"},
		"off": {"on"}, "r": {"2"}, "s": {"b"}, "t": {"</textarea><b>new"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := string(out)
	for _, want := range []string{
		`name="name" value="other"`, `name="version" value="3"`, `name="id" value="1"`, `&lt;script&gt;alert(1)&lt;/script&gt;`,
		`name="on" value="on"/>`, `name="off" value="on" checked=""`, `name="r" value="1"/>`, `name="r" value="2" checked=""`,
		`<option value="a">A`, `<option value="b" selected="">B`, `&lt;/textarea&gt;&lt;b&gt;new</textarea>`, `Back &lt;again&gt;`, `name="fixed" value="x"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	for _, bad := range []string{"hunter2", "123456", "<script>", "evil"} {
		if strings.Contains(got, bad) {
			t.Errorf("%s in\n%s", bad, got)
		}
	}
}
