package ui_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"gatehouse/idp/idptest/chromium"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The script in the browser reads codes as the server does.
func TestTheScriptReadsCodesAsTheServerDoes(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("assets", "comfort.js"))
	must(t, err)
	_, rest, _ := strings.Cut(string(script), "function codeDigits(")
	body, _, found := strings.Cut(rest, "\n}\n")
	if !found {
		t.Fatal("comfort.js has no codeDigits")
	}
	table, err := os.ReadFile(filepath.Join("..", "mfa", "testdata", "typed.json"))
	must(t, err)
	var cases []struct{ Typed, Code string }
	must(t, json.Unmarshal(table, &cases))
	ctx, end := chromedp.NewContext(chromium.Start(t))
	defer end()
	call := "(" + string(table) + ").map((c) => (function codeDigits(" + body + "\n})(c.typed, 6))"
	got, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](call))
	must(t, err)
	for i, c := range cases {
		if got[i] != c.Code {
			t.Errorf("%q: %q, want %q", c.Typed, got[i], c.Code)
		}
	}
}
