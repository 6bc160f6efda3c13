package login

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp/store"
	"gatehouse/ui"
)

// showChoice offers the living sessions of this browser; ?other=1 and ?as= lead to the
// form for another person, and so does having none left.
func (l *Login) showChoice(c *gin.Context, s *signIn) error {
	found, err := l.Sessions.Find(c.Request.Context(), s.header, s.client.ID, s.client.Populations)
	if err != nil {
		return err
	}
	if len(found) == 0 || c.Query("other") != "" || c.Query("as") != "" {
		return l.renderPassword(c, s, passwordPage{in: s.prefilled(c)})
	}
	page := ui.ChooseAccount{
		Frame: l.frame(c, s), Action: l.action(s, "choose"),
		OtherURL: Path(l.Web.Base(), s.flow.ID) + "?other=1",
	}
	for _, f := range found {
		page.Accounts = append(page.Accounts, ui.Account{
			Email: f.User.Email, Population: f.Population.ID, PopulationName: f.Population.Name, SessionID: f.Session.ID,
		})
	}
	return l.render(c, s, http.StatusOK, page)
}

// postChoose goes on with a session. Its id is public: what counts is that this
// browser holds the session's cookie.
func (l *Login) postChoose(c *gin.Context, s *signIn) error {
	found, err := l.Sessions.Find(c.Request.Context(), s.header, s.client.ID, s.client.Populations)
	if err != nil {
		return err
	}
	_, choosing := s.next().(ChooseSession)
	for _, f := range found {
		if choosing && f.Session.ID == c.PostForm("session") {
			return l.advance(c, s, func(context.Context) error {
				s.goOnWith(f)
				return nil
			})
		}
	}
	return l.tooLate(c, s)
}

// goOnWith lets the flow begin where a session stands.
func (s *signIn) goOnWith(f store.SessionState) {
	s.flow.PopulationID, s.flow.UserID, s.flow.SessionID = f.Population.ID, f.User.ID, f.Session.ID
	s.flow.Proofs, s.flow.PolicyVersion = f.Session.Proofs, f.Session.PolicyVersion
}
