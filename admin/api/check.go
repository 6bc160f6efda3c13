package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// complaint is what is wrong with one value.
type complaint struct {
	pointer, detail string // RFC 6901
	// unknown: a value of which there is none, of those that are listed.
	unknown bool
}

// maxComplaints is how many complaints one answer holds.
const maxComplaints = 20

// complaints are what about a value is not as a schema says. Values are those of a
// json.Decoder with UseNumber.
func complaints(s *jsonschema.Schema, value any) []complaint {
	var wrong *jsonschema.ValidationError
	if !errors.As(s.Validate(value), &wrong) {
		return nil
	}
	found := leaves(wrong, nil)
	return found[:min(len(found), maxComplaints)]
}

func leaves(e *jsonschema.ValidationError, found []complaint) []complaint {
	for _, cause := range e.Causes {
		found = leaves(cause, found)
	}
	if len(e.Causes) > 0 || len(found) > maxComplaints {
		return found
	}
	at := pointer(e.InstanceLocation...)
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			found = append(found, complaint{pointer: at + pointer(name), detail: "is required"})
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			found = append(found, complaint{pointer: at + pointer(name), detail: "there is no such field"})
		}
	case *kind.UniqueItems:
		found = append(found, complaint{pointer: at + pointer(strconv.Itoa(k.Duplicates[1])), detail: "stands here twice"})
	default:
		_, unknown := k.(*kind.Enum)
		found = append(found, complaint{pointer: at, detail: wording(k), unknown: unknown})
	}
	return found
}

var escapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is where a value stands (RFC 6901). What a request says is cut.
func pointer(names ...string) string {
	var out strings.Builder
	for _, name := range names {
		out.WriteString("/" + escapes.Replace(cutText(name)))
	}
	return out.String()
}

// cutText bounds what an answer repeats of a request.
func cutText(text string) string {
	if len(text) > 100 {
		return strings.ToValidUTF8(text[:100], "") + "…"
	}
	return text
}

// wording says what is wrong with a value.
func wording(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "must be of type " + strings.Join(k.Want, " or ")
	case *kind.Enum:
		return "must be one of: " + strings.Join(each(k.Want, func(one any) string { return fmt.Sprint(one) }), ", ")
	case *kind.Pattern:
		return "must match " + k.Want
	case *kind.Format:
		return "must be a time such as 2006-01-02T15:04:05Z"
	case *kind.MinLength:
		return fmt.Sprintf("at least %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("at most %d characters", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("at least %d", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("at most %d", k.Want)
	case *kind.MinProperties:
		return fmt.Sprintf("needs at least %d of its fields", k.Want)
	case *kind.Minimum:
		return "at least " + k.Want.RatString()
	case *kind.Maximum:
		return "at most " + k.Want.RatString()
	}
	return "is not as the document says"
}

// plain writes the whole numbers of a value without point and exponent, as Go reads them:
// to JSON Schema, 900.0 is one as well. A value has been checked: its numbers are bounded.
func plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, one := range v {
			v[name] = plain(one)
		}
	case []any:
		for i, one := range v {
			v[i] = plain(one)
		}
	case json.Number:
		if n, ok := new(big.Rat).SetString(v.String()); ok && n.IsInt() {
			return json.Number(n.Num().String())
		}
	}
	return value
}

// ofText is the value of a parameter's text, for a schema of its type.
func ofText(text string, typed any) any {
	switch {
	case typed == "integer":
		if _, err := strconv.ParseInt(text, 10, 64); err == nil && text[0] != '+' {
			return json.Number(text)
		}
	case typed == "boolean" && (text == "true" || text == "false"):
		return text == "true"
	}
	return text
}
