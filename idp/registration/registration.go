package registration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/settings"
	"gatehouse/idp/throttle"
)

// Path is the registration endpoint, below the issuer. The client configuration endpoint of an
// app is below it, by the app's id.
const Path = "/register"

// Endpoint serves apps that register themselves.
type Endpoint struct {
	Apps    *apps.Manager
	Limiter *throttle.Limiter
	// Issuer is the provider's URL.
	Issuer string
	// Text writes a text of the catalogues.
	Text func(key string, args ...any) string
}

// Routes registers the endpoints. They read no cookies.
func (e *Endpoint) Routes(r *gin.RouterGroup) {
	r.POST(Path, e.serve(e.register))
	r.GET(Path+"/:client_id", e.serve(e.read))
	r.PUT(Path+"/:client_id", e.serve(e.change))
	r.DELETE(Path+"/:client_id", e.serve(e.remove))
	for _, other := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		r.Handle(other, Path, otherMethod("POST"))
	}
	for _, other := range []string{http.MethodPost, http.MethodPatch} {
		r.Handle(other, Path+"/:client_id", otherMethod("GET, PUT, DELETE"))
	}
}

// The errors of RFC 7591 section 3.2.2 and RFC 6750 section 3.1.
const (
	invalidRedirectURI  = "invalid_redirect_uri"
	invalidMetadata     = "invalid_client_metadata"
	invalidStatement    = "invalid_software_statement"
	invalidRequest      = "invalid_request"
	invalidToken        = "invalid_token"
	insufficientScope   = "insufficient_scope"
	temporarilyNotThere = "temporarily_unavailable"
	serverError         = "server_error"
)

// failure is an error for an app.
type failure struct {
	status      int
	code        string
	description string
	cause       error
}

// Error implements error.
func (f *failure) Error() string { return f.code + ": " + f.description }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

func fail(status int, code, description string) *failure {
	return &failure{status: status, code: code, description: description}
}

// handler answers with a status and a body; nil for none.
type handler func(c *gin.Context, bearer string) (status int, body any, err error)

// serve lets in who brings a token, at the pace of their network address.
func (e *Endpoint) serve(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Cache-Control", "no-store")
		c.Header("Pragma", "no-cache")
		bearer, err := e.enter(c)
		var status int
		var body any
		if err == nil {
			status, body, err = h(c, bearer)
		}
		switch {
		case err != nil:
			e.refuse(c, err)
		case body == nil:
			c.Status(status)
			c.Writer.WriteHeaderNow()
		default:
			c.JSON(status, body)
		}
	}
}

func (e *Endpoint) enter(c *gin.Context) (bearer string, err error) {
	ctx := c.Request.Context()
	if _, err := e.Limiter.Begin(ctx, e.Limiter.Registrations(idp.VisitFrom(ctx).Address)); err != nil {
		return "", err
	}
	values := c.Request.Header.Values("Authorization")
	if len(values) == 0 {
		return "", &failure{status: http.StatusUnauthorized, description: "a bearer token is needed"}
	}
	scheme, bearer, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || len(values) > 1 || bearer == "" {
		return "", fail(http.StatusUnauthorized, invalidToken, "the Authorization header must have one bearer token")
	}
	return bearer, nil
}

// register is RFC 7591 section 3.1.
func (e *Endpoint) register(c *gin.Context, bearer string) (int, any, error) {
	body, err := metadata(c.Request)
	if err != nil {
		return 0, nil, err
	}
	r, err := e.Apps.Register(c.Request.Context(), bearer, body)
	return http.StatusCreated, e.information(r), err
}

// read is RFC 7592 section 2.1.
func (e *Endpoint) read(c *gin.Context, bearer string) (int, any, error) {
	r, err := e.Apps.Registered(c.Request.Context(), c.Param("client_id"), bearer)
	return http.StatusOK, e.information(r), err
}

// change is RFC 7592 section 2.2.
func (e *Endpoint) change(c *gin.Context, bearer string) (int, any, error) {
	body, err := metadata(c.Request)
	if err != nil {
		return 0, nil, err
	}
	r, err := e.Apps.ChangeRegistered(c.Request.Context(), c.Param("client_id"), bearer, body)
	return http.StatusOK, e.information(r), err
}

// remove is RFC 7592 section 2.3.
func (e *Endpoint) remove(c *gin.Context, bearer string) (int, any, error) {
	return http.StatusNoContent, nil, e.Apps.DeleteRegistered(c.Request.Context(), c.Param("client_id"), bearer)
}

// information is what an app is answered (RFC 7592 section 3).
func (e *Endpoint) information(r apps.Registered) map[string]any {
	body := apps.MetadataOf(r.Client)
	body["registration_client_uri"] = e.Issuer + Path + "/" + r.ID
	body["registration_access_token"] = r.AccessToken
	if r.Secret != "" {
		body["client_secret"] = r.Secret
	}
	return body
}

// metadata reads the body of a request.
func metadata(r *http.Request) (apps.Metadata, error) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/json") {
		return nil, fail(http.StatusBadRequest, invalidMetadata, "the body must be application/json")
	}
	text, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &failure{http.StatusRequestEntityTooLarge, invalidMetadata, "the body is too large", err}
	case err != nil:
		return nil, &failure{http.StatusBadRequest, invalidMetadata, "the body cannot be read", err}
	}
	var body apps.Metadata
	if err := json.Unmarshal(text, &body); err != nil || body == nil {
		return nil, &failure{http.StatusBadRequest, invalidMetadata, "the body must be a JSON object", err}
	}
	if _, has := body["software_statement"]; has {
		return nil, fail(http.StatusBadRequest, invalidStatement, "software statements are not supported")
	}
	return body, nil
}

// refuse answers an error.
func (e *Endpoint) refuse(c *gin.Context, err error) {
	f := e.explain(err)
	level := slog.LevelInfo
	if f.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	slog.LogAttrs(c.Request.Context(), level, "registration refused", slog.String("error", f.code), slog.Any("cause", err))
	switch f.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		challenge := "Bearer"
		if f.code != "" {
			challenge += fmt.Sprintf(` error=%q`, f.code)
		}
		c.Header("WWW-Authenticate", challenge)
	case http.StatusTooManyRequests:
		var limited *throttle.LimitedError
		if errors.As(err, &limited) {
			c.Header("Retry-After", fmt.Sprint(int((limited.Wait+time.Second-1)/time.Second)))
		}
	}
	body := map[string]string{"error": f.code, "error_description": f.description}
	if f.code == "" { // RFC 6750 section 3.1: nothing but the challenge
		body["error"] = invalidToken
	}
	c.AbortWithStatusJSON(f.status, body)
}

// explain is the answer to an error.
func (e *Endpoint) explain(err error) *failure {
	var f *failure
	var wrong settings.Errors
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, idp.ErrUnavailable):
		return fail(http.StatusServiceUnavailable, temporarilyNotThere, e.Text("settings.registration.fault"))
	case errors.As(err, new(*throttle.LimitedError)):
		return fail(http.StatusTooManyRequests, temporarilyNotThere, e.Text("settings.registration.too_many"))
	case errors.Is(err, apps.ErrNoRegistration):
		return fail(http.StatusUnauthorized, invalidToken, e.Text("settings.registration.token"))
	case errors.Is(err, apps.ErrRegistrationFrozen):
		return fail(http.StatusForbidden, insufficientScope, e.Text("settings.registration.frozen"))
	case errors.As(err, &wrong) && len(wrong) > 0:
		return fail(http.StatusBadRequest, codeOf(wrong), e.describe(wrong))
	case errors.Is(err, idp.ErrConflict):
		return fail(http.StatusConflict, invalidRequest, e.Text("settings.registration.conflict"))
	}
	return fail(http.StatusInternalServerError, serverError, e.Text("settings.registration.fault"))
}

// codeOf is the error of what is wrong with an app's metadata.
func codeOf(wrong settings.Errors) string {
	if wrong.Of("redirect_uris") != nil {
		return invalidRedirectURI
	}
	return invalidMetadata
}

// describe says all that is wrong, each by the name that the app knows.
func (e *Endpoint) describe(wrong settings.Errors) string {
	names := map[string]string{}
	for _, f := range settings.Client().Registrable() {
		names[f.Name] = f.Metadata
	}
	var list []string
	for _, one := range wrong {
		name := one.Field
		if known := names[name]; known != "" {
			name = known
		}
		list = append(list, name+": "+e.Text(one.Key, one.Args...))
	}
	return strings.Join(list, " ")
}

func otherMethod(allow string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Allow", allow)
		c.Header("Cache-Control", "no-store")
		c.AbortWithStatusJSON(http.StatusMethodNotAllowed, map[string]string{"error": invalidRequest, "error_description": "this endpoint takes " + allow})
	}
}
