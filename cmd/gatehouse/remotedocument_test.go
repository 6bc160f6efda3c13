package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"gatehouse/idp/idptest"
)

// printsAnywhere looks for a text in what can be read of a client, and of the audit log.
func (d *desk) printsAnywhere(text, id string) bool {
	d.t.Helper()
	for _, args := range []string{"client show " + id, "client list", "audit list", "audit export"} {
		for _, as := range []string{"json", "table"} {
			out, complaints, code := d.run("", args, "--output", as)
			if code != 0 {
				d.t.Fatalf("%s: %s", args, complaints)
			}
			if strings.Contains(out+complaints, text) {
				return true
			}
		}
	}
	return false
}

// operation is what the document says of one, as far as it matters here.
type operation struct {
	Tags       []string
	Parameters []struct {
		Ref      string `json:"$ref"`
		Name, In string
	}
	RequestBody struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
}

// document is that of the API.
type document struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters map[string]struct{ Name, In string }
		Schemas    map[string]struct{ Properties map[string]any }
	}
}

// fields are those of the body and the query. Pages are followed elsewhere.
func (doc document) fields(op operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.Ref != "" {
			referred := doc.Components.Parameters[path.Base(p.Ref)]
			p.Name, p.In = referred.Name, referred.In
		}
		if p.In == "query" && p.Name != "after" {
			names = append(names, p.Name)
		}
	}
	for _, c := range op.RequestBody.Content {
		names = slices.AppendSeq(names, maps.Keys(doc.Components.Schemas[path.Base(c.Schema.Ref)].Properties))
	}
	return names
}

// covers checks that all operations of a tag, and some by their path, were called, with
// each of their fields.
func (d *desk) covers(tag string, paths ...string) {
	d.t.Helper()
	res, err := http.Get(d.url + apiBase + "/openapi.json")
	idptest.Must(d.t, err)
	defer func() { _ = res.Body.Close() }()
	var doc document
	idptest.Must(d.t, json.NewDecoder(res.Body).Decode(&doc))
	n := 0
	for at, item := range doc.Paths {
		for method, raw := range item {
			var op operation
			if json.Unmarshal(raw, &op) == nil && (slices.Contains(op.Tags, tag) || slices.Contains(paths, method+" "+at)) {
				d.called(strings.ToUpper(method)+" "+at, doc.fields(op))
				n++
			}
		}
	}
	if n == 0 {
		d.t.Errorf("the document has no operation of %s", tag)
	}
}

func (d *desk) called(operation string, fields []string) {
	d.t.Helper()
	call := regexp.MustCompile("^" + segment.ReplaceAllString(operation, "[^/]+") + "$")
	found, sent := false, map[string]bool{}
	for _, n := range d.notes {
		if call.MatchString(n.call) {
			found = true
			for _, name := range n.fields {
				sent[name] = true
			}
		}
	}
	if !found {
		d.t.Errorf("no command calls %s", operation)
		return
	}
	for _, name := range fields {
		if !sent[name] {
			d.t.Errorf("no command sends %s of %s", name, operation)
		}
	}
}
