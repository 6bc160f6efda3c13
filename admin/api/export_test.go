package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatehouse/idp/federation/certificate"
)

// Operation is an operation of the document.
type Operation = operation

// Operations are all of the document.
func Operations() ([]*Operation, error) {
	d, err := readDocument()
	return d.operations, err
}

// Method is that of HTTP.
func (o *operation) Method() string { return o.method }

// Path is that of the document.
func (o *operation) Path() string { return o.path }

// GinPath is that of the router.
func (o *operation) GinPath() string { return ginPath(o.path) }

// TakesBody tells whether there must be one.
func (o *operation) TakesBody() bool { return o.body != nil }

// Versioned tells whether If-Match is needed.
func (o *operation) Versioned() bool {
	return slices.ContainsFunc(o.parameters, func(p parameter) bool { return p.Name == "If-Match" })
}

// Conforms tells what about an answer is not as the document says.
func (o *operation) Conforms(status int, h http.Header, body []byte) error {
	r, ok := o.responses[strconv.Itoa(status)]
	if !ok {
		return fmt.Errorf("status %d is not described", status)
	}
	for name, required := range r.headers {
		if required && h.Get(name) == "" {
			return fmt.Errorf("%d without %s", status, name)
		}
	}
	kind := h.Get("Content-Type")
	if len(r.media) == 0 {
		if len(body) > 0 || kind != "" {
			return fmt.Errorf("%d with a body of type %q", status, kind)
		}
		return nil
	}
	s, ok := r.media[kind]
	if !ok {
		return fmt.Errorf("%d with content of type %q", status, kind)
	}
	switch kind {
	case "application/json", "application/problem+json":
		return conforms(s, body)
	case "application/x-pem-file":
		_, err := certificate.Parse(string(body))
		return err
	}
	d, err := readDocument()
	if err != nil {
		return err
	}
	for line := range bytes.Lines(body) {
		if err := conforms(d.schemas["AuditEvent"], line); err != nil {
			return err
		}
	}
	return nil
}

func conforms(s *schema, body []byte) error {
	value, err := parse(body)
	if err != nil {
		return err
	}
	if found := s.check(value, "", nil); len(found) > 0 {
		return fmt.Errorf("%v in %s", found, body)
	}
	return nil
}

// Attack is a request that tries something.
type Attack struct {
	Name string
	// Segments of the path, raw; what is missing is as usual.
	Segments map[string]string
	Query    string // raw
	IfMatch  []string
	Body     []byte
	// Bad: the document forbids it.
	Bad bool
}

// Sample is a body that the document allows, of which manage does not like the
// reason: so it changes nothing.
func (o *operation) Sample() map[string]any {
	if o.body == nil {
		return nil
	}
	return sample("", o.body).(map[string]any)
}

// candidates are texts of which one fits any schema of the document.
var candidates = []string{"sample", "x@rtx.example", "session.created", "#0a5c36", `"1"`, "2026-01-02T03:04:05Z", ""}

func sample(name string, s *schema) any {
	switch s.kind {
	case "object":
		object := map[string]any{}
		for name, p := range s.properties {
			object[name] = sample(name, p)
		}
		return object
	case "array":
		return []any{}
	case "boolean":
		return true
	case "integer":
		return max(1, or(s.minimum))
	}
	if name == "reason" {
		return " "
	}
	if s.enum != nil {
		return s.enum[0]
	}
	i := slices.IndexFunc(candidates, func(c string) bool { return s.checkString(c) == "" })
	return candidates[i]
}

// raw is a piece of JSON that is written as it is.
type raw string

// MarshalJSON implements json.Marshaler. What is no JSON is put in afterwards.
func (r raw) MarshalJSON() ([]byte, error) { return json.Marshal("\x00raw:" + string(r)) }

func render(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	const mark = `"\u0000raw:`
	for {
		i := bytes.Index(out, []byte(mark))
		if i < 0 {
			return out
		}
		length := bytes.IndexByte(out[i+len(mark):], '"')
		for out[i+len(mark)+length-1] == '\\' {
			length += 1 + bytes.IndexByte(out[i+len(mark)+length+1:], '"')
		}
		quoted := `"` + string(out[i+len(mark):i+len(mark)+length]) + `"`
		var piece string
		if err := json.Unmarshal([]byte(quoted), &piece); err != nil {
			panic(err)
		}
		piece = strings.ReplaceAll(piece, "<ff>", "\xff")
		out = slices.Concat(out[:i], []byte(piece), out[i+len(mark)+length+1:])
	}
}

// Render encodes a body.
func Render(v any) []byte { return render(v) }

// hostile are values for a field, by name; true for what its schema forbids.
func hostile(s *schema) map[string]struct {
	value any
	bad   bool
} {
	type attempt = struct {
		value any
		bad   bool
	}
	list := map[string]attempt{
		"null": {nil, true}, "an object": {map[string]any{"a": 1}, s.kind != "object"}, "a huge number": {raw("1e400"), true},
		"beyond 64 bits": {raw("99999999999999999999"), true}, "a fraction": {raw("1.5"), true},
		"an array": {[]any{[]any{}}, true}, "deep": {raw(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), true},
	}
	if s.kind != "string" {
		list["a text"] = attempt{"text", true}
	}
	if s.kind != "boolean" {
		list["a boolean"] = attempt{true, true}
	}
	switch s.kind {
	case "string":
		hostileTexts(s, func(name, text string) { list[name] = attempt{text, s.checkString(text) != ""} })
		list["broken UTF-8"] = attempt{raw(`"a<ff>b"`), true}
		list["half a surrogate pair"] = attempt{raw(`"\ud800"`), s.checkString("\uFFFD") != ""}
	case "integer":
		list["negative"] = attempt{-1, s.minimum != nil}
		list["the largest"] = attempt{raw("9223372036854775807"), s.maximum != nil}
	case "array":
		many := make([]any, 1000)
		for i := range many {
			many[i] = "x" + strconv.Itoa(i)
		}
		list["many"], list["nulls"] = attempt{many, true}, attempt{[]any{nil}, true}
		list["twice"] = attempt{[]any{"same", "same"}, s.unique}
		hostileTexts(s.items, func(name, text string) {
			list["items, "+name] = attempt{[]any{text}, s.items.checkString(text) != ""}
		})
	}
	return list
}

func hostileTexts(s *schema, add func(name, text string)) {
	for name, text := range map[string]string{
		"empty": "", "a space": " ", "a zero byte": "a\x00b", "a line feed": "a\nb", "markup": `<script>alert("1")</script>`,
		"SQL": "' OR 1=1; --", "a path": "../../etc/passwd", "right to left": "a\u202eb", "a format": "%s%n{{.}}",
		"a bare URL": "https://rtx.example/cb", "a URL that runs": "javascript:alert(1)", "an inner address": "http://169.254.169.254/",
		"far too long": strings.Repeat("a", 50000),
	} {
		add(name, text)
	}
	if s.maxLength >= 0 {
		add("one too long", strings.Repeat("a", s.maxLength+1))
		add("as long as may be", strings.Repeat("a", s.maxLength))
		add("as wide as may be", strings.Repeat("𝕏", s.maxLength))
	}
}

// Attacks are hostile requests for an operation.
func (o *operation) Attacks() []Attack {
	var list []Attack
	for _, p := range o.parameters {
		list = append(list, attacksOn(p, o)...)
	}
	list = append(list,
		Attack{Name: "an unknown parameter", Query: "invented=1", Bad: true},
		Attack{Name: "a token in the query", Query: "access_token=all", Bad: true},
		Attack{Name: "a broken query", Query: "a=%zz", Bad: true},
	)
	if o.body == nil {
		return append(list, Attack{Name: "a body where none goes", Body: []byte(`{}`), Bad: true})
	}
	for name, text := range map[string]string{
		"empty": "", "null": "null", "an array": "[]", "a text": `"x"`, "half": "{", "two": "{}{}", "broken UTF-8": "{\"\xff\":1}",
		"a comment": "{/**/}", "not JSON": "a=1", "deep": strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), "a byte order mark": "\ufeff{}",
	} {
		list = append(list, Attack{Name: "body: " + name, Body: []byte(text), Bad: true})
	}
	for _, name := range slices.Sorted(maps.Keys(o.body.properties)) {
		list = append(list, o.attacksOnField(name)...)
	}
	for _, name := range []string{"id", "version", "system", "password_hash", "created_at", "secret_hashes", "min_version", "__proto__", "", "Reason", "a/b~c"} {
		body := o.Sample()
		if _, known := body[name]; !known {
			body[name] = "x"
			list = append(list, Attack{Name: "unknown field " + name, Body: render(body), Bad: true})
		}
	}
	return list
}

func (o *operation) attacksOnField(name string) []Attack {
	var list []Attack
	body := o.Sample()
	delete(body, name)
	list = append(list, Attack{Name: name + ": missing", Body: render(body), Bad: slices.Contains(o.body.required, name)})
	twice := render(o.Sample())
	value, _ := json.Marshal(o.Sample()[name])
	twice = slices.Concat([]byte(`{"`+name+`":`), value, []byte(","), twice[1:])
	list = append(list, Attack{Name: name + ": twice", Body: twice, Bad: true})
	for what, h := range hostile(o.body.properties[name]) {
		body := o.Sample()
		body[name] = h.value
		list = append(list, Attack{Name: name + ": " + what, Body: render(body), Bad: h.bad})
	}
	return list
}

func attacksOn(p parameter, o *operation) []Attack {
	texts := map[string]string{
		"a zero byte": "a%00b", "broken UTF-8": "%ff%fe", "a huge number": "1e400", "beyond 64 bits": "99999999999999999999",
		"negative": "-1", "markup": "%3Cscript%3E", "SQL": "'%20OR%201=1", "far too long": strings.Repeat("a", 3000), "unknown": "019b0000-0000-7000-8000-000000000000",
	}
	bad := map[string]string{
		"a zero byte": "a\x00b", "broken UTF-8": "\xff\xfe", "markup": "<script>", "SQL": "' OR 1=1",
	}
	var list []Attack
	for name, text := range texts {
		plain, ok := bad[name]
		if !ok {
			plain = text
		}
		a := Attack{Name: p.Name + ": " + name, Bad: p.schema.checkText(plain) != ""}
		switch p.In {
		case "path":
			a.Segments = map[string]string{p.Name: text}
		case "query":
			a.Query = p.Name + "=" + text
		case "header":
			if strings.Contains(text, "%") {
				continue
			}
			a.IfMatch = []string{text}
		}
		list = append(list, a)
	}
	switch p.In {
	case "query":
		list = append(list, Attack{Name: p.Name + ": twice", Query: p.Name + "=1&" + p.Name + "=1", Bad: true},
			Attack{Name: p.Name + ": empty", Query: p.Name + "=", Bad: p.schema.checkText("") != ""})
	case "header":
		for name, values := range map[string][]string{
			"twice": {`"1"`, `"2"`}, "weak": {`W/"1"`}, "any": {"*"}, "a list": {`"1", "2"`}, "bare": {"1"}, "beyond 64 bits": {`"99999999999999999999"`},
		} {
			list = append(list, Attack{Name: p.Name + ": " + name, IfMatch: values, Bad: true})
		}
	}
	return list
}
