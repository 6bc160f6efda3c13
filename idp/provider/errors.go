package provider

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
)

// errorCode is an error of OAuth 2.0 or OpenID Connect.
type errorCode string

// The errors that the library has no name for, or that we answer by ourselves.
const (
	invalidRequest          errorCode = "invalid_request"
	invalidScope            errorCode = "invalid_scope"
	invalidGrant            errorCode = "invalid_grant"
	invalidClient           errorCode = "invalid_client"
	invalidToken            errorCode = "invalid_token"
	invalidTarget           errorCode = "invalid_target" // RFC 8707
	unauthorizedClient      errorCode = "unauthorized_client"
	insufficientScope       errorCode = "insufficient_scope"     // RFC 6750
	unsupportedTokenType    errorCode = "unsupported_token_type" // RFC 7009
	unsupportedResponseType errorCode = "unsupported_response_type"
	// RFC 8628 section 3.5.
	authorizationPending errorCode = "authorization_pending"
	slowDown             errorCode = "slow_down"
	accessDenied         errorCode = "access_denied"
	expiredToken         errorCode = "expired_token"
	// RFC 9449 section 12.2.
	invalidProof             errorCode = "invalid_dpop_proof"
	useNonce                 errorCode = "use_dpop_nonce"
	loginRequired            errorCode = "login_required"
	interactionRequired      errorCode = "interaction_required"
	accountSelectionRequired errorCode = "account_selection_required"
	requestNotSupported      errorCode = "request_not_supported"
	requestURINotSupported   errorCode = "request_uri_not_supported"
	registrationNotSupported errorCode = "registration_not_supported"
	// unmetRequirements: OpenID Connect Core Unmet Authentication Requirements 1.0.
	unmetRequirements errorCode = "unmet_authentication_requirements"
	// temporarilyUnavailable is of RFC 6749 section 4.1.2.1. The token endpoint has no code
	// for it; there the status says it, 503.
	temporarilyUnavailable errorCode = "temporarily_unavailable"
)

// failure is an error for a client: a standard's code and a safe sentence. The
// cause goes to the log.
type failure struct {
	code        errorCode
	description string
	cause       error
}

func fail(code errorCode, description string) *failure {
	return &failure{code: code, description: description}
}

func (f *failure) because(cause error) *failure {
	f.cause = cause
	return f
}

// Error implements error.
func (f *failure) Error() string { return string(f.code) + ": " + f.description }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

// toLibrary maps any error to one that the library answers as it is, so that
// no text of ours, of a driver's least of all, reaches a client.
func toLibrary(err error) error {
	if err == nil {
		return nil
	}
	f, ok := failureOf(err)
	if !ok {
		e := &oidc.Error{Parent: err, ErrorType: oidc.ServerError, Description: serverFailure}
		return op.NewStatusError(e, http.StatusInternalServerError)
	}
	e := &oidc.Error{Parent: f.cause, Description: f.description}
	e.ErrorType = as(e.ErrorType, f.code)
	return op.NewStatusError(e, f.status())
}

// status is what goes with the code (RFC 6749 section 5.2, RFC 6750 section 3.1).
func (f *failure) status() int {
	var tooLarge *http.MaxBytesError
	switch {
	case f.code == temporarilyUnavailable:
		return http.StatusServiceUnavailable
	case f.code == invalidClient || f.code == invalidToken:
		return http.StatusUnauthorized
	case f.code == insufficientScope:
		return http.StatusForbidden
	case errors.As(f.cause, &tooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// failureOf finds the error for a client in an error. A database that does not serve us
// is what is wrong, whatever was made of that.
func failureOf(err error) (*failure, bool) {
	if errors.Is(err, idp.ErrUnavailable) {
		return fail(temporarilyUnavailable, serverFailure).because(err), true
	}
	var f *failure
	return f, errors.As(err, &f)
}

// logFailure logs what is not the client's fault.
func logFailure(ctx context.Context, f *failure) {
	if f.code == temporarilyUnavailable {
		slog.ErrorContext(ctx, "request failed", "error", string(f.code), "cause", f.cause)
	}
}

// serverFailure is what a client hears of our own faults.
const serverFailure = "the request could not be served; try again"

// refuse answers any error to a client that authenticates with its request.
func refuse(c *gin.Context, err error) {
	f, ok := failureOf(err)
	if !ok {
		slog.ErrorContext(c.Request.Context(), "request failed", "path", c.FullPath(), "cause", err)
		answerError(c, http.StatusInternalServerError, fail("server_error", serverFailure))
		return
	}
	logFailure(c.Request.Context(), f)
	status := f.status()
	if f.code == invalidClient {
		status = refusedClient(c)
	}
	answerError(c, status, f)
}

const challengeBasic = `Basic realm="token"`

// refusedClient is the status of invalid_client, with its challenge: 401 after an
// Authorization header, and else 400 (RFC 6749 section 5.2); at introspection always 401
// (RFC 7662 section 2.3).
func refusedClient(c *gin.Context) int {
	if c.GetHeader("Authorization") == "" && !c.GetBool(alwaysChallenge) {
		return http.StatusBadRequest
	}
	c.Header("WWW-Authenticate", challengeBasic)
	return http.StatusUnauthorized
}

// alwaysChallenge marks a request that is answered with a challenge wherever its
// credentials were.
const alwaysChallenge = "always challenge"

// as converts a code to the library's error type, whose name is not exported.
func as[T ~string](_ T, code errorCode) T { return T(code) }

// answerError sends an error as RFC 6749 section 5.2 has it, where the library
// is not reached.
func answerError(c *gin.Context, status int, f *failure) {
	slog.InfoContext(c.Request.Context(), "request refused", "error", string(f.code), "cause", f.cause)
	body, _ := json.Marshal(map[string]string{"error": string(f.code), "error_description": f.description}) // strings
	c.Header("Cache-Control", "no-store")
	c.Data(status, "application/json", body)
	c.Abort()
}
