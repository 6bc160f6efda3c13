package settings

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Client metadata is what an app that registers itself says of itself (RFC 7591 section 2), and
// what it is answered. Two fields have a form of their own there: scope is one text, and jwks
// an object.
const (
	scopeMetadata = "scope"
	jwksMetadata  = "jwks"
)

// Registrable are the fields that an app may ask for which registers itself.
func (fs Fields[T]) Registrable() Fields[T] {
	return fs.Only(func(s Spec) bool { return s.Metadata != "" })
}

// FromMetadata puts what an app asks for into t: what it lacks has no value then, and names that
// are no fields are ignored.
func (fs Fields[T]) FromMetadata(body map[string]json.RawMessage, t *T) (wrong Errors) {
	for _, f := range fs.Registrable() {
		raw, has := body[f.Metadata]
		has = has && !bytes.Equal(bytes.TrimSpace(raw), []byte("null")) // RFC 7592 section 2.2
		f.set(t, nil)
		if !has {
			continue
		}
		value, err := f.decodeMetadata(raw)
		if err != nil {
			wrong = append(wrong, Error{Field: f.Name, Key: "settings.kind"})
			continue
		}
		f.set(t, value)
	}
	return wrong
}

func (f Field[T]) decodeMetadata(raw json.RawMessage) (any, error) {
	switch f.Metadata {
	case scopeMetadata:
		text, err := as[string](raw)
		return strings.Fields(text), err
	case jwksMetadata:
		_, err := as[map[string]json.RawMessage](raw)
		return string(raw), err
	}
	return f.decode(raw)
}

// ToMetadata is t as an app reads it that registered itself. What is empty is left out.
func (fs Fields[T]) ToMetadata(t T) map[string]any {
	body := map[string]any{}
	for _, f := range fs.Registrable() {
		switch v := f.get(&t).(type) {
		case []string:
			if len(v) > 0 {
				body[f.Metadata] = v
			}
			if f.Metadata == scopeMetadata {
				body[f.Metadata] = strings.Join(v, " ")
			}
		case string:
			if v != "" {
				body[f.Metadata] = v
			}
			if f.Metadata == jwksMetadata && v != "" {
				body[f.Metadata] = json.RawMessage(v)
			}
		default:
			body[f.Metadata] = v
		}
	}
	return body
}
