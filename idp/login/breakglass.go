package login

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// showBreakGlass is the page behind a link for emergencies. Looking at it uses nothing
// up.
func (l *Login) showBreakGlass(c *gin.Context) error {
	if err := l.Manage.Links.CheckBreakGlass(c.Request.Context(), c.Param("token"), false); err != nil {
		return linkProblem(err)
	}
	return l.Web.Render(c, http.StatusOK, ui.BreakGlass{
		Frame: ui.Frame{Lang: l.Web.Language(c.Request, ui.Wish{})}, Action: l.Web.Path("/login/break-glass/%s", c.Param("token")),
	})
}

func linkProblem(err error) error {
	if errors.Is(err, links.ErrLink) {
		return web.NewProblem(ui.ProblemLink, err)
	}
	return err
}

// postBreakGlass keeps the link in this browser and goes to the console, whose sign-in
// takes a password with it.
func (l *Login) postBreakGlass(c *gin.Context) error {
	if err := l.Manage.Links.CheckBreakGlass(c.Request.Context(), c.Param("token"), false); err != nil {
		return linkProblem(err)
	}
	http.SetCookie(c.Writer, l.Sessions.Cookies.NewBreakGlass(c.Param("token")))
	return web.Redirect(c, l.Web.Path("/admin"))
}

// brokeGlass tells whether this browser opened a link for emergencies that lets a
// password do: at the console alone, and after its use for the same person's fresh
// second step.
func (l *Login) brokeGlass(ctx context.Context, s *signIn) (bool, error) {
	token := l.Sessions.Cookies.BreakGlass(s.header)
	if token == "" || s.client.ID != idp.ConsoleClient {
		return false, nil
	}
	err := l.Manage.Links.CheckBreakGlass(ctx, token, s.stepsUp())
	if errors.Is(err, links.ErrLink) {
		return false, nil
	}
	return err == nil, err
}

// useBreakGlass uses up the link that let a password do, in the transaction in which
// the password is accepted. Without need of one it does nothing.
func (l *Login) useBreakGlass(ctx context.Context, s *signIn) error {
	if s.Population.Access.Password || s.notes.Pending.proved() {
		return nil
	}
	token := l.Sessions.Cookies.BreakGlass(s.header)
	if s.stepsUp() { // it may have been used for the session; if not, it is now
		err := l.Manage.Links.CheckBreakGlass(ctx, token, false)
		if errors.Is(err, links.ErrLink) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return l.Manage.Links.UseBreakGlass(ctx, token, s.User)
}

// stepsUp tells whether the flow is for more proof of a person who is signed in.
func (s *signIn) stepsUp() bool {
	return s.flow.UserID != "" && s.flow.SessionID != "" && s.sessionCounts()
}
