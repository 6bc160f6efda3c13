package pageauth

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

// RelyingParty is one set of pages of ours, as a relying party.
type RelyingParty struct {
	Store    *store.Store
	Web      *web.Web
	Sessions *session.Manager
	// Client is the client_id of the pages, and Callback its redirect URI.
	Client, Callback string
	// Home is the path below the issuer's that all of the pages begin with.
	Home string
	// Override is what the pages ask of a session beside the saved policies.
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
	// UserID is the person who has to prove it, empty for any.
	UserID string
	// Prompt is OpenID Connect's, empty for none.
	Prompt string
	// Population is the one whose sign-in is offered first, empty for the client's first.
	Population string
}

// Viewers are the sessions of a browser that may see the pages, in the order of the
// populations: one person may have one of each.
func (p *RelyingParty) Viewers(ctx context.Context, h http.Header) ([]store.SessionState, error) {
	populations, err := p.Populations(ctx)
	if err != nil {
		return nil, err
	}
	found, err := p.Sessions.Find(ctx, h, p.Client, populations)
	if err != nil {
		return nil, err
	}
	return p.viewable(found), nil
}

// ViewersAfter are those of one population for a browser that may have lost the answer to an
// act that gave its session another token.
func (p *RelyingParty) ViewersAfter(ctx context.Context, h http.Header, population string, a session.Act) ([]store.SessionState, error) {
	found, err := p.Sessions.FindAfter(ctx, h, p.Client, population, a)
	return p.viewable(found), err
}

// viewable are those of some sessions that may see the pages.
func (p *RelyingParty) viewable(found []store.SessionState) (list []store.SessionState) {
	for _, s := range found {
		if p.canView(s) {
			list = append(list, s)
		}
	}
	return list
}

// Reread reads a viewer's session anew, by its id: its cookie may have been replaced.
// ok: it may still see the pages.
func (p *RelyingParty) Reread(ctx context.Context, seen store.SessionState) (now store.SessionState, ok bool, err error) {
	now, err = p.Store.SessionState(ctx, p.Client, seen.Session.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return now, false, nil
	}
	if err != nil {
		return now, false, err
	}
	now, open := now.Worth()
	return now, open && p.canView(now), nil
}

// canView tells whether a session may see the pages. One that an app without a second step
// let in is not enough for pages that ask for one: their own override counts.
func (p *RelyingParty) canView(s store.SessionState) bool {
	return s.Session.Alive(s.Population, idp.Now()) && !s.User.Disabled &&
		s.Session.PolicyVersion >= s.Override.MinVersion &&
		mfa.StrongEnough(s.Judged, p.Override, s.Session.Proofs, s.Trusted.Worth(s.Population, s.Override, idp.Now()), idp.Now())
}

// Populations are the ids of all, in their order.
func (p *RelyingParty) Populations(ctx context.Context) ([]string, error) {
	list, err := p.Store.Populations(ctx)
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return ids, err
}

// SignIn sends the browser to the sign-in, by an authorization request of the pages'
// own client, and back to one of them. What protects the pages afterwards is the
// session itself: the code that comes back is not needed, and never redeemed.
func (p *RelyingParty) SignIn(c *gin.Context, page string, ask Ask) error {
	if err := p.keep(c, page, ask); err != nil {
		return err
	}
	q := url.Values{
		"client_id": {p.Client}, "response_type": {"code"}, "scope": {"openid"},
		"redirect_uri": {p.Callback}, "state": {base64.RawURLEncoding.EncodeToString([]byte(page))},
		// The code is never redeemed, so the verifier is thrown away.
		"code_challenge": {base64.RawURLEncoding.EncodeToString(idp.HashSecret(idp.NewSecret()))}, "code_challenge_method": {"S256"},
	}
	if ask.ACR == "" {
		ask.ACR = p.ACR
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
	return web.Redirect(c, p.Web.Path("/authorize?%s", q.Encode()))
}

// oneSubject is the claims parameter that takes one person and no other (OpenID
// Connect Core 1.0 section 5.5.1): of two who are signed in, the one that is meant.
func oneSubject(id string) string {
	text, _ := json.Marshal(map[string]any{"id_token": map[string]any{"sub": map[string]string{"value": id}}}) // always marshals
	return string(text)
}

// Back is where the sign-in returns to: it goes on to the page that was asked for,
// which must be one of ours.
func (p *RelyingParty) Back(c *gin.Context) error {
	home := p.Web.Path("%s", p.Home)
	if code := c.Query("error"); code != "" {
		return web.NewProblem(ui.ProblemForbidden, nil).BackTo(home, "Gatehouse")
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.Query("state"))
	page := string(raw)
	if err != nil || !p.Owns(page) {
		page = home
	}
	return web.Redirect(c, page)
}

// Owns refuses addresses that lead out of the pages.
func (p *RelyingParty) Owns(page string) bool { return owns(page, p.Web.Path("%s", p.Home)) }

func owns(page, home string) bool {
	u, err := url.Parse(page)
	if err != nil || u.IsAbs() || u.Host != "" || strings.ContainsAny(page, "\\\r\n") {
		return false
	}
	return (u.Path == home || strings.HasPrefix(u.Path, home+"/")) && !strings.Contains(u.Path, "..") &&
		u.Path != home+"/callback"
}
