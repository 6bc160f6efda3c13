package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

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
	serve := func(kind string, content []byte) gin.HandlerFunc {
		return func(c *gin.Context) {
			c.Header("Cache-Control", "no-cache")
			c.Header("Content-Security-Policy", pagePolicy)
			c.Data(http.StatusOK, kind, content)
		}
	}
	g.GET("/", serve("text/html; charset=utf-8", a.page))
	g.GET("/page.css", serve("text/css; charset=utf-8", pageStyle))
	g.GET("/openapi.yaml", serve("application/yaml", documentYAML))
	g.GET("/openapi.json", serve("application/json", documentJSON))
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

// renderPage makes the page once: the document does not change while we run.
func renderPage(d *document) ([]byte, error) {
	var groups []pageGroup
	for _, tag := range d.Tags {
		g := pageGroup{Name: tag.Name, Description: tag.Description}
		for _, o := range d.operations {
			if slices.Contains(o.Tags, tag.Name) {
				g.Operations = append(g.Operations, describe(o))
			}
		}
		groups = append(groups, g)
	}
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, map[string]any{
		"Title": d.Info.Title, "Version": d.Info.Version,
		"About": strings.Split(strings.TrimSpace(strings.ReplaceAll(d.Info.Description, "**", "")), "\n\n"), "Groups": groups,
	})
	return out.Bytes(), err
}

func describe(o *operation) pageOperation {
	p := pageOperation{
		ID: o.ID, Method: o.method, Path: o.path, Summary: o.Summary, Description: o.Description,
		Permissions: o.Permissions, Statuses: slices.Sorted(maps.Keys(o.responses)),
	}
	for _, q := range o.parameters {
		p.Parameters = append(p.Parameters, pageField{
			Name: q.Name, In: q.In, Description: q.Description, Rule: q.schema.rule(), Required: q.Required,
		})
	}
	if o.body != nil {
		for _, name := range slices.Sorted(maps.Keys(o.body.properties)) {
			p.Body = append(p.Body, pageField{
				Name: name, Rule: o.body.properties[name].rule(), Required: slices.Contains(o.body.required, name),
			})
		}
	}
	return p
}

// rule says in a line what a schema allows.
func (s *schema) rule() string {
	parts := []string{s.kind}
	switch {
	case s.kind == "array":
		return "list of " + s.items.rule()
	case s.enum != nil:
		return strings.Join(s.enum, " | ")
	case s.time:
		return "time (RFC 3339)"
	case s.maximum != nil && s.minimum != nil:
		parts = append(parts, fmt.Sprintf("%d to %d", *s.minimum, *s.maximum))
	case s.maxLength >= 0:
		parts = append(parts, fmt.Sprintf("%d to %d characters", s.minLength, s.maxLength))
	}
	return strings.Join(parts, ", ")
}
