package login

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// binding names one question to another provider: of which flow, in which version of
// it, through which connection. What binds the answer to it follows from that and from
// a key, so that asking stores nothing, and a flow that moved on takes no answer.
type binding struct {
	flow       string
	version    int64
	connection string
	// own: the answer comes to the connection's own address.
	own bool
}

// derive makes the secret of a question for one purpose.
func (l *Login) derive(purpose string, q binding) string {
	mac := hmac.New(sha256.New, l.UpstreamKey)
	if q.own {
		purpose += " at its own address"
	}
	for _, part := range []string{purpose, q.flow, q.connection} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		mac.Write([]byte(part))
	}
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(q.version)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// state writes a question so that it comes back with the answer.
func (l *Login) state(q binding) string {
	return strings.Join([]string{q.flow, strconv.FormatInt(q.version, 10), q.connection, l.derive("state", q)}, ".")
}

// readState reads a state of ours. ok: it is one.
func (l *Login) readState(state string) (q binding, ok bool) {
	parts := strings.Split(state, ".")
	if len(parts) != 4 {
		return q, false
	}
	version, err := strconv.ParseInt(parts[1], 10, 64)
	for _, own := range []bool{false, true} {
		q = binding{flow: parts[0], version: version, connection: parts[2], own: own}
		if err == nil && hmac.Equal([]byte(l.derive("state", q)), []byte(parts[3])) {
			return q, true
		}
	}
	return q, false
}

// question is what a connection's other side is asked for this sign-in; own says where
// the answer comes.
func (l *Login) question(s *signIn, c idp.Connection, own bool) idp.Ask {
	q := binding{flow: s.flow.ID, version: s.flow.Version, connection: c.ID, own: own}
	about := s.question()
	ask := idp.Ask{
		State: l.state(q), Nonce: l.derive("nonce", q), Verifier: l.derive("verifier", q), Callback: idp.CallbackPath(c.ID, own),
		At: s.Request.CreatedAt, MaxAge: about.Demand.MaxAge, Anew: !about.Demand.Since.IsZero(),
		SecondStep: c.Trust == idp.EvidenceRequired || mfa.WantsEvidence(about),
		LoginHint:  s.Request.LoginHint, UILocales: s.Request.UILocales,
		Choose: s.notes.Switch || s.flow.Kind == idp.FlowChoose,
	}
	if s.notes.Switch {
		ask.LoginHint = "" // it was the other one's
	}
	if s.flow.UserID != "" {
		ask.LoginHint = s.User.Email
	}
	// Entra does not say when a person signed in, unless an admin has switched that on.
	ask.Anew = ask.Anew || c.Kind == idp.EntraConnection && ask.MaxAge >= 0
	return ask
}

// connection reads a connection that people of this sign-in may use now.
func (l *Login) connection(ctx context.Context, s *signIn, id string) (idp.Connection, error) {
	c, err := l.openConnection(ctx, s, id)
	if err == nil && s.notes.Pending != nil {
		err = &idp.FederationError{Reason: idp.FederationLost, Cause: errors.New("somebody is about to be linked")}
	}
	return c, err
}

// openConnection is connection for a person who came through it before.
func (l *Login) openConnection(ctx context.Context, s *signIn, id string) (idp.Connection, error) {
	unknown := &idp.FederationError{Reason: idp.FederationLost, Cause: errors.New("no such connection for this sign-in")}
	if !utf8.ValidString(id) || strings.ContainsRune(id, 0) { // PostgreSQL refuses to look
		return idp.Connection{}, unknown
	}
	c, err := l.Store.Connection(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return c, unknown
	}
	if err != nil {
		return c, err
	}
	p, err := l.Store.Population(ctx, c.PopulationID)
	if err != nil {
		return c, err
	}
	known := s.flow.UserID == "" && s.client.Takes(p.ID) || s.flow.UserID != "" && p.ID == s.flow.PopulationID
	if !c.Enabled || !p.Access.Federated || !known {
		return c, unknown
	}
	return c, nil
}

// federate sends the browser to another provider. It stores nothing, and may be
// repeated.
func (l *Login) federate(c *gin.Context) error {
	s, err := l.load(c)
	if err != nil {
		return err
	}
	if s.over() || !s.takesPassword() {
		return l.tooLate(c, s)
	}
	return l.goTo(c, s, c.Query("c"))
}

func (l *Login) goTo(c *gin.Context, s *signIn, connectionID string) error {
	ctx := c.Request.Context()
	connection, err := l.connection(ctx, s, connectionID)
	if err != nil {
		return l.turnedAway(c, s, connection, err)
	}
	location, err := l.Upstreams.AuthURL(ctx, connection, l.question(s, connection, connection.OwnRedirect))
	if err != nil {
		return l.turnedAway(c, s, connection, err)
	}
	return web.Redirect(c, location)
}

// callback takes the answer of another provider, in the browser that asked. An answer
// that comes several times at once is taken once, and the others lead to where that one
// went: its code works once, so each would say that the sign-in failed.
func (l *Login) callback(c *gin.Context) error {
	answer := c.Request.URL.Query()
	q, ok := l.readState(answer.Get("state"))
	switch {
	case !ok && (answer.Has("code") || answer.Has("error")):
		return l.forgotten(c, errors.New("an answer to a sign-in without its state"))
	case !ok:
		return l.signedOutElsewhere(c, answer.Get("state"))
	}
	leave, waited, err := l.answers.take(c.Request.Context(), q.flow)
	if err != nil {
		return err
	}
	defer leave()
	s, err := l.open(c, q.flow)
	if err != nil {
		return l.startAgain(c, err) // it took long there: to ask once more is quick
	}
	if s.over() || q.version != s.flow.Version && (waited || !s.takesPassword()) {
		return l.onward(c, s)
	}
	connection, err := l.connection(c.Request.Context(), s, q.connection)
	if at := c.Param("connection"); err == nil && (q.own && at != q.connection || !q.own && at != "") {
		err = &idp.FederationError{Reason: idp.FederationLost, Cause: errors.New("the answer came to another connection's redirect URI")}
	}
	if err == nil && (q.version != s.flow.Version || !s.takesPassword()) {
		err = &idp.FederationError{Reason: idp.FederationLost, Cause: errors.New("the sign-in moved on")}
	}
	if err != nil {
		return l.turnedAway(c, s, connection, err)
	}
	return l.answered(c, s, connection, q.own, answer)
}

// answered looks at an answer to the question of the flow as it stands.
func (l *Login) answered(c *gin.Context, s *signIn, connection idp.Connection, own bool, answer url.Values) error {
	if s.flow.UserID == "" {
		c.Request = c.Request.WithContext(store.OfStranger(c.Request.Context()))
	}
	ctx := c.Request.Context()
	// Each answer makes us ask the other side. An attacker who makes answers up has to
	// wait.
	attempt, err := l.Limiter.Begin(ctx, l.Limiter.Address(idp.VisitFrom(ctx).Address))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return l.renderPassword(c, s, passwordPage{in: s.prefilled(c), limited: limited, alert: ui.MsgTooManyAttempts.With(limited.Wait)})
	}
	if err != nil {
		return err
	}
	a, err := l.Upstreams.Receive(ctx, connection, l.question(s, connection, own), answer)
	if refused, ok := errors.AsType[*idp.FederationError](err); ok && refused.Reason == idp.FederationLost {
		if moved := l.takenElsewhere(c, s); moved != nil {
			return l.onward(c, moved)
		}
	}
	if err != nil {
		return l.turnedAway(c, s, connection, err)
	}
	c.Request = c.Request.WithContext(store.OfPerson(ctx))
	err = l.advance(c, s, func(ctx context.Context) error {
		if err := attempt.Succeeded(ctx); err != nil {
			return err
		}
		if err := l.noteDated(ctx, s, connection, a.Dated); err != nil {
			return err
		}
		return l.arrive(ctx, s, connection, a)
	})
	var refused *idp.FederationError
	if errors.As(err, &refused) {
		return l.turnedAway(c, s, connection, err)
	}
	return err
}

// onward leads to where a sign-in went by an answer that was taken already.
func (l *Login) onward(c *gin.Context, s *signIn) error {
	if s.over() {
		return l.finishedAgain(c, s)
	}
	return l.toPage(c, s)
}

// takenElsewhereWithin is how long another replica may take with an answer whose code it
// has used already.
const takenElsewhereWithin = 2 * time.Second

// takenElsewhere is the sign-in as it stands once another replica has taken the answer,
// nil where none has: the code was used, or no sign-in waits for it.
func (l *Login) takenElsewhere(c *gin.Context, s *signIn) *signIn {
	look := time.NewTicker(takenElsewhereWithin / 20)
	defer look.Stop()
	over := time.After(takenElsewhereWithin)
	for {
		now, err := l.open(c, s.flow.ID)
		if err != nil || now.over() || now.flow.Version != s.flow.Version {
			return now
		}
		select {
		case <-look.C:
		case <-over:
			return nil
		case <-c.Request.Context().Done():
			return nil
		}
	}
}

// noteDated notes at a connection whether its other side says when people signed in
// there, for its page in the console. OpenID providers have to only where they are asked
// how old a sign-in is; what Entra puts into a token does not hang on the question.
func (l *Login) noteDated(ctx context.Context, s *signIn, c idp.Connection, dated bool) error {
	demand := s.Request.Demand
	asked := c.Kind == idp.EntraConnection || demand.MaxAge >= 0 || !demand.Since.IsZero()
	switch {
	case dated && !c.UndatedSince.IsZero():
		return l.Store.MarkUndated(ctx, c.ID, time.Time{})
	case !dated && asked && c.UndatedSince.IsZero():
		return l.Store.MarkUndated(ctx, c.ID, idp.Now())
	}
	return nil
}

// arrive takes in a person whom another provider vouches for, or has them confirm their
// address first.
func (l *Login) arrive(ctx context.Context, s *signIn, c idp.Connection, a idp.Assertion) error {
	user, err := l.Manage.Connections.Recognise(ctx, c, a)
	if errors.Is(err, connections.ErrConfirm) && (s.flow.UserID == "" || s.typed()) {
		s.flow.UserID, s.User, s.flow.Proofs, s.flow.PolicyVersion = "", idp.User{}, nil, 0
		s.notes = Notes{Keep: s.notes.Keep}
		return l.beginConfirm(ctx, s, c, a)
	}
	if errors.Is(err, connections.ErrConfirm) || err == nil && s.flow.UserID != "" && s.flow.UserID != user.ID {
		return &idp.FederationError{Reason: idp.FederationOther, Cause: errors.New("somebody else than the sign-in is of")}
	}
	if err != nil {
		return err
	}
	return l.welcome(ctx, s, c, a, user)
}

// typed tells whether nothing but a password that was given in it says whose sign-in this
// is. A person who comes from elsewhere then may be another, and the password does not count.
func (s *signIn) typed() bool { return s.flow.SessionID == "" && s.Request.Demand.UserID == "" }

// welcome adds the proof that another provider gave.
func (l *Login) welcome(ctx context.Context, s *signIn, c idp.Connection, a idp.Assertion, user idp.User) error {
	if err := l.choosePopulation(ctx, s, c.PopulationID); err != nil {
		return err
	}
	s.flow.UserID, s.User = user.ID, user
	if err := l.lockPerson(ctx, s); err != nil {
		return err
	}
	a.Proof.Subject, a.Proof.Version = a.Subject, s.Version
	s.add(a.Proof)
	s.notes.Pending, s.notes.SID, s.notes.SignOut, s.notes.Switch = nil, a.SID, a.SignOut, false
	// What a password that was typed before would have led to is not asked of them.
	s.notes.Weak, s.notes.Method = nil, ""
	return l.Store.Audit(ctx, s.audit(idp.AuditFederatedAccepted, map[string]string{
		"connection": c.ID, "trust": string(c.Trust), "evidence": string(a.Proof.Evidence), "amr": strings.Join(a.Proof.AMR, " "),
	}))
}

// noteConnection notes in a session the connection that the person came through, if any.
func (l *Login) noteConnection(s *signIn, session *idp.Session) {
	for _, p := range since(s.flow.Proofs, s.flow.CreatedAt) {
		if p.Method == idp.MethodFederated {
			session.ConnectionID, session.UpstreamSID = p.Via, s.notes.SID
			session.UpstreamSignOut = l.Upstreams.Keep(p.Via, session.ID, s.notes.SignOut)
		}
	}
}

// refusalTexts are what a person is told, and refusalStatus with which status where it
// is not 403.
var (
	refusalTexts = map[idp.FederationReason]ui.Key{
		idp.FederationDown: ui.MsgUpstreamDown, idp.FederationDenied: ui.MsgUpstreamDenied, idp.FederationAssignment: ui.MsgUpstreamAssignment,
		idp.FederationToken: ui.MsgUpstreamToken, idp.FederationTenant: ui.MsgUpstreamTenant, idp.FederationEvidence: ui.MsgUpstreamEvidence,
		idp.FederationStale: ui.MsgUpstreamStale, idp.FederationUnknown: ui.MsgUpstreamUnknown, idp.FederationDisabled: ui.MsgUpstreamDisabled,
		idp.FederationNoEmail: ui.MsgUpstreamNoEmail, idp.FederationTaken: ui.MsgUpstreamTaken, idp.FederationOther: ui.MsgUpstreamOther,
		idp.FederationLost: ui.MsgUpstreamLost, idp.FederationSetup: ui.MsgUpstreamSetup, idp.FederationProof: ui.MsgUpstreamProof,
		idp.FederationLimited: ui.MsgUpstreamLimited, idp.FederationKeys: ui.MsgUpstreamKeys,
	}
	refusalStatus = map[idp.FederationReason]int{
		idp.FederationDown: http.StatusBadGateway, idp.FederationSetup: http.StatusBadGateway, idp.FederationToken: http.StatusBadGateway,
		idp.FederationKeys: http.StatusBadGateway,
		idp.FederationLost: http.StatusConflict, idp.FederationLimited: http.StatusTooManyRequests,
	}
)

// turnedAway shows the first page again, saying why the person is not signed in; why
// exactly stands in the log and in the audit log. Nothing was linked or made.
func (l *Login) turnedAway(c *gin.Context, s *signIn, connection idp.Connection, err error) error {
	var refused *idp.FederationError
	if !errors.As(err, &refused) {
		return err
	}
	ctx := c.Request.Context()
	logFailure(ctx, "sign-in through another provider", err)
	event := s.audit(idp.AuditFederatedRefused, map[string]string{"connection": connection.ID, "reason": string(refused.Reason)})
	if refused.Cause != nil {
		event.Detail["cause"] = refused.Cause.Error()
	}
	event.ActorID = ""
	if err := l.Store.Audit(ctx, event); err != nil {
		return err
	}
	name := connection.Name
	if name == "" {
		name = l.Web.Text(l.language(c, s), *ui.MsgOtherProvider.With())
	}
	page := passwordPage{in: s.prefilled(c), alert: refusalTexts[refused.Reason].With(name), refused: http.StatusForbidden}
	if status := refusalStatus[refused.Reason]; status != 0 {
		page.refused = status
	}
	if refused.MadeUp && page.refused >= http.StatusInternalServerError {
		page.refused = http.StatusBadRequest
	}
	if s.client.Takes(connection.PopulationID) && s.flow.UserID == "" {
		page.in.population = connection.PopulationID
	}
	return l.renderPassword(c, s, page)
}

// signedOutElsewhere is where people come back to who signed out at another provider.
func (l *Login) signedOutElsewhere(c *gin.Context, state string) error {
	location, ok := l.Upstreams.Returned(state)
	switch {
	case !ok:
		return l.forgotten(c, errors.New("a state that is not ours"))
	case location != "":
		return l.Web.LeadOn(c, ui.Frame{}, location) // a form of the other provider's may have led here
	}
	still, err := l.Sessions.All(c.Request.Context(), c.Request.Header)
	if err != nil {
		return err
	}
	page := ui.SignedOut{
		Frame: ui.Frame{Lang: l.Web.Language(c.Request, ui.Wish{})}, BackURL: l.Web.Path("/account"), SignOutURL: l.Web.Path("/end_session"),
	}
	for _, s := range still {
		page.Remaining = append(page.Remaining, s.User.Email)
	}
	return l.Web.Render(c, http.StatusOK, page)
}
