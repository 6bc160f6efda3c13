package login

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// askPage is a page that asks for an address to mail a link to, as it is shown.
type askPage struct {
	in         credentials
	emailError *ui.Message
	limited    *throttle.LimitedError
}

func (p askPage) status() int {
	return passwordPage{emailError: p.emailError, limited: p.limited}.status()
}

func (p askPage) alert() *ui.Message {
	if p.limited == nil {
		return nil
	}
	return ui.MsgTooManyAttempts.With(p.limited.Wait)
}

// forgotURL is the way to a new password; empty where there is none.
func (l *Login) forgotURL(s *signIn, p idp.Population) string {
	if !p.Access.Password || !l.mails() {
		return ""
	}
	return l.askURL(s, "forgot", p)
}

// registerURL is the way to an account of one's own making; empty where there is none.
func (l *Login) registerURL(s *signIn, p idp.Population) string {
	if !p.Registers() || !l.mails() {
		return ""
	}
	return l.askURL(s, "register", p)
}

func (l *Login) askURL(s *signIn, step string, p idp.Population) string {
	if p.ID == s.flow.PopulationID {
		return l.action(s, step)
	}
	return l.action(s, step) + "?as=" + p.ID
}

// mails tells whether links can be sent at all.
func (l *Login) mails() bool { return l.Manage.Mailer != nil }

// asking loads the flow, which must be at its beginning, and the population that a
// page asks for.
func (l *Login) asking(c *gin.Context) (*signIn, askPage, idp.Population, error) {
	s, err := l.load(c)
	if err != nil {
		return nil, askPage{}, idp.Population{}, err
	}
	if s.over() {
		return nil, askPage{}, idp.Population{}, l.finished(s, nil)
	}
	page := askPage{in: s.prefilled(c)}
	population, err := l.Store.Population(c.Request.Context(), page.in.population)
	return s, page, population, err
}

// forgot asks for the address of the account. It writes nothing.
func (l *Login) forgot(c *gin.Context) error {
	s, page, population, err := l.asking(c)
	if err != nil {
		return err
	}
	if c.Query("sent") == "yes" {
		return l.renderSent(c, s, population, false)
	}
	return l.renderForgot(c, s, population, page)
}

func (l *Login) renderForgot(c *gin.Context, s *signIn, p idp.Population, page askPage) error {
	if p.Access.Password && !l.mails() {
		return web.NewProblem(ui.ProblemNotFound, system.ErrNoMail)
	}
	_, others, err := l.choices(c.Request.Context(), s, p.ID, "/forgot")
	if err != nil {
		return err
	}
	if s.flow.UserID != "" { // whose password it is, is settled
		others = nil
	}
	return l.render(c, s, page.status(), ui.ForgotPassword{
		Frame: l.askFrame(c, s, p), Action: l.action(s, "forgot"), Population: p.ID, PopulationName: p.Name, Email: page.in.email,
		EmailError: page.emailError, Alert: page.alert(), RetryAfter: retryAfter(c, page.limited), Others: others,
		Elsewhere: !p.Access.Password, BackURL: l.backTo(s, p),
	})
}

// askFrame is the frame in a population's brand. This is no sign-in.
func (l *Login) askFrame(c *gin.Context, s *signIn, p idp.Population) ui.Frame {
	shown := *s
	shown.Population = p
	f := l.sideFrame(c, &shown)
	f.Account, f.NotYouAction, f.Notice = "", "", nil
	return f
}

// backTo is the sign-in, in the population that the person was at.
func (l *Login) backTo(s *signIn, p idp.Population) string {
	back := Path(l.Web.Base(), s.flow.ID)
	if p.ID != s.flow.PopulationID {
		back += "?as=" + p.ID
	}
	return back
}

// postForgot sends a link to a person who has an account. Known and unknown people get the
// same answer after the same work: whether there is an account is looked up when they have
// it.
func (l *Login) postForgot(c *gin.Context, s *signIn) error {
	return l.ask(c, s, asking{
		step: "forgot", open: func(p idp.Population) bool { return p.Access.Password },
		take: l.Manage.Links.AskReset, render: l.renderForgot,
	})
}

// asking is one of the two things that can be asked for without a sign-in.
type asking struct {
	step   string
	open   func(p idp.Population) bool
	take   func(ctx context.Context, r links.LinkRequest) error
	render func(c *gin.Context, s *signIn, p idp.Population, page askPage) error
}

func (l *Login) ask(c *gin.Context, s *signIn, a asking) error {
	ctx := c.Request.Context()
	page := askPage{in: s.credentials(c)}
	population, err := l.Store.Population(ctx, page.in.population)
	if err != nil {
		return err
	}
	if !a.open(population) || !l.mails() {
		return web.NewProblem(ui.ProblemNotFound, nil)
	}
	in, _ := s.incomplete(page.in)
	if page.emailError = in.emailError; page.emailError != nil {
		return a.render(c, s, population, page)
	}
	err = l.takeOnce(ctx, s, a, page.in, population, l.plainFrame(c, s).Lang)
	switch {
	case errors.Is(err, idp.ErrInvalid):
		page.emailError = ui.MsgEmailInvalid.With()
		if web.SaidAt(err, "domain") != nil {
			page.emailError = ui.MsgDomainRefused.With()
		}
		return a.render(c, s, population, page)
	case errors.As(err, &page.limited):
		return a.render(c, s, population, page)
	case err != nil:
		return err
	}
	return web.Redirect(c, l.action(s, a.step)+"?sent=yes&as="+population.ID)
}

// takeOnce takes a request, and one for an address in each window: repeated requests get
// one mail, are never told more, and keep no person from signing in. A
// *throttle.LimitedError is about the network address that asks, whatever address it asks
// for.
func (l *Login) takeOnce(ctx context.Context, s *signIn, a asking, in credentials, p idp.Population, lang string) error {
	return l.Store.Do(ctx, func(ctx context.Context) error {
		_, err := l.Limiter.Begin(ctx, l.Limiter.MailFrom(idp.VisitFrom(ctx).Address))
		if err != nil {
			return err
		}
		_, err = l.Limiter.Begin(ctx, l.Limiter.Mail(a.step, p.ID, in.email))
		var limited *throttle.LimitedError
		if errors.As(err, &limited) {
			return nil
		}
		if err != nil {
			return err
		}
		return a.take(ctx, links.LinkRequest{
			Population: p.ID, Email: in.email, Lang: lang, Destination: links.Destination{ClientID: s.client.ID, FlowID: s.flow.ID},
		})
	})
}

// renderSent says the same to everybody.
func (l *Login) renderSent(c *gin.Context, s *signIn, p idp.Population, register bool) error {
	step := "forgot"
	if register {
		step = "register"
	}
	return l.render(c, s, http.StatusOK, ui.LinkSent{
		Frame: l.askFrame(c, s, p), Register: register, Wait: int(throttle.MailWindow / time.Second),
		AgainURL: l.askURL(s, step, p), BackURL: l.backTo(s, p),
	})
}

// register asks for the address of a person who wants an account. It writes nothing. An
// app may lead here where there is nothing to register for (prompt=create): then the
// sign-in begins as always.
func (l *Login) register(c *gin.Context) error {
	s, page, population, err := l.asking(c)
	if err != nil {
		return err
	}
	if c.Query("create") == "yes" && l.registerURL(s, population) == "" {
		return l.toPage(c, s)
	}
	if c.Query("sent") == "yes" && population.Registers() {
		return l.renderSent(c, s, population, true)
	}
	return l.renderRegister(c, s, population, page)
}

func (l *Login) renderRegister(c *gin.Context, s *signIn, p idp.Population, page askPage) error {
	if !p.Registers() || !l.mails() {
		return web.NewProblem(ui.ProblemNotFound, nil)
	}
	return l.render(c, s, page.status(), ui.Register{
		Frame: l.askFrame(c, s, p), Action: l.action(s, "register"), Population: p.ID, Email: page.in.email,
		EmailError: page.emailError, Alert: page.alert(), RetryAfter: retryAfter(c, page.limited), BackURL: l.backTo(s, p),
	})
}

// postRegister sends a link by which an account can be made. A person who has one gets a
// mail that says so. Both get the same answer after the same work.
func (l *Login) postRegister(c *gin.Context, s *signIn) error {
	return l.ask(c, s, asking{
		step: "register", open: idp.Population.Registers, take: l.Manage.Links.AskRegistration, render: l.renderRegister,
	})
}
