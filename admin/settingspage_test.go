package admin_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/idp/idptest"
	spec "gatehouse/idp/settings"
	"gatehouse/ui"
)

var update = flag.Bool("update", false, "write docs/settings.md")

// docs/settings.md lists what can be set, as the descriptions have it.
func TestTheSettingsPageIsWritten(t *testing.T) {
	t.Parallel()
	const page, begin, end = "../docs/settings.md", "<!-- generated: begin -->\n", "<!-- generated: end -->"
	texts := ui.Texts()
	var tables strings.Builder
	for _, d := range admin.AllDescribed() {
		fmt.Fprintf(&tables, "\n## %s\n\n| Setting | In the console | Value | Default |\n| --- | --- | --- | --- |\n", d.Heading)
		for _, s := range d.Specs {
			label := "console." + d.Thing + "." + s.Name
			text := texts.English(label)
			if text == label { // the form has words of its own
				text = ""
			}
			fmt.Fprintf(&tables, "| `%s` | %s | %s | %s |\n", s.Name, strings.ReplaceAll(text, "|", `\|`), valueOf(s), defaultOf(s))
		}
	}
	text, err := os.ReadFile(page)
	idptest.Must(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the settings", page)
	}
	want := before + begin + tables.String() + end + after
	if *update {
		idptest.Must(t, os.WriteFile(page, []byte(want), 0o600))
	} else if want != string(text) {
		t.Errorf("%s is not what the descriptions say: go test ./admin -run TestTheSettingsPageIsWritten -update", page)
	}
}

// valueOf says what a setting can be.
func valueOf(s spec.Spec) string {
	var list []string
	unit, bounds := "", ""
	switch s.Kind {
	case spec.KindFlag:
		list = append(list, "`true` or `false`")
	case spec.KindChoice:
		list = append(list, inCode(s.Values, " or "))
	case spec.KindNumber, spec.KindDuration:
		if unit = "whole number"; s.Kind == spec.KindDuration {
			unit = "seconds"
		}
		if s.Least != 0 || s.Most != 0 {
			bounds = fmt.Sprintf(", %d to %d", amount(s, s.Least), amount(s, s.Most))
		}
		list = append(list, unit+bounds)
	case spec.KindLine, spec.KindText:
		list = append(list, "text"+longest(s, int(s.Most)))
	case spec.KindList, spec.KindSet:
		what := "list"
		if len(s.Values) > 0 {
			what = "list of " + inCode(s.Values, ", ")
		}
		if s.Most > 0 {
			what += fmt.Sprintf(", at most %d", s.Most)
		}
		list = append(list, what+longest(s, 0))
	}
	if s.Required() {
		list = append(list, "required")
	}
	return strings.Join(list, "; ")
}

func longest(s spec.Spec, most int) string {
	if most = max(most, s.Longest); most == 0 {
		return ""
	}
	return fmt.Sprintf(" of at most %d characters", most)
}

// amount is a bound as the API has it.
func amount(s spec.Spec, n int64) int64 {
	if s.Kind == spec.KindDuration {
		return n / int64(time.Second)
	}
	return n
}

func defaultOf(s spec.Spec) string {
	switch value := s.Default.(type) {
	case nil:
		if s.Kind == spec.KindFlag {
			return "`false`"
		}
		return ""
	case time.Duration:
		return fmt.Sprintf("`%d`", int64(value/time.Second))
	default:
		return fmt.Sprintf("`%v`", value)
	}
}

func inCode(values []string, between string) string {
	quoted := slices.Clone(values)
	for i, v := range quoted {
		if quoted[i] = "`" + v + "`"; v == "" {
			quoted[i] = "empty"
		}
	}
	return strings.Join(quoted, between)
}
