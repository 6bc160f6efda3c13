package login

import (
	"context"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// trustDays is for how many days the person may trust this browser with a second step by a
// method, 0 where the page does not offer it: where the population has no such thing, and
// where it would spare them nothing.
func (s *signIn) trustDays(m idp.Method) int {
	q := s.question()
	q.Proofs = s.proofs()
	if days := s.Population.Policy.TrustDays; days > 0 && mfa.MayTrust(q, m) {
		return days
	}
	return 0
}

// trustOffer is the box of a page that asks for a second step by a method.
func (s *signIn) trustOffer(c *gin.Context, m idp.Method) ui.TrustOffer {
	return ui.TrustOffer{Days: s.trustDays(m), Ticked: wantsTrust(c)}
}

func wantsTrust(c *gin.Context) bool { return c.PostForm("trust") == "yes" }

// trustBrowser is what the person's wish brings, in the transaction of the second step that
// they just proved: the step is what the trust rests on, and nothing else ever renews it.
func (l *Login) trustBrowser(ctx context.Context, s, before *signIn) error {
	i := slices.IndexFunc(s.flow.Proofs, func(p idp.Proof) bool {
		return before.trustDays(p.Method) > 0 && !slices.ContainsFunc(before.flow.Proofs, func(old idp.Proof) bool {
			return old.Method == p.Method && old.At.Equal(p.At)
		})
	})
	if i < 0 {
		return nil
	}
	method, now, visit := s.flow.Proofs[i].Method, idp.Now(), idp.VisitFrom(ctx)
	days := before.trustDays(method)
	err := l.Store.TrustBrowser(ctx, idp.TrustedBrowser{
		ID: idp.NewID(), UserID: s.User.ID, BrowserHash: s.flow.BrowserHash, ACR: mfa.Of(method).ACR,
		PolicyVersion: before.Version, UserAgent: visit.UserAgent, Address: visit.Address,
		CreatedAt: now, ExpiresAt: now.Add(time.Duration(days) * 24 * time.Hour),
	})
	if err != nil {
		return err
	}
	detail := idp.TrustDetail(days, method)
	if err := l.Store.Audit(ctx, s.audit(idp.AuditBrowserTrusted, detail)); err != nil {
		return err
	}
	return l.Outbox.Notify(ctx, s.User, s.Population, ui.Mail{Kind: ui.MailBrowserTrusted, Days: days})
}

// restsOnTrust tells whether the sign-in would lack a second step if the person did not trust
// this browser.
func (s *signIn) restsOnTrust() bool {
	q := s.question()
	q.Proofs = s.proofs()
	if q.Trusted == "" {
		return false
	}
	q.Trusted = ""
	return mfa.Decide(q).Outcome != mfa.Satisfied
}
