package ui_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/ui"
)

var usedInTemplate = regexp.MustCompile(`[{(]\s*(?:else if )?tb? "([^"]+)"`)

// usedKeys collects the keys that templates, constants and code name.
func usedKeys(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal("no templates", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range usedInTemplate.FindAllStringSubmatch(string(data), -1) {
			used[match[1]] = true
		}
	}
	words, sections := map[string]bool{}, map[string]bool{}
	for _, file := range sources(t, "*.go", "../admin/*.go", "../idp/*.go", "../idp/account/*.go", "../idp/login/*.go", "../idp/manage/*.go", "../idp/manage/*/*.go", "../idp/settings/*.go", "../idp/imports/*.go", "../idp/password/*.go", "../idp/registration/*.go") {
		for _, s := range literals(t, file) {
			if looksLikeKey.MatchString(s) && !isFile(s) && (ownKeys(file) || shared.MatchString(s)) {
				used[s] = true
			}
			if strings.HasSuffix(s, ".") {
				sections[s] = true
			}
			for part := range strings.SplitSeq(s, ".") {
				words[part] = true
			}
		}
	}
	for _, s := range literals(t, "../idp/audit.go") {
		if looksLikeKey.MatchString(s) { // a kind of event
			used["console.event."+s] = true
		}
	}
	// The first texts of a mail are named after its kind.
	for _, kind := range ui.MailKinds() {
		for _, part := range []string{"subject", "text"} {
			key := "mail." + string(kind) + "." + part
			used[key], sections[key+"."] = true, true
		}
	}
	// The texts of what settings describes are named after thing, field and value; those of
	// broken rules of passwords after the rule.
	for _, key := range english(t) {
		parts := strings.Split(strings.TrimSuffix(strings.TrimSuffix(key, "_hint"), "_link"), ".")
		if (parts[0] == "console" || parts[0] == "permission" || strings.HasPrefix(key, "account.event.") || strings.HasPrefix(key, "settings.password.")) && !slices.ContainsFunc(parts[1:], func(part string) bool { return !words[part] }) {
			used[key] = true
		}
	}
	// Those of second steps are named after the method: see MethodKey.
	for _, key := range english(t) {
		if i := strings.LastIndex(key, ".") + 1; sections[key[:i]] && allIn(words, key[i:]) || sections[key+"."] {
			used[key] = true
		}
	}
	for _, kind := range ui.ProblemKinds() {
		for _, part := range []string{"heading", "text", "what"} {
			used["problem."+string(kind)+"."+part] = true
		}
	}
	return used
}

// shared are keys that packages below ui name too.
var shared = regexp.MustCompile(`^(console|settings|footer)\.`)

// allIn tells whether each part of a name, such as "totp_email", is a word.
func allIn(words map[string]bool, name string) bool {
	return !slices.ContainsFunc(strings.Split(name, "_"), func(part string) bool { return !words[part] })
}

// ownKeys tells whether what looks like a key in a file is one, whatever it begins with.
func ownKeys(file string) bool {
	return !strings.HasPrefix(file, "../idp/") || strings.HasPrefix(file, "../idp/account/")
}

// sources lists Go files that may name keys, tests left out.
func sources(t *testing.T, patterns ...string) []string {
	t.Helper()
	var list []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, files...)
	}
	return slices.DeleteFunc(list, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
}

var looksLikeKey = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+){1,3}$`)

// literals are the strings of a Go file.
func literals(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				found = append(found, s)
			}
		}
		return true
	})
	return found
}

func isFile(s string) bool { return strings.Contains(".css .js .svg", filepath.Ext(s)) }

// english are the keys of the catalogues in English.
func english(t *testing.T) (keys []string) {
	t.Helper()
	files, err := filepath.Glob("messages/en/*.json")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]any{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatal(err)
		}
	}
	return slices.Collect(maps.Keys(texts))
}

func TestMessageKeys(t *testing.T) {
	all, used := english(t), usedKeys(t)
	for key := range used {
		if !slices.Contains(all, key) {
			t.Errorf("%s is used and not in the catalogue", key)
		}
	}
	for _, key := range all {
		if !used[key] {
			t.Errorf("%s is in the catalogue and not used", key)
		}
	}
}

func TestText(t *testing.T) {
	u := newUI(t)
	for _, c := range []struct {
		message *ui.Message
		want    string
	}{
		{ui.MsgCodeUsed.With(12), "That code has been used already. Your app shows the next one in 12 seconds."},
		{ui.MsgCodeUsed.With(1), "That code has been used already. Your app shows the next one in 1 second."},
		{ui.MsgCodeUsed.With(1500 * time.Millisecond), "That code has been used already. Your app shows the next one in 2 seconds."},
		{ui.MsgTooManyAttempts.With(14 * time.Minute), "That was one try too many for now. Please wait 14 minutes, then try again."},
		{ui.MsgTooManyAttempts.With("a while"), "That was one try too many for now. Please wait a while, then try again."},
		{ui.MsgTooManyAttempts.With(3 * time.Hour), "That was one try too many for now. Please wait 3 hours, then try again."},
		{ui.MsgBackTo.With("{0}"), "Back to {0}"},
		{ui.MsgBackTo.With(), "Back to "},
		{ui.Key("recovery_notice.heading").With(1), "You have 1 recovery code left"},
		{ui.Key("recovery_notice.heading").With(3), "You have 3 recovery codes left"},
		{ui.Key("recovery_notice.heading").With(0), "That was your last recovery code"},
		{ui.Key("no.such.key").With(), "no.such.key"},
	} {
		if got := u.Text("xx", *c.message); got != c.want {
			t.Errorf("%s: got %q, want %q", c.message.Key, got, c.want)
		}
	}
}

// Texts are found by place: what begins alike stands in one file of a language.
func TestEachSectionOfTextsStandsInOneFile(t *testing.T) {
	files, err := filepath.Glob("messages/en/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	stands := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]any
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatal(err)
		}
		for key := range texts {
			section, rest, _ := strings.Cut(key, ".")
			if section == "console" || section == "settings" {
				part, _, _ := strings.Cut(rest, ".")
				section += "." + part
			}
			if before, ok := stands[section]; ok && before != file {
				t.Fatalf("%s: texts of %s stand in %s", key, section, before)
			}
			stands[section] = file
		}
	}
}
