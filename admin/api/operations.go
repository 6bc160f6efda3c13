package api

import (
	"net/http"
	"slices"
	"strings"

	"gatehouse/idp/manage/authz"
)

// operation is one method of one path: what the document says of it beside its prose
// (document.yaml), and what carries it out.
type operation struct {
	ID     string
	Route  string // method and path
	Manage string // the operation of idp/manage, which says who may
	Query  string // names of parameters
	// IfMatch is whether the version of what is changed must or may be named.
	IfMatch precondition
	// Body is a struct, or the name of a schema that settings describe. Nil: none.
	Body any
	// Answer is as Body, or a list. Nil: there is nothing to tell.
	Answer  any
	Created bool
	ETag    bool
	// Taken is the field that a conflict is about, empty for none in particular.
	Taken string
	// Waits: it may come too soon.
	Waits bool
	// Media is the type of an answer that is no JSON.
	Media string
	run   func(v *call) (any, error)

	tag, method, path string
	parameters        []parameter
	fields            []string // of the body
	answers           object   // by status
}

// precondition is whether an operation looks at If-Match.
type precondition int

const (
	unconditional precondition = iota
	// mayMatch holds a DELETE to the version that was read, where it names one.
	mayMatch
	// mustMatch asks a change for the version that was read.
	mustMatch
)

// list is an answer that is a list of T under a name.
type list struct {
	name string
	item any
}

// operations are all of the API, in the order of its page.
func operations() []*operation {
	var all []*operation
	for _, section := range []struct {
		tag  string
		list []operation
	}{
		{"populations", populationOperations()},
		{"connections", connectionOperations()},
		{"clients", slices.Concat(clientOperations(), initialTokenOperations())},
		{"users", slices.Concat(userOperations(), recoveryOperations(), invitationOperations())},
		{"populations", coverageOperations()},
		{"sessions", append(sessionOperations(), trustedOperations()...)},
		{"roles", roleOperations()},
		{"system", systemOperations()},
		{"audit", auditOperations()},
	} {
		for _, o := range section.list {
			o.tag = section.tag
			o.method, o.path, _ = strings.Cut(o.Route, " ")
			all = append(all, &o)
		}
	}
	return all
}

// permissions are those of which one is enough.
func (o *operation) permissions() []string { return authz.Operations()[o.Manage] }

// status is that of an operation that was carried out.
func (o *operation) status() int {
	switch {
	case o.Created:
		return http.StatusCreated
	case o.Answer == nil && o.Media == "":
		return http.StatusNoContent
	}
	return http.StatusOK
}

// bodyRequired is whether there must be a body: not of a DELETE, where many programs can
// send none.
func (o *operation) bodyRequired() bool { return o.Body != nil && o.method != http.MethodDelete }

// refusals are the responses of the document that an operation can answer with beside
// its own.
func (o *operation) refusals() []string {
	names := []string{"BadRequest", "Unauthorized", "Forbidden", "Fault", "Unavailable"}
	add := func(applies bool, more ...string) {
		if applies {
			names = append(names, more...)
		}
	}
	add(strings.Contains(o.path, "{"), "NotFound")
	add(o.method != http.MethodGet, "Conflict", "Unprocessable")
	add(o.method == http.MethodGet && o.narrows(), "Unprocessable")
	add(o.Body != nil, "TooLarge", "UnsupportedMediaType")
	add(o.IfMatch != unconditional, "Stale")
	add(o.IfMatch == mustMatch, "PreconditionRequired")
	add(o.Waits, "TooSoon")
	return names
}

// narrows is whether a list can be asked for what there is not.
func (o *operation) narrows() bool {
	return slices.ContainsFunc(strings.Fields(o.Query), func(name string) bool {
		return slices.Contains([]string{"population", "role", "kind"}, name)
	})
}

// carryOut calls an operation of T for a person or thing.
type handler = func(v *call) (any, error)

// because is an operation that takes a reason and answers nothing.
func because(run func(v *call, reason string) error) handler {
	return func(v *call) (any, error) {
		reason, err := v.reason()
		if err != nil {
			return nil, err
		}
		return nil, run(v, reason)
	}
}

// with is an operation that takes a body.
func with[T any](run func(v *call, body T) (any, error)) handler {
	return func(v *call) (any, error) {
		body, err := read[T](v)
		if err != nil {
			return nil, err
		}
		return run(v, body)
	}
}
