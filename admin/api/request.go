package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"gatehouse/idp/web"
)

// mismatch is a request that is not as the document says.
type mismatch struct{ fields []FieldProblem }

// Error implements error.
func (m *mismatch) Error() string { return fmt.Sprintf("%d fields are wrong", len(m.fields)) }

// Unwrap makes it a bad request.
func (m *mismatch) Unwrap() error { return errBadRequest }

// inspect checks the request against the document: parameters first, then the body.
func (v *call) inspect() error {
	query, err := url.ParseQuery(v.Request.URL.RawQuery)
	if err != nil {
		return fmt.Errorf("%w: query: %w", errBadRequest, err)
	}
	wrong := &mismatch{}
	complain := func(name, format string, args ...any) {
		wrong.fields = append(wrong.fields, FieldProblem{Parameter: &name, Detail: fmt.Sprintf(format, args...)})
	}
	precondition := false
	for _, p := range v.operation.parameters {
		var values []string
		switch p.In {
		case "path":
			values = []string{v.Param(p.Name)}
		case "query":
			values = query[p.Name]
			delete(query, p.Name)
		case "header":
			values = v.Request.Header.Values(p.Name)
			precondition = precondition || p.Required && len(values) == 0
		}
		switch {
		case len(values) > 1:
			complain(p.Name, "stands here twice")
		case len(values) == 1:
			if text := p.schema.checkText(values[0]); text != "" {
				complain(p.Name, "%s", text)
			}
		}
	}
	for name := range query {
		if len(wrong.fields) < maxComplaints {
			complain(cutText(strings.ToValidUTF8(name, "\uFFFD")), "there is no such parameter")
		}
	}
	switch {
	case len(wrong.fields) > 0:
		return wrong
	case precondition:
		return errNoIfMatch
	}
	return v.inspectBody()
}

func (v *call) inspectBody() error {
	r := v.Request
	if v.operation.body != nil && !isJSON(r.Header) {
		return errMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(v.Writer, r.Body, web.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case err != nil:
		return fmt.Errorf("%w: read the body: %w", errBadRequest, err)
	case v.operation.body == nil && len(body) > 0:
		return fmt.Errorf("%w: this operation takes no body", errBadRequest)
	case v.operation.body == nil:
		return nil
	}
	value, err := parse(body)
	if err != nil {
		return err
	}
	v.body = body
	if found := v.operation.body.check(value, "", nil); len(found) > 0 {
		wrong := &mismatch{}
		slices.SortFunc(found, func(a, b complaint) int { return strings.Compare(a.pointer, b.pointer) })
		for _, f := range found {
			wrong.fields = append(wrong.fields, FieldProblem{Pointer: &f.pointer, Detail: f.detail})
		}
		return wrong
	}
	return nil
}

func isJSON(h http.Header) bool {
	values := h.Values("Content-Type")
	if len(values) != 1 || h.Get("Content-Encoding") != "" {
		return false
	}
	kind, parameters, err := mime.ParseMediaType(values[0])
	charset, given := parameters["charset"]
	return err == nil && kind == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}

// parse reads a body that is one JSON text in UTF-8, and has no name twice in an
// object: programs disagree on which of two counts (RFC 8259 section 4).
func parse(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("%w: the body is not UTF-8", errBadRequest)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	value, err := parseValue(d, 0)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return value, nil
		}
		err = errors.New("more than one value")
	}
	return nil, fmt.Errorf("%w: the body is not JSON: %w", errBadRequest, err)
}

// maxDepth is far deeper than anything in the document.
const maxDepth = 16

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	delimiter, ok := t.(json.Delim)
	switch {
	case !ok:
		return t, nil
	case depth >= maxDepth:
		return nil, errors.New("too deep")
	case delimiter == '[':
		list := []any{}
		for d.More() {
			item, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err = d.Token()
		return list, err
	}
	object := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("%q stands here twice", cutText(name))
		}
		if object[name], err = parseValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = d.Token()
	return object, err
}

// read decodes the body, which was checked. Names differ by case alone in no schema,
// and were compared exactly.
func read[T any](v *call) (T, error) {
	var into T
	if err := json.Unmarshal(v.body, &into); err != nil {
		return into, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return into, nil
}

// reason reads the body of operations that take nothing else.
func (v *call) reason() (string, error) {
	r, err := read[Reason](v)
	return r.Reason, err
}

// versionIn is the version in an If-Match that was checked.
func versionIn(ifMatch string) int64 {
	version, _ := strconv.ParseInt(strings.Trim(ifMatch, `"`), 10, 64)
	return version
}

// or is what a pointer points to, the zero value for nil.
func or[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}

// json answers.
func (v *call) json(status int, body any) error {
	writeJSON(v.Context, status, "application/json", body)
	return nil
}

// versioned answers with a resource that has a version.
func (v *call) versioned(status int, version int64, body any) error {
	if version != 0 {
		v.Header("ETag", etag(version))
	}
	return v.json(status, body)
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// created answers with a new resource; it is found below the path that was posted to.
func (v *call) created(id string, version int64, body any) error {
	v.Header("Location", v.Request.URL.Path+"/"+url.PathEscape(id))
	return v.versioned(http.StatusCreated, version, body)
}

// done answers that there is nothing to tell.
func (v *call) done() error {
	v.Status(http.StatusNoContent)
	v.Writer.WriteHeaderNow()
	return nil
}

func writeJSON(c *gin.Context, status int, kind string, body any) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		panic(err) // types of ours always encode
	}
	c.Data(status, kind, out.Bytes())
}
