package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// otherTab is the session that another tab of this browser made or stepped up meanwhile,
// if this sign-in can end with it: it satisfies the request, and is of the person who has
// begun here. nil for none, and where the person is about to choose.
func (l *Login) otherTab(ctx context.Context, s *signIn) (*store.SessionState, error) {
	if !s.waits() {
		return nil, nil
	}
	found, err := l.Requests.Answers(ctx, s.Request, s.header)
	if err != nil || found == nil || s.flow.UserID != "" && found.User.ID != s.flow.UserID {
		return nil, err
	}
	return found, nil
}

// waits tells whether another tab's session may end this sign-in at all.
func (s *signIn) waits() bool {
	return !s.over() && s.flow.Kind != idp.FlowChoose && s.flow.Kind != (Unmet{}).kind() && s.flow.Kind != (Denied{}).kind() && !s.notes.Switch && s.notes.Pending == nil
}

// apartFromOthers are the steps that mean something else than to go on.
var apartFromOthers = map[string]bool{"choose": true, "restart": true, "judge": true, "forgot": true, "register": true, "deny": true}

// overtaken is the session of another tab that answers a POST in place of the step: a code
// that is typed here was used there. A password for another address means another account.
func (l *Login) overtaken(c *gin.Context, s *signIn, step string) (*store.SessionState, error) {
	// A passkey says itself who it is, and may be another account's.
	if apartFromOthers[step] || step == string(idp.MethodPasskey) && s.flow.UserID == "" {
		return nil, nil
	}
	found, err := l.otherTab(c.Request.Context(), s)
	if err != nil || found == nil {
		return nil, err
	}
	if step == "password" && s.flow.UserID == "" {
		in := s.credentials(c)
		if in.population != found.Population.ID || string(idp.EmailKey(in.email)) != string(idp.EmailKey(found.User.Email)) {
			return nil, nil
		}
	}
	return found, nil
}

// askOnward tells the script of a waiting page whether the sign-in can go on without the
// person. It writes nothing.
func (l *Login) askOnward(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	s, err := l.load(c)
	var problem *web.Problem
	if errors.As(err, &problem) {
		c.Status(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	found, err := l.otherTab(c.Request.Context(), s)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, map[string]bool{"onward": found != nil})
	return nil
}

// postOnward is the button of the page that says who is signed in: step has found that no
// person is any more.
func (l *Login) postOnward(c *gin.Context, s *signIn) error { return l.toPage(c, s) }

// goOn ends the sign-in with the session of another tab, once: request and flow are
// answered as if the session had been there when the request came in.
func (l *Login) goOn(c *gin.Context, s *signIn, found store.SessionState) error {
	s.goOnWith(found)
	s.flow.Kind = (Done{}).kind()
	var answer web.Answer
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) (err error) {
		if err := l.Store.AdvanceFlow(ctx, s.flow); err != nil {
			return err
		}
		answer, err = l.Requests.Resume(ctx, s.flow.RequestID, found.Session)
		return err
	})
	if errors.Is(err, idp.ErrConflict) || errors.Is(err, idp.ErrExpired) || errors.Is(err, idp.ErrUsed) {
		return web.Redirect(c, Path(l.Web.Base(), s.flow.ID)) // it moved, or the session ended this moment
	}
	if err != nil {
		return err
	}
	return l.Web.Answer(c, l.plainFrame(c, s), answer)
}

// againField is the hidden field with which a form asks to start again when its sign-in
// is long forgotten. It holds no more than the app's own request.
const againField = "again"

// maxAgain is the longest request that a form brings back.
const maxAgain = 8 << 10

// waiting is what the script of a page waits for.
func (l *Login) waiting(s *signIn) ui.Waiting {
	w := ui.Waiting{AgainURL: l.Requests.Anew(s.Request, s.flow.PopulationID), Seconds: int(s.flow.ExpiresAt.Sub(idp.Now()).Seconds())}
	if s.waits() {
		w.OnwardURL, w.PageURL = l.action(s, "onward"), Path(l.Web.Base(), s.flow.ID)
	}
	return w
}

// tooLate is a sign-in whose time is over, while its request is still known.
type tooLate struct {
	*web.Problem
	request    idp.Request
	population string
}

// Unwrap makes it the problem that it is where nothing starts again.
func (e *tooLate) Unwrap() error { return e.Problem }

// expired finds the request of a flow whose time is over, if it was not answered.
func (l *Login) expired(ctx context.Context, flow idp.Flow, problem *web.Problem) error {
	if flow.Kind == (Done{}).kind() || flow.Kind == (Unmet{}).kind() || flow.Kind == (Denied{}).kind() {
		return problem
	}
	r, err := l.Store.Request(ctx, flow.RequestID)
	if errors.Is(err, idp.ErrNotFound) {
		return problem
	}
	if err == nil && flow.UserID != "" {
		var u idp.User
		u, err = l.Store.User(ctx, flow.UserID)
		r.LoginHint = u.Email
	}
	if err != nil {
		return err
	}
	return &tooLate{Problem: problem, request: r, population: flow.PopulationID}
}

// anew answers with the request that starts again. What follows may lead to the app.
func (l *Login) anew(c *gin.Context, location string) error {
	if c.Request.Method == http.MethodGet {
		return web.Redirect(c, location)
	}
	return l.Web.LeadOn(c, ui.Frame{}, location)
}

// postedEmail is the address that a form brought, empty for none that a request can carry.
func postedEmail(c *gin.Context) string {
	typed := strings.TrimSpace(c.PostForm("email"))
	if len(typed) > maxTyped || !utf8.ValidString(typed) || strings.ContainsRune(typed, 0) {
		return ""
	}
	return typed
}

// picked is the population whose form the browser shows, empty for none that has the form
// of one. The request that starts again takes it where it is one of the client's.
func picked(c *gin.Context) string {
	p := c.PostForm("population")
	if p == "" {
		p = c.Query("as")
	}
	if !populationForm.MatchString(p) {
		return ""
	}
	return p
}

// populationForm is that of a population's id.
var populationForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// maxTyped is the longest login_hint that a request may carry.
const maxTyped = 320

// startAgain makes the request of a sign-in that took too long once more: as it is stored,
// or as the form brings it back. The address and the population stay. Any other error, and
// an unknown request, is as it was.
func (l *Login) startAgain(c *gin.Context, err error) error {
	var late *tooLate
	var problem *web.Problem
	typed, population := postedEmail(c), picked(c)
	switch {
	case errors.As(err, &late):
		if typed != "" {
			late.request.LoginHint = typed
		}
		if population == "" {
			population = late.population
		}
		return l.anew(c, l.Requests.Anew(late.request, population))
	case errors.As(err, &problem) && problem.Kind == ui.ProblemFlowExpired && len(c.PostForm(againField)) <= maxAgain:
		_, query, ok := strings.Cut(c.PostForm(againField), "?")
		q, errQuery := url.ParseQuery(query)
		if !ok || errQuery != nil {
			return err
		}
		if typed != "" {
			q.Set("login_hint", typed)
		}
		if population != "" && q.Has("population") {
			q.Set("population", population)
		}
		page := "/authorize"
		if q.Has("user_code") { // of a device
			page = "/device"
		}
		return l.anew(c, l.Web.Path("%s?%s", page, q.Encode()))
	}
	return err
}

func (l *Login) renderGoOn(c *gin.Context, s *signIn, found store.SessionState) error {
	return l.render(c, s, http.StatusOK, ui.GoOn{
		Frame: l.plainFrame(c, s), Action: l.action(s, "onward"), Email: found.User.Email,
		OtherURL: Path(l.Web.Base(), s.flow.ID) + "?other=1",
	})
}
