package ui_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"gatehouse/idp/idptest"
	"gatehouse/idp/idptest/chromium"
)

// The script in the browser reads codes as the server does.
func TestTheScriptReadsCodesAsTheServerDoes(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("assets", "comfort.js"))
	idptest.Must(t, err)
	_, rest, _ := strings.Cut(string(script), "function codeDigits(")
	body, _, found := strings.Cut(rest, "\n}\n")
	if !found {
		t.Fatal("comfort.js has no codeDigits")
	}
	table, err := os.ReadFile(filepath.Join("..", "mfa", "testdata", "typed.json"))
	idptest.Must(t, err)
	var cases []struct{ Typed, Code string }
	idptest.Must(t, json.Unmarshal(table, &cases))
	ctx, end := chromedp.NewContext(chromium.Start(t))
	defer end()
	call := "(" + string(table) + ").map((c) => (function codeDigits(" + body + "\n})(c.typed, 6))"
	got, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](call))
	idptest.Must(t, err)
	for i, c := range cases {
		if got[i] != c.Code {
			t.Errorf("%q: %q, want %q", c.Typed, got[i], c.Code)
		}
	}
}
