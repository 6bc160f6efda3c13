package login

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/factors"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// downloadCodes is the file behind "Download". It works as long as the page
// that shows the codes does, and in the same browser.
func (l *Login) downloadCodes(c *gin.Context) error {
	s, err := l.load(c)
	if err != nil {
		return err
	}
	if _, ok := s.next().(ShowCodes); !ok || s.over() {
		return l.tooLate(c, s)
	}
	codes, err := l.Manage.Factors.OpenRecoveryCodes(c.Request.Context(), s.enrolment.Recovery.ID)
	if err != nil {
		return err
	}
	c.Header("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
	c.Header("Cache-Control", "no-store")
	write := func(label, account, codes string) string {
		return l.Web.Text(l.plainFrame(c, s).Lang, *ui.MsgRecoveryFile.With(label, account, codes))
	}
	text := mfa.RecoveryText(write, s.Population.Policy.IssuerLabel, s.User.Email, codes)
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
	return nil
}

// postSaved is the tick that the codes are kept, and the way out of the page. Codes that
// cannot be read stay to be shown: they may be made anew before the next sign-in.
func (l *Login) postSaved(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(ShowCodes); !ok {
		return l.tooLate(c, s)
	}
	_, err := l.Manage.Factors.OpenRecoveryCodes(c.Request.Context(), s.enrolment.Recovery.ID)
	switch {
	case errors.Is(err, idp.ErrUnreadable):
		return l.advance(c, s, func(context.Context) error {
			s.notes.Unread = true
			return nil
		})
	case err != nil:
		return err
	case c.PostForm("saved") == "":
		return l.renderCodes(c, s, ui.MsgConfirmSaved.With())
	}
	return l.advance(c, s, func(ctx context.Context) error {
		if err := l.Store.MarkRecoverySaved(ctx, s.enrolment.Recovery.ID, idp.Now()); err != nil {
			return err
		}
		return l.Store.Audit(ctx, s.audit(idp.AuditRecoverySaved, nil))
	})
}

// postTold leaves the page that says how many codes are left.
func (l *Login) postTold(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(ShowLeft); !ok {
		return l.tooLate(c, s)
	}
	return l.advance(c, s, func(context.Context) error {
		s.notes.Told = true
		return nil
	})
}

// postRegenerate makes new recovery codes for a person who used one of few just now: it is
// the fresh second step that this asks for.
func (l *Login) postRegenerate(c *gin.Context, s *signIn) error {
	left, ok := s.next().(ShowLeft)
	if !ok || left.Left > mfa.RecoveryLow || !s.canRegenerate() {
		return l.tooLate(c, s)
	}
	return l.advance(c, s, func(ctx context.Context) error {
		err := l.Manage.Self.RegenerateOwn(ctx, s.User.ID, s.provedAt(idp.MethodRecovery))
		var tooSoon *factors.TooSoonError
		if errors.As(err, &tooSoon) { // another tab was faster
			return nil
		}
		s.notes.Told = true // that few are left is no longer so
		return err
	})
}

// provedAt is when a method was proved, zero for never.
func (s *signIn) provedAt(m idp.Method) (at time.Time) {
	for _, p := range s.proofs() {
		if p.Method == m {
			at = p.At
		}
	}
	return at
}

// canRegenerate tells whether the person may have new recovery codes now.
func (s *signIn) canRegenerate() bool {
	if s.enrolment.Recovery == nil {
		return false
	}
	ok, _ := mfa.CanRegenerate(s.enrolment.Recovery.CreatedAt, idp.Now())
	return ok
}

// postRestart is "Not you?": the flow forgets who was signing in.
func (l *Login) postRestart(c *gin.Context, s *signIn) error {
	return l.advance(c, s, func(context.Context) error {
		s.flow.UserID, s.flow.SessionID, s.flow.Proofs, s.flow.PolicyVersion = "", "", nil, 0
		s.notes = Notes{Switch: true, Answered: s.notes.Answered}
		return nil
	})
}
