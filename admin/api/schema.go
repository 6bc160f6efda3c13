package api

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// schema is the part of JSON Schema that the document uses, ready to check values.
// A keyword that is not here stops the program at start, so that no limit of the
// document goes unchecked.
type schema struct {
	kind       string // object, array, string, integer or boolean
	properties map[string]*schema
	required   []string
	closed     bool    // no properties but these
	others     *schema // of properties that are not named
	least      int     // minProperties

	items              *schema
	minItems, maxItems int
	unique             bool

	minLength, maxLength int
	pattern              *regexp.Regexp
	enum                 []string
	time                 bool

	minimum, maximum *int64
}

// notes are keywords that say nothing about a value.
var notes = []string{"description", "default"}

// schema compiles a schema; a reference becomes the one schema of its name.
func (d *document) schema(raw json.RawMessage) (*schema, error) {
	var keywords map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keywords); err != nil {
		return nil, err
	}
	if ref, ok := keywords["$ref"]; ok {
		return d.named(ref, len(keywords))
	}
	s := &schema{maxItems: -1, maxLength: -1}
	return s, d.compile(s, keywords)
}

func (d *document) named(raw json.RawMessage, keywords int) (*schema, error) {
	var ref string
	if err := json.Unmarshal(raw, &ref); err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(ref, "#/components/schemas/")
	target, ok := d.Components.Schemas[name]
	if !ok || keywords != 1 {
		return nil, fmt.Errorf("%s: not found, or beside other keywords", ref)
	}
	if s := d.schemas[name]; s != nil {
		return s, nil
	}
	s, err := d.schema(target)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.schemas[name] = s
	return s, nil
}

func (d *document) compile(s *schema, keywords map[string]json.RawMessage) error {
	for keyword, raw := range keywords {
		var err error
		switch keyword {
		case "properties":
			err = d.compileProperties(s, raw)
		case "items":
			s.items, err = d.schema(raw)
		case "additionalProperties":
			if s.closed = string(raw) == "false"; !s.closed {
				s.others, err = d.schema(raw)
			}
		case "pattern":
			var text string
			if err = json.Unmarshal(raw, &text); err == nil {
				s.pattern, err = regexp.Compile(text)
			}
		case "const":
			s.enum = make([]string, 1)
			err = json.Unmarshal(raw, &s.enum[0])
		case "format":
			s.time = string(raw) == `"date-time"`
			if !s.time && string(raw) != `"int64"` {
				err = fmt.Errorf("format %s", raw)
			}
		default:
			err = s.plain(keyword, raw)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", keyword, err)
		}
	}
	return nil
}

// plain reads the keywords that are nothing but a value.
func (s *schema) plain(keyword string, raw json.RawMessage) error {
	into, ok := map[string]any{
		"type": &s.kind, "required": &s.required, "minProperties": &s.least, "minItems": &s.minItems, "maxItems": &s.maxItems,
		"uniqueItems": &s.unique, "minLength": &s.minLength, "maxLength": &s.maxLength, "enum": &s.enum,
		"minimum": &s.minimum, "maximum": &s.maximum,
	}[keyword]
	switch {
	case ok:
		return json.Unmarshal(raw, into)
	case slices.Contains(notes, keyword):
		return nil
	}
	return fmt.Errorf("this keyword is not checked")
}

func (d *document) compileProperties(s *schema, raw json.RawMessage) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	s.properties = map[string]*schema{}
	for name, raw := range all {
		p, err := d.schema(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.properties[name] = p
	}
	return nil
}

// complaint is what is wrong with one value.
type complaint struct {
	pointer, detail string // RFC 6901
}

// maxComplaints is how many complaints one answer holds.
const maxComplaints = 20

// check appends what about a value is not as the schema says. Values are those of a
// json.Decoder with UseNumber.
func (s *schema) check(value any, pointer string, found []complaint) []complaint {
	if len(found) >= maxComplaints {
		return found
	}
	complain := func(format string, args ...any) []complaint {
		return append(found, complaint{pointer, fmt.Sprintf(format, args...)})
	}
	switch v := value.(type) {
	case map[string]any:
		if s.kind == "object" {
			return s.checkObject(v, pointer, found)
		}
	case []any:
		if s.kind == "array" {
			return s.checkArray(v, pointer, found)
		}
	case string:
		if s.kind == "string" {
			if wrong := s.checkString(v); wrong != "" {
				return complain("%s", wrong)
			}
			return found
		}
	case json.Number:
		if s.kind == "integer" {
			if wrong := s.checkInteger(v.String()); wrong != "" {
				return complain("%s", wrong)
			}
			return found
		}
	case bool:
		if s.kind == "boolean" {
			return found
		}
	}
	return complain("must be of type %s", s.kind)
}

func (s *schema) checkObject(v map[string]any, pointer string, found []complaint) []complaint {
	for _, name := range s.required {
		if _, ok := v[name]; !ok {
			found = append(found, complaint{pointer + "/" + name, "is required"})
		}
	}
	if len(v) < s.least {
		found = append(found, complaint{pointer, fmt.Sprintf("needs at least %d of its fields", s.least)})
	}
	for name, value := range v {
		at := pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(cutText(name))
		p := s.properties[name]
		switch {
		case p != nil:
			found = p.check(value, at, found)
		case s.others != nil:
			found = s.others.check(value, at, found)
		case s.closed && len(found) < maxComplaints:
			found = append(found, complaint{at, "there is no such field"})
		}
	}
	return found
}

// cutText bounds what an answer repeats of a request.
func cutText(text string) string {
	if len(text) > 100 {
		return strings.ToValidUTF8(text[:100], "") + "…"
	}
	return text
}

func (s *schema) checkArray(v []any, pointer string, found []complaint) []complaint {
	switch {
	case len(v) < s.minItems:
		return append(found, complaint{pointer, fmt.Sprintf("at least %d", s.minItems)})
	case s.maxItems >= 0 && len(v) > s.maxItems:
		return append(found, complaint{pointer, fmt.Sprintf("at most %d", s.maxItems)})
	}
	seen := map[any]bool{}
	for i, item := range v {
		at := pointer + "/" + strconv.Itoa(i)
		before := len(found)
		if found = s.items.check(item, at, found); len(found) > before {
			continue
		}
		if text, ok := item.(string); ok && s.unique {
			if seen[text] {
				found = append(found, complaint{at, "stands here twice"})
			}
			seen[text] = true
		}
	}
	return found
}

// checkString returns what is wrong with a text, empty for nothing.
func (s *schema) checkString(v string) string {
	switch n := utf8.RuneCountInString(v); {
	case n < s.minLength:
		return fmt.Sprintf("at least %d characters", s.minLength)
	case s.maxLength >= 0 && n > s.maxLength:
		return fmt.Sprintf("at most %d characters", s.maxLength)
	case s.enum != nil && !slices.Contains(s.enum, v):
		return "must be one of: " + strings.Join(s.enum, ", ")
	case s.pattern != nil && !s.pattern.MatchString(v):
		return "must match " + s.pattern.String()
	}
	if s.time {
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			return "must be a time such as 2006-01-02T15:04:05Z"
		}
	}
	return ""
}

func (s *schema) checkInteger(text string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return "must be an integer"
	case s.minimum != nil && n < *s.minimum:
		return fmt.Sprintf("at least %d", *s.minimum)
	case s.maximum != nil && n > *s.maximum:
		return fmt.Sprintf("at most %d", *s.maximum)
	}
	return ""
}

// checkText checks the text of a parameter.
func (s *schema) checkText(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "must be UTF-8"
	case s.kind == "integer":
		return s.checkInteger(text)
	case s.kind == "boolean" && text != "true" && text != "false":
		return "must be true or false"
	case s.kind == "string":
		return s.checkString(text)
	}
	return ""
}
