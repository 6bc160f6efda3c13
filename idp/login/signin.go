package login

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// signIn is a flow with everything around it, read for one HTTP request.
type signIn struct {
	flow       idp.Flow
	notes      Notes
	client     idp.Client
	population idp.Population
	request    idp.Request
	// user and enrolment are empty until a password was accepted.
	user      idp.User
	enrolment idp.Enrolment
	// header is the request's: it holds the cookies of the browser's sessions.
	header http.Header
}

// load reads the flow that the URL names, provided that it belongs to this
// browser and its time is not over.
func (l *Login) load(c *gin.Context) (*signIn, error) {
	ctx := c.Request.Context()
	id := c.Param("flow")
	if !utf8.ValidString(id) || strings.ContainsRune(id, 0) { // PostgreSQL refuses to look
		return nil, web.NewProblem(ui.ProblemFlowExpired, idp.ErrNotFound)
	}
	flow, err := l.Store.Flow(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, web.NewProblem(ui.ProblemFlowExpired, err)
	}
	if err != nil {
		return nil, err
	}
	client, err := l.Store.Client(ctx, flow.ClientID)
	if err != nil {
		return nil, err
	}
	if err := l.bound(ctx, c.Request.Header, flow); err != nil {
		return nil, err.BackTo(client.HomeURL, client.Name)
	}
	if !idp.Now().Before(flow.ExpiresAt) {
		return nil, web.NewProblem(ui.ProblemFlowExpired, idp.ErrExpired).BackTo(client.HomeURL, client.Name)
	}
	s := &signIn{flow: flow, client: client, header: c.Request.Header}
	return s, l.surround(ctx, s)
}

// bound refuses a flow of another browser: whoever is sent a link to somebody
// else's sign-in cannot finish it, nor have theirs finished.
func (l *Login) bound(ctx context.Context, h http.Header, flow idp.Flow) *web.Problem {
	_, browser := l.Sessions.Cookies.Browser(h)
	if browser == nil {
		return web.NewProblem(ui.ProblemCookies, errors.New("the browser sent no cookie of ours"))
	}
	if bytes.Equal(browser, flow.BrowserHash) {
		return nil
	}
	err := l.Store.Audit(ctx, idp.AuditEvent{
		Kind: idp.AuditFlowForeign, UserID: flow.UserID, PopulationID: flow.PopulationID, ClientID: flow.ClientID,
	})
	return web.NewProblem(ui.ProblemOtherBrowser, errors.Join(errors.New("flow of another browser"), err))
}

// surround reads what stands around a flow.
func (l *Login) surround(ctx context.Context, s *signIn) (err error) {
	if s.notes, err = decodeNotes(s.flow.Data); err != nil {
		return err
	}
	if s.population, err = l.Store.Population(ctx, s.flow.PopulationID); err != nil {
		return err
	}
	if s.request, err = l.Store.Request(ctx, s.flow.RequestID); err != nil {
		return err
	}
	if s.flow.UserID == "" {
		return nil
	}
	if s.user, err = l.Store.User(ctx, s.flow.UserID); err != nil {
		return err
	}
	s.enrolment, err = l.Store.Enrolment(ctx, s.flow.UserID)
	return err
}

// next is the state that the facts lead to now.
func (s *signIn) next() State {
	if s.flow.UserID != "" && s.user.Disabled {
		return NeedPassword{} // whatever was proved: they may not sign in
	}
	return Next(Facts{
		Question: mfa.Question{
			Policy: s.population.Policy, Override: s.client.Override, Demand: s.request.Demand,
			Proofs: s.flow.Proofs, Enrolled: mfa.EnrolledOf(s.enrolment),
			// Ages count at the moment of the request: a person may take their
			// time, and with max_age=0 would never be done.
			Now: s.request.CreatedAt,
		},
		Recovery: s.enrolment.Recovery, RecoveryLeft: s.enrolment.RecoveryLeft, Notes: s.notes,
		Choosing: s.flow.Kind == idp.FlowChoose,
	})
}

func (s *signIn) prove(m idp.Method) {
	s.flow.Proofs = withProof(s.flow.Proofs, idp.Proof{Method: m, At: idp.Now()})
}

// audit is an event about this sign-in.
func (s *signIn) audit(kind idp.AuditKind, detail map[string]string) idp.AuditEvent {
	return idp.AuditEvent{
		Kind: kind, ActorID: s.user.ID, UserID: s.user.ID, PopulationID: s.flow.PopulationID,
		ClientID: s.flow.ClientID, SessionID: s.flow.SessionID, Detail: detail,
	}
}

// advance writes the flow with its new facts and goes to what comes next; a
// finished one becomes a session. change does what belongs to the same
// transaction; its error undoes all of it.
func (l *Login) advance(c *gin.Context, s *signIn, change func(ctx context.Context) error) error {
	var out outcome
	before := *s
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) error {
		*s = before // a transaction may run again
		if err := change(ctx); err != nil {
			return err
		}
		if err := l.refresh(ctx, s); err != nil {
			return err
		}
		var err error
		out, err = l.write(ctx, s)
		return err
	})
	if errors.Is(err, idp.ErrConflict) {
		return l.here(c, s) // another tab was faster: show where it is now
	}
	if err != nil {
		return err
	}
	for _, cookie := range out.cookies {
		http.SetCookie(c.Writer, cookie)
	}
	if out.location != "" {
		return web.Redirect(c, out.location)
	}
	return l.here(c, s)
}

// refresh reads again what others may have changed since the request began:
// the policy above all, which Next then judges by.
func (l *Login) refresh(ctx context.Context, s *signIn) (err error) {
	if s.population, err = l.Store.Population(ctx, s.flow.PopulationID); err != nil {
		return err
	}
	s.flow.PolicyVersion = s.population.Policy.Version
	if s.flow.UserID == "" {
		return nil
	}
	if s.user, err = l.Store.User(ctx, s.flow.UserID); err != nil {
		return err
	}
	s.enrolment, err = l.Store.Enrolment(ctx, s.flow.UserID)
	return err
}

// outcome is where a step leads when it leaves the sign-in.
type outcome struct {
	location string
	cookies  []*http.Cookie
}

func (l *Login) write(ctx context.Context, s *signIn) (outcome, error) {
	var out outcome
	state := s.next()
	switch state := state.(type) {
	case NeedEnrolment:
		l.prepareKey(s, state)
	case Unmet:
		location, err := l.Requests.Unmet(ctx, s.flow.RequestID)
		if err != nil {
			return out, err
		}
		out.location = location
	case Done:
		finished, err := l.finish(ctx, s)
		if err != nil {
			return out, err
		}
		out = finished
	case ChooseSession, NeedPassword, NeedCode, ShowCodes, ShowLeft, Stuck:
	}
	s.flow.Kind, s.flow.Data = state.kind(), s.notes.encode()
	return out, l.Store.AdvanceFlow(ctx, s.flow)
}
