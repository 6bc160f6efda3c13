package admin

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// setup is the page behind the link that the first start prints. Looking at it uses
// nothing up.
func (a *Console) setup(c *gin.Context) error {
	if err := a.Manage.Links.CheckSetup(c.Request.Context(), c.Param("token")); err != nil {
		return setupProblem(err)
	}
	return a.renderSetup(c, http.StatusOK, ui.Setup{})
}

func setupProblem(err error) error {
	if errors.Is(err, links.ErrLink) {
		return web.NewProblem(ui.ProblemLink, err)
	}
	return err
}

func (a *Console) renderSetup(c *gin.Context, status int, page ui.Setup) error {
	page.Frame = ui.Frame{Lang: a.Web.Language(c.Request, ui.Wish{}), Brand: ui.Brand{Name: "Gatehouse"}}
	page.Action = a.Web.Path("/admin/setup/%s", c.Param("token"))
	return a.Web.Render(c, status, page)
}

// postSetup creates the admin and goes to the console, which asks them to sign in.
func (a *Console) postSetup(c *gin.Context) error {
	if err := c.Request.ParseForm(); err != nil {
		return web.BadForm(err)
	}
	page := ui.Setup{Email: strings.TrimSpace(c.PostForm("email")), Name: c.PostForm("name")}
	_, err := a.Manage.Links.CreateAdmin(c.Request.Context(), c.Param("token"), people.NewUser{
		Email: page.Email, Name: page.Name, Password: c.PostForm("password"),
	})
	switch {
	case err == nil:
		return web.Redirect(c, a.Web.Path("/admin"))
	case errors.Is(err, idp.ErrConflict):
		page.EmailError = ui.Key("setup.taken").With()
	case errors.Is(err, idp.ErrInvalid):
		placeError(err, map[string]**ui.Message{"name": &page.NameError, "password": &page.PasswordError}, &page.EmailError)
		if page.EmailError != nil {
			page.EmailError = ui.MsgEmailInvalid.With()
		}
	default:
		return setupProblem(err)
	}
	return a.renderSetup(c, http.StatusUnprocessableEntity, page)
}
