package login

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/people"
	"gatehouse/ui"
)

// renderApproval names the app, and asks about what it wants where that takes consent.
func (l *Login) renderApproval(c *gin.Context, s *signIn, what idp.Approval) error {
	page := ui.Approve{Frame: l.frame(c, s), Action: l.action(s, "approve"), DenyAction: l.action(s, "deny"), Host: destination(s.Request.RedirectURI)}
	if what == idp.ApproveTerms {
		var err error
		if page.Terms, err = people.TermGroups(c.Request.Context(), l.Store, s.Request.Terms()); err != nil {
			return err
		}
		page.PolicyURL, page.TosURL, page.Lasts = s.client.PolicyURI, s.client.TosURI, s.lasts()
	}
	return l.render(c, s, http.StatusOK, page)
}

// destination is where a redirect URI leads, as a person can judge it.
func destination(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return cmp.Or(u.Host, u.Scheme)
}

// lasts says how long an app has what it asks for.
func (s *signIn) lasts() ui.Message {
	if slices.Contains(s.Request.Scopes, "offline_access") && s.client.Allows("refresh_token") {
		return *ui.MsgAccessOffline.With(s.client.RefreshTTL, idp.OfflineLifetime)
	}
	return *ui.MsgAccessSession.With()
}

// postApprove is the yes of the person.
func (l *Login) postApprove(c *gin.Context, s *signIn) error {
	state, ok := s.next().(Approve)
	if !ok {
		return l.tooLate(c, s)
	}
	return l.advance(c, s, func(ctx context.Context) error {
		s.notes.Approved = true
		if state.What != idp.ApproveTerms {
			return nil
		}
		terms := s.Request.Terms()
		if err := l.Store.GiveConsent(ctx, s.Consent, s.User.ID, s.client.ID, terms, idp.Now()); err != nil {
			return err
		}
		return l.Store.Audit(ctx, s.audit(idp.AuditConsentGiven, idp.TermsDetail(terms)))
	})
}

// postDeny is their no: the app is told so.
func (l *Login) postDeny(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(Approve); !ok {
		return l.tooLate(c, s)
	}
	return l.advance(c, s, func(ctx context.Context) error {
		s.notes.Denied = true
		return l.Store.Audit(ctx, s.audit(idp.AuditConsentDenied, nil))
	})
}
