package portal

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseChallenges(t *testing.T) {
	for header, want := range map[string]string{
		"":                                  "[]",
		" , ,":                              "[]",
		"Bearer":                            "[{bearer map[]}]",
		"Bearer, Basic":                     "[{bearer map[]} {basic map[]}]",
		`Bearer error="a b",max_age=5`:      "[{bearer map[error:a b max_age:5]}]",
		`BEARER Error = "x" , , Max_Age=5,`: "[{bearer map[error:x max_age:5]}]",
		`Basic realm="a, Bearer error=\"x\"", Bearer max_age="1"`: `[{basic map[realm:a, Bearer error="x"]} {bearer map[max_age:1]}]`,
		"Negotiate YWJj==, Bearer error=x":                        "[{negotiate map[]} {bearer map[error:x]}]",
		"Negotiate a=, DPoP algs=\"ES256\"":                       "[{negotiate map[]} {dpop map[algs:ES256]}]",
		`Bearer error=""`:                                         "[{bearer map[error:]}]",
		`Bearer error="\x\\"`:                                     `[{bearer map[error:x\]}]`,
	} {
		got, err := parseChallenges(header)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v, want %s", header, got, err, want)
		}
	}
}

func TestParseChallengesRefuses(t *testing.T) {
	var many strings.Builder
	for i := range maxChallenges + 1 {
		fmt.Fprintf(&many, "p%d=x,", i)
	}
	for name, header := range map[string]string{
		"no scheme":              `error="x"`,
		"only a quoted string":   `"x"`,
		"no closing quote":       `Bearer error="x`,
		"backslash at the end":   `Bearer error="x\`,
		"line break":             "Bearer error=\"x\r\nSet-Cookie: a=b\"",
		"escaped line break":     "Bearer error=\"x\\\ny\"",
		"zero byte":              "Bearer error=\"\x00\"",
		"twice":                  `Bearer error=x, error=y`,
		"twice in two cases":     `Bearer error=x, ERROR=y`,
		"two without a comma":    `Bearer error="x" max_age=5`,
		"value runs on":          `Bearer error="x"y`,
		"no value":               `Bearer error=, max_age=5,=`,
		"no name":                `Bearer ="x"`,
		"odd characters":         "Bearer error=é",
		"a scheme of odd ones":   "Beärer error=x",
		"too long":               "Bearer " + strings.Repeat("x", maxChallenge),
		"too many challenges":    strings.Repeat("Bearer, ", maxChallenges+1),
		"too many parameters":    "Bearer " + many.String(),
		"token68 and parameters": "Bearer abc== error=x",
	} {
		if got, err := parseChallenges(header); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAsksStepUp(t *testing.T) {
	const start = `Bearer error="insufficient_user_authentication"`
	tests := map[string]struct {
		lines []string
		want  assurance
		ok    bool
	}{
		"nothing":           {nil, assurance{}, false},
		"signed out":        {[]string{"Bearer"}, assurance{}, false},
		"another error":     {[]string{`Bearer error="invalid_token", max_age=5`}, assurance{}, false},
		"another scheme":    {[]string{`Basic error="insufficient_user_authentication"`}, assurance{}, false},
		"both":              {[]string{start + `, acr_values="a b", max_age="5"`}, assurance{"a b", 5 * time.Second, true}, true},
		"max_age 0":         {[]string{start + `, max_age=0`}, assurance{"", 0, true}, true},
		"neither":           {[]string{start}, assurance{}, true},
		"the second line":   {[]string{`Basic realm="x"`, start + `, acr_values=a`}, assurance{acrValues: "a"}, true},
		"beside a bad line": {[]string{`"`, start}, assurance{}, true},
		"negative age":      {[]string{start + `, max_age="-1"`}, assurance{}, false},
		"no number":         {[]string{start + `, max_age="5 or so"`}, assurance{}, false},
		"a huge age":        {[]string{start + `, max_age="99999999999999999999"`}, assurance{}, false},
		"a quote in acr":    {[]string{start + `, acr_values="a\"b"`}, assurance{}, false},
		"bytes in acr":      {[]string{start + ", acr_values=\"\xff\""}, assurance{}, false},
		"a long acr":        {[]string{start + `, acr_values="` + strings.Repeat("x", maxParameter+1) + `"`}, assurance{}, false},
	}
	for name, test := range tests {
		got, ok := asksStepUp(http.Header{"Www-Authenticate": test.lines})
		if ok != test.ok || (ok && got != test.want) {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
}

// FuzzChallenge writes down what was read and reads it again: it has to be the same.
func FuzzChallenge(f *testing.F) {
	f.Add(exportsNeed.header("More recent authentication is required"))
	f.Add(`Basic realm="a, \"b\"", Negotiate YWJj==, Bearer error=x, max_age="5"`)
	f.Add("Bearer error=\"x\\")
	f.Fuzz(func(t *testing.T, header string) {
		found, err := parseChallenges(header)
		_, _ = asksStepUp(http.Header{"Www-Authenticate": {header}})
		if err != nil || len(header) > maxChallenge/2 {
			return
		}
		var lines []string
		for _, c := range found {
			var params []string
			for name, value := range c.params {
				params = append(params, name+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)+`"`)
			}
			lines = append(lines, c.scheme+" "+strings.Join(params, ", "))
		}
		again, err := parseChallenges(strings.Join(lines, ", "))
		if err != nil || len(again) != len(found) {
			t.Fatalf("%q: %v became %v, %v", header, found, again, err)
		}
		for i := range found {
			if found[i].scheme != again[i].scheme || !maps.Equal(found[i].params, again[i].params) {
				t.Errorf("%q: %v became %v", header, found[i], again[i])
			}
		}
	})
}
