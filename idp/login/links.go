package login

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// linkPage is the page behind a kind of link that comes by mail.
type linkPage struct {
	kind    idp.LinkKind
	purpose ui.LinkPurpose
	problem ui.ProblemKind // of a link that does not work
}

var linkPages = []linkPage{
	{idp.ResetLink, ui.ForReset, ui.ProblemResetLink},
	{idp.InvitationLink, ui.ForInvitation, ui.ProblemInvitation},
	{idp.RegistrationLink, ui.ForRegistration, ui.ProblemRegistration},
}

// linkRoutes registers the pages behind links, with the refusal of cross-site posts.
func (l *Login) linkRoutes(r *gin.RouterGroup) {
	for _, p := range linkPages {
		g := r.Group(links.LinkPath(p.kind), l.Web.SameOrigin())
		g.GET("/:token", l.Web.Handle(func(c *gin.Context) error { return l.showLink(c, p) }))
		g.POST("/:token", l.Web.Handle(func(c *gin.Context) error { return l.postLink(c, p) }))
	}
}

// showLink is what a link opens. It uses nothing up: mail scanners follow links too.
func (l *Login) showLink(c *gin.Context, p linkPage) error {
	open, err := l.Manage.Links.OpenLink(c.Request.Context(), p.kind, c.Param("token"))
	if err != nil {
		return p.explain(err)
	}
	return l.renderLink(c, http.StatusOK, p, open, ui.LinkPassword{Name: open.Name})
}

// explain gives a link that does not work a page that says what to do.
func (p linkPage) explain(err error) error {
	if errors.Is(err, links.ErrLink) {
		return web.NewProblem(p.problem, err)
	}
	return err
}

func (l *Login) renderLink(c *gin.Context, status int, p linkPage, open links.OpenLink, page ui.LinkPassword) error {
	page.Frame, page.Purpose, page.Email = l.linkFrame(c, open.Population), p.purpose, open.Email
	page.New.NoFocus = page.WithName() && (page.NameError != nil || page.Name == "" && page.New.Error == nil)
	if page.New.Rules == nil {
		page.New.Rules = open.Rules(nil)
	}
	page.Action = l.Web.Path("%s/%s", links.LinkPath(p.kind), c.Param("token"))
	return l.Web.Render(c, status, page)
}

func (l *Login) linkFrame(c *gin.Context, p idp.Population) ui.Frame {
	lang := l.Web.Language(c.Request, ui.Wish{Default: p.Language})
	idp.Reads(c.Request.Context(), lang)
	return l.Web.Frame(lang, p.Brand)
}

// postLink uses the link, once.
func (l *Login) postLink(c *gin.Context, p linkPage) error {
	if err := c.Request.ParseForm(); err != nil {
		return web.BadForm(err)
	}
	ctx := c.Request.Context()
	in := links.LinkForm{Name: c.PostForm("name"), Password: c.PostForm("password"), Locale: l.Web.Language(c.Request, ui.Wish{})}
	done, err := l.Manage.Links.UseLink(ctx, p.kind, c.Param("token"), in)
	switch {
	case err == nil:
		return l.linkUsed(c, p, done)
	case errors.Is(err, idp.ErrInvalid), errors.Is(err, idp.ErrConflict):
		return l.showLinkAgain(c, p, in, err)
	case errors.Is(err, idp.ErrBusy):
		return l.linkBusy(c, p, in)
	}
	return p.explain(err)
}

// showLinkAgain shows the form with what is wrong. The link is not used up. On a conflict
// the address has an account by now.
func (l *Login) showLinkAgain(c *gin.Context, p linkPage, in links.LinkForm, wrong error) error {
	open, err := l.Manage.Links.OpenLink(c.Request.Context(), p.kind, c.Param("token"))
	if err != nil {
		return p.explain(err)
	}
	page := ui.LinkPassword{Name: in.Name}
	if !errors.Is(wrong, idp.ErrInvalid) {
		page.Alert = ui.MsgAccountTaken.With()
		return l.renderLink(c, http.StatusConflict, p, open, page)
	}
	page.NameError = web.SaidAt(wrong, "name")
	var weak *people.PasswordError
	switch {
	case errors.As(wrong, &weak):
		page.New = ui.NewPassword{Error: ui.MsgPasswordBroken.With(), Rules: open.Rules(weak.Reasons)}
	case in.Password == "":
		page.New.Error = ui.MsgPasswordMissing.With()
	}
	return l.renderLink(c, http.StatusUnprocessableEntity, p, open, page)
}

// linkBusy shows the form again where there is too much to do for a hash. The link is not
// used up.
func (l *Login) linkBusy(c *gin.Context, p linkPage, in links.LinkForm) error {
	open, err := l.Manage.Links.OpenLink(c.Request.Context(), p.kind, c.Param("token"))
	if err != nil {
		return p.explain(err)
	}
	c.Header("Retry-After", strconv.Itoa(int(idp.BusyWait/time.Second)))
	return l.renderLink(c, http.StatusServiceUnavailable, p, open, ui.LinkPassword{Name: in.Name, Alert: ui.MsgBusy.With(idp.BusyWait)})
}

// linkUsed says what was done, and leads on.
func (l *Login) linkUsed(c *gin.Context, p linkPage, done links.Outcome) error {
	links, err := l.afterLink(c, done)
	if err != nil {
		return err
	}
	return l.Web.Render(c, http.StatusOK, ui.LinkUsed{
		Frame: l.linkFrame(c, done.Population), Purpose: p.purpose, Email: done.User.Email, Links: links,
	})
}

// afterLink is where to sign in: the sign-in that asked for the link where this browser
// still has it, else the app that it was for, else every app of the population.
func (l *Login) afterLink(c *gin.Context, done links.Outcome) ([]ui.Link, error) {
	ctx := c.Request.Context()
	if underWay, err := l.hasFlow(ctx, c.Request.Header, done.Destination.FlowID); err != nil || underWay {
		return []ui.Link{{URL: Path(l.Web.Base(), done.Destination.FlowID)}}, err
	}
	clients, err := l.Manage.Links.Destinations(ctx, done.Population.ID)
	var links []ui.Link
	for _, client := range clients {
		link := ui.Link{Label: client.Name, URL: client.HomeURL}
		if client.ID == done.Destination.ClientID {
			return []ui.Link{link}, nil
		}
		links = append(links, link)
	}
	return links, err
}

// hasFlow tells whether this browser has that sign-in, unfinished and in time.
func (l *Login) hasFlow(ctx context.Context, h http.Header, flowID string) (bool, error) {
	_, browser := l.Sessions.Cookies.Browser(h)
	if flowID == "" || browser == nil {
		return false, nil
	}
	flow, err := l.Store.Flow(ctx, flowID)
	if errors.Is(err, idp.ErrNotFound) {
		return false, nil
	}
	return bytes.Equal(browser, flow.BrowserHash) && flow.SessionID == "" && idp.Now().Before(flow.ExpiresAt), err
}
