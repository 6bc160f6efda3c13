package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed openapi.json
var documentJSON []byte

//go:embed openapi.yaml
var documentYAML []byte

// document is what we need to know of the OpenAPI document.
type document struct {
	Info struct {
		Title, Version, Description string
	}
	Tags []struct {
		Name, Description string
	}
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas    map[string]json.RawMessage
		Parameters map[string]json.RawMessage
		Responses  map[string]json.RawMessage
		Headers    map[string]json.RawMessage
	}

	operations []*operation
	schemas    map[string]*schema
}

// operation is one method of one path.
type operation struct {
	ID          string              `json:"operationId"`
	Tags        []string            `json:"tags"`
	Summary     string              `json:"summary"`
	Description string              `json:"description"`
	Manage      string              `json:"x-operation"`   // of idp/manage
	Permissions []string            `json:"x-permissions"` // one is enough
	Parameters  []json.RawMessage   `json:"parameters"`
	RequestBody *content            `json:"requestBody"`
	Responses   map[string]reusable `json:"responses"`

	method, path string
	parameters   []parameter
	body         *schema // nil: takes none
	responses    map[string]response
}

// reusable is something that may stand elsewhere.
type reusable struct {
	json.RawMessage
}

type content struct {
	Content map[string]struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"content"`
}

// parameter is one of path, query or header.
type parameter struct {
	Name        string          `json:"name"`
	In          string          `json:"in"`
	Required    bool            `json:"required"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`

	schema *schema
}

// response is what one status looks like.
type response struct {
	content
	Headers map[string]reusable `json:"headers"`

	headers map[string]bool    // whether they are required
	media   map[string]*schema // by content type
}

// readDocument parses the embedded document, once.
var readDocument = sync.OnceValues(func() (*document, error) {
	var d document
	if err := json.Unmarshal(documentJSON, &d); err != nil {
		return nil, fmt.Errorf("read the API's document: %w", err)
	}
	d.schemas = map[string]*schema{}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		if err := d.readPath(path); err != nil {
			return nil, fmt.Errorf("read the API's document: %s: %w", path, err)
		}
	}
	return &d, nil
})

func (d *document) readPath(path string) error {
	item := d.Paths[path]
	var shared []json.RawMessage
	if raw, ok := item["parameters"]; ok {
		if err := json.Unmarshal(raw, &shared); err != nil {
			return err
		}
	}
	for _, method := range []string{"get", "post", "put", "patch", "delete"} {
		raw, ok := item[method]
		if !ok {
			continue
		}
		o := &operation{method: strings.ToUpper(method), path: path, responses: map[string]response{}}
		if err := json.Unmarshal(raw, o); err != nil {
			return err
		}
		if err := d.readOperation(o, shared); err != nil {
			return fmt.Errorf("%s: %w", o.ID, err)
		}
		d.operations = append(d.operations, o)
	}
	return nil
}

func (d *document) readOperation(o *operation, shared []json.RawMessage) error {
	for _, raw := range slices.Concat(shared, o.Parameters) {
		var p parameter
		err := d.resolve(raw, &p)
		if err == nil {
			p.schema, err = d.schema(p.Schema)
		}
		if err != nil {
			return err
		}
		o.parameters = append(o.parameters, p)
	}
	if o.RequestBody != nil {
		media, err := d.media(*o.RequestBody)
		if err != nil {
			return err
		}
		o.body = media["application/json"]
	}
	for status, raw := range o.Responses {
		r := response{headers: map[string]bool{}}
		err := d.resolve(raw.RawMessage, &r)
		if err == nil {
			r.media, err = d.media(r.content)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", status, err)
		}
		for name, h := range r.Headers {
			var header struct{ Required bool }
			if err := d.resolve(h.RawMessage, &header); err != nil {
				return err
			}
			r.headers[name] = header.Required
		}
		o.responses[status] = r
	}
	return nil
}

func (d *document) media(c content) (map[string]*schema, error) {
	media := map[string]*schema{}
	for kind, m := range c.Content {
		s, err := d.schema(m.Schema)
		if err != nil {
			return nil, err
		}
		media[kind] = s
	}
	return media, nil
}

// resolve reads something that may be a reference to a component.
func (d *document) resolve(raw json.RawMessage, into any) error {
	var ref struct {
		Ref string `json:"$ref"`
	}
	if err := json.Unmarshal(raw, &ref); err != nil {
		return err
	}
	if ref.Ref == "" {
		return json.Unmarshal(raw, into)
	}
	kind, name, _ := strings.Cut(strings.TrimPrefix(ref.Ref, "#/components/"), "/")
	target, ok := map[string]map[string]json.RawMessage{
		"parameters": d.Components.Parameters, "responses": d.Components.Responses, "headers": d.Components.Headers,
	}[kind][name]
	if !ok {
		return fmt.Errorf("there is no %s", ref.Ref)
	}
	return json.Unmarshal(target, into)
}
