package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage"
	"gatehouse/idp/outbox"
	"gatehouse/idp/password"
	"gatehouse/idp/picture"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// Requests is what the sign-in needs of the protocol that asked for it. The first
// three happen inside the transaction of their context, answer the request for
// good and return where to send the browser.
type Requests interface {
	// Resume hands a finished sign-in over.
	Resume(ctx context.Context, requestID string, s idp.Session) (web.Answer, error)
	// Unmet tells the app that the person cannot reach what it demands.
	Unmet(ctx context.Context, requestID string) (web.Answer, error)
	// Denied tells the app that the person lets it have nothing.
	Denied(ctx context.Context, requestID string) (web.Answer, error)
	// Again is the URL that asks the same anew, for a browser that lost the
	// answer.
	Again(r idp.Request) string
	// Anew is the URL that asks the same anew, for a sign-in that took too long and was
	// at a population.
	Anew(r idp.Request, population string) string
	// Answers is the session of a browser that answers the request without another
	// step, nil for none.
	Answers(ctx context.Context, r idp.Request, h http.Header) (*store.SessionState, error)
}

// Upstreams asks other providers who a person is. *federation.Federation does.
type Upstreams interface {
	// AuthURL is where to send the browser. An error is an *idp.FederationError.
	AuthURL(ctx context.Context, c idp.Connection, ask idp.Ask) (string, error)
	// Receive takes the answer's parameters. An error is an *idp.FederationError.
	Receive(ctx context.Context, c idp.Connection, ask idp.Ask, answer url.Values) (idp.Assertion, error)
	// Keep seals for a session what the other side is told at its end.
	Keep(connectionID, sessionID string, signOut []byte) []byte
	// Returned tells whether a state is that of a sign-out, and where it goes on.
	Returned(state string) (location string, ok bool)
}

// Login serves the sign-in pages.
type Login struct {
	Store    *store.Store
	Web      *web.Web
	Sessions *session.Manager
	Hasher   *password.Hasher
	Limiter  *throttle.Limiter
	Keyring  *keyring.Keyring
	Manage   *manage.Manager
	Outbox   *outbox.Outbox
	hints    hints
	// EmailKey is the HMAC key under which email codes are kept.
	EmailKey []byte
	// UpstreamKey is the HMAC key of what other providers are asked with.
	UpstreamKey []byte
	Upstreams   Upstreams
	Requests    Requests
	// answers has answers to one sign-in's question looked at one after the other.
	answers turns
	// Pictures are the logos of apps.
	Pictures *picture.Pictures
}

// Path is where the sign-in of a flow begins, below the issuer.
func Path(base, flowID string) string { return base + "/login/" + flowID }

// appLogo is the logo of an app.
func (l *Login) appLogo(c *gin.Context) error {
	client, err := l.Store.Client(c.Request.Context(), c.Param("client"))
	switch {
	case errors.Is(err, idp.ErrNotFound), err == nil && client.LogoURI == "":
		return web.NewProblem(ui.ProblemNotFound, err)
	case err != nil:
		return err
	}
	l.Pictures.Serve(c.Writer, c.Request, client.LogoURI)
	return nil
}

// Routes registers the pages, behind the refusal of cross-site posts.
func (l *Login) Routes(r *gin.RouterGroup) {
	g := r.Group("/login", l.Web.SameOrigin())
	g.GET("", l.Web.Handle(l.openedDirectly))
	g.GET("/break-glass/:token", l.Web.Handle(l.showBreakGlass))
	g.POST("/break-glass/:token", l.Web.Handle(l.postBreakGlass))
	g.GET("/:flow", l.Web.Handle(l.show))
	g.GET("/:flow/onward", l.Web.Handle(l.askOnward))
	g.GET("/:flow/codes.txt", l.Web.Handle(l.downloadCodes))
	g.GET("/:flow/federate", l.Web.Handle(l.federate))
	r.GET(idp.FederationCallback, l.Web.Handle(l.callback))
	r.GET(idp.FederationCallback+"/:connection", l.Web.Handle(l.callback))
	r.GET("/apps/:client/logo", l.Web.Handle(l.appLogo))
	g.GET("/:flow/forgot", l.Web.Handle(l.forgot))
	g.GET("/:flow/register", l.Web.Handle(l.register))
	for name, handle := range map[string]func(*gin.Context, *signIn) error{
		"onward":     l.postOnward,
		"choose":     l.postChoose,
		"password":   l.postPassword,
		"confirm":    l.postConfirm,
		"reconfirm":  l.postReconfirm,
		"method":     l.postMethod,
		"change":     l.postChange,
		"judge":      l.postJudge,
		"resend":     l.postResend,
		"begin":      l.postBegin,
		"enrol":      l.postEnrol,
		"later":      l.postLater,
		"saved":      l.postSaved,
		"told":       l.postTold,
		"approve":    l.postApprove,
		"deny":       l.postDeny,
		"regenerate": l.postRegenerate,
		"restart":    l.postRestart,
		"forgot":     l.postForgot,
		"register":   l.postRegister,
	} {
		g.POST("/:flow/"+name, l.Web.Handle(l.step(name, handle)))
	}
	for _, m := range secondSteps() {
		post := l.postCode(m)
		if m.post != nil {
			post = func(c *gin.Context, s *signIn) error { return m.post(l, c, s) }
		}
		g.POST("/:flow/"+string(m.id), l.Web.Handle(l.step(string(m.id), post)))
	}
	l.linkRoutes(r)
}

// step loads the flow of a POST and refuses one that is over.
func (l *Login) step(name string, handle func(*gin.Context, *signIn) error) web.Handler {
	return func(c *gin.Context) error {
		if err := c.Request.ParseForm(); err != nil {
			return web.BadForm(err)
		}
		s, err := l.load(c)
		if err != nil {
			return l.startAgain(c, err)
		}
		if s.over() {
			return l.finishedAgain(c, s)
		}
		s.hear(c.PostForm(passkeysField))
		switch done, err := l.overtaken(c, s, name); {
		case err != nil:
			return err
		case done != nil:
			return l.goOn(c, s, *done)
		}
		if s.flow.UserID == "" {
			c.Request = c.Request.WithContext(store.OfStranger(c.Request.Context()))
		}
		return handle(c, s)
	}
}

// tooLate answers a POST that is not what the flow waits for, such as when another tab was
// faster: the page of its present state follows.
func (l *Login) tooLate(c *gin.Context, s *signIn) error { return l.toPage(c, s) }

// toPage leads to the page of the flow's present state. The first page may lead straight
// to another provider.
func (l *Login) toPage(c *gin.Context, s *signIn) error {
	page := Path(l.Web.Base(), s.flow.ID)
	if _, first := s.next().(NeedPassword); first && s.Population.Access.Federated {
		return l.leadOn(c, s, page)
	}
	return web.Redirect(c, page)
}

// leadOn leaves the sign-in.
func (l *Login) leadOn(c *gin.Context, s *signIn, location string) error {
	return l.Web.LeadOn(c, l.plainFrame(c, s), location)
}

// status of a page that is shown again because a field needs mending.
const unprocessable = http.StatusUnprocessableEntity
