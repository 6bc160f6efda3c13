package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
)

// Base is the path below the issuer's that everything here has.
const Base = "/admin/api/v1"

// Tokens finds who stands behind an access token. *provider.Provider does.
type Tokens interface {
	// Prove reads the proof of a request that its token goes with (RFC 9449), for AdminToken.
	// It fails with an *idp.ProofError.
	Prove(r *http.Request) (context.Context, error)
	// AdminToken fails with idp.ErrTokenInvalid, with idp.ErrScopeInsufficient, or
	// for a cause of ours.
	AdminToken(ctx context.Context, token string) (idp.AdminAccess, error)
}

// Config is what the API stands on.
type Config struct {
	Manage *manage.Manager
	Tokens Tokens
	// Issuer is the provider's URL.
	Issuer string
	// Text writes a text of the catalogues.
	Text func(key string, args ...any) string
}

// API serves the admin REST API.
type API struct {
	cfg Config
}

// New makes the API.
func New(cfg Config) *API { return &API{cfg: cfg} }

var ofGin = strings.NewReplacer("{", ":", "}", "")

// ginPath is a path of the document as Gin writes it.
func ginPath(path string) string { return ofGin.Replace(path) }

// Routes registers the API. It reads no cookies, so nothing here needs protection
// from other sites, and none may read its answers.
func (a *API) Routes(r *gin.RouterGroup) {
	g := r.Group(Base)
	a.routeDocument(g)
	all := operations()
	for i, o := range all {
		g.Handle(o.method, ginPath(o.path), func(c *gin.Context) { a.serve(c, theDocument().operations[i]) })
	}
	a.routeOtherMethods(g, all)
}

// routeOtherMethods answers the methods that a path does not have as the document
// says errors look.
func (a *API) routeOtherMethods(g *gin.RouterGroup, all []*operation) {
	methods := map[string][]string{}
	for _, o := range all {
		methods[ginPath(o.path)] = append(methods[ginPath(o.path)], o.method)
	}
	for path, has := range methods {
		allow := has
		if slices.Contains(has, http.MethodGet) {
			allow = append(slices.Clone(has), http.MethodHead)
		}
		slices.Sort(allow)
		refuse := func(c *gin.Context) {
			c.Header("Allow", strings.Join(allow, ", "))
			a.fail(c, nil, errMethod)
		}
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"} {
			if !slices.Contains(has, method) {
				g.Handle(method, path, refuse)
			}
		}
	}
}

// call is one request for an operation.
type call struct {
	*gin.Context
	ctx       context.Context
	manage    *manage.Manager
	text      func(key string, args ...any) string
	document  *document
	operation *operation
	actor     authz.Actor
	// stepUpACR is what a fresh second step of the caller takes, empty for any.
	stepUpACR idp.ACR
	body      []byte
}

// serve answers a request for an operation.
func (a *API) serve(c *gin.Context, o *operation) {
	v := &call{Context: c, ctx: c.Request.Context(), manage: a.cfg.Manage, text: a.cfg.Text, document: theDocument(), operation: o}
	defer a.survive(c, v)
	c.Header("Cache-Control", "no-store")
	err := a.enter(v)
	var answer any
	if err == nil {
		answer, err = o.run(v)
	}
	switch {
	case err != nil:
		a.fail(c, v, v.meant(err))
	case c.Writer.Written():
	case answer == nil:
		c.Status(o.status())
		c.Writer.WriteHeaderNow()
	default:
		writeJSON(c, o.status(), "application/json", answer)
	}
}

// enter finds out who calls, and whether the request is as the document says.
func (a *API) enter(v *call) error {
	token, err := presented(v.Request.Header)
	if err == nil {
		err = a.prove(v)
	}
	if err == nil {
		v.actor, v.stepUpACR, err = a.identify(v.ctx, token)
	}
	if err == nil {
		err = v.inspect()
	}
	if err == nil && v.operation.narrows() && v.actor.CanDo(v.operation.Manage) {
		err = v.narrowed()
	}
	if err == nil && len(v.body) > 0 { // which may have taken its time
		v.actor, v.stepUpACR, err = a.identify(v.ctx, token)
	}
	v.ctx = v.manage.Authz.Watch(v.ctx, func(ctx context.Context) (authz.Actor, error) {
		actor, _, err := a.identify(ctx, token)
		return actor, err
	})
	v.Request = v.Request.WithContext(v.ctx)
	return err
}

// prove has what follows know the proof that came with the token.
func (a *API) prove(v *call) error {
	ctx, err := a.cfg.Tokens.Prove(v.Request)
	if err == nil {
		v.ctx = ctx
	}
	return err
}

// survive answers a panic as a fault.
func (a *API) survive(c *gin.Context, v *call) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause) // net/http's own way to drop a connection
	}
	a.fail(c, v, fmt.Errorf("panic: %v", cause))
}

// identify finds out who stands behind a bearer token now, what they may do, and what a
// fresh second step of theirs takes.
func (a *API) identify(ctx context.Context, token string) (authz.Actor, idp.ACR, error) {
	access, err := a.cfg.Tokens.AdminToken(ctx, token)
	if err != nil {
		return authz.Actor{}, "", err
	}
	if access.UserID == "" {
		actor, err := a.cfg.Manage.Authz.ActorOfRoles(ctx, access.Roles)
		actor.Service, actor.Repeats = access.ClientID, true
		return actor, "", err
	}
	// As the console, this asks for a second step whatever the policies say.
	proved, err := a.cfg.Manage.Self.StrongStep(ctx, access.UserID, access.Proofs)
	if err == nil && proved.Missing != "" {
		return authz.Actor{}, proved.Missing, errSecondStep
	}
	if err != nil {
		return authz.Actor{}, "", err
	}
	actor, err := a.cfg.Manage.Authz.ActorOf(ctx, access.UserID, proved.At)
	actor.Repeats = true
	return actor, proved.ACR, err
}

// presented reads the one place of a token here (RFC 6750 section 2.1, RFC 9449 section 7.1).
func presented(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", errNoToken
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ") // one or more (RFC 9110 section 11.4)
	switch {
	case !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "DPoP"):
		return "", errNoToken
	case !ok || len(values) > 1 || token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("%w: no single token", idp.ErrTokenInvalid)
	}
	return token, nil
}

// fail answers with a problem, once, and logs what is our fault.
func (a *API) fail(c *gin.Context, v *call, err error) {
	c.Abort()
	p, headers := explain(v, err)
	ctx := c.Request.Context()
	if p.Status >= http.StatusInternalServerError {
		slog.LogAttrs(ctx, slog.LevelError, "request failed", slog.String("route", c.FullPath()), slog.Any("cause", err))
	}
	if c.Writer.Written() {
		return
	}
	p.RequestID = idp.VisitFrom(ctx).RequestID
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	maps.Copy(h, headers)
	writeJSON(c, p.Status, "application/problem+json", p)
}
