package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/settings"
)

// What is wrong with a request before any operation sees it.
var (
	errBadRequest = errors.New("the request is not as the document says")
	errNoToken    = errors.New("no access token")
	errSecondStep = errors.New("the person signed in without a second step")
	errMediaType  = errors.New("a body is application/json")
	errNoIfMatch  = errors.New("If-Match is missing")
	errStale      = errors.New("somebody else changed it since it was read")
	errMethod     = errors.New("this path has no such method")
)

// Problem is a refusal (RFC 9457).
type Problem struct {
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Code      ProblemCode     `json:"code"`
	Detail    *string         `json:"detail,omitempty"`
	RequestID string          `json:"request_id"`
	Errors    *[]FieldProblem `json:"errors,omitempty"`
}

// FieldProblem is what is wrong with a field or a parameter.
type FieldProblem struct {
	Pointer   *string `json:"pointer,omitempty"`
	Parameter *string `json:"parameter,omitempty"`
	Detail    string  `json:"detail"`
}

// ProblemCode is what a problem is, for programs.
type ProblemCode string

// The codes.
const (
	ProblemCodeBadRequest                     ProblemCode = "bad_request"
	ProblemCodeUnauthorized                   ProblemCode = "unauthorized"
	ProblemCodeInvalidToken                   ProblemCode = "invalid_token"
	ProblemCodeInsufficientScope              ProblemCode = "insufficient_scope"
	ProblemCodeInsufficientUserAuthentication ProblemCode = "insufficient_user_authentication"
	ProblemCodeForbidden                      ProblemCode = "forbidden"
	ProblemCodeNotFound                       ProblemCode = "not_found"
	ProblemCodeMethodNotAllowed               ProblemCode = "method_not_allowed"
	ProblemCodeConflict                       ProblemCode = "conflict"
	ProblemCodeStale                          ProblemCode = "stale"
	ProblemCodeTooLarge                       ProblemCode = "too_large"
	ProblemCodeUnsupportedMediaType           ProblemCode = "unsupported_media_type"
	ProblemCodeUnprocessable                  ProblemCode = "unprocessable"
	ProblemCodePreconditionRequired           ProblemCode = "precondition_required"
	ProblemCodeTooSoon                        ProblemCode = "too_soon"
	ProblemCodeFault                          ProblemCode = "fault"
)

// refusal is how an error is answered.
type refusal struct {
	err    error
	status int
	code   ProblemCode
	// detail is what to say, empty for the error's own text, which then must be safe.
	detail string
}

const refusedAsItIs = "This cannot be carried out as it is."

// refusals is the table of all errors; the first that matches counts. What is not
// here is our fault.
var refusals = []refusal{
	{errNoToken, http.StatusUnauthorized, ProblemCodeUnauthorized, "Send an access token: Authorization: Bearer."},
	{idp.ErrTokenInvalid, http.StatusUnauthorized, ProblemCodeInvalidToken, "The access token does not work here, or no longer."},
	{idp.ErrScopeInsufficient, http.StatusForbidden, ProblemCodeInsufficientScope, "The access token lacks the scope " + idp.AdminScope + "."},
	{errSecondStep, http.StatusUnauthorized, ProblemCodeInsufficientUserAuthentication, "Sign in with a second step."},
	{authz.ErrStepUp, http.StatusUnauthorized, ProblemCodeInsufficientUserAuthentication, "This needs a second step of at most 10 minutes ago."},
	{authz.ErrForbidden, http.StatusForbidden, ProblemCodeForbidden, "Your roles do not allow this, or not for this person, app or role."},
	{errNoIfMatch, http.StatusPreconditionRequired, ProblemCodePreconditionRequired, "Send the resource's ETag as If-Match."},
	{errStale, http.StatusPreconditionFailed, ProblemCodeStale, "Somebody else changed this since you read it. Nothing was changed now."},
	{errMediaType, http.StatusUnsupportedMediaType, ProblemCodeUnsupportedMediaType, "Send the body as application/json in UTF-8, unencoded."},
	{errMethod, http.StatusMethodNotAllowed, ProblemCodeMethodNotAllowed, "This path has no such method."},
	{errBadRequest, http.StatusBadRequest, ProblemCodeBadRequest, ""},
	{idp.ErrLastAdmin, http.StatusConflict, ProblemCodeConflict, "Nobody would be left who holds the role Admin and can sign in."},
	{idp.ErrSystemRole, http.StatusConflict, ProblemCodeConflict, "A system role cannot be changed."},
	{idp.ErrInUse, http.StatusConflict, ProblemCodeConflict, "It is in use."},
	{idp.ErrTwoSecrets, http.StatusConflict, ProblemCodeConflict, "There are two secrets already: remove one first."},
	{system.ErrNoMail, http.StatusConflict, ProblemCodeConflict, "No mail server is configured."},
	{system.ErrNoLogoutURI, http.StatusConflict, ProblemCodeConflict, ""},
	{idp.ErrConflict, http.StatusConflict, ProblemCodeConflict, "That is taken, or somebody else changed it at the same moment."},
	{idp.ErrNotFound, http.StatusNotFound, ProblemCodeNotFound, "There is no such thing."},
	{idp.ErrUnreadable, http.StatusConflict, ProblemCodeConflict, "This can no longer be read: the master key that it was encrypted with is lost, or it was damaged. Make it anew."},
	{idp.ErrInvalid, http.StatusUnprocessableEntity, ProblemCodeUnprocessable, refusedAsItIs},
}

// explain turns an error into a problem and the headers that go with it. v may be
// nil.
func explain(v *call, err error) (Problem, http.Header) {
	if p, after, ok := explainLater(err); ok {
		return p, http.Header{"Retry-After": {strconv.Itoa(after)}}
	}
	if p, ok := explainFields(v, err); ok {
		return p, nil
	}
	var tooLarge *http.MaxBytesError
	var rotating *idp.RotatingError
	var named *apps.NamedError
	var refused *refusedMail
	var unanswered *system.UnansweredError
	var unproven *idp.ProofError
	switch {
	case errors.As(err, &unproven):
		return problem(http.StatusUnauthorized, ProblemCodeInvalidToken, sentence(unproven.Why)), http.Header{"Www-Authenticate": {unproven.Challenge}, "Dpop-Nonce": {unproven.Nonce}}
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, ProblemCodeTooLarge, "A body has at most 64 KiB."), nil
	case errors.As(err, &named):
		return problem(http.StatusConflict, ProblemCodeConflict, "These apps name the API in resources: "+strings.Join(named.Apps, ", ")+". Take it from them first."), nil
	case errors.As(err, &rotating):
		return problem(http.StatusConflict, ProblemCodeConflict, sentence(rotating.Error())), nil
	case errors.As(err, &unanswered):
		return problem(http.StatusUnprocessableEntity, ProblemCodeUnprocessable, "The app did not take it: "+unanswered.Error()+"."), nil
	case errors.As(err, &refused):
		return problem(http.StatusUnprocessableEntity, ProblemCodeUnprocessable, "The mail server did not take it: "+refused.Error()), nil
	}
	return explainListed(v, err)
}

// explainLater is for what may be asked again, after so many seconds.
func explainLater(err error) (p Problem, after int, ok bool) {
	busy := int(idp.BusyWait / time.Second)
	seconds := func(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }
	var tooSoon *factors.TooSoonError
	var later *authz.WaitError
	switch {
	case errors.As(err, &tooSoon):
		return problem(http.StatusTooManyRequests, ProblemCodeTooSoon, sentence(tooSoon.Error())), seconds(tooSoon.At.Sub(idp.Now())), true
	case errors.As(err, &later):
		return problem(http.StatusTooManyRequests, ProblemCodeTooSoon, "Too many mails went to this address, or were sent by you. Try again later."), seconds(later.For), true
	case errors.Is(err, idp.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, ProblemCodeFault, "The database does not answer right now. Nothing was changed."), busy, true
	case errors.Is(err, idp.ErrBusy):
		return problem(http.StatusServiceUnavailable, ProblemCodeFault, "There is too much to do right now. Nothing was changed."), busy, true
	}
	return p, 0, false
}

// explainFields is for what is wrong with fields of a request.
func explainFields(v *call, err error) (p Problem, ok bool) {
	var several settings.Errors
	var wrong *mismatch
	var taken *takenError
	switch {
	case errors.As(err, &wrong):
		p = problem(http.StatusBadRequest, ProblemCodeBadRequest, "The request is not as the document says.")
		if wrong.status == http.StatusUnprocessableEntity {
			p = problem(wrong.status, ProblemCodeUnprocessable, "There is nothing of that name.")
		}
		p.Errors = &wrong.fields
	case errors.As(err, &several):
		p = errorsProblem(v, several)
	case errors.As(err, &taken):
		p = problem(http.StatusConflict, ProblemCodeConflict, "Something else has this "+taken.field+".")
		at := pointer(taken.field)
		p.Errors = &[]FieldProblem{{Pointer: &at, Detail: "is taken"}}
	default:
		return p, false
	}
	return p, true
}

// explainListed is for the refusals that are listed, and for faults of ours.
func explainListed(v *call, err error) (Problem, http.Header) {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			if r.code == ProblemCodeNotFound && v != nil {
				return v.notFound(err), nil
			}
			detail := r.detail
			if detail == "" {
				detail = sentence(err.Error())
			}
			return problem(r.status, r.code, detail), challenge(v, r)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) { // of what a mail server or app was waited for, it is told above
		return explain(v, idp.ErrUnavailable)
	}
	return problem(http.StatusInternalServerError, ProblemCodeFault, "This is our fault. The cause is in our log, under request_id."), nil
}

func problem(status int, code ProblemCode, detail string) Problem {
	return Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: &detail}
}

// sentence makes a text of an error's.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + strings.ToValidUTF8(text[1:], "\uFFFD") + "."
}

// challenge is the WWW-Authenticate of a refusal (RFC 6750 section 3, RFC 9470
// section 3). A step-up asks for the strongest second step that the caller has: with
// less, the app would ask, and be refused, for ever.
func challenge(v *call, r refusal) http.Header {
	text := `Bearer realm="gatehouse"`
	if v != nil && strings.HasPrefix(strings.ToLower(v.GetHeader("Authorization")), "dpop ") {
		text = `DPoP realm="gatehouse"`
	}
	switch r.code {
	case ProblemCodeUnauthorized:
	case ProblemCodeInvalidToken, ProblemCodeInsufficientScope:
		text += `, error="` + string(r.code) + `"`
		if r.code == ProblemCodeInsufficientScope {
			text += `, scope="` + idp.AdminScope + `"`
		}
	case ProblemCodeInsufficientUserAuthentication:
		acr := idp.ACRTwoStep
		if v != nil && v.stepUpACR != "" {
			acr = v.stepUpACR
		}
		text += `, error="` + string(r.code) + `", acr_values="` + string(acr) + `"`
		if errors.Is(r.err, authz.ErrStepUp) {
			text += `, max_age="` + strconv.Itoa(int(authz.FreshSecondStep/time.Second)) + `"`
		}
	default:
		return nil
	}
	return http.Header{"Www-Authenticate": {text}}
}

// meant says what a conflict is: of a request with If-Match, another was first; of
// another, a field has what something else has.
func (v *call) meant(err error) error {
	switch {
	case !errors.Is(err, idp.ErrConflict):
		return err
	case v.operation.IfMatch != unconditional:
		return errStale
	case v.operation.Taken != "":
		return &takenError{v.operation.Taken, err}
	}
	return err
}

// notFound says what of what the path names there is not: the nouns of errors are those
// of parameters.
func (v *call) notFound(err error) Problem {
	p := problem(http.StatusNotFound, ProblemCodeNotFound, "There is no such thing.")
	var named []string
	for _, one := range v.operation.parameters {
		if one.In == "path" && one.Name != "index" {
			named = append(named, one.Name)
		}
	}
	if len(named) == 0 {
		return p
	}
	missing := named[0]
	for _, name := range named {
		if noun, _, _ := strings.Cut(err.Error(), ":"); strings.HasPrefix(noun, strings.TrimSuffix(name, "_id")) {
			missing = name
		}
	}
	detail := "There is no such " + strings.TrimSuffix(missing, "_id") + "."
	if strings.HasPrefix(err.Error(), "certificate") {
		detail = "The connection has no certificate."
	}
	p.Detail = &detail
	p.Errors = &[]FieldProblem{{Parameter: &missing, Detail: "not found"}}
	return p
}

// takenError is a conflict about a field.
type takenError struct {
	field string
	error
}

// Unwrap is the conflict.
func (e *takenError) Unwrap() error { return e.error }

// refusedMail is what a mail server said.
type refusedMail struct{ error }
