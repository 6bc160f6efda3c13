package login

import (
	"context"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

func (l *Login) openedDirectly(*gin.Context) error {
	return web.NewProblem(ui.ProblemOpenedDirectly, nil)
}

// show is the page of the flow's present state. It writes nothing.
func (l *Login) show(c *gin.Context) error {
	s, err := l.load(c)
	if err != nil {
		return err
	}
	if s.flow.Kind == (Done{}).kind() {
		return l.finished(s, nil)
	}
	switch state := s.next().(type) {
	case ChooseSession:
		return l.showChoice(c, s)
	case NeedPassword:
		return l.renderPassword(c, s, passwordPage{in: s.prefilled(c)})
	case NeedCode:
		return l.renderCode(c, s, codePage{method: state.Methods[0]})
	case NeedEnrolment:
		if !state.Begun {
			return l.render(c, s, http.StatusOK, ui.EnrolIntro{
				Frame: l.frame(c, s), Action: l.action(s, "begin"), IssuerLabel: s.population.Policy.IssuerLabel,
			})
		}
		return l.renderEnrol(c, s, enrolPage{})
	case ShowCodes:
		return l.renderCodes(c, s, nil)
	case ShowLeft:
		return l.render(c, s, http.StatusOK, ui.RecoveryNotice{
			Frame: l.frame(c, s), Action: l.action(s, "told"),
			Left: state.Left, Low: state.Left <= mfa.RecoveryLow,
		})
	case Stuck:
		return l.render(c, s, http.StatusForbidden, ui.Code{
			Frame: l.frame(c, s), Action: l.action(s, "totp"), IssuerLabel: s.population.Policy.IssuerLabel,
			Alert: ui.MsgFactorDisabledHelp.With(), LastResort: true,
		})
	case Unmet, Done:
		return l.finished(s, nil)
	}
	return l.finished(s, nil)
}

func (l *Login) action(s *signIn, step string) string {
	return Path(l.Web.Base(), s.flow.ID) + "/" + step
}

func (l *Login) frame(c *gin.Context, s *signIn) ui.Frame {
	f := ui.Frame{
		Lang:       l.Web.Language(c.Request, s.request.UILocales),
		Brand:      s.brand(),
		ClientName: s.client.Name, HelpURL: s.population.HelpURL, PrivacyURL: s.population.PrivacyURL,
	}
	if s.flow.UserID != "" {
		f.Account, f.NotYouAction = s.user.Email, l.action(s, "restart")
	}
	return f
}

// brand is the organisation's, of the population that signs in.
func (s *signIn) brand() ui.Brand {
	return ui.Brand{Name: s.population.Name, LogoURL: s.population.LogoURL, Color: s.population.BrandColor}
}

// render sends a page whose forms may end at the app.
func (l *Login) render(c *gin.Context, s *signIn, status int, page ui.Page) error {
	return l.Web.Render(c, status, page, append([]string{s.request.RedirectURI, s.client.HomeURL}, s.client.RedirectURIs...)...)
}

// prefilled is the form as it is first shown: ?as= picks another population of
// the client.
func (s *signIn) prefilled(c *gin.Context) credentials {
	in := credentials{population: s.flow.PopulationID, email: s.request.LoginHint}
	if s.flow.UserID != "" {
		in.email = s.user.Email
		return in
	}
	for _, p := range s.client.Populations {
		if p == c.Query("as") {
			in.population = p
		}
	}
	return in
}

type passwordPage struct {
	in                               credentials
	emailError, passwordError, alert *ui.Message
	limited                          *throttle.LimitedError
}

func (p passwordPage) status() int {
	switch {
	case p.limited != nil:
		return http.StatusTooManyRequests
	case p.alert != nil || p.emailError != nil || p.passwordError != nil:
		return unprocessable
	}
	return http.StatusOK
}

func (l *Login) renderPassword(c *gin.Context, s *signIn, p passwordPage) error {
	if s.flow.UserID != "" {
		return l.render(c, s, p.status(), ui.Reauthenticate{
			Frame: l.frame(c, s), Action: l.action(s, "password"), Email: s.user.Email,
			PasswordError: p.passwordError, Alert: p.alert, RetryAfter: retryAfter(c, p.limited),
		})
	}
	population, others, err := l.choices(c.Request.Context(), s, p.in.population)
	if err != nil {
		return err
	}
	shown := *s
	shown.population = population
	return l.render(c, s, p.status(), ui.SignIn{
		Frame: l.frame(c, &shown), Action: l.action(s, "password"),
		Population: population.ID, PopulationName: population.Name, Email: p.in.email,
		EmailError: p.emailError, PasswordError: p.passwordError, Alert: p.alert,
		RetryAfter: retryAfter(c, p.limited), Others: others,
	})
}

// choices are the population that the form is for, and links to the client's
// others.
func (l *Login) choices(ctx context.Context, s *signIn, chosen string) (idp.Population, []ui.Link, error) {
	population, others := s.population, []ui.Link(nil)
	for _, id := range s.client.Populations {
		if id == s.population.ID && id == chosen {
			continue
		}
		p, err := l.Store.Population(ctx, id)
		if err != nil {
			return population, nil, err
		}
		if id == chosen {
			population = p
		} else {
			others = append(others, ui.Link{Label: p.Name, URL: Path(l.Web.Base(), s.flow.ID) + "?as=" + id})
		}
	}
	return population, others, nil
}

// retryAfter tells page and client how long to wait.
func retryAfter(c *gin.Context, limited *throttle.LimitedError) int {
	if limited == nil || limited.Capped {
		return 0
	}
	seconds := int((limited.Wait + time.Second - 1) / time.Second)
	c.Header("Retry-After", strconv.Itoa(seconds))
	return seconds
}

type codePage struct {
	method           idp.Method
	codeError, alert *ui.Message
	limited          *throttle.LimitedError
}

func (p codePage) status() int {
	return passwordPage{alert: p.alert, emailError: p.codeError, limited: p.limited}.status()
}

func (l *Login) renderCode(c *gin.Context, s *signIn, p codePage) error {
	var methods []ui.Method
	if state, ok := s.next().(NeedCode); ok {
		methods = l.methods(s, state.Methods, p.method)
	}
	if p.method == idp.MethodRecovery {
		return l.render(c, s, p.status(), ui.RecoveryCode{
			Frame: l.frame(c, s), Action: l.action(s, "recovery"), CodeError: p.codeError, Alert: p.alert,
			RetryAfter: retryAfter(c, p.limited), Methods: methods, LastResort: true,
		})
	}
	return l.render(c, s, p.status(), ui.Code{
		Frame: l.frame(c, s), Action: l.action(s, "totp"), IssuerLabel: s.population.Policy.IssuerLabel,
		CodeError: p.codeError, Alert: p.alert, RetryAfter: retryAfter(c, p.limited),
		Methods: methods, LastResort: len(methods) == 0,
	})
}

// methods are the buttons for every other method that will do.
func (l *Login) methods(s *signIn, all []idp.Method, current idp.Method) []ui.Method {
	labels := map[idp.Method]ui.Key{
		idp.MethodTOTP: ui.MsgUseAuthenticator, idp.MethodRecovery: ui.MsgUseRecoveryCode, idp.MethodEmail: ui.MsgUseEmailCode,
	}
	var list []ui.Method
	for _, m := range all {
		if m != current {
			list = append(list, ui.Method{
				Label: *labels[m].With(), Action: l.action(s, "method"), Name: "method", Value: string(m),
			})
		}
	}
	return list
}

type enrolPage struct {
	codeError, alert *ui.Message
	limited          *throttle.LimitedError
}

func (l *Login) enrolLimited(c *gin.Context, s *signIn, limited *throttle.LimitedError) error {
	return l.renderEnrol(c, s, enrolPage{limited: limited, alert: ui.MsgTooManyAttempts.With(limited.Wait)})
}

// qrPixels is twice the size on the page, so that modules stay whole pixels on
// every screen.
const qrPixels = 416

func (l *Login) renderEnrol(c *gin.Context, s *signIn, p enrolPage) error {
	key, err := l.Keyring.Open(s.notes.Key, pendingAAD(s.flow.ID))
	if err != nil {
		return err
	}
	label := s.population.Policy.IssuerLabel
	otpauth := mfa.TOTPURL(label, s.user.Email, key)
	image, err := mfa.TOTPImage(otpauth, qrPixels)
	if err != nil {
		return err
	}
	page := ui.Enrol{
		Frame: l.frame(c, s), Action: l.action(s, "enrol"), IssuerLabel: label, AccountLabel: s.user.Email,
		QR:  template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(image)),
		Key: mfa.TOTPKeyText(key), OTPAuthURL: template.URL(otpauth),
		CodeError: p.codeError, Alert: p.alert, RetryAfter: retryAfter(c, p.limited),
	}
	status := passwordPage{alert: p.alert, emailError: p.codeError, limited: p.limited}.status()
	return l.render(c, s, status, page)
}

func (l *Login) renderCodes(c *gin.Context, s *signIn, savedError *ui.Message) error {
	codes, err := l.openCodes(c.Request.Context(), s)
	if err != nil {
		return err
	}
	status := passwordPage{alert: savedError}.status()
	return l.render(c, s, status, ui.RecoveryCodes{
		Frame: l.frame(c, s), Action: l.action(s, "saved"), Codes: codes,
		DownloadURL: l.action(s, "codes.txt"), SavedError: savedError,
	})
}
