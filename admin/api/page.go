package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle []byte

// Text between backquotes is code: the pieces alternate.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"pieces": func(text string) []string { return strings.Split(text, "`") },
	"code":   func(i int) bool { return i%2 == 1 },
}).Parse(pageText))

// pagePolicy allows our style sheet and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// routeDocument serves the document, as a page to read as well. It says nothing of
// the installation, so it needs no token.
func (a *API) routeDocument(g *gin.RouterGroup) {
	serve := func(path, kind string, write func(d *document) ([]byte, error)) {
		content := sync.OnceValues(func() ([]byte, error) { return write(theDocument()) })
		g.GET(path, func(c *gin.Context) {
			written, err := content()
			if err != nil {
				a.fail(c, nil, err)
				return
			}
			c.Header("Cache-Control", "no-cache")
			c.Header("Content-Security-Policy", pagePolicy)
			c.Data(http.StatusOK, kind, written)
		})
	}
	url := strings.TrimSuffix(a.cfg.Issuer, "/") + Base
	serve("/", "text/html; charset=utf-8", renderPage)
	serve("/page.css", "text/css; charset=utf-8", func(*document) ([]byte, error) { return pageStyle, nil })
	serve("/openapi.yaml", "application/yaml", func(d *document) ([]byte, error) { return d.yamlAt(url) })
	serve("/openapi.json", "application/json", func(d *document) ([]byte, error) { return d.jsonAt(url) })
}

// pageGroup is the operations of a tag.
type pageGroup struct {
	Name, Description string
	Operations        []pageOperation
}

// pageOperation is an operation on the page.
type pageOperation struct {
	ID, Method, Path, Summary, Description string
	Permissions, Statuses                  []string
	Parameters                             []pageField
	Body                                   []pageField
}

// pageField is a parameter, or a field of the body.
type pageField struct {
	Name, In, Description, Rule string
	Required                    bool
}

// renderPage makes the page, which does not depend on the URL.
func renderPage(d *document) ([]byte, error) {
	var groups []pageGroup
	for _, tag := range d.Tags {
		g := pageGroup{Name: tag.Name, Description: tag.Description}
		for _, o := range d.operations {
			if o.tag == tag.Name {
				g.Operations = append(g.Operations, d.onPage(o))
			}
		}
		groups = append(groups, g)
	}
	var out bytes.Buffer
	about, _ := d.Info["description"].(string)
	err := pageTemplate.Execute(&out, map[string]any{
		"Title": d.Info["title"], "Version": d.Info["version"],
		"About": strings.Split(strings.TrimSpace(strings.ReplaceAll(about, "**", "")), "\n\n"), "Groups": groups,
	})
	return out.Bytes(), err
}

func (d *document) onPage(o *operation) pageOperation {
	text := d.Operations[o.ID]
	p := pageOperation{
		ID: o.ID, Method: o.method, Path: o.path, Summary: text.Summary, Description: text.Description,
		Permissions: o.permissions(), Statuses: slices.Sorted(maps.Keys(o.answers)),
	}
	for _, q := range o.parameters {
		p.Parameters = append(p.Parameters, pageField{
			Name: q.Name, In: q.In, Description: q.Description, Rule: d.rule(q.Schema), Required: q.Required,
		})
	}
	if o.Body != nil {
		s := d.schemas[d.bodyName(o)]
		fields, _ := s["properties"].(properties)
		required, _ := s["required"].([]string)
		for _, name := range o.fields {
			p.Body = append(p.Body, pageField{Name: name, Rule: d.rule(fields[name]), Required: slices.Contains(required, name)})
		}
	}
	return p
}

// rule says in a line what a schema allows.
func (d *document) rule(s object) string {
	if name, ok := s["$ref"].(string); ok {
		return d.rule(d.schemas[path.Base(name)])
	}
	if items, ok := s["items"].(object); ok {
		return "list of " + d.rule(items)
	}
	parts := []string{fmt.Sprint(s["type"])}
	switch {
	case s["enum"] != nil:
		return strings.ReplaceAll(strings.Trim(fmt.Sprint(s["enum"]), "[]"), " ", " | ")
	case s["format"] == "date-time":
		return "time (RFC 3339)"
	case s["maximum"] != nil:
		parts = append(parts, fmt.Sprintf("%v to %v", s["minimum"], s["maximum"]))
	case s["maxLength"] != nil:
		parts = append(parts, fmt.Sprintf("at most %v characters", s["maxLength"]))
	}
	return strings.Join(parts, ", ")
}
