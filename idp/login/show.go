package login

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/picture"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

func (l *Login) openedDirectly(*gin.Context) error {
	return web.NewProblem(ui.ProblemOpenedDirectly, nil)
}

// show is the page of the flow's present state. It writes nothing.
func (l *Login) show(c *gin.Context) error {
	s, err := l.load(c)
	if err != nil {
		return l.startAgain(c, err)
	}
	if l.Sessions.Cookies.App(c.Request.Header) != s.client.ID {
		http.SetCookie(c.Writer, l.Sessions.Cookies.NewApp(s.client.ID))
	}
	if s.over() {
		return l.finished(s, nil)
	}
	if c.Query("other") == "" && c.Query("as") == "" { // another person is meant
		switch found, err := l.otherTab(c.Request.Context(), s); {
		case err != nil:
			return err
		case found != nil:
			return l.renderGoOn(c, s, *found)
		}
	}
	state := s.next()
	s.notes.Moved = s.notes.Moved || s.moved(state)
	switch state := state.(type) {
	case ChooseSession:
		return l.showChoice(c, s)
	case NeedPassword:
		return l.showPassword(c, s)
	case ConfirmEmail:
		return l.renderConfirm(c, s, confirmPage{})
	case ChooseMethod:
		return l.renderMethods(c, s, state)
	case NeedCode:
		return l.renderCode(c, s, codePage{method: state.Methods[0]})
	case NeedEnrolment:
		return secondStepOf(state.Method).setUp(l, c, s, state, enrolPage{})
	case ChangePassword:
		return l.renderChange(c, s, changePage{state: state})
	case ShowCodes:
		return l.renderCodes(c, s, nil)
	case ShowLeft:
		return l.renderLeft(c, s, state)
	case Stuck:
		return l.render(c, s, http.StatusForbidden, ui.Code{
			Frame: l.frame(c, s), Action: l.action(s, "totp"), IssuerLabel: s.label(),
			Alert: ui.MsgFactorDisabledHelp.With(), LastResort: true,
		})
	case Approve:
		return l.renderApproval(c, s, state.What)
	case Unmet, Denied, Done:
		return l.finished(s, nil)
	}
	return l.finished(s, nil)
}

func (l *Login) action(s *signIn, step string) string {
	return Path(l.Web.Base(), s.flow.ID) + "/" + step
}

// language is that of the pages of a sign-in. Whose it is counts once they gave a proof:
// before, anybody could see by an email which language its owner reads.
func (l *Login) language(c *gin.Context, s *signIn) string {
	wish := ui.Wish{UILocales: s.Request.UILocales, Default: s.Population.Language}
	if s.flow.UserID != "" {
		wish.Person = s.User.Locale
	}
	return l.Web.Language(c.Request, wish)
}

// plainFrame is that of a page that asks for nothing.
func (l *Login) plainFrame(c *gin.Context, s *signIn) ui.Frame {
	f := l.Web.Frame(l.language(c, s), s.Population.Brand)
	f.ClientName, f.Here = s.client.Name, Path(l.Web.Base(), s.flow.ID)
	if s.client.LogoURI != "" {
		f.ClientLogo = l.Web.Path("/apps/%s/logo?v=%s", url.PathEscape(s.client.ID), picture.Tag(s.client.LogoURI))
	}
	return f
}

// frame is that of a step, which waits for other tabs and starts again when it is late.
func (l *Login) frame(c *gin.Context, s *signIn) ui.Frame {
	f := l.sideFrame(c, s)
	f.Waiting = l.waiting(s)
	f.FormFields = append(f.FormFields, ui.Field{Name: againField, Value: f.Waiting.AgainURL}, ui.Field{Name: passkeysField})
	return f
}

// sideFrame is that of a page beside the steps: it shows nothing of the app's request.
func (l *Login) sideFrame(c *gin.Context, s *signIn) ui.Frame {
	f := l.plainFrame(c, s)
	switch {
	case s.notes.Pending.proved():
		f.Notice = ui.MsgLinkPassword.With(s.notes.Pending.Name)
	case s.notes.Moved:
		f.Notice = ui.MsgPolicyChanged.With()
	}
	if s.flow.UserID != "" {
		f.Account, f.Zone, f.NotYouAction = s.User.Email, s.User.Zoneinfo, l.action(s, "restart")
	}
	return f
}

func (l *Login) render(c *gin.Context, _ *signIn, status int, page ui.Page) error {
	return l.Web.Render(c, status, page)
}

// prefilled is the form as it is first shown: ?as= picks another population of
// the client.
func (s *signIn) prefilled(c *gin.Context) credentials {
	in := credentials{population: s.flow.PopulationID, email: s.Request.LoginHint}
	if s.flow.UserID != "" {
		in.email = s.User.Email
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
	// busy: there is too much to do for the password to be looked at.
	busy bool
	// refused is the status of a page for a person who was turned away, else zero.
	refused int
}

func (p passwordPage) status() int {
	switch {
	case p.refused != 0:
		return p.refused
	case p.limited != nil:
		return http.StatusTooManyRequests
	case p.busy:
		return http.StatusServiceUnavailable
	case p.alert != nil || p.emailError != nil || p.passwordError != nil:
		return unprocessable
	}
	return http.StatusOK
}

func (l *Login) renderPassword(c *gin.Context, s *signIn, p passwordPage) error {
	ctx := c.Request.Context()
	if p.busy {
		busyFor(c)
	}
	if s.flow.UserID != "" {
		ways, err := l.waysIn(ctx, s, s.Population)
		if err != nil {
			return err
		}
		return l.render(c, s, p.status(), ui.Reauthenticate{
			Frame: l.frame(c, s), Action: l.action(s, "password"), Email: s.User.Email,
			PasswordError: p.passwordError, Alert: p.alert, RetryAfter: retryAfter(c, p.limited),
			NoPassword: !ways.password, Upstreams: ways.buttons, ForgotURL: l.forgotURL(s, s.Population),
			Passkey: l.aloneForm(s, s.Population),
		})
	}
	population, others, err := l.choices(ctx, s, p.in.population, "")
	if err != nil {
		return err
	}
	shown := *s
	shown.Population = population
	ways, err := l.waysIn(ctx, s, population)
	if err != nil {
		return err
	}
	return l.render(c, s, p.status(), ui.SignIn{
		NoPassword: !ways.password, Upstreams: ways.buttons,
		Frame: l.frame(c, &shown), Action: l.action(s, "password"),
		Population: population.ID, PopulationName: population.Name, Email: p.in.email,
		EmailError: p.emailError, PasswordError: p.passwordError, Alert: p.alert,
		RetryAfter: retryAfter(c, p.limited), Others: others,
		ForgotURL: l.forgotURL(s, population), RegisterURL: l.registerURL(s, population),
		OffersKeep: population.KeepSignedIn, Keep: p.in.keep, Passkey: l.aloneForm(s, population),
	})
}

// choices are the population that a form is for, and links to that of the client's
// others.
func (l *Login) choices(ctx context.Context, s *signIn, chosen, step string) (idp.Population, []ui.Link, error) {
	population, others := s.Population, []ui.Link(nil)
	for _, id := range s.client.Populations {
		if id == s.Population.ID && id == chosen {
			continue
		}
		p, err := l.Store.Population(ctx, id)
		if err != nil {
			return population, nil, err
		}
		if id == chosen {
			population = p
		} else {
			others = append(others, ui.Link{Label: p.Name, URL: Path(l.Web.Base(), s.flow.ID) + step + "?as=" + id})
		}
	}
	return population, others, nil
}

// busyFor tells the client when to try again.
func busyFor(c *gin.Context) { c.Header("Retry-After", strconv.Itoa(int(idp.BusyWait/time.Second))) }

// retryAfter tells page and client how long to wait.
func retryAfter(c *gin.Context, limited *throttle.LimitedError) int {
	if limited == nil || limited.Capped {
		return 0
	}
	seconds := int((limited.Wait + time.Second - 1) / time.Second)
	c.Header("Retry-After", strconv.Itoa(seconds))
	return seconds
}
