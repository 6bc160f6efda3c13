package login

import (
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// codePage is the page of a second step as it is shown again: what was wrong.
type codePage struct {
	method           idp.Method
	codeError, alert *ui.Message
	limited          *throttle.LimitedError
	// tooSoon: a new email code was asked for before its time.
	tooSoon bool
}

func (p codePage) status() int {
	if p.tooSoon {
		return http.StatusTooManyRequests
	}
	return passwordPage{alert: p.alert, emailError: p.codeError, limited: p.limited}.status()
}

func (l *Login) renderCode(c *gin.Context, s *signIn, p codePage) error {
	state, _ := s.next().(NeedCode)
	if m := s.stopped(); m != "" && p.alert == nil && p.codeError == nil && mfa.Of(p.method).Kind != mfa.Possession {
		p.alert = ui.MethodKey("error.factor_disabled.", string(m)).With()
	}
	return secondStepOf(p.method).page(l, c, s, p, state)
}

func (l *Login) renderTOTP(c *gin.Context, s *signIn, p codePage, state NeedCode) error {
	methods := l.methods(s, state, p.method)
	return l.render(c, s, p.status(), ui.Code{
		Frame: l.frame(c, s), Action: l.action(s, "totp"), IssuerLabel: s.label(),
		CodeError: p.codeError, Alert: p.alert, RetryAfter: retryAfter(c, p.limited),
		Methods: methods, LastResort: len(methods) == 0, Trust: s.trustOffer(c, p.method),
	})
}

func (l *Login) renderRecovery(c *gin.Context, s *signIn, p codePage, state NeedCode) error {
	return l.render(c, s, p.status(), ui.RecoveryCode{
		Frame: l.frame(c, s), Action: l.action(s, "recovery"), Code: typedRecovery(c), CodeError: p.codeError, Alert: p.alert,
		RetryAfter: retryAfter(c, p.limited), Methods: l.methods(s, state, p.method), LastResort: true,
	})
}

// typedRecovery is the recovery code that was refused: it is long, and a slip in it is
// mended sooner than all of it typed again.
func typedRecovery(c *gin.Context) string {
	const most = 200 // bytes
	code := c.PostForm("code")
	if !strings.HasSuffix(c.FullPath(), "/recovery") || len(code) > most || !utf8.ValidString(code) {
		return ""
	}
	return code
}

// stopped is the method of what the person has set up and may not use, empty while some
// of it works.
func (s *signIn) stopped() (m idp.Method) {
	for _, f := range mfa.Possessions(s.enrolment.Factors) {
		if f.DisabledAt.IsZero() || s.canUse(f.ID) {
			return ""
		}
		m = f.Method
	}
	return m
}

// renderMethods lets a person without an authenticator choose.
func (l *Login) renderMethods(c *gin.Context, s *signIn, state ChooseMethod) error {
	page := ui.ChooseMethod{Frame: l.frame(c, s)}
	for _, m := range state.Methods {
		button := l.method(s, setUpOr(m, "method.choose."), m)
		button.Hint = *ui.MethodKey("method.hint.", string(m)).With()
		page.Methods = append(page.Methods, button)
	}
	return l.render(c, s, http.StatusOK, page)
}

// renderTOTPSetUp says what an authenticator is for, and shows its key once the person has
// begun.
func (l *Login) renderTOTPSetUp(c *gin.Context, s *signIn, state NeedEnrolment, p enrolPage) error {
	if state.Begun {
		return l.renderEnrol(c, s, state, p)
	}
	return l.render(c, s, http.StatusOK, ui.EnrolIntro{
		Frame: l.frame(c, s), Action: l.action(s, "begin"), IssuerLabel: s.label(), Methods: l.instead(s, state.Instead),
	})
}

// enrolPage is the set-up as it is shown again: what was wrong.
type enrolPage struct {
	codeError, alert *ui.Message
	limited          *throttle.LimitedError
}

// enrolLimited says how long to wait. After a hundred wrong codes this set-up is over: the
// person scanned something else, and begins anew.
func (l *Login) enrolLimited(c *gin.Context, s *signIn, state NeedEnrolment, limited *throttle.LimitedError) error {
	if limited.Capped {
		return web.NewProblem(ui.ProblemFlowExpired, limited).BackTo(s.client.HomeURL, s.client.Name)
	}
	return secondStepOf(state.Method).setUp(l, c, s, state, enrolPage{limited: limited, alert: ui.MsgTooManyAttempts.With(limited.Wait)})
}

// pendingSecret opens what is being set up. Where it cannot be read, a new sign-in makes
// another.
func (l *Login) pendingSecret(s *signIn) ([]byte, error) {
	key, err := l.Keyring.Open(s.notes.Key, pendingAAD(s.flow.ID))
	if errors.Is(err, idp.ErrUnreadable) {
		return nil, web.NewProblem(ui.ProblemFlowExpired, err).BackTo(s.client.HomeURL, s.client.Name)
	}
	return key, err
}

func (l *Login) renderEnrol(c *gin.Context, s *signIn, state NeedEnrolment, p enrolPage) error {
	key, err := l.pendingSecret(s)
	if err != nil {
		return err
	}
	otpauth := mfa.TOTPURL(s.label(), s.User.Email, key)
	image, width, err := mfa.TOTPImage(otpauth)
	if err != nil {
		return err
	}
	page := ui.Enrol{
		Frame: l.frame(c, s), Action: l.action(s, "enrol"), IssuerLabel: s.label(), AccountLabel: s.User.Email,
		QR: template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(image)), QRWidth: width,
		Key: mfa.TOTPKeyText(key), OTPAuthURL: template.URL(otpauth),
		CodeError: p.codeError, Alert: p.alert, RetryAfter: retryAfter(c, p.limited),
		Methods: l.instead(s, state.Instead),
	}
	status := passwordPage{alert: p.alert, emailError: p.codeError, limited: p.limited}.status()
	return l.render(c, s, status, page)
}

func (l *Login) renderCodes(c *gin.Context, s *signIn, savedError *ui.Message) error {
	codes, err := l.Manage.Factors.OpenRecoveryCodes(c.Request.Context(), s.enrolment.Recovery.ID)
	if errors.Is(err, idp.ErrUnreadable) {
		slog.ErrorContext(c.Request.Context(), "show recovery codes", "cause", err)
		return l.render(c, s, http.StatusOK, ui.RecoveryCodes{Frame: l.frame(c, s), Action: l.action(s, "saved"), Unreadable: true})
	}
	if err != nil {
		return err
	}
	status := passwordPage{alert: savedError}.status()
	return l.render(c, s, status, ui.RecoveryCodes{
		Frame: l.frame(c, s), Action: l.action(s, "saved"), Codes: codes,
		DownloadURL: l.action(s, "codes.txt"), SavedError: savedError,
	})
}

// renderLeft says how many recovery codes are left, and offers new ones when they
// are few.
func (l *Login) renderLeft(c *gin.Context, s *signIn, state ShowLeft) error {
	page := ui.RecoveryNotice{
		Frame: l.frame(c, s), Action: l.action(s, "told"), Left: state.Left, Low: state.Left <= mfa.RecoveryLow,
	}
	switch {
	case !page.Low || s.enrolment.Recovery == nil:
	case s.canRegenerate():
		page.RegenerateAction = l.action(s, "regenerate")
	default:
		_, at := mfa.CanRegenerate(s.enrolment.Recovery.CreatedAt, idp.Now())
		page.Later = ui.MsgCodesLater.With(at)
	}
	return l.render(c, s, http.StatusOK, page)
}
