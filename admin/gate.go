package admin

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// enter finds out who visits. Without a session that is strong enough the browser
// goes to the sign-in, by an authorization request of the console's own client, and
// visit is nil. What protects the pages afterwards is the session itself: the code
// that comes back is not needed, and never redeemed.
func (a *Console) enter(c *gin.Context) (*visit, error) {
	ctx := c.Request.Context()
	standing, err := a.viewer(ctx, c)
	if err != nil {
		return nil, err
	}
	if standing == nil {
		return nil, a.signIn(c, c.Request.URL.RequestURI(), false)
	}
	actor, err := a.Manage.ActorOf(ctx, standing.User.ID, secondStepAt(standing.Session.Proofs))
	if err != nil {
		return nil, err
	}
	if len(actor.Permissions) == 0 {
		return nil, web.NewProblem(ui.ProblemForbidden, manage.ErrForbidden)
	}
	return &visit{Context: c, console: a, actor: actor, viewer: *standing}, nil
}

// viewer is the session that may see the console: of any population, with a second
// step whatever the policy says. Of several, the first that holds a permission.
func (a *Console) viewer(ctx context.Context, c *gin.Context) (*store.SessionStanding, error) {
	populations, err := a.populations(ctx)
	if err != nil {
		return nil, err
	}
	found, err := a.Sessions.Find(ctx, c.Request.Header, idp.ConsoleClient, populations)
	if err != nil {
		return nil, err
	}
	for i, s := range found {
		if s.Session.PolicyVersion >= s.Override.MinVersion && strongEnough(s.Session.Proofs) {
			return &found[i], nil
		}
	}
	return nil, nil
}

// strongEnough asks the rule, with the console's own override: it holds whatever
// anybody saved.
func strongEnough(proofs []idp.Proof) bool {
	return mfa.Decide(mfa.Question{
		Override: idp.Override{Mode: idp.OverrideRequired}, Demand: idp.Demand{MaxAge: idp.NoMaxAge},
		Proofs: proofs, Now: idp.Now(),
	}).Outcome == mfa.Satisfied
}

func (a *Console) populations(ctx context.Context) ([]string, error) {
	list, err := a.Store.Populations(ctx)
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return ids, err
}

// secondStepAt is when the second step was last proved, zero for never.
func secondStepAt(proofs []idp.Proof) (at time.Time) {
	for _, p := range proofs {
		if p.Method != idp.MethodPassword && p.At.After(at) {
			at = p.At
		}
	}
	return at
}

// signIn sends the browser to the sign-in and back to a page. fresh asks for proofs
// of at most manage.FreshSecondStep (RFC 9470's step-up, by max_age).
func (a *Console) signIn(c *gin.Context, page string, fresh bool) error {
	q := url.Values{
		"client_id": {idp.ConsoleClient}, "response_type": {"code"}, "scope": {"openid"},
		"redirect_uri": {a.Callback}, "state": {base64.RawURLEncoding.EncodeToString([]byte(page))},
		// Nobody redeems the code, so nobody knows the verifier.
		"code_challenge": {base64.RawURLEncoding.EncodeToString(idp.HashSecret(idp.NewSecret()))}, "code_challenge_method": {"S256"},
		"acr_values": {string(idp.ACRTwoStep)},
	}
	if fresh {
		q.Set("max_age", "600")
	}
	return web.Redirect(c, a.Web.Path("/authorize?%s", q.Encode()))
}

// callback is where the sign-in returns to: it goes on to the page that was asked
// for, which must be one of the console's.
func (a *Console) callback(c *gin.Context) error {
	home := a.Web.Path("/admin")
	if code := c.Query("error"); code != "" {
		return web.NewProblem(ui.ProblemForbidden, nil).BackTo(home, "Gatehouse")
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.Query("state"))
	page := string(raw)
	if err != nil || !ownPage(page, home) {
		page = home
	}
	return web.Redirect(c, page)
}

// ownPage refuses addresses that lead out of the console.
func ownPage(page, home string) bool {
	u, err := url.Parse(page)
	if err != nil || u.IsAbs() || u.Host != "" || strings.ContainsAny(page, "\\\r\n") {
		return false
	}
	return (u.Path == home || strings.HasPrefix(u.Path, home+"/")) && !strings.Contains(u.Path, "..") &&
		u.Path != home+"/callback"
}

// stepUp asks for a fresh second step and returns to ?to=.
func (v *visit) stepUp() error {
	to := v.Query("to")
	if !ownPage(to, v.path("")) {
		to = v.path("")
	}
	if v.fresh() {
		return web.Redirect(v.Context, to)
	}
	return v.console.signIn(v.Context, to, true)
}

// fresh tells whether the viewer's second step is young enough for what is
// sensitive.
func (v *visit) fresh() bool {
	return !v.actor.SecondStepAt.IsZero() && idp.Now().Sub(v.actor.SecondStepAt) <= manage.FreshSecondStep
}
