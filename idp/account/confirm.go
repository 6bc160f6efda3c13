package account

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/pageauth"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// confirm is what the link to a new address leads to. Looking at it changes nothing:
// mail scanners do. Who is not signed in to that account here is told which one it is,
// and may sign in to it.
func (p *Pages) confirm(c *gin.Context) error {
	move, viewer, err := p.move(c)
	if err != nil {
		return err
	}
	if viewer == nil && c.Query("sign-in") != "" {
		return p.signInToConfirm(c, move)
	}
	return p.Web.Render(c, http.StatusOK, p.confirmPage(c, move, viewer))
}

// move is what the link does, and the session of that account in this browser, nil for
// none.
func (p *Pages) move(c *gin.Context) (self.EmailMove, *store.SessionState, error) {
	move, err := p.Manage.Self.CheckEmail(c.Request.Context(), c.Param("token"))
	if err != nil {
		return move, nil, p.linkProblem(err)
	}
	viewers, err := p.relyingParty().Viewers(c.Request.Context(), c.Request.Header)
	for _, s := range viewers {
		if s.User.ID == move.User.ID {
			return move, &s, err
		}
	}
	return move, nil, err
}

func (p *Pages) signInToConfirm(c *gin.Context, move self.EmailMove) error {
	return p.relyingParty().SignIn(c, c.Request.URL.Path, pageauth.Ask{Population: move.Population.ID, UserID: move.User.ID})
}

// confirmPage says which account gets which address. A stranger who reads the mailbox
// sees as much of the present address as its owner needs to know it.
func (p *Pages) confirmPage(c *gin.Context, move self.EmailMove, viewer *store.SessionState) ui.AccountConfirm {
	at := p.Web.Path("%s/confirm/%s", Home, c.Param("token"))
	page := ui.AccountConfirm{
		Frame: p.Web.Frame(p.Web.Language(c.Request, ui.Wish{Default: move.Population.Language}), move.Population.Brand),
		Of:    idp.MaskEmail(move.User.Email), Email: move.Email, URL: p.Web.Path("%s/%s", Home, move.Population.ID),
		SignInURL: at + "?sign-in=yes",
	}
	if viewer != nil {
		page.Of, page.Action, page.SignInURL = viewer.User.Email, at, ""
	}
	return page
}

func (p *Pages) linkProblem(err error) error {
	if errors.Is(err, links.ErrLink) {
		return web.NewProblem(ui.ProblemLink, err).BackTo(p.Web.Path(Home), "Gatehouse")
	}
	return err
}

// postConfirm moves the account to the address of the link, once.
func (p *Pages) postConfirm(c *gin.Context) error {
	move, viewer, err := p.move(c)
	if err != nil {
		return err
	}
	if viewer == nil { // signed out since
		return p.signInToConfirm(c, move)
	}
	page := p.confirmPage(c, move, viewer)
	self := self.Self{UserID: viewer.User.ID, SessionID: viewer.Session.ID, Proofs: viewer.Session.Proofs}
	err = p.Manage.Self.ConfirmEmail(p.Manage.Authz.Watch(c.Request.Context(), p.again(*viewer)), self, c.Param("token"))
	if errors.Is(err, authz.ErrGone) {
		return p.signInToConfirm(c, move)
	}
	if err != nil {
		return p.linkProblem(err)
	}
	page.Done = true
	return p.Web.Render(c, http.StatusOK, page)
}
