package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// described are the flags of a thing that settings describes: one for each field, with its
// text in the console as help.
type described struct{ kong.Plugins }

// formerNames are older names of flags, which still work.
var formerNames = map[string]string{"post_logout_redirect_uris": "post-logout-uri"}

// flagsOf are the flags of a thing's fields but some; its texts are console.THING.FIELD.
func flagsOf[T any](texts *ui.UI, thing string, fields settings.Fields[T], but ...string) described {
	var list []reflect.StructField
	for i, f := range fields {
		if !slices.Contains(but, f.Name) {
			list = append(list, flagOf(i, f.Spec, helpOf(texts, thing, f.Spec)))
		}
	}
	return described{kong.Plugins{reflect.New(reflect.StructOf(list)).Interface()}}
}

// flagOf is a field of a command's struct, as kong and encoding/json read it.
func flagOf(n int, s settings.Spec, help string) reflect.StructField {
	field, name, left := reflect.TypeFor[*string](), s.Name, "omitempty"
	tag := ""
	switch s.Kind {
	case settings.KindFlag:
		field, tag = reflect.TypeFor[*bool](), ` negatable:""`
	case settings.KindNumber, settings.KindDuration:
		field = reflect.TypeFor[*int64]()
	case settings.KindList, settings.KindSet:
		field, name, left = reflect.TypeFor[[]string](), strings.TrimSuffix(name, "s"), "omitzero"
	case settings.KindLine, settings.KindText, settings.KindChoice:
	}
	if former := formerNames[s.Name]; former != "" {
		tag += fmt.Sprintf(" aliases:%q", former)
	}
	return reflect.StructField{
		Name: "Flag" + strconv.Itoa(n), Type: field,
		Tag: reflect.StructTag(fmt.Sprintf("json:%q name:%q help:%q%s", s.Name+","+left, strings.ReplaceAll(name, "_", "-"), help, tag)),
	}
}

// helpOf is what a flag means, and what it may be.
func helpOf(texts *ui.UI, thing string, s settings.Spec) string {
	key := "console." + thing + "." + s.Name
	parts := []string{texts.English(key) + "."}
	if hint := texts.English(key + "_hint"); hint != key+"_hint" {
		parts = append(parts, hint)
	}
	unit := int64(1)
	if s.Kind == settings.KindDuration {
		unit = int64(time.Second)
		parts = append(parts, "In seconds.")
	}
	switch {
	case s.Values != nil:
		parts = append(parts, "One of: "+strings.Trim(strings.Join(s.Values, ", "), ", ")+".")
	case (s.Kind == settings.KindNumber || s.Kind == settings.KindDuration) && s.Most > 0:
		parts = append(parts, fmt.Sprintf("%d to %d.", s.Least/unit, s.Most/unit))
	}
	return strings.NewReplacer("`", "'", "$", "").Replace(strings.Join(parts, " "))
}

// onto is a body with the flags that were given beside what a command has itself.
func (d described) onto(own any) (map[string]json.RawMessage, error) {
	body := map[string]json.RawMessage{}
	for _, part := range append([]any{own}, d.Plugins...) {
		text, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		var some map[string]json.RawMessage
		if err := json.Unmarshal(text, &some); err != nil {
			return nil, err
		}
		maps.Copy(body, some)
	}
	delete(body, "Plugins")
	return body, nil
}
