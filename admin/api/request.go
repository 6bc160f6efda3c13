package api

import (
	"bytes"
	"cmp"
	"context"
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

	"gatehouse/idp/manage/entry"
	"gatehouse/idp/web"
)

// mismatch is a request that is not as the document says.
type mismatch struct {
	fields []FieldProblem
	status int
}

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
	wrong := &mismatch{status: http.StatusBadRequest}
	missing := false
	for _, p := range v.operation.parameters {
		values := v.given(p, query)
		missing = missing || p.In == "header" && p.Required && len(values) == 0
		switch {
		case len(values) > 1:
			wrong.parameter(p.Name, complaint{detail: "stands here twice"})
		case len(values) == 1:
			if found := p.check(values[0]); found != nil {
				wrong.parameter(p.Name, *found)
			}
		}
	}
	for name := range query {
		if len(wrong.fields) < maxComplaints {
			wrong.parameter(cutText(strings.ToValidUTF8(name, "\uFFFD")), complaint{detail: "there is no such parameter"})
		}
	}
	switch {
	case len(wrong.fields) > 0:
		return wrong
	case missing:
		return errNoIfMatch
	}
	return v.inspectBody()
}

// given are the values of a parameter. What the document does not know stays in query.
func (v *call) given(p parameter, query url.Values) []string {
	switch p.In {
	case "path":
		return []string{v.Param(p.Name)}
	case "header":
		return v.Request.Header.Values(p.Name)
	}
	values := query[p.Name]
	delete(query, p.Name)
	return values
}

// parameter adds what is wrong with one. That there is no such kind or population is no
// fault of the request's form.
func (m *mismatch) parameter(name string, c complaint) {
	if c.unknown && len(m.fields) == 0 {
		m.status = http.StatusUnprocessableEntity
	} else if !c.unknown {
		m.status = http.StatusBadRequest
	}
	m.fields = append(m.fields, FieldProblem{Parameter: &name, Detail: c.detail})
}

// narrowed refuses a list of what belongs to an unknown population or role: an empty one
// would say that it is known.
func (v *call) narrowed() error {
	wrong := &mismatch{status: http.StatusUnprocessableEntity}
	for name, known := range map[string]func(context.Context, string) (bool, error){
		"population": v.manage.Populations.KnowsPopulation, "role": v.manage.Roles.KnowsRole,
	} {
		id := v.Query(name)
		if id == "" {
			continue
		}
		ok, err := known(v.ctx, id)
		if err != nil {
			return err
		}
		if !ok {
			wrong.parameter(name, complaint{detail: "there is none of this id", unknown: true})
		}
	}
	if len(wrong.fields) > 0 {
		return wrong
	}
	return nil
}

func (v *call) inspectBody() error {
	r := v.Request
	if v.operation.bodyRequired() && !isJSON(r.Header) {
		return errMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(v.Writer, r.Body, web.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case err != nil:
		return fmt.Errorf("%w: read the body: %w", errBadRequest, err)
	case v.operation.Body == nil && len(body) > 0:
		return fmt.Errorf("%w: this operation takes no body", errBadRequest)
	case v.operation.Body == nil, len(body) == 0 && !v.operation.bodyRequired():
		return nil
	case !isJSON(r.Header):
		return errMediaType
	}
	value, err := parse(body)
	if err != nil {
		return err
	}
	if found := complaints(v.document.body(v.operation), value); len(found) > 0 {
		wrong := &mismatch{status: http.StatusBadRequest}
		slices.SortFunc(found, func(a, b complaint) int { return strings.Compare(a.pointer, b.pointer) })
		for _, f := range found {
			wrong.fields = append(wrong.fields, FieldProblem{Pointer: &f.pointer, Detail: f.detail})
		}
		return wrong
	}
	v.body, err = json.Marshal(plain(value))
	return err
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

// bounded refuses numbers that take long to compute: no field comes near them.
func bounded(number string) error {
	_, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	if len(strings.TrimLeft(exponent, "+-0")) > 3 || len(number) > 100 {
		return errors.New("a number is too large, or too exact")
	}
	return nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if n, ok := t.(json.Number); ok {
		return n, bounded(n.String())
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
// and were compared exactly. There is none where a DELETE came without.
func read[T any](v *call) (T, error) {
	var into T
	if len(v.body) == 0 {
		return into, nil
	}
	if err := json.Unmarshal(v.body, &into); err != nil {
		return into, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return into, nil
}

// reason is that of the body, or of the query, where a DELETE has it: many programs
// cannot send a body with that.
func (v *call) reason() (string, error) {
	r, err := read[Reason](v)
	return cmp.Or(r.Reason, v.Query("reason")), err
}

// version is that of If-Match, which was checked; 0 without.
func (v *call) version() int64 {
	version, _ := strconv.ParseInt(strings.Trim(v.GetHeader("If-Match"), `"`), 10, 64)
	return version
}

// page is which page of a list is asked for.
func (v *call) page() (after entry.Cursor, limit int) {
	limit, _ = strconv.Atoi(v.Query("limit")) // which was checked
	return entry.Cursor(v.Query("after")), limit
}

// tagged is an answer with the version that it has, where the caller may change it.
func (v *call) tagged(version int64, body any) any {
	if version != 0 {
		v.Header("ETag", etag(version))
	}
	return body
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// made is a new thing as an answer; it is found below the path that was posted to.
func (v *call) made(id string, version int64, body any) any {
	v.Header("Location", v.Request.URL.Path+"/"+url.PathEscape(id))
	return v.tagged(version, body)
}

// each maps a list; the answer to an empty one is [] and not null.
func each[T, U any](list []T, f func(T) U) []U {
	out := make([]U, len(list))
	for i, item := range list {
		out[i] = f(item)
	}
	return out
}

// full is a list that is never null.
func full(list []string) []string { return append([]string{}, list...) }

// rows are an answer that is a list; next is where its next page begins, empty for the
// last.
func rows[T, U any](v *call, items []T, next entry.Cursor, f func(T) U) map[string]any {
	answer, _ := v.operation.Answer.(list)
	body := map[string]any{answer.name: each(items, f)}
	if next != "" {
		body["next"] = next
	}
	return body
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
