package account

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/pageauth"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// Pages serves what is below /account.
type Pages struct {
	Store    *store.Store
	Web      *web.Web
	Sessions *session.Manager
	Manage   *manage.Manager
	Limiter  *throttle.Limiter
	// Keyring seals what was typed while its sender signs in again. Optional.
	Keyring *keyring.Keyring
	// Callback is the redirect URI of the pages' own client.
	Callback string
	// Identities are the accounts elsewhere through which people sign in. Optional:
	// without it the pages do not speak of them.
	Identities Identities
}

// Identity is an account elsewhere through which a person signs in.
type Identity struct {
	ID string
	// Provider is what people call where it is, Account what it is called there.
	Provider, Account string
	LinkedAt          time.Time
}

// Identities keeps people's accounts elsewhere.
type Identities interface {
	// Of lists those of a person.
	Of(ctx context.Context, userID string) ([]Identity, error)
	// Unlink takes one from the person, with its audit event and mail.
	// idp.ErrNotFound: they have none of that id.
	Unlink(ctx context.Context, s self.Self, id string) error
}

// visit is one request of a person who looks after their account.
type visit struct {
	*gin.Context
	pages  *Pages
	viewer store.SessionState
	self   self.Self
}

// handler serves a page or carries out what one posted.
type handler func(v *visit) error

// Home is the path of the pages.
const Home = "/account"

// Routes registers the pages, behind the refusal of cross-site posts. The address says
// whose account it is: a browser may be signed in to one of each population.
func (p *Pages) Routes(r *gin.RouterGroup) {
	g := r.Group(Home, p.Web.Apart(), p.Web.SameOrigin())
	g.GET("", p.Web.Handle(p.who))
	g.GET("/callback", p.Web.Handle(p.relyingParty().Back))
	p.wellKnown(r)
	g.GET("/confirm/:token", p.Web.Handle(p.confirm))
	g.POST("/confirm/:token", p.Web.Handle(p.postConfirm))
	for path, h := range looks() {
		g.GET("/:population"+path, p.Web.Handle(p.page(h)))
	}
	for path, h := range forms() {
		g.POST("/:population"+path, p.Web.Handle(p.page(h)))
	}
}

// looks are what can be looked at.
func looks() map[string]handler {
	return map[string]handler{
		"":                            (*visit).overview,
		"/profile":                    (*visit).profile,
		"/email":                      (*visit).email,
		"/password":                   (*visit).password,
		"/second-step":                (*visit).secondStep,
		"/second-step/add":            (*visit).enrol,
		"/second-step/passkey":        (*visit).passkey,
		"/second-step/:factor/rename": (*visit).rename,
		"/second-step/:factor/remove": (*visit).askRemove,
		"/codes":                      (*visit).codes,
		"/codes/recovery-codes.txt":   (*visit).downloadCodes,
		"/sessions":                   (*visit).sessions,
		"/connected-apps":             (*visit).consents,
		"/activity":                   (*visit).activity,
		"/microsoft":                  (*visit).microsoft,
		"/data":                       (*visit).data,
	}
}

// forms are what can be posted.
func forms() map[string]handler {
	return map[string]handler{
		"/profile":                    (*visit).postProfile,
		"/email":                      (*visit).postEmail,
		"/email/cancel":               (*visit).postCancelEmail,
		"/password":                   (*visit).postPassword,
		"/second-step/add":            (*visit).postEnrol,
		"/second-step/passkey":        (*visit).postPasskey,
		"/second-step/:factor/rename": (*visit).postRename,
		"/second-step/:factor/remove": (*visit).postRemove,
		"/codes":                      (*visit).postCodes,
		"/codes/saved":                (*visit).postSaved,
		"/sessions/end":               (*visit).postEnd,
		"/sessions/end-others":        (*visit).postEndOthers,
		"/sessions/end-access":        (*visit).postEndAccess,
		"/sessions/forget":            (*visit).postForget,
		"/connected-apps/save":        (*visit).postConsent,
		"/connected-apps/withdraw":    (*visit).postWithdraw,
		"/microsoft":                  (*visit).postUnlink,
		"/data":                       (*visit).postData,
	}
}

// relyingParty is the account as one. It asks for what the person's population does.
func (p *Pages) relyingParty() *pageauth.RelyingParty {
	return &pageauth.RelyingParty{
		Store: p.Store, Web: p.Web, Sessions: p.Sessions, Client: idp.AccountClient, Callback: p.Callback, Home: Home,
		Keyring: p.Keyring,
	}
}

// page lets in the person who is signed in to the population in the URL.
func (p *Pages) page(h handler) web.Handler {
	return func(c *gin.Context) error {
		if err := c.Request.ParseForm(); err != nil {
			return web.BadForm(err)
		}
		v, err := p.enter(c)
		if err != nil || v == nil {
			return err
		}
		return v.explain(h(v))
	}
}

// enter finds out who visits. Without a session that counts here, the browser goes to the
// sign-in or is asked whose account it means, and visit is nil.
func (p *Pages) enter(c *gin.Context) (*visit, error) {
	viewers, err := p.relyingParty().Viewers(c.Request.Context(), c.Request.Header)
	if err != nil {
		return nil, err
	}
	population := c.Param("population")
	again, err := p.lost(c, population)
	if err != nil {
		return nil, err
	}
	if again != nil {
		viewers = append(viewers, *again)
	}
	for _, s := range viewers {
		if s.Population.ID == population {
			self := self.Self{UserID: s.User.ID, SessionID: s.Session.ID, Proofs: s.Session.Proofs}
			c.Request = c.Request.WithContext(p.Manage.Authz.Watch(c.Request.Context(), p.again(s)))
			v := &visit{Context: c, pages: p, viewer: s, self: self}
			idp.Reads(c.Request.Context(), v.lang())
			return v, nil
		}
	}
	if _, err := p.Store.Population(c.Request.Context(), population); errors.Is(err, idp.ErrNotFound) {
		return nil, web.NewProblem(ui.ProblemNotFound, err).BackTo(p.Web.Path(Home), "Gatehouse")
	}
	here := p.Web.Path("%s/%s", Home, population)
	if _, ok := looks()[strings.TrimPrefix(c.FullPath(), p.Web.Path("%s/:population", Home))]; ok {
		here = c.Request.URL.Path // the page with the form is at the same address
	}
	switch {
	case len(viewers) == 0:
		return nil, p.relyingParty().SignIn(c, here, pageauth.Ask{Population: population})
	case c.Query("sign-in") != "":
		return nil, p.relyingParty().SignIn(c, here, pageauth.Ask{Prompt: "select_account", Population: population})
	}
	return nil, p.renderWho(c, viewers, "", here+"?sign-in=yes")
}

// again reads a visitor anew, for the end of what they began.
func (p *Pages) again(seen store.SessionState) func(ctx context.Context) (authz.Actor, error) {
	return func(ctx context.Context) (authz.Actor, error) {
		now, ok, err := p.relyingParty().Reread(ctx, seen)
		if err == nil && !ok {
			err = authz.ErrGone
		}
		return authz.Actor{UserID: now.User.ID}, err
	}
}

// who leads to the account of the person who is signed in, or to the page of it that the
// address names.
func (p *Pages) who(c *gin.Context) error {
	page := named(c.Query("to"))
	viewers, err := p.relyingParty().Viewers(c.Request.Context(), c.Request.Header)
	switch {
	case err != nil:
		return err
	case len(viewers) == 0:
		return p.relyingParty().SignIn(c, p.Web.Path("%s", page.own()), pageauth.Ask{})
	case len(viewers) == 1:
		return web.Redirect(c, p.Web.Path("%s/%s%s", Home, viewers[0].Population.ID, page))
	}
	return p.renderWho(c, viewers, page, "")
}

func (p *Pages) renderWho(c *gin.Context, viewers []store.SessionState, page landing, other string) error {
	who := ui.AccountWho{Frame: ui.Frame{Lang: p.Web.Language(c.Request, ui.Wish{})}, OtherURL: other}
	for _, s := range viewers {
		who.Accounts = append(who.Accounts, ui.AccountLink{
			Email: s.User.Email, PopulationName: s.Population.Name, URL: p.Web.Path("%s/%s%s", Home, s.Population.ID, page),
		})
	}
	return p.Web.Render(c, http.StatusOK, who)
}

// explain turns what an operation refuses into what the viewer can do about it.
func (v *visit) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, authz.ErrGone):
		return v.pages.relyingParty().SignIn(v.Context, v.back(), pageauth.Ask{})
	case errors.Is(err, authz.ErrStepUp):
		return v.proveAgain(err)
	case errors.Is(err, authz.ErrForbidden), errors.Is(err, self.ErrElsewhere):
		return web.NewProblem(ui.ProblemForbidden, err).BackTo(v.path(""), v.viewer.Population.Name)
	case errors.Is(err, idp.ErrNotFound):
		return web.NewProblem(ui.ProblemNotFound, err).BackTo(v.path(""), v.viewer.Population.Name)
	case errors.Is(err, idp.ErrUnreadable):
		return web.NewProblem(ui.ProblemUnreadable, err).BackTo(v.path("/codes"), v.viewer.Population.Name)
	}
	return err
}

// proveAgain asks the viewer for what a sensitive change takes, and returns to the page
// that was asked for, or whose form was posted.
func (v *visit) proveAgain(cause error) error {
	acr, _, err := v.pages.Manage.Self.StepUp(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	ask := pageauth.Ask{ACR: acr, MaxAge: authz.FreshSecondStep, UserID: v.self.UserID}
	var missing *authz.StepUpError
	if errors.As(cause, &missing) && missing.Anew || acr != "" && !v.viewer.Judged.SecondStep() {
		ask.Prompt = "login" // judged anew, and not by an earlier policy that knows no second step
	}
	return v.pages.relyingParty().SignIn(v.Context, v.back(), ask)
}

// back is the page to return to after a sign-in: the one that was asked for, or whose
// form was posted.
func (v *visit) back() string {
	page := v.Request.URL.Path
	if v.Request.Method != http.MethodGet {
		for _, form := range []string{"/saved", "/cancel", "/end", "/end-others", "/end-access", "/forget", "/save", "/withdraw"} {
			page = strings.TrimSuffix(page, form)
		}
	}
	return page
}

// proved asks for what a sensitive change takes before the form of it is filled in:
// better now than afterwards.
func (v *visit) proved() error {
	if _, proved, err := v.pages.Manage.Self.StepUp(v.Request.Context(), v.self); err != nil || !proved {
		return errors.Join(err, authz.ErrStepUp)
	}
	return nil
}

// path is a page of the viewer's account.
func (v *visit) path(page string) string {
	return v.pages.Web.Path("%s/%s%s", Home, v.viewer.Population.ID, page)
}

// done goes to a page and says there what was done.
func (v *visit) done(page string, what ui.Key) error {
	return web.Redirect(v.Context, v.path(page)+"?done="+strings.TrimPrefix(string(what), "account.done."))
}

// doneKeys are what a page may say was done: the address picks one, and no other text.
var doneKeys = []ui.Key{
	"account.done.saved", "account.done.unchanged", "account.done.password", "account.done.password_others", "account.done.asked", "account.done.dropped",
	"account.done.added", "account.done.passkey", "account.done.renamed", "account.done.removed", "account.done.removed_passkey", "account.done.codes_saved",
	"account.done.session_ended", "account.done.access_ended", "account.done.browser_forgotten", "account.done.others_ended", "account.done.unlinked",
	"account.done.consent_saved", "account.done.consent_withdrawn",
}

// text is a text of the catalogue in the viewer's language.
func (v *visit) text(key ui.Key, args ...any) string {
	return v.pages.Web.Text(v.lang(), *key.With(args...))
}

func (v *visit) lang() string {
	return v.pages.Web.Language(v.Request, ui.Wish{Person: v.viewer.User.Locale, Default: v.viewer.Population.Language})
}

// frame is what all pages of an account show around themselves: whose it is, and under
// whose brand.
func (v *visit) frame(current string) ui.Console {
	c := ui.Console{
		Frame:   v.pages.Web.Frame(v.lang(), v.viewer.Population.Brand),
		HomeURL: v.path(""), SignOutAction: v.pages.Web.Path("/end_session"), Nav: []ui.NavGroup{{Items: v.navigation(current)}},
	}
	c.Account, c.Zone = v.viewer.User.Email, v.viewer.User.Zoneinfo
	done := ui.Key("account.done." + v.Query("done"))
	if slices.Contains(doneKeys, done) {
		c.Done = done.With()
	}
	return c
}

// navigation lists the pages that say something to the viewer.
func (v *visit) navigation(current string) (items []ui.NavItem) {
	add := func(label ui.Key, page string) {
		items = append(items, ui.NavItem{Label: v.text(label), URL: v.path(page), Current: page == current})
	}
	add("account.nav.overview", "")
	add("account.nav.profile", "/profile")
	add("account.nav.email", "/email")
	if v.local() {
		add("account.nav.password", "/password")
		add("account.nav.second", "/second-step")
	}
	add("account.nav.sessions", "/sessions")
	if v.signsInElsewhere() {
		add("account.nav.microsoft", "/microsoft")
	}
	add("account.nav.consents", "/connected-apps")
	add("account.nav.activity", "/activity")
	add("account.nav.data", "/data")
	return items
}

// local tells whether password and second step are kept here for the viewer.
func (v *visit) local() bool {
	return v.viewer.Population.Access.Password &&
		!slices.ContainsFunc(v.self.Proofs, func(p idp.Proof) bool { return p.Method == idp.MethodFederated && !p.LocalStep })
}

// signsInElsewhere tells whether the viewer's population signs in through other
// providers at all.
func (v *visit) signsInElsewhere() bool {
	return v.pages.Identities != nil && v.viewer.Population.Access.Federated
}

// own reads the viewer's account.
func (v *visit) own() (self.Own, error) { return v.pages.Manage.Self.Own(v.Request.Context(), v.self) }

func (v *visit) render(status int, page ui.Page) error {
	v.pages.relyingParty().Refill(v.Context, v.self.UserID, v.lang())
	return v.pages.Web.Render(v.Context, status, page)
}

// fieldError is what is wrong about a field, if err says so.
func fieldError(err error) (field string, text *ui.Message) {
	wrong := web.Wrong(err)
	if len(wrong) == 0 {
		return "", nil
	}
	return wrong[0].Field, web.Said(wrong[0])
}
