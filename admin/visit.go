package admin

import (
	"context"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/pageauth"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// relyingParty is the console as one. It asks for a second step whatever the policy says.
func (a *Console) relyingParty() *pageauth.RelyingParty {
	return &pageauth.RelyingParty{
		Store: a.Store, Web: a.Web, Sessions: a.Sessions, Client: idp.ConsoleClient, Callback: a.Callback, Home: "/admin",
		Override: idp.Override{Mode: idp.OverrideRequired}, Keyring: a.Keyring,
	}
}

// enter finds out who visits. Without a session that is strong enough the browser
// goes to the sign-in, by an authorization request of the console's own client, and
// visit is nil.
func (a *Console) enter(c *gin.Context) (*visit, error) {
	ctx := c.Request.Context()
	viewers, err := a.relyingParty().Viewers(ctx, c.Request.Header)
	if err != nil {
		return nil, err
	}
	if len(viewers) == 0 {
		return nil, a.signIn(c, a.backTo(c), pageauth.Ask{})
	}
	return a.visitor(ctx, c, viewers)
}

// visitor is, of several who are signed in, the first who holds a permission. One who
// proved too little to use it goes to the sign-in.
func (a *Console) visitor(ctx context.Context, c *gin.Context, viewers []store.SessionState) (*visit, error) {
	for _, s := range viewers {
		proved, err := a.Manage.Self.StrongStep(ctx, s.User.ID, s.Session.Proofs)
		if err != nil {
			return nil, err
		}
		actor, err := a.Manage.Authz.ActorOf(ctx, s.User.ID, proved.At)
		switch {
		case err != nil:
			return nil, err
		case len(actor.Permissions) == 0:
		case proved.Missing != "":
			return nil, a.signIn(c, a.backTo(c), pageauth.Ask{ACR: proved.Missing, UserID: s.User.ID})
		default:
			c.Request = c.Request.WithContext(a.Manage.Authz.Watch(ctx, a.again(s)))
			return &visit{Context: c, console: a, actor: actor, viewer: s, stepUpACR: proved.ACR}, nil
		}
	}
	if c.Query(another) != "" {
		return nil, a.signIn(c, a.Web.Path("/admin"), pageauth.Ask{Prompt: "select_account"})
	}
	refused := web.NewProblem(ui.ProblemForbidden, authz.ErrForbidden)
	refused.BackURL, refused.BackLabel = a.Web.Path("/admin")+"?"+another+"=yes", *ui.MsgAnother.With()
	return nil, refused
}

// another is the parameter by which somebody whose accounts may see nothing here chooses one
// that may.
const another = "sign-in"

// again reads a visitor anew, for the end of what they began.
func (a *Console) again(seen store.SessionState) func(ctx context.Context) (authz.Actor, error) {
	return func(ctx context.Context) (authz.Actor, error) {
		now, ok, err := a.relyingParty().Reread(ctx, seen)
		if err == nil && !ok {
			err = authz.ErrGone
		}
		if err != nil {
			return authz.Actor{}, err
		}
		proved, err := a.Manage.Self.StrongStep(ctx, now.User.ID, now.Session.Proofs)
		if err == nil && proved.Missing != "" {
			err = authz.ErrGone
		}
		if err != nil {
			return authz.Actor{}, err
		}
		return a.Manage.Authz.ActorOf(ctx, now.User.ID, proved.At)
	}
}

// signIn sends the browser to the sign-in and back to a page.
func (a *Console) signIn(c *gin.Context, page string, ask pageauth.Ask) error {
	return a.relyingParty().SignIn(c, page, ask)
}

// stepUp asks for a fresh second step and returns to ?to=.
func (v *visit) stepUp() error {
	to := v.Query("to")
	if !v.console.relyingParty().Owns(to) {
		to = v.path("")
	}
	if v.fresh() {
		return web.Redirect(v.Context, to)
	}
	return v.proveAgain(to)
}

// proveAgain asks the viewer for a fresh second step, the strongest of theirs that works,
// and returns to a page.
func (v *visit) proveAgain(page string) error {
	return v.console.signIn(v.Context, page, pageauth.Ask{ACR: v.stepUpACR, MaxAge: authz.FreshSecondStep, UserID: v.viewer.User.ID})
}

// fresh tells whether the viewer's second step is young enough for what is
// sensitive.
func (v *visit) fresh() bool {
	return !v.actor.SecondStepAt.IsZero() && idp.Now().Sub(v.actor.SecondStepAt) <= authz.FreshSecondStep
}
