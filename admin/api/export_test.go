package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gatehouse/idp/federation/certificate"
)

// Operation is an operation of a document.
type Operation struct {
	*operation
	d        *document
	compiler *jsonschema.Compiler
}

// Operations are all of the document.
func Operations() ([]*Operation, error) {
	d := theDocument()
	c, err := d.compiler()
	return each(d.operations, func(o *operation) *Operation { return &Operation{o, d, c} }), err
}

// Written is the document as it is committed.
func Written() ([]byte, error) {
	return theDocument().yamlAt("https://id.example" + Base)
}

// Method is that of HTTP.
func (o *Operation) Method() string { return o.method }

// Path is that of the document.
func (o *Operation) Path() string { return o.path }

// Tag is that of the document.
func (o *Operation) Tag() string { return o.tag }

// Summary is that of the document.
func (o *Operation) Summary() string { return o.d.Operations[o.ID].Summary }

// Permissions are those of which one is enough.
func (o *Operation) Permissions() []string { return o.permissions() }

// GinPath is that of the router.
func (o *Operation) GinPath() string { return ginPath(o.path) }

// TakesBody tells whether there must be one.
func (o *Operation) TakesBody() bool { return o.Body != nil }

// Versioned tells whether If-Match is looked at.
func (o *Operation) Versioned() bool { return o.IfMatch != unconditional }

// Conforms tells what about an answer is not as the document says. What the document
// does not mention must not be there either.
func (o *Operation) Conforms(status int, h http.Header, body []byte) error {
	r, ok := o.answers[strconv.Itoa(status)].(object)
	if !ok {
		return fmt.Errorf("status %d is not described", status)
	}
	if name, ok := r["$ref"].(string); ok {
		refused := o.d.Components.Responses[path.Base(name)]
		if refused.Header != "" && h.Get(refused.Header) == "" {
			return fmt.Errorf("%d without %s", status, refused.Header)
		}
		r = refused.write()
	}
	if headers, _ := r["headers"].(object); headers["Location"] != nil && h.Get("Location") == "" {
		return fmt.Errorf("%d without Location", status)
	}
	content, _ := r["content"].(object)
	kind := h.Get("Content-Type")
	if len(content) == 0 {
		if len(body) > 0 || kind != "" {
			return fmt.Errorf("%d with a body of type %q", status, kind)
		}
		return nil
	}
	media, ok := content[kind].(object)
	if !ok {
		return fmt.Errorf("%d with content of type %q", status, kind)
	}
	switch kind {
	case "application/json", "application/problem+json":
		return o.d.conforms(media["schema"].(object), body)
	case "application/x-pem-file":
		_, err := certificate.Parse(string(body))
		return err
	}
	for line := range bytes.Lines(body) {
		if err := o.d.conforms(ref("AuditEvent"), line); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) conforms(s object, body []byte) error {
	value, err := parse(body)
	if err != nil {
		return err
	}
	name := path.Base(s["$ref"].(string))
	if found := complaints(d.compiled[name], value); len(found) > 0 {
		return fmt.Errorf("%v in %s", found, body)
	}
	if extra := d.undescribed(s, value, ""); extra != "" {
		return fmt.Errorf("%s is not described, in %s", extra, body)
	}
	return nil
}

// undescribed is a field that the document does not mention, empty for none.
func (d *document) undescribed(s object, value any, at string) string {
	s = d.resolved(s)
	fields, named := s["properties"].(properties)
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			if extra := d.undescribed(s["items"].(object), item, at); extra != "" {
				return extra
			}
		}
	case map[string]any:
		for name, one := range v {
			if named && fields[name] == nil {
				return at + "/" + name
			}
			if named {
				if extra := d.undescribed(fields[name], one, at+"/"+name); extra != "" {
					return extra
				}
			}
		}
	}
	return ""
}

func (d *document) resolved(s object) object {
	for s["$ref"] != nil {
		s = d.schemas[path.Base(s["$ref"].(string))]
	}
	return s
}

// field is one of a body, or a parameter.
type field struct {
	object   // its schema
	place    string
	compiled *jsonschema.Schema
}

func (o *Operation) field(name string) field {
	return o.at("#/components/schemas/"+o.d.bodyName(o.operation)+"/properties/"+name, o.bodyFields()[name])
}

func (o *Operation) at(place string, s object) field {
	if name, ok := s["$ref"].(string); ok {
		return o.at(name, o.d.schemas[path.Base(name)])
	}
	return field{s, place, o.compiler.MustCompile(address + place)}
}

func (o *Operation) items(f field) field {
	return o.at(f.place+"/items", f.object["items"].(object))
}

// refuses tells whether the schema does.
func (f field) refuses(value any) bool {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	parsed, err := parse(text)
	return err != nil || len(complaints(f.compiled, parsed)) > 0
}

func (f field) number(keyword string) (int, bool) {
	n, err := strconv.Atoi(fmt.Sprint(f.object[keyword]))
	return n, err == nil
}

func (o *Operation) bodyFields() properties {
	fields, _ := o.d.schemas[o.d.bodyName(o.operation)]["properties"].(properties)
	return fields
}

func (o *Operation) required(name string) bool {
	required, _ := o.d.schemas[o.d.bodyName(o.operation)]["required"].([]string)
	return slices.Contains(required, name)
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
	// Unknown: what it names is not one of a list.
	Unknown bool
}

// Sample is a body that the document allows, of which manage does not like the
// reason: so it changes nothing.
func (o *Operation) Sample() map[string]any {
	if o.Body == nil {
		return nil
	}
	body := map[string]any{}
	for name := range o.bodyFields() {
		body[name] = sample(name, o.field(name))
	}
	return body
}

// candidates are texts of which one fits any schema of the document.
var candidates = []string{"sample", "x@rtx.example", "session.created", "#0a5c36", `"1"`, "2026-01-02T03:04:05Z", "", strings.Repeat("0123456789_", 4)}

func sample(name string, s field) any {
	switch s.object["type"] {
	case "array":
		return []any{}
	case "boolean":
		return true
	case "integer":
		least, _ := s.number("minimum")
		return max(1, least)
	}
	if name == "reason" {
		return " "
	}
	if values := reflect.ValueOf(s.object["enum"]); values.IsValid() {
		return fmt.Sprint(values.Index(0))
	}
	i := slices.IndexFunc(candidates, func(c string) bool { return !s.refuses(c) })
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
func (o *Operation) hostile(s field) map[string]struct {
	value any
	bad   bool
} {
	type attempt = struct {
		value any
		bad   bool
	}
	kind := s.object["type"]
	list := map[string]attempt{
		"null": {nil, true}, "an object": {map[string]any{"a": 1}, kind != "object"}, "a huge number": {raw("1e400"), true},
		"one that takes long": {raw("1e999999999"), true}, "beyond 64 bits": {raw("99999999999999999999"), true}, "a fraction": {raw("1.5"), true},
		"an array": {[]any{[]any{}}, true}, "deep": {raw(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), true},
	}
	if kind != "string" {
		list["a text"] = attempt{"text", true}
	}
	if kind != "boolean" {
		list["a boolean"] = attempt{true, true}
	}
	switch kind {
	case "string":
		s.hostileTexts(func(name, text string) { list[name] = attempt{text, s.refuses(text)} })
		list["broken UTF-8"] = attempt{raw(`"a<ff>b"`), true}
		list["half a surrogate pair"] = attempt{raw(`"\ud800"`), s.refuses("\uFFFD")}
	case "integer":
		_, bounded := s.number("minimum")
		list["negative"] = attempt{-1, bounded}
		list["the largest"] = attempt{raw("9223372036854775807"), bounded}
	case "array":
		many := make([]any, 1000)
		for i := range many {
			many[i] = "x" + strconv.Itoa(i)
		}
		list["many"], list["nulls"] = attempt{many, s.refuses(many)}, attempt{[]any{nil}, true}
		list["twice"] = attempt{[]any{"same", "same"}, s.refuses([]any{"same", "same"})}
		item := o.items(s)
		item.hostileTexts(func(name, text string) {
			list["items, "+name] = attempt{[]any{text}, item.refuses(text)}
		})
	}
	return list
}

func (f field) hostileTexts(add func(name, text string)) {
	for name, text := range map[string]string{
		"empty": "", "a space": " ", "a zero byte": "a\x00b", "a line feed": "a\nb", "markup": `<script>alert("1")</script>`,
		"SQL": "' OR 1=1; --", "a path": "../../etc/passwd", "right to left": "a\u202eb", "a format": "%s%n{{.}}",
		"a bare URL": "https://rtx.example/cb", "a URL that runs": "javascript:alert(1)", "an inner address": "http://169.254.169.254/",
		"far too long": strings.Repeat("a", 50000), "of the second set of controls": "a\u0085b",
	} {
		add(name, text)
	}
	if most, ok := f.number("maxLength"); ok {
		add("one too long", strings.Repeat("a", most+1))
		add("as long as may be", strings.Repeat("a", most))
		add("as wide as may be", strings.Repeat("𝕏", most))
	}
}

// Attacks are hostile requests for an operation.
func (o *Operation) Attacks() []Attack {
	var list []Attack
	for _, p := range o.parameters {
		list = append(list, attacksOn(p)...)
	}
	list = append(list,
		Attack{Name: "an unknown parameter", Query: "invented=1", Bad: true},
		Attack{Name: "a token in the query", Query: "access_token=all", Bad: true},
		Attack{Name: "a broken query", Query: "a=%zz", Bad: true},
	)
	if o.Body == nil {
		return append(list, Attack{Name: "a body where none goes", Body: []byte(`{}`), Bad: true})
	}
	list = append(list, Attack{Name: "no body", Body: []byte{}, Bad: o.bodyRequired()})
	for name, text := range map[string]string{
		"a space": " ", "null": "null", "an array": "[]", "a text": `"x"`, "half": "{", "two": "{}{}", "broken UTF-8": "{\"\xff\":1}",
		"a comment": "{/**/}", "not JSON": "a=1", "deep": strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), "a byte order mark": "\ufeff{}",
	} {
		list = append(list, Attack{Name: "body: " + name, Body: []byte(text), Bad: true})
	}
	for _, name := range o.fields {
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

func (o *Operation) attacksOnField(name string) []Attack {
	var list []Attack
	body := o.Sample()
	delete(body, name)
	list = append(list, Attack{Name: name + ": missing", Body: render(body), Bad: o.required(name)})
	twice := render(o.Sample())
	value, _ := json.Marshal(o.Sample()[name])
	twice = slices.Concat([]byte(`{"`+name+`":`), value, []byte(","), twice[1:])
	list = append(list, Attack{Name: name + ": twice", Body: twice, Bad: true})
	for what, h := range o.hostile(o.field(name)) {
		body := o.Sample()
		body[name] = h.value
		list = append(list, Attack{Name: name + ": " + what, Body: render(body), Bad: h.bad})
	}
	return list
}

func attacksOn(p parameter) []Attack {
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
		a := Attack{Name: p.Name + ": " + name, Bad: p.check(plain) != nil, Unknown: p.Name == "kind" && p.check(plain) != nil}
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
			Attack{Name: p.Name + ": empty", Query: p.Name + "=", Bad: p.check("") != nil, Unknown: p.Name == "kind"})
	case "header":
		for name, values := range map[string][]string{
			"twice": {`"1"`, `"2"`}, "weak": {`W/"1"`}, "any": {"*"}, "a list": {`"1", "2"`}, "bare": {"1"}, "beyond 64 bits": {`"99999999999999999999"`},
		} {
			list = append(list, Attack{Name: p.Name + ": " + name, IfMatch: values, Bad: true})
		}
	}
	return list
}
