package gate

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// Gate lets people in to one set of pages of ours.
type Gate struct {
	Store    *store.Store
	Web      *web.Web
	Sessions *session.Manager
	// Client is the client_id of the pages, and Callback its redirect URI.
	Client, Callback string
	// Home is the path below the issuer's that all of the pages begin with.
	Home string
	// Override is what the pages ask of a session whatever anybody saved.
	Override idp.Override
	// Keyring seals what was typed while a sign-in comes in between. Optional: without
	// it nothing is kept.
	Keyring *keyring.Keyring
	// ACR is what a sign-in to the pages asks for, empty for what the policy does.
	ACR idp.ACR
}

// Ask is what a visitor has to prove.
type Ask struct {
	// ACR, empty: any that the policy is content with.
	ACR idp.ACR
	// MaxAge, when positive, is how old a proof may be at most, in whole seconds (RFC
	// 9470's step-up, by max_age).
	MaxAge time.Duration
	// UserID is who has to, empty: anybody.
	UserID string
	// Prompt is OpenID Connect's, empty for none.
	Prompt string
	// Population is whose sign-in is offered first, empty for the client's first.
	Population string
}

// Viewers are the sessions of a browser that may see the pages, in the order of the
// populations: one person may have one of each.
func (g *Gate) Viewers(ctx context.Context, h http.Header) ([]store.SessionStanding, error) {
	populations, err := g.Populations(ctx)
	if err != nil {
		return nil, err
	}
	found, err := g.Sessions.Find(ctx, h, g.Client, populations)
	if err != nil {
		return nil, err
	}
	return g.let(found), nil
}

// After is Viewers of one population for a browser that may have lost the answer to an
// act that gave its session another token.
func (g *Gate) After(ctx context.Context, h http.Header, population string, a session.Act) ([]store.SessionStanding, error) {
	found, err := g.Sessions.FindAfter(ctx, h, g.Client, population, a)
	return g.let(found), err
}

// let are those of some sessions that may see the pages.
func (g *Gate) let(found []store.SessionStanding) (list []store.SessionStanding) {
	for _, s := range found {
		if g.lets(s) {
			list = append(list, s)
		}
	}
	return list
}

// Again reads a viewer's session anew, by its id: its cookie may have been replaced.
// ok: it may still see the pages.
func (g *Gate) Again(ctx context.Context, seen store.SessionStanding) (now store.SessionStanding, ok bool, err error) {
	now, err = g.Store.SessionStanding(ctx, g.Client, seen.Session.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return now, false, nil
	}
	if err != nil {
		return now, false, err
	}
	now, open := now.Worth()
	return now, open && g.lets(now), nil
}

// lets tells whether a session may see the pages.
func (g *Gate) lets(s store.SessionStanding) bool {
	return s.Session.Alive(s.Population, idp.Now()) && !s.User.Disabled &&
		s.Session.PolicyVersion >= s.Override.MinVersion && g.strongEnough(s)
}

// strongEnough asks the rule, with the gate's own override. A session that an app
// without a second step let in is not enough for pages that ask for one.
func (g *Gate) strongEnough(s store.SessionStanding) bool {
	return mfa.Decide(mfa.Question{
		Policy: s.Judged, Override: g.Override, Demand: idp.Demand{MaxAge: idp.NoMaxAge},
		Proofs: s.Session.Proofs, Now: idp.Now(),
	}).Outcome == mfa.Satisfied
}

// Populations are the ids of all, in their order.
func (g *Gate) Populations(ctx context.Context) ([]string, error) {
	list, err := g.Store.Populations(ctx)
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return ids, err
}

// SignIn sends the browser to the sign-in, by an authorization request of the pages'
// own client, and back to one of them. What protects the pages afterwards is the
// session itself: the code that comes back is not needed, and never redeemed.
func (g *Gate) SignIn(c *gin.Context, page string, ask Ask) error {
	if err := g.keep(c, page, ask); err != nil {
		return err
	}
	q := url.Values{
		"client_id": {g.Client}, "response_type": {"code"}, "scope": {"openid"},
		"redirect_uri": {g.Callback}, "state": {base64.RawURLEncoding.EncodeToString([]byte(page))},
		// Nobody redeems the code, so nobody knows the verifier.
		"code_challenge": {base64.RawURLEncoding.EncodeToString(idp.HashSecret(idp.NewSecret()))}, "code_challenge_method": {"S256"},
	}
	if ask.ACR == "" {
		ask.ACR = g.ACR
	}
	if ask.ACR != "" {
		q.Set("acr_values", string(ask.ACR))
	}
	if ask.MaxAge > 0 {
		q.Set("max_age", strconv.Itoa(int(ask.MaxAge/time.Second)))
	}
	if ask.Prompt != "" {
		q.Set("prompt", ask.Prompt)
	}
	if ask.Population != "" {
		q.Set("population", ask.Population)
	}
	if ask.UserID != "" {
		q.Set("claims", oneSubject(ask.UserID))
	}
	return web.Redirect(c, g.Web.Path("/authorize?%s", q.Encode()))
}

// oneSubject is the claims parameter that takes one person and no other (OpenID
// Connect Core 1.0 section 5.5.1): of two who are signed in, the one that is meant.
func oneSubject(id string) string {
	text, _ := json.Marshal(map[string]any{"id_token": map[string]any{"sub": map[string]string{"value": id}}}) // always marshals
	return string(text)
}

// Back is where the sign-in returns to: it goes on to the page that was asked for,
// which must be one of the gate's.
func (g *Gate) Back(c *gin.Context) error {
	home := g.Web.Path("%s", g.Home)
	if code := c.Query("error"); code != "" {
		return web.NewProblem(ui.ProblemForbidden, nil).BackTo(home, "Gatehouse")
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.Query("state"))
	page := string(raw)
	if err != nil || !g.Owns(page) {
		page = home
	}
	return web.Redirect(c, page)
}

// Owns refuses addresses that lead out of the pages.
func (g *Gate) Owns(page string) bool { return owns(page, g.Web.Path("%s", g.Home)) }

func owns(page, home string) bool {
	u, err := url.Parse(page)
	if err != nil || u.IsAbs() || u.Host != "" || strings.ContainsAny(page, "\\\r\n") {
		return false
	}
	return (u.Path == home || strings.HasPrefix(u.Path, home+"/")) && !strings.Contains(u.Path, "..") &&
		u.Path != home+"/callback"
}
