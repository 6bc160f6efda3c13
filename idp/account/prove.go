package account

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
)

// add stores an authenticator that a code confirms, and the proof with it. A form that
// came twice, on the way or by a double click, gets the cookie of its first answer.
func (v *visit) add(sealed []byte, name string) error {
	var cookie *http.Cookie
	err := v.pages.Store.Do(v.Request.Context(), func(ctx context.Context) error {
		err := v.pages.Manage.Self.AddAuthenticator(ctx, v.self, sealed, name, v.PostForm("code"))
		if err != nil {
			return err
		}
		cookie, err = v.prove(ctx, idp.Proof{Method: idp.MethodTOTP, At: idp.Now()})
		return err
	})
	if errors.Is(err, idp.ErrUsed) || errors.Is(err, authz.ErrStepUp) || errors.Is(err, authz.ErrForbidden) {
		return v.addedBefore(sealed, err)
	}
	if err == nil {
		http.SetCookie(v.Writer, cookie)
	}
	return err
}

// prove adds the proof of a new second step to the session, as its set-up in a sign-in does:
// the account asks for that one now. The session's privilege rises, so it
// gets a new cookie.
func (v *visit) prove(ctx context.Context, proof idp.Proof) (*http.Cookie, error) {
	s, err := v.pages.Store.Session(ctx, v.self.SessionID)
	if err != nil {
		return nil, err
	}
	s, cookie := v.pages.Sessions.Renew(s, v.pages.act(v.Context, v.viewer.Population.ID))
	s.Proofs = idp.WithProof(s.Proofs, proof)
	if err := v.pages.Store.RenewSession(ctx, s); errors.Is(err, idp.ErrExpired) {
		return nil, authz.ErrGone
	} else if err != nil {
		return nil, err
	}
	v.self.Proofs = s.Proofs
	return cookie, v.pages.Store.Audit(ctx, idp.AuditEvent{
		Kind: idp.AuditSteppedUp, ActorID: v.self.UserID, UserID: v.self.UserID, PopulationID: v.viewer.User.PopulationID, SessionID: s.ID,
		Detail: map[string]string{"methods": string(proof.Method)},
	})
}

// act is the set-up of an authenticator that a form confirms.
func (p *Pages) act(c *gin.Context, population string) session.Act {
	return p.Sessions.Act(c.Request.Header, population, "authenticator "+c.PostForm("pending"))
}

// addedBefore gives a browser the cookie that came with the first answer, if that may not
// have arrived. Otherwise the authenticator is refused for a reason.
func (v *visit) addedBefore(sealed []byte, refused error) error {
	ctx := v.Request.Context()
	confirmed, err := v.pages.Manage.Self.JustAdded(ctx, v.self, sealed, v.PostForm("code"))
	if err != nil {
		return err
	}
	if !confirmed && !errors.Is(refused, idp.ErrUsed) {
		return refused
	}
	s, err := v.pages.Store.Session(ctx, v.self.SessionID)
	if err != nil {
		return err
	}
	if cookie, ok := v.pages.Sessions.Again(s, v.pages.act(v.Context, v.viewer.Population.ID)); ok {
		v.self.Proofs = s.Proofs
		http.SetCookie(v.Writer, cookie)
	}
	return nil
}

// lost finds the session of a browser that has not received its cookie. It sends the form
// again that confirmed an authenticator, with the previous cookie and a code that is
// right. nil: there is none.
func (p *Pages) lost(c *gin.Context, population string) (*store.SessionState, error) {
	if c.Request.Method != http.MethodPost || c.FullPath() != p.Web.Path("%s/:population/second-step/add", Home) {
		return nil, nil
	}
	ctx := c.Request.Context()
	found, err := p.relyingParty().ViewersAfter(ctx, c.Request.Header, population, p.act(c, population))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	self := self.Self{UserID: found[0].User.ID, SessionID: found[0].Session.ID, Proofs: found[0].Session.Proofs}
	added, err := p.Manage.Self.JustAdded(ctx, self, pending(c), c.PostForm("code"))
	if err != nil || !added {
		return nil, err
	}
	return &found[0], nil
}
