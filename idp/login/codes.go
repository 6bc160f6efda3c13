package login

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// openCodes decrypts the codes that were not used, at the moment they are shown.
func (l *Login) openCodes(ctx context.Context, s *signIn) ([]string, error) {
	rows, err := l.Store.RecoveryCodes(ctx, s.enrolment.Recovery.ID)
	if err != nil {
		return nil, err
	}
	var codes []string
	for _, row := range rows {
		if !row.UsedAt.IsZero() {
			continue
		}
		plain, err := l.Keyring.Open(row.Sealed, keyring.AAD("recovery_codes", row.ID, "sealed"))
		if err != nil {
			return nil, fmt.Errorf("open a recovery code: %w", err)
		}
		codes = append(codes, string(plain))
	}
	return codes, nil
}

// downloadCodes is the file behind "Download". It works as long as the page
// that shows the codes does, and in the same browser.
func (l *Login) downloadCodes(c *gin.Context) error {
	s, err := l.load(c)
	if err != nil {
		return err
	}
	if _, ok := s.next().(ShowCodes); !ok || s.flow.SessionID != "" && s.flow.Kind == (Done{}).kind() {
		return l.here(c, s)
	}
	codes, err := l.openCodes(c.Request.Context(), s)
	if err != nil {
		return err
	}
	c.Header("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
	c.Header("Cache-Control", "no-store")
	text := mfa.RecoveryText(s.population.Policy.IssuerLabel, s.user.Email, codes)
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
	return nil
}

// postSaved is the tick that the codes are kept, and the way out of the page.
func (l *Login) postSaved(c *gin.Context, s *signIn) error {
	if _, ok := s.next().(ShowCodes); !ok {
		return l.here(c, s)
	}
	if c.PostForm("saved") == "" {
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
		return l.here(c, s)
	}
	return l.advance(c, s, func(context.Context) error {
		s.notes.Told = true
		return nil
	})
}

// postRestart is "Not you?": the flow forgets who was signing in.
func (l *Login) postRestart(c *gin.Context, s *signIn) error {
	return l.advance(c, s, func(context.Context) error {
		s.flow.UserID, s.flow.SessionID, s.flow.Proofs = "", "", nil
		s.user, s.enrolment, s.notes = idp.User{}, idp.Enrolment{}, Notes{}
		return nil
	})
}
