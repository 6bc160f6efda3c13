package arrival

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// Arrival serves the pages.
type Arrival struct {
	Store   *store.Store
	Web     *web.Web
	Manage  *manage.Manager
	Cookies session.Cookies
	// SignIn is the page of a sign-in under way.
	SignIn func(flowID string) string
}

// purpose is a kind of link, with what its pages call it.
type purpose struct {
	kind    idp.LinkKind
	page    ui.LinkPurpose
	problem ui.ProblemKind
}

var purposes = []purpose{
	{idp.ResetLink, ui.ForReset, ui.ProblemResetLink},
	{idp.InvitationLink, ui.ForInvitation, ui.ProblemInvitation},
	{idp.RegistrationLink, ui.ForRegistration, ui.ProblemRegistration},
}

// Routes registers the pages, behind the refusal of cross-site posts.
func (a *Arrival) Routes(r *gin.RouterGroup) {
	for _, p := range purposes {
		g := r.Group(links.LinkPath(p.kind), a.Web.SameOrigin())
		g.GET("/:token", a.Web.Handle(func(c *gin.Context) error { return a.show(c, p) }))
		g.POST("/:token", a.Web.Handle(func(c *gin.Context) error { return a.post(c, p) }))
	}
}

// show is what a link opens. It uses nothing up: mail scanners follow links too.
func (a *Arrival) show(c *gin.Context, p purpose) error {
	open, err := a.Manage.Links.OpenLink(c.Request.Context(), p.kind, c.Param("token"))
	if err != nil {
		return p.explain(err)
	}
	return a.render(c, http.StatusOK, p, open, ui.LinkPassword{Name: open.Name})
}

// explain gives a link that does not work a page that says what to do.
func (p purpose) explain(err error) error {
	if errors.Is(err, links.ErrLink) {
		return web.NewProblem(p.problem, err)
	}
	return err
}

func (a *Arrival) render(c *gin.Context, status int, p purpose, open links.OpenLink, page ui.LinkPassword) error {
	page.Frame, page.Purpose, page.Email = a.frame(c, open.Population), p.page, open.Email
	page.New.NoFocus = page.WithName() && (page.NameError != nil || page.Name == "" && page.New.Error == nil)
	if page.New.Rules == nil {
		page.New.Rules = open.Rules(nil)
	}
	page.Action = a.Web.Path("%s/%s", links.LinkPath(p.kind), c.Param("token"))
	return a.Web.Render(c, status, page)
}

func (a *Arrival) frame(c *gin.Context, p idp.Population) ui.Frame {
	return a.Web.Frame(a.Web.Language(c.Request, ""), p.Brand)
}

// post uses the link, once.
func (a *Arrival) post(c *gin.Context, p purpose) error {
	if err := c.Request.ParseForm(); err != nil {
		return web.BadForm(err)
	}
	ctx := c.Request.Context()
	in := links.Arrival{Name: c.PostForm("name"), Password: c.PostForm("password"), Locale: a.Web.Language(c.Request, "")}
	arrived, err := a.Manage.Links.Arrive(ctx, p.kind, c.Param("token"), in)
	switch {
	case err == nil:
		return a.arrived(c, p, arrived)
	case errors.Is(err, idp.ErrInvalid), errors.Is(err, idp.ErrConflict):
		return a.again(c, p, in, err)
	case errors.Is(err, idp.ErrBusy):
		return a.busy(c, p, in)
	}
	return p.explain(err)
}

// again shows the form with what needs mending; the link is as it was. On a conflict the
// address has an account by now.
func (a *Arrival) again(c *gin.Context, p purpose, in links.Arrival, wrong error) error {
	open, err := a.Manage.Links.OpenLink(c.Request.Context(), p.kind, c.Param("token"))
	if err != nil {
		return p.explain(err)
	}
	page := ui.LinkPassword{Name: in.Name}
	if !errors.Is(wrong, idp.ErrInvalid) {
		page.Alert = ui.MsgAccountTaken.With()
		return a.render(c, http.StatusConflict, p, open, page)
	}
	page.NameError = web.SaidAt(wrong, "name")
	var weak *people.PasswordError
	switch {
	case errors.As(wrong, &weak):
		page.New = ui.NewPassword{Error: ui.MsgPasswordBroken.With(), Rules: open.Rules(weak.Reasons)}
	case in.Password == "":
		page.New.Error = ui.MsgPasswordMissing.With()
	}
	return a.render(c, http.StatusUnprocessableEntity, p, open, page)
}

// busy shows the form again where there is too much to do for a hash; the link is as
// it was.
func (a *Arrival) busy(c *gin.Context, p purpose, in links.Arrival) error {
	open, err := a.Manage.Links.OpenLink(c.Request.Context(), p.kind, c.Param("token"))
	if err != nil {
		return p.explain(err)
	}
	c.Header("Retry-After", strconv.Itoa(int(idp.BusyWait/time.Second)))
	return a.render(c, http.StatusServiceUnavailable, p, open, ui.LinkPassword{Name: in.Name, Alert: ui.MsgBusy.With(idp.BusyWait)})
}

// arrived says what was done, and leads on.
func (a *Arrival) arrived(c *gin.Context, p purpose, done links.Arrived) error {
	links, err := a.onward(c, done)
	if err != nil {
		return err
	}
	return a.Web.Render(c, http.StatusOK, ui.Arrived{
		Frame: a.frame(c, done.Population), Purpose: p.page, Email: done.User.Email, Links: links,
	})
}

// onward is where to sign in: the sign-in that asked for the link where this browser
// still has it, else the app that it was for, else every app of the population.
func (a *Arrival) onward(c *gin.Context, done links.Arrived) ([]ui.Link, error) {
	ctx := c.Request.Context()
	if underWay, err := a.underWay(ctx, c.Request.Header, done.Onward.FlowID); err != nil || underWay {
		return []ui.Link{{URL: a.SignIn(done.Onward.FlowID)}}, err
	}
	clients, err := a.Manage.Links.Destinations(ctx, done.Population.ID)
	var links []ui.Link
	for _, client := range clients {
		link := ui.Link{Label: client.Name, URL: client.HomeURL}
		if client.ID == done.Onward.ClientID {
			return []ui.Link{link}, nil
		}
		links = append(links, link)
	}
	return links, err
}

// underWay tells whether this browser has a sign-in that waits for somebody.
func (a *Arrival) underWay(ctx context.Context, h http.Header, flowID string) (bool, error) {
	_, browser := a.Cookies.Browser(h)
	if flowID == "" || browser == nil {
		return false, nil
	}
	flow, err := a.Store.Flow(ctx, flowID)
	if errors.Is(err, idp.ErrNotFound) {
		return false, nil
	}
	return bytes.Equal(browser, flow.BrowserHash) && flow.SessionID == "" && idp.Now().Before(flow.ExpiresAt), err
}
