package login

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// signIn is a flow with its context, read for one HTTP request.
type signIn struct {
	store.FlowContext

	flow   idp.Flow
	notes  Notes
	client idp.Client
	// enrolment is empty until a password was accepted, and so is opened: the
	// disabled factors that this browser may use nevertheless.
	enrolment idp.Enrolment
	opened    map[string]bool
	// privileged: the person holds a permission, read where a policy asks more of those.
	privileged bool
	// open are the ways to sign in that are open here, read where the request names one
	// of them and no other.
	open struct{ password, federation bool }
	// header is the request's: it holds the cookies of the browser's sessions.
	header http.Header
	// onTrust: a second step was left out because the person trusts this browser. It is found
	// out when the sign-in ends.
	onTrust bool
}

// load reads the flow that the URL names, provided that it belongs to this
// browser and its time is not over.
func (l *Login) load(c *gin.Context) (*signIn, error) {
	return l.open(c, c.Param("flow"))
}

// open is load for a flow that something else names.
func (l *Login) open(c *gin.Context, id string) (*signIn, error) {
	ctx := c.Request.Context()
	if !utf8.ValidString(id) || strings.ContainsRune(id, 0) { // PostgreSQL refuses to look
		return nil, l.forgotten(c, idp.ErrNotFound)
	}
	flow, err := l.Store.Flow(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, l.forgotten(c, err)
	}
	if err != nil {
		return nil, err
	}
	client, err := l.Store.Client(ctx, flow.ClientID)
	if err != nil {
		return nil, over(err)
	}
	if err := l.bound(ctx, c.Request.Header, flow); err != nil {
		return nil, err.BackTo(client.HomeURL, client.Name)
	}
	if !idp.Now().Before(flow.ExpiresAt) {
		return nil, l.expired(ctx, flow, web.NewProblem(ui.ProblemFlowExpired, idp.ErrExpired).BackTo(client.HomeURL, client.Name))
	}
	s := &signIn{flow: flow, client: client, header: c.Request.Header}
	if s.notes, err = decodeNotes(flow.Data); err != nil {
		return nil, err
	}
	if err := l.loadContext(ctx, s); err != nil {
		return s, over(err)
	}
	idp.Reads(ctx, l.language(c, s))
	return s, nil
}

// forgotten is the problem of a sign-in that is not stored any more, with the way back to
// the app that this browser came from last, or to the person's account.
func (l *Login) forgotten(c *gin.Context, cause error) error {
	problem := web.NewProblem(ui.ProblemFlowExpired, cause).BackTo(l.Web.Path("/account"), "Gatehouse")
	id := l.Sessions.Cookies.App(c.Request.Header)
	if id == "" {
		return problem
	}
	client, err := l.Store.Client(c.Request.Context(), id)
	if errors.Is(err, idp.ErrNotFound) {
		return problem
	}
	if err != nil {
		return err
	}
	return problem.BackTo(client.HomeURL, client.Name)
}

// over says of a sign-in whose app was deleted this very moment what the next look at
// it says.
func over(err error) error {
	if errors.Is(err, idp.ErrNotFound) {
		return web.NewProblem(ui.ProblemFlowExpired, err)
	}
	return err
}

// bound refuses a flow of another browser: a person who is sent a link to another's
// sign-in cannot finish it, nor have theirs finished.
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

// loadContext reads the context of a flow, as the flow is now: the policies above
// all, which Next judges by. It decides nothing.
func (l *Login) loadContext(ctx context.Context, s *signIn) (err error) {
	if s.FlowContext, err = l.Store.FlowContext(ctx, s.flow); err != nil {
		return err
	}
	if err := l.findWays(ctx, s); err != nil {
		return err
	}
	if s.flow.UserID == "" {
		s.enrolment = idp.Enrolment{}
		return nil
	}
	if s.enrolment, err = l.Store.Enrolment(ctx, s.flow.UserID); err != nil {
		return err
	}
	if s.privileged = false; s.Population.Policy.PasskeyForRoles || s.Judged.PasskeyForRoles {
		held, err := l.Manage.Authz.PermissionsOf(ctx, s.flow.UserID)
		if err != nil {
			return err
		}
		s.privileged = len(held) > 0
	}
	return l.openFactors(ctx, s)
}

// over tells whether the flow is done: nothing about it changes any more.
func (s *signIn) over() bool { return s.flow.SessionID != "" && s.flow.Kind == (Done{}).kind() }

// sessionCounts tells whether the session that the flow began with lives, and
// counts at this client: an override that was changed "immediately" discards older
// proofs there.
func (s *signIn) sessionCounts() bool {
	return s.Session.UserID == s.flow.UserID && s.Session.Alive(s.Population, idp.Now()) &&
		s.Session.PolicyVersion >= s.Override.MinVersion
}

// since keeps the proofs of a moment and later.
func since(proofs []idp.Proof, at time.Time) []idp.Proof {
	var kept []idp.Proof
	for _, p := range proofs {
		if !p.At.Before(at) {
			kept = append(kept, p)
		}
	}
	return kept
}

// lapses are what takes proofs of this sign-in away. Nothing about one that is over
// changes any more.
func (s *signIn) lapses() Lapses {
	return Lapses{
		Disabled:     s.flow.UserID != "" && s.User.Disabled,
		SessionLost:  s.flow.SessionID != "" && !s.sessionCounts(),
		SessionOlder: s.flow.SessionID != "" && s.Session.PolicyVersion < s.Version,
		SignedOut:    s.signedOut(),
		OtherRules:   s.notes.Judged != s.Population.PasswordsAtSignIn,
		Way:          s.Way, Population: s.Population,
	}
}

// proofs are those that count.
func (s *signIn) proofs() []idp.Proof {
	if s.over() {
		return s.flow.Proofs
	}
	return s.lapses().Counting(s.flow.Proofs, s.flow.CreatedAt)
}

// continuesSession tells whether the flow rests on its session's first step. Then the session
// goes on, judged by the policies under which it was created. With a first step of
// its own it is a new sign-in, and meets the newest.
func (s *signIn) continuesSession() bool {
	if s.flow.SessionID == "" || !s.sessionCounts() {
		return false
	}
	proofs := s.proofs()
	return len(proofs) > 0 && !mfa.HasFirstStep(since(proofs, s.flow.CreatedAt))
}

// question is what the rule is asked about this sign-in.
func (s *signIn) question() mfa.Question {
	q := mfa.Question{
		Policy: s.Population.Policy, Override: s.Override, Demand: s.Request.Demand,
		Proofs: s.flow.Proofs, Enrolled: mfa.EnrolledOf(s.Population.Policy, s.enrolment, s.canUse),
		// Ages count at the moment of the request: a person may take their
		// time, and with max_age=0 would never be done.
		Now: s.Request.CreatedAt, EmailFirst: s.Population.Policy.EmailCode,
		PasswordOpen: s.open.password, FederationOpen: s.open.federation,
		Trusted:    s.Trusted.Worth(s.Population, s.Override, idp.Now()),
		Privileged: s.privileged, OwnFactors: s.client.ID == idp.AccountClient,
	}
	if s.notes.Pending.proved() && mfa.NamesAWay(q.Demand) {
		q.Demand.ACRValues = nil // they came through another provider and sign in here as well
	}
	if s.continuesSession() {
		q.Policy, q.Override = s.Judged, s.JudgedOverride
	}
	if s.notes.Pending.proved() { // who is linked comes in by that from now on
		q.AtLeast = mfa.Strongest(q.Policy, q.Enrolled)
	}
	return q
}

// next is the state that the facts lead to now.
func (s *signIn) next() State {
	if s.over() {
		return Done{}
	}
	return Next(Facts{
		Question: s.question(), Lapses: s.lapses(),
		Recovery: s.enrolment.Recovery, RecoveryLeft: s.enrolment.RecoveryLeft, Notes: s.notes,
		LastUsed: mfa.LastUsed(s.enrolment.Factors),
		Choosing: s.flow.Kind == idp.FlowChoose, Began: s.flow.CreatedAt,
		Continues: s.flow.SessionID != "", OfferedAt: s.User.PasskeyOfferedAt, EnrolledAt: lastEnrolled(s.enrolment.Factors), At: idp.Now(),
		Client: s.client, Request: s.Request, Given: s.Consent.Terms,
	})
}

// moved tells whether the policies changed since the flow was last judged, so that
// it now waits for something else.
func (s *signIn) moved(state State) bool {
	return s.flow.UserID != "" && s.flow.PolicyVersion > 0 && s.flow.PolicyVersion < s.Version &&
		!s.continuesSession() && state.kind() != s.flow.Kind
}

// signedOut tells whether all sessions were ended "immediately" since the flow was last
// judged. That ends this sign-in too.
func (s *signIn) signedOut() bool {
	return s.flow.PolicyVersion > 0 && s.flow.PolicyVersion < max(s.Population.MinVersion, s.Override.MinVersion)
}

// prove adds a proof by a method here.
func (s *signIn) prove(m idp.Method) {
	s.add(idp.Proof{
		Method: m, At: idp.Now(), ByMail: m == idp.MethodPassword && !s.User.PasswordByMailAt.IsZero(), Version: s.Version,
	})
}

// add adds a proof to those that count. After everybody was signed out, it begins anew.
func (s *signIn) add(p idp.Proof) {
	s.flow.Proofs = idp.WithProof(s.proofs(), p)
	if s.signedOut() {
		s.flow.PolicyVersion = s.Version
	}
}

// clone is a copy that shares nothing with the sign-in that a step writes to.
func (s *signIn) clone() *signIn {
	c := *s
	c.flow.Proofs, c.enrolment.Factors = slices.Clone(s.flow.Proofs), slices.Clone(s.enrolment.Factors)
	c.opened = maps.Clone(s.opened)
	if s.notes.Pending != nil {
		pending := *s.notes.Pending
		c.notes.Pending = &pending
	}
	return &c
}

// audit is an event about this sign-in.
func (s *signIn) audit(kind idp.AuditKind, detail map[string]string) idp.AuditEvent {
	return idp.AuditEvent{
		Kind: kind, ActorID: s.User.ID, UserID: s.User.ID, PopulationID: s.flow.PopulationID,
		ClientID: s.flow.ClientID, SessionID: s.flow.SessionID, Detail: detail,
	}
}
