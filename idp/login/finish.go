package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// finish is the only place in which a session comes about. It runs in the
// transaction of the last step, after the policy was read again, and answers the
// request there too: after a crash either all of it stands or none.
func (l *Login) finish(ctx context.Context, s *signIn) (outcome, error) {
	if s.onTrust = s.restsOnTrust(); s.onTrust {
		if err := l.Store.UseTrustedBrowser(ctx, s.Trusted.ID, idp.Now()); err != nil {
			return outcome{}, err
		}
	}
	session, cookie, err := l.establish(ctx, s)
	if err != nil {
		return outcome{}, err
	}
	s.flow.SessionID = session.ID
	s.notes.Ended = &ending{At: idp.Now()}
	if err := l.rememberBrowser(ctx, s); err != nil {
		return outcome{}, err
	}
	if err := l.settleByMail(ctx, s); err != nil {
		return outcome{}, err
	}
	answer, err := moved(l.Requests.Resume(ctx, s.flow.RequestID, session))
	return outcome{answer: answer, cookies: []*http.Cookie{cookie}}, err
}

// moved says of a request that was answered, or that went with its app this very moment,
// what is said of a flow that another tab moved.
func moved(answer web.Answer, err error) (web.Answer, error) {
	if errors.Is(err, idp.ErrUsed) {
		return answer, idp.ErrConflict
	}
	return answer, err
}

// settleByMail ends what a link in a mail began. The password that it set counts like any
// other once a second step that is not the mailbox was proved beside it, and for a person
// without an authenticator at once. A passkey in its place says nothing of it: a thief of the
// mailbox may have set it. Until then, whatever password replaces it, each
// sign-in, in whatever browser and at whatever app, asks a person with an authenticator
// for that and not for an email code.
func (l *Login) settleByMail(ctx context.Context, s *signIn) error {
	typed := func(m idp.Method) bool { return m == idp.MethodPassword }
	if s.User.PasswordByMailAt.IsZero() || !s.proved(typed) || len(mfa.Possessions(s.enrolment.Factors)) > 0 && !s.proved(mfa.IsStrong) {
		return nil
	}
	return l.Store.ForgetPasswordByMail(ctx, s.User.ID, s.User.PasswordByMailAt)
}

// rememberBrowser notes that the person signed in with this browser, and tells them
// by mail when it is a new one. Their very first is no news to them.
func (l *Login) rememberBrowser(ctx context.Context, s *signIn) error {
	others := false
	if !s.KnownBrowser {
		var err error
		if others, err = l.Store.KnowsAnyBrowser(ctx, s.User.ID); err != nil {
			return err
		}
	}
	if err := l.Store.RememberBrowser(ctx, s.User.ID, s.flow.BrowserHash, idp.Now(), s.secondSteps()...); err != nil || !others {
		return err
	}
	if err := l.Store.Audit(ctx, s.audit(idp.AuditNewBrowser, nil)); err != nil {
		return err
	}
	return l.Outbox.Notify(ctx, s.User, s.Population, ui.Mail{Kind: ui.MailNewBrowser, App: s.client.Name})
}

// secondSteps are those that were proved in this very sign-in.
func (s *signIn) secondSteps() []idp.Method {
	return slices.DeleteFunc(mfa.SecondSteps(), func(m idp.Method) bool {
		return !s.proved(func(proved idp.Method) bool { return proved == m })
	})
}

// methods is the detail of an audit event that says what was proved in this very sign-in,
// in the order of time.
func (s *signIn) methods() map[string]string {
	var list []string
	for _, p := range since(s.flow.Proofs, s.flow.CreatedAt) {
		list = append(list, string(p.Method))
	}
	if list == nil {
		return nil
	}
	detail := map[string]string{"methods": strings.Join(list, " ")}
	if s.onTrust {
		detail["trusted_browser"] = "yes"
	}
	return detail
}

// proved tells whether one of some methods was proved in this very sign-in.
func (s *signIn) proved(one func(idp.Method) bool) bool {
	return slices.ContainsFunc(since(s.flow.Proofs, s.flow.CreatedAt), func(p idp.Proof) bool { return one(p.Method) })
}

// establish renews the session that the flow began with, or that another tab made
// meanwhile, when it is the same person's and still lives; or else creates one.
func (l *Login) establish(ctx context.Context, s *signIn) (idp.Session, *http.Cookie, error) {
	if s.flow.SessionID == "" {
		if err := l.findOwnSession(ctx, s); err != nil {
			return idp.Session{}, nil, err
		}
	}
	if s.flow.SessionID != "" {
		continued := s.continuesSession()
		session, cookie, err := l.renew(ctx, s)
		gone := errors.Is(err, idp.ErrExpired) || errors.Is(err, idp.ErrNotFound)
		if gone && continued { // ended this moment, and what was proved for it went with it
			return session, nil, idp.ErrConflict
		}
		if !gone {
			return session, cookie, err
		}
	}
	if err := l.replaceSession(ctx, s); err != nil {
		return idp.Session{}, nil, err
	}
	begin := l.Sessions.New
	if s.notes.Keep {
		begin = l.Sessions.NewKept
	}
	session, _ := begin(ctx, s.User, s.Population, s.flow.PolicyVersion, s.flow.BrowserHash, s.flow.Proofs)
	session, cookie := l.Sessions.Renew(session, l.act(s))
	l.noteConnection(s, &session)
	if err := l.Store.CreateSession(ctx, session); err != nil {
		return session, nil, err
	}
	s.flow.SessionID = session.ID
	return session, cookie, l.Store.Audit(ctx, s.audit(idp.AuditSignedIn, s.methods()))
}

// findOwnSession finds the person's session of this browser: one browser has one
// of each, and a second tab must not sign the first one out.
func (l *Login) findOwnSession(ctx context.Context, s *signIn) error {
	found, err := l.Sessions.Find(ctx, s.header, "", []string{s.Population.ID})
	if err == nil && len(found) == 1 && found[0].User.ID == s.User.ID {
		s.flow.SessionID = found[0].Session.ID
	}
	return err
}

// replaceSession ends the session whose cookie the new one is about to overwrite: it could
// not be signed out of any more.
func (l *Login) replaceSession(ctx context.Context, s *signIn) error {
	token := l.Sessions.Cookies.Session(s.header, s.Population.ID)
	if token == "" {
		return nil
	}
	_, err := l.Sessions.EndByToken(ctx, idp.AuditEvent{
		ActorID: s.User.ID, Detail: map[string]string{"by": "another sign-in in this browser"},
	}, token)
	return err
}

// renew gives the session a new token and the new proofs (a step-up).
func (l *Login) renew(ctx context.Context, s *signIn) (idp.Session, *http.Cookie, error) {
	session, err := l.Store.Session(ctx, s.flow.SessionID)
	if err != nil {
		return session, nil, err
	}
	if session.UserID != s.User.ID || !session.Alive(s.Population, idp.Now()) {
		return session, nil, idp.ErrExpired
	}
	session, cookie := l.Sessions.Renew(session, l.act(s))
	session.Proofs, session.PolicyVersion = s.flow.Proofs, s.flow.PolicyVersion
	l.noteConnection(s, &session)
	if err := l.Store.RenewSession(ctx, session); err != nil {
		return session, nil, err
	}
	if len(since(s.flow.Proofs, s.flow.CreatedAt)) == 0 { // only the app was approved
		return session, cookie, nil
	}
	return session, cookie, l.Store.Audit(ctx, s.audit(idp.AuditSteppedUp, s.methods()))
}

// finished is the page of a flow that is over.
func (l *Login) finished(s *signIn, cause error) error {
	problem := web.NewProblem(ui.ProblemFinished, cause).BackTo(s.client.HomeURL, s.client.Name)
	problem.Frame.Brand = l.Web.Frame("", s.Population.Brand).Brand
	return problem
}

func logFailure(ctx context.Context, what string, err error) {
	if err != nil {
		slog.WarnContext(ctx, what, "cause", err)
	}
}
