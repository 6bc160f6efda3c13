package admin

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
	"gatehouse/idp/pageauth"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// Console serves the pages below /admin.
type Console struct {
	Store    *store.Store
	Web      *web.Web
	Sessions *session.Manager
	Manage   *manage.Manager
	// Keyring seals what was typed while its sender signs in again. Optional.
	Keyring *keyring.Keyring
	// Callback is the redirect URI of the console's own client.
	Callback string
	// Registration is where apps register themselves, empty where they cannot.
	Registration string
	// AuditRetention is how long audit events are kept, zero for ever.
	AuditRetention func(ctx context.Context) (time.Duration, error)
	// Certificate is when that of this server ends, zero where it has none. Optional.
	Certificate func() time.Time
}

// visit is one request of a person who may see the console.
type visit struct {
	*gin.Context
	console *Console
	actor   authz.Actor
	viewer  store.SessionState
	// stepUpACR is what a fresh second step of the viewer takes, empty for any.
	stepUpACR idp.ACR
}

// handler serves a page or carries out what one posted.
type handler func(v *visit) error

// Routes registers the console, behind the refusal of cross-site posts.
func (a *Console) Routes(r *gin.RouterGroup) {
	g := r.Group("/admin", a.Web.Apart(), a.Web.SameOrigin())
	g.GET("/callback", a.Web.Handle(a.relyingParty().Back))
	g.GET("/setup/:token", a.Web.Handle(a.setup))
	g.POST("/setup/:token", a.Web.Handle(a.postSetup))
	for path, h := range pages() {
		g.GET(path, a.Web.Handle(a.page(h)))
	}
	for path, h := range forms() {
		g.POST(path, a.Web.Handle(a.page(h)))
	}
}

// pages are what can be looked at.
func pages() map[string]handler {
	return map[string]handler{
		"":                                (*visit).overview,
		"/authentication/:population":     policy().get,
		"/authentication/:population/mfa": policy().get,
		"/step-up":                        (*visit).stepUp,

		"/authentication/:population/access":                              access().get,
		"/authentication/:population/connections/new":                     (*visit).newConnection,
		"/authentication/:population/connections/new/:template":           newConnectionForm().get,
		"/authentication/:population/connections/:connection":             connectionSettings().get,
		"/authentication/:population/connections/:connection/certificate": (*visit).connectionCertificate,
		"/authentication/:population/connections/:connection/delete":      deleteConnection().get,
		"/authentication/:population/passwords":                           passwords().get,
		"/authentication/:population/sessions":                            sessions().get,

		"/authentication/new":               (*visit).newPopulation,
		"/authentication/:population/brand": brand().get,
		"/apps":                             (*visit).apps,
		"/apps/registration":                (*visit).initialTokens,
		"/apps/registration/new":            newInitialToken().get,
		"/apps/registration/:id/withdraw":   withdrawInitialToken().get,
		"/apps/new":                         (*visit).newApp,
		"/apps/new/:template":               (*visit).newAppForm,
		"/apps/:id":                         (*visit).appSettings,
		"/apps/:id/connect":                 (*visit).appConnect,
		"/apps/:id/secrets":                 (*visit).appSecrets,
		"/apps/:id/secrets/add":             (*visit).askSecret,
		"/apps/:id/secrets/remove/:index":   (*visit).askSecret,
		"/apps/:id/mfa":                     override().get,
		"/apps/:id/deliveries":              (*visit).appDeliveries,
		"/apps/:id/delete":                  deleteApp().get,
		"/audit":                            (*visit).audit,
		"/audit/export":                     (*visit).exportAudit,
		"/system":                           (*visit).system,
		"/system/keys/:key/revoke":          revokeKey().get,

		"/people":                     (*visit).people,
		"/people/export":              (*visit).exportPeople,
		"/people/new":                 func(v *visit) error { return v.withRoles(newPerson()) },
		"/people/:id":                 personTab(profileTab),
		"/people/:id/sign-in":         personTab(signInTab),
		"/people/:id/sessions":        personTab(sessionsTab),
		"/people/:id/history":         personTab(historyTab),
		"/people/:id/edit":            (*visit).editPerson,
		"/people/:id/roles":           (*visit).personRoles,
		"/people/:id/password":        (*visit).askPassword,
		"/people/:id/connect/:object": (*visit).askLink,
		"/people/remind/:object":      remind().get,
		"/people/:id/:action":         (*visit).askAction,
		"/people/:id/:action/:object": (*visit).askAction,
		"/roles":                      (*visit).roles,
		"/roles/new":                  newRole().get,
		"/roles/:id":                  (*visit).role,
		"/roles/:id/edit":             (*visit).editRole,
		"/roles/:id/delete":           (*visit).askDeleteRole,
		"/authentication/:population/registration": registration().get,
		"/people/invite":      func(v *visit) error { return v.withRoles(invitation()) },
		"/people/invitations": (*visit).invitations,
	}
}

// forms are what can be posted.
func forms() map[string]handler {
	return map[string]handler{
		"/authentication/:population/mfa":   policy().post,
		"/authentication/:population/apply": policy().apply,

		"/authentication/:population/access":                         access().post,
		"/authentication/:population/access/confirm":                 access().apply,
		"/authentication/:population/connections/new/:template":      newConnectionForm().post,
		"/authentication/:population/connections/:connection":        connectionSettings().post,
		"/authentication/:population/connections/:connection/delete": deleteConnection().post,
		"/authentication/:population/passwords":                      passwords().post,
		"/authentication/:population/passwords/apply":                passwords().apply,
		"/authentication/:population/sessions":                       sessions().post,
		"/authentication/:population/sessions/apply":                 sessions().apply,

		"/authentication/new":               (*visit).postPopulation,
		"/authentication/:population/brand": brand().post,
		"/apps/registration/new":            newInitialToken().post,
		"/apps/registration/:id/withdraw":   withdrawInitialToken().post,
		"/apps/new/:template":               newAppForm().post,
		"/apps/:id":                         appSettings().post,
		"/apps/:id/secrets/add":             (*visit).postSecret,
		"/apps/:id/secrets/remove/:index":   (*visit).postRemoveSecret,
		"/apps/:id/mfa":                     override().post,
		"/apps/:id/apply":                   override().apply,
		"/apps/:id/delete":                  deleteApp().post,
		"/system/retry":                     (*visit).postRetry,
		"/system/keys/:key/revoke":          revokeKey().post,
		"/apps/:id/deliveries/test":         (*visit).postLogoutTest,
		"/system/test-mail":                 (*visit).postTestMail,

		"/people/new":                              newPerson().post,
		"/people/:id/edit":                         changedPerson().post,
		"/people/:id/roles":                        (*visit).postPersonRoles,
		"/people/:id/password":                     (*visit).postPassword,
		"/people/:id/connect/:object":              link().post,
		"/people/remind/:object":                   remind().post,
		"/people/:id/:action":                      (*visit).postAction,
		"/people/:id/:action/:object":              (*visit).postAction,
		"/roles/new":                               newRole().post,
		"/roles/:id/edit":                          changedRole().post,
		"/roles/:id/delete":                        deleteRole().post,
		"/authentication/:population/registration": registration().post,
		"/people/invite":                           invitation().post,
		"/people/invitations/:id/resend":           (*visit).postResend,
		"/people/invitations/:id/revoke":           (*visit).postRevoke,
	}
}

// page lets in who is signed in with a second step, and holds a permission at all.
func (a *Console) page(h handler) web.Handler {
	return func(c *gin.Context) error {
		if err := c.Request.ParseForm(); err != nil {
			return web.BadForm(err)
		}
		v, err := a.enter(c)
		if err != nil || v == nil {
			return err
		}
		return v.explain(h(v))
	}
}

// explain turns what an operation refuses into what the viewer can do about it.
func (v *visit) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, authz.ErrGone):
		return v.console.signIn(v.Context, v.backTo(), pageauth.Ask{})
	case errors.Is(err, authz.ErrStepUp):
		return v.proveAgain(v.backTo())
	case errors.Is(err, authz.ErrForbidden):
		return web.NewProblem(ui.ProblemForbidden, err).BackTo(v.path(""), "Gatehouse")
	case errors.Is(err, idp.ErrNotFound):
		return web.NewProblem(ui.ProblemNotFound, err).BackTo(v.path(""), "Gatehouse")
	case errors.As(err, new(*authz.WaitError)):
		return web.NewProblem(ui.ProblemTooMany, err).BackTo(v.backTo(), "Gatehouse")
	case errors.Is(err, idp.ErrUnreadable):
		return web.NewProblem(ui.ProblemUnreadable, err).BackTo(v.path(""), "Gatehouse")
	}
	return err
}

// backTo is the page to return to after a step-up: the one that was asked for, or
// the one whose form was posted.
func (v *visit) backTo() string { return v.console.backTo(v.Context) }

func (a *Console) backTo(c *gin.Context) string {
	if c.Request.Method == http.MethodGet {
		return c.Request.URL.RequestURI()
	}
	home := a.Web.Path("/admin")
	// The page with the form is at the same address, or before the page that asks when
	// it applies.
	for _, last := range []string{"", "/apply", "/confirm"} {
		route, ok := strings.CutSuffix(c.FullPath(), last)
		if _, known := pages()[strings.TrimPrefix(route, home)]; ok && known {
			return strings.TrimSuffix(c.Request.URL.Path, last)
		}
	}
	return home
}

// path is a page of the console.
func (v *visit) path(page string) string { return v.console.Web.Path("/admin%s", page) }

// done goes to a page and says there what was done.
func (v *visit) done(page string, what ui.Key) error {
	return web.Redirect(v.Context, v.path(page)+"?done="+strings.TrimPrefix(string(what), "console.done."))
}

// saved is done, or says that nothing was changed: the version now is the one that the
// form saw.
func (v *visit) saved(page string, seen, now int64, what ui.Key) error {
	if seen == now {
		what = "console.done.unchanged"
	}
	return v.done(page, what)
}

// doneKeys are what a page may say was done: the address picks one, and no other
// text.
func doneKeys() []ui.Key {
	return slices.Concat(peopleDone(), invitationsDone(), rolesDone(), []ui.Key{
		"console.done.saved", "console.done.unchanged", "console.done.passwords_new", "console.done.applied_now", "console.done.applied_later",
		"console.done.key_revoked", "console.done.logout_tested", "console.done.connected", "console.done.secret_removed", "console.done.app_deleted", "console.done.token_withdrawn", "console.done.rule_now",
		"console.done.retried", "console.done.mail_sent", "console.done.population_added",
		"console.done.access_changed", "console.done.connection_added", "console.done.connection_saved", "console.done.connection_deleted",
		"console.done.linked", "console.done.unlinked",
	})
}

// frame is what all pages of the console show around themselves.
func (v *visit) frame(ctx context.Context, current string) (ui.Console, error) {
	nav, err := v.navigation(ctx, current)
	c := ui.Console{
		Frame: ui.Frame{Lang: v.lang(), Zone: v.viewer.User.Zoneinfo, Account: v.viewer.User.Email},
		Nav:   nav, HomeURL: v.path(""), SignOutAction: v.console.Web.Path("/end_session"),
	}
	if v.actor.CanDo("Users") {
		c.FindURL = v.path("/people")
	}
	done := ui.Key("console.done." + v.Query("done"))
	if slices.Contains(doneKeys(), done) {
		c.Done = done.With()
	}
	return c, err
}

func (v *visit) lang() string {
	return v.console.Web.Language(v.Request, ui.Wish{Person: v.viewer.User.Locale, Default: v.viewer.Population.Language, Console: true})
}

// text is a text of the catalogue in the viewer's language.
func (v *visit) text(key ui.Key, args ...any) string {
	return v.console.Web.Text(v.lang(), *key.With(args...))
}

// navigation lists the pages that the viewer may see.
func (v *visit) navigation(ctx context.Context, current string) ([]ui.NavGroup, error) {
	item := func(label, page string) ui.NavItem {
		return ui.NavItem{Label: label, URL: v.path(page), Current: page == current}
	}
	groups := []ui.NavGroup{{Items: []ui.NavItem{item(v.text("console.nav.overview"), "")}}}
	if v.actor.CanDo("Users") {
		groups[0].Items = append(groups[0].Items, item(v.text("console.nav.people"), "/people"))
	}
	if v.actor.CanDo("Clients") {
		groups[0].Items = append(groups[0].Items, item(v.text("console.nav.apps"), "/apps"))
	}
	if v.actor.CanDo("UpdateRole") {
		groups[0].Items = append(groups[0].Items, item(v.text("console.nav.roles"), "/roles"))
	}
	records := ui.NavGroup{Label: "console.nav.records"}
	if v.actor.CanDo("Audit") {
		records.Items = append(records.Items, item(v.text("console.nav.audit"), "/audit"))
	}
	if v.canSeeSystem() {
		records.Items = append(records.Items, item(v.text("console.nav.system"), "/system"))
	}
	if !v.actor.Can(idp.PermissionAuthentication) {
		if len(records.Items) > 0 {
			groups = append(groups, records)
		}
		return groups, nil
	}
	populations, err := v.console.Store.Populations(ctx)
	security := ui.NavGroup{Label: "console.nav.security"}
	for _, p := range populations {
		security.Items = append(security.Items, item(v.text("console.nav.authentication", populationLabel(p)), "/authentication/"+p.ID))
	}
	security.Items = append(security.Items, item(v.text("console.nav.add_population"), "/authentication/new"))
	return append(groups, security, records), err
}

// populationLabel is how the console calls a population: the two that every
// installation has by the admins' words.
func populationLabel(p idp.Population) string {
	switch p.ID {
	case idp.Agents:
		return "Agent"
	case idp.Contacts:
		return "Contact"
	}
	return p.Name
}

// populationName is how the console calls the people of a population: the two that
// every installation has by the admins' words, since both may carry one brand.
func (v *visit) populationName(p idp.Population) string {
	switch p.ID {
	case idp.Agents:
		return v.text("console.agents")
	case idp.Contacts:
		return v.text("console.contacts")
	}
	return p.Name
}

// render sends a page of the console.
func (v *visit) render(status int, page ui.Page) error {
	v.console.relyingParty().Refill(v.Context, v.viewer.User.ID, v.lang())
	return v.console.Web.Render(v.Context, status, page)
}
