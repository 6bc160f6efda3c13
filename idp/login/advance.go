package login

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/web"
)

// advance writes the flow with its new facts and goes to what comes next; a
// finished one becomes a session. change does what belongs to the same
// transaction; its error undoes all of it.
func (l *Login) advance(c *gin.Context, s *signIn, change func(ctx context.Context) error) error {
	var out outcome
	before, trust := s.clone(), wantsTrust(c)
	err := l.Store.Do(c.Request.Context(), func(ctx context.Context) error {
		*s = *before.clone() // a transaction may run again
		if err := l.lockPerson(ctx, s); err != nil {
			return err
		}
		if err := change(ctx); err != nil {
			return err
		}
		if trust {
			if err := l.trustBrowser(ctx, s, before); err != nil {
				return err
			}
		}
		state, err := l.settle(ctx, s)
		if err != nil {
			return err
		}
		s.notes.Moved = s.moved(state)
		continues := s.continuesSession()
		if s.flow.Proofs = s.proofs(); !continues { // a sign-in of its own takes the newest policies
			s.flow.PolicyVersion = s.Version
		}
		out, err = l.write(ctx, s, state)
		return err
	})
	if errors.Is(err, idp.ErrConflict) || errors.Is(err, idp.ErrNotFound) {
		// Another tab was faster: show where it is now. Or the person or the app was
		// deleted, and the sign-in with it: the page that comes next says that it is over.
		return l.tooLate(c, s)
	}
	if err != nil {
		*s = *before
		return err
	}
	for _, cookie := range out.cookies {
		http.SetCookie(c.Writer, cookie)
	}
	if out.answer.URL != "" {
		return l.Web.Answer(c, l.plainFrame(c, s), out.answer)
	}
	return l.toPage(c, s)
}

// lockPerson has the steps of one person come one after the other, and before what else
// a step writes: who changes or deletes a person takes them first too, so that neither
// waits for the other.
func (l *Login) lockPerson(ctx context.Context, s *signIn) error {
	if s.flow.UserID == "" {
		return nil
	}
	return l.Store.LockUser(ctx, s.flow.UserID)
}

// settle reads again what others may have changed since the request began, and
// asks what comes next. Before it says Done it holds back further changes of the
// policies, and asks once more if one came in between: no sign-in slips past a
// policy that was saved while it was under way.
func (l *Login) settle(ctx context.Context, s *signIn) (State, error) {
	if err := l.loadContext(ctx, s); err != nil {
		return nil, err
	}
	state := s.next()
	if _, done := state.(Done); !done {
		return state, nil
	}
	version, err := l.Store.PolicyVersion(ctx)
	if err != nil || version == s.Version {
		return state, err
	}
	if err := l.loadContext(ctx, s); err != nil {
		return nil, err
	}
	return s.next(), nil
}

// outcome is what the app is answered when a step leaves the sign-in.
type outcome struct {
	answer  web.Answer
	cookies []*http.Cookie
}

// write stores the flow in its next state, with what entering that state brings.
func (l *Login) write(ctx context.Context, s *signIn, state State) (outcome, error) {
	var out outcome
	var err error
	switch state := state.(type) {
	case NeedCode:
		if enter := secondStepOf(state.Methods[0]).enter; enter != nil {
			err = enter(l, ctx, s)
		}
	case NeedEnrolment:
		l.prepareSecret(s, state)
		err = l.noteOffer(ctx, s, state)
	case Unmet:
		out.answer, err = moved(l.Requests.Unmet(ctx, s.flow.RequestID))
	case Denied:
		out.answer, err = moved(l.Requests.Denied(ctx, s.flow.RequestID))
	case Done:
		if err := l.linkAssertion(ctx, s); err != nil {
			return out, err
		}
		out, err = l.finish(ctx, s)
	case ChooseSession, ChooseMethod, NeedPassword, ConfirmEmail, ChangePassword, ShowCodes, ShowLeft, Stuck, Approve:
	}
	if err != nil {
		return out, err
	}
	if s.flow.UserID != "" || s.notes.Pending != nil { // the person has proved something
		s.flow.ExpiresAt = s.flow.CreatedAt.Add(idp.FlowLifetime)
	}
	s.flow.Kind, s.flow.Data = state.kind(), s.notes.encode()
	return out, l.Store.AdvanceFlow(ctx, s.flow)
}
