package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// proseYAML is what no Go type says: see there.
//
//go:embed document.yaml
var proseYAML []byte

// object is one of JSON.
type object = map[string]any

// prose are the texts of the document, and its parts that are written by hand.
type prose struct {
	Info object
	Tags []struct {
		Name, Description string
	}
	Operations map[string]struct{ Summary, Description string }
	// Fields describe those of schemas, "Session.methods".
	Fields     map[string]string
	Components struct {
		SecuritySchemes object `yaml:"securitySchemes"`
		Headers         object
		Parameters      map[string]parameter
		Responses       map[string]refusalResponse
		Schemas         map[string]object
	}
}

// parameter is one of path, query or header.
type parameter struct {
	Name        string `json:"name" yaml:"-"`
	In          string `json:"in"`
	Required    bool   `json:"required,omitempty" yaml:"-"`
	Description string `json:"description,omitempty"`
	Schema      object `json:"schema"`

	compiled *jsonschema.Schema
}

// refusalResponse is how one status of refusals looks.
type refusalResponse struct{ Status, Description, Header string }

// document is the OpenAPI document of the API, but for the server's URL.
type document struct {
	prose
	operations []*operation
	schemas    map[string]object
	compiled   map[string]*jsonschema.Schema
	later      []string // fields that came after programs had learned a body: none is required
	json       []byte
}

// theDocument is that of all providers of a process. It is written when it is first read or
// a request is compared with it: that takes longer than all the rest of a provider's start.
// It is made of what is in the binary, which a test has read: that it cannot be written is a
// fault of the program.
var theDocument = sync.OnceValue(func() *document {
	d, err := newDocument()
	if err != nil {
		panic(err)
	}
	return d
})

// newDocument writes the document. It is made of the table of operations, of Go's types,
// of the descriptions of settings, and of prose.
func newDocument() (*document, error) {
	d := &document{operations: operations(), schemas: map[string]object{}}
	decoder := yaml.NewDecoder(bytes.NewReader(proseYAML))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d.prose); err != nil {
		return nil, fmt.Errorf("read the API's prose: %w", err)
	}
	maps.Copy(d.schemas, d.Components.Schemas)
	d.describe()
	d.shape(reflect.TypeFor[Problem](), false)
	paths := map[string]object{}
	for _, o := range d.operations {
		if err := d.addParameters(o); err != nil {
			return nil, fmt.Errorf("the API's document: %s: %w", o.ID, err)
		}
		if paths[o.path] == nil {
			paths[o.path] = object{}
		}
		paths[o.path][strings.ToLower(o.method)] = d.operation(o)
	}
	responses := object{}
	for name, r := range d.Components.Responses {
		responses[name] = r.write()
	}
	return d, d.finish(object{
		"openapi": "3.1.0", "info": d.Info, "tags": d.tags(),
		"security": []object{{"bearer": []string{"gatehouse:admin"}}}, "paths": paths,
		"components": object{
			"securitySchemes": d.Components.SecuritySchemes, "headers": d.Components.Headers, "responses": responses, "schemas": d.schemas,
		},
	})
}

// finish writes the document in JSON, and makes what checks requests.
func (d *document) finish(all object) (err error) {
	if d.json, err = json.Marshal(all); err != nil {
		return fmt.Errorf("write the API's document: %w", err)
	}
	return d.compile()
}

// jsonAt is the document of the API at a URL.
func (d *document) jsonAt(url string) ([]byte, error) {
	servers, err := json.Marshal(object{"servers": []object{{"url": url}}})
	return slices.Concat(bytes.TrimSuffix(servers, []byte("}")), []byte(","), bytes.TrimPrefix(d.json, []byte("{"))), err
}

// yamlAt is the document of the API at a URL.
func (d *document) yamlAt(url string) ([]byte, error) {
	var plain any
	if err := json.Unmarshal(d.json, &plain); err != nil {
		return nil, fmt.Errorf("write the API's document: %w", err)
	}
	servers, err := asYAML(object{"servers": []object{{"url": url}}})
	if err != nil {
		return nil, err
	}
	rest, err := asYAML(plain)
	return slices.Concat(servers, rest), err
}

func (d *document) tags() (list []object) {
	for _, t := range d.Tags {
		list = append(list, object{"name": t.Name, "description": t.Description})
	}
	return list
}

func asYAML(v any) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err := e.Encode(v)
	return out.Bytes(), err
}

var segment = regexp.MustCompile(`\{(\w+)\}`)

// addParameters collects those of an operation's path, query and header.
func (d *document) addParameters(o *operation) error {
	add := func(name, in string, required bool) error {
		p := d.Components.Parameters[name]
		if in != "path" && p.In != in {
			return fmt.Errorf("there is no parameter %s in %s", name, in)
		}
		p.Name, p.In, p.Required = name, in, required
		if p.Schema == nil {
			p.Schema = ref("ID")
		}
		if in == "path" && strings.HasSuffix(name, "_id") {
			p.Description = "" // that of the query
		}
		o.parameters = append(o.parameters, p)
		return nil
	}
	for _, match := range segment.FindAllStringSubmatch(o.path, -1) {
		if err := add(match[1], "path", true); err != nil {
			return err
		}
	}
	if o.IfMatch != unconditional {
		if err := add("If-Match", "header", o.IfMatch == mustMatch); err != nil {
			return err
		}
	}
	query := strings.Fields(o.Query)
	if o.method == http.MethodDelete && o.Body != nil {
		query = append(query, "reason")
	}
	for _, name := range query {
		if err := add(name, "query", false); err != nil {
			return err
		}
	}
	return nil
}

// operation is one as the document writes it.
func (d *document) operation(o *operation) object {
	text := d.Operations[o.ID]
	o.answers = d.responses(o)
	written := object{
		"operationId": o.ID, "tags": []string{o.tag}, "summary": text.Summary, "responses": o.answers,
		"x-operation": o.Manage, "x-permissions": o.permissions(),
	}
	if text.Description != "" {
		written["description"] = text.Description
	}
	if len(o.parameters) > 0 {
		written["parameters"] = o.parameters
	}
	if o.Body != nil {
		name := d.nameOf(o.Body, true)
		fields, _ := d.schemas[name]["properties"].(properties)
		o.fields = slices.Sorted(maps.Keys(fields))
		written["requestBody"] = object{
			"required": o.bodyRequired(), "content": object{"application/json": object{"schema": ref(name)}},
		}
	}
	return written
}

func (d *document) responses(o *operation) object {
	good := object{"description": http.StatusText(o.status())}
	headers := object{}
	for name, has := range map[string]bool{"ETag": o.ETag, "Location": o.Created && o.Answer != nil && o.ETag || o.ID == "createInvitation"} {
		if has {
			headers[name] = object{"$ref": "#/components/headers/" + name}
		}
	}
	if len(headers) > 0 {
		good["headers"] = headers
	}
	switch {
	case o.Media != "":
		good["content"] = object{o.Media: object{"schema": object{"type": "string"}}}
	case o.Answer != nil:
		good["content"] = object{"application/json": object{"schema": ref(d.nameOf(o.Answer, false))}}
	}
	all := object{strconv.Itoa(o.status()): good}
	for _, name := range o.refusals() {
		all[d.Components.Responses[name].Status] = object{"$ref": "#/components/responses/" + name}
	}
	return all
}

func (r refusalResponse) write() object {
	written := object{
		"description": r.Description,
		"content":     object{"application/problem+json": object{"schema": ref("Problem")}},
	}
	if r.Header != "" {
		written["headers"] = object{r.Header: object{"$ref": "#/components/headers/" + r.Header}}
	}
	return written
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// nameOf is the name of the schema of a body or an answer.
func (d *document) nameOf(thing any, closed bool) string {
	switch t := thing.(type) {
	case string:
		return t
	case list:
		item := d.nameOf(t.item, false)
		name := item + "List"
		d.schemas[name] = object{
			"type": "object", "required": []string{t.name},
			"properties": properties{t.name: object{"type": "array", "items": ref(item)}, "next": d.describedAs("List", "next", object{"type": "string"})},
		}
		return name
	}
	return d.shape(reflect.TypeOf(thing), closed)
}

// shape writes the schema of a struct and returns its name. A field is required unless its
// JSON may leave it out. The tag "is" names the schema of what a request sends. A closed one
// has no other fields; answers may grow.
func (d *document) shape(t reflect.Type, closed bool) string {
	s, fields, required := object{"type": "object"}, properties{}, []string{}
	d.schemas[t.Name()] = s
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		of := ref(f.Tag.Get("is"))
		if f.Tag.Get("is") == "" {
			of = d.kindOf(f.Type, closed)
		}
		fields[name] = d.describedAs(t.Name(), name, of)
		if options == "" {
			required = append(required, name)
		}
	}
	s["properties"] = fields
	if len(required) > 0 {
		s["required"] = required
	} else {
		s["minProperties"] = 1
	}
	if closed {
		s["additionalProperties"] = false
	}
	return t.Name()
}

// kindOf is the schema of a Go type.
func (d *document) kindOf(t reflect.Type, closed bool) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[ProblemCode]():
		return ref("ProblemCode")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.kindOf(t.Elem(), closed)
	case reflect.Struct:
		return ref(d.shape(t, closed))
	case reflect.Slice:
		return object{"type": "array", "items": d.kindOf(t.Elem(), closed)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.kindOf(t.Elem(), closed)}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	default:
		return object{"type": "string"}
	}
}

// describedAs adds what a field means, unless its schema says so for all of its name.
func (d *document) describedAs(schema, field string, s object) object {
	about := d.Fields[schema+"."+field]
	if _, elsewhere := s["$ref"]; elsewhere || about == "" {
		return s
	}
	s = maps.Clone(s)
	s["description"] = about
	return s
}

// address is where schemas of the document refer to each other.
const address = "gatehouse:openapi"

// compiler compiles schemas of the document as it is served.
func (d *document) compiler() (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.RegisterFormat(&jsonschema.Format{Name: "date-time", Validate: func(v any) error {
		text, ok := v.(string)
		if !ok {
			return nil
		}
		_, err := time.Parse(time.RFC3339, text)
		return err
	}})
	c.AssertFormat()
	all, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.json))
	if err == nil {
		err = c.AddResource(address, all)
	}
	return c, err
}

// compile makes what checks requests: the schemas, and those of parameters by where they stand.
// All are compiled as the properties of one: the compiler copies the whole document each time.
func (d *document) compile() error {
	c, err := d.compiler()
	if err != nil {
		return err
	}
	all, places := map[string]any{}, map[string]*parameter{}
	for name := range d.schemas {
		all[name] = map[string]any{"$ref": address + "#/components/schemas/" + name}
	}
	for _, o := range d.operations {
		for i := range o.parameters {
			place := pointer("paths", o.path, strings.ToLower(o.method), "parameters", strconv.Itoa(i), "schema")
			all[place] = map[string]any{"$ref": address + "#" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(place)}
			places[place] = &o.parameters[i]
		}
	}
	if err := c.AddResource(address+":all", map[string]any{"properties": all}); err != nil {
		return err
	}
	compiled, err := c.Compile(address + ":all")
	if err != nil {
		return err
	}
	d.compiled = compiled.Properties
	for place, p := range places {
		p.compiled = compiled.Properties[place]
	}
	return nil
}

// body is what the body of an operation must be.
func (d *document) body(o *operation) *jsonschema.Schema { return d.compiled[d.bodyName(o)] }

func (d *document) bodyName(o *operation) string {
	if name, ok := o.Body.(string); ok {
		return name
	}
	return reflect.TypeOf(o.Body).Name()
}

// typed is the JSON type of a parameter.
func (p parameter) typed() any { return p.Schema["type"] }

// check is what is wrong with the text of a parameter, nil for nothing.
func (p parameter) check(text string) *complaint {
	if strings.ToValidUTF8(text, "") != text {
		return &complaint{detail: "must be UTF-8"}
	}
	found := complaints(p.compiled, ofText(text, p.typed()))
	if len(found) == 0 {
		return nil
	}
	return &found[0]
}
