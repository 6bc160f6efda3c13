package apiclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"golang.org/x/oauth2"

	"gatehouse/idp"
)

// Problem is a refusal of the API (RFC 9457).
type Problem struct {
	Status int `json:"status"`
	// Code is what it is, for programs, such as `stale`. Empty when the answer was not
	// the API's.
	Code      string         `json:"code"`
	Detail    string         `json:"detail"`
	RequestID string         `json:"request_id"`
	Errors    []FieldProblem `json:"errors"`
}

// FieldProblem says what is wrong with a field of the body or with a parameter.
type FieldProblem struct {
	Pointer   string `json:"pointer,omitempty"` // RFC 6901
	Parameter string `json:"parameter,omitempty"`
	Detail    string `json:"detail"`
}

// UnreachableError is a provider that did not answer, or not to the end.
type UnreachableError struct{ cause error }

// Error implements error.
func (e *UnreachableError) Error() string { return e.cause.Error() }

// Unwrap is the cause.
func (e *UnreachableError) Unwrap() error { return e.cause }

// Codes of problems that a caller can do something about.
const (
	Stale     = "stale"     // it was changed since it was read
	Forbidden = "forbidden" // the client's roles do not allow it
	NotFound  = "not_found"
)

// InvalidClient is the code of a TokenError for a client that is unknown, or is not by
// this secret.
const InvalidClient = "invalid_client"

// Error tells all of it, a line for each field.
func (p *Problem) Error() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s (%d %s", p.Detail, p.Status, p.Code)
	if p.RequestID != "" {
		out.WriteString(", request " + p.RequestID)
	}
	out.WriteString(")")
	for _, e := range p.Errors {
		out.WriteString("\n  " + e.where() + e.Detail)
	}
	return out.String()
}

// where is empty for what concerns the body as a whole.
func (e FieldProblem) where() string {
	if at := e.Pointer + e.Parameter; at != "" {
		return at + ": "
	}
	return ""
}

// maxProblem is the most that is read of a refusal, in bytes.
const maxProblem = 64 << 10

func readProblem(res *http.Response) error {
	p := &Problem{Status: res.StatusCode, Detail: "This is not an answer of the admin API: is the issuer right?"}
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != "application/problem+json" {
		p.Code = http.StatusText(res.StatusCode)
		return p
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxProblem)).Decode(p); err != nil {
		return fmt.Errorf("read the provider's refusal (%s): %w", res.Status, err)
	}
	return p
}

// TokenError is why there is no token. It never holds the secret.
type TokenError struct {
	// Code is that of RFC 6749 section 5.2, such as `invalid_client`; empty when the
	// provider answered nothing like it.
	Code   string
	detail string
}

// Error says what to look at.
func (e *TokenError) Error() string { return "no access token: " + e.detail }

// refusedToken explains why there is no token. The library's text holds whatever came
// back; ours does not.
func refusedToken(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return &UnreachableError{fmt.Errorf("no access token: %w", err)}
	}
	e := &TokenError{Code: refused.ErrorCode}
	switch e.Code {
	case "":
		e.detail = "the token endpoint answered " + refused.Response.Status + ": is the issuer right?"
	case InvalidClient:
		e.detail = "the provider does not know this client id with this secret (invalid_client)"
	case "invalid_scope":
		e.detail = "the client may not ask for the scope " + idp.AdminScope + ": add it to the client's (invalid_scope)"
	case "unauthorized_client":
		e.detail = "the client is not of kind service (unauthorized_client)"
	default:
		e.detail = refused.ErrorDescription + " (" + refused.ErrorCode + ")"
	}
	return e
}
