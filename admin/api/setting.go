package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
)

// decoded is the T of a body.
func decoded[T any](v *call, fields settings.Fields[T]) (t T, err error) {
	err = decodeOnto(v, fields, &t)
	return t, err
}

// decodeOnto puts what a body says onto a T.
func decodeOnto[T any](v *call, fields settings.Fields[T], t *T) error {
	body, err := read[map[string]json.RawMessage](v)
	if err != nil {
		return err
	}
	return fields.Decode(body, t).Err()
}

// changeOf is the change of a T that a body asks for.
func changeOf[T any](v *call, id string, fields settings.Fields[T]) (populations.Change[T], error) {
	beside, err := read[struct {
		Apply         populations.Apply `json:"apply"`
		PasswordAlone bool              `json:"password_alone"`
		Reason        string            `json:"reason"`
	}](v)
	if err != nil {
		return populations.Change[T]{}, err
	}
	body, err := read[map[string]json.RawMessage](v)
	if err != nil {
		return populations.Change[T]{}, err
	}
	to, err := decoded(v, fields)
	return populations.Change[T]{
		ID: id, Version: v.version(), To: to, Given: slices.Collect(maps.Keys(body)), Apply: beside.Apply, PasswordAlone: beside.PasswordAlone, Reason: beside.Reason,
	}, err
}

func withVersion[T any](fields settings.Fields[T], t T, version int64) object {
	body := fields.Encode(t)
	body["version"] = version
	return body
}

// errorsProblem says which fields or parameters an operation refuses. What comes in the
// address of a request without a body is a bad request.
func errorsProblem(v *call, wrong settings.Errors) Problem {
	p := problem(http.StatusUnprocessableEntity, ProblemCodeUnprocessable, refusedAsItIs)
	if v == nil {
		return p
	}
	var found []FieldProblem
	var details []string
	for _, e := range wrong {
		one := FieldProblem{Detail: v.text(e.Key, e.Args...)}
		details = append(details, e.Field+": "+one.Detail)
		pointer := "/" + e.Field
		switch {
		case slices.Contains(v.operation.fields, e.Field):
			one.Pointer = &pointer
		case slices.ContainsFunc(v.operation.parameters, func(p parameter) bool { return p.Name == e.Field }):
			one.Parameter = &e.Field
			if v.Request.Method == http.MethodGet {
				p = problem(http.StatusBadRequest, ProblemCodeBadRequest, "")
			}
		default:
			continue
		}
		found = append(found, one)
	}
	detail := strings.TrimSuffix(sentence(strings.Join(details, " ")), ".")
	if p.Detail = &detail; len(found) > 0 {
		p.Errors = &found
	}
	return p
}
