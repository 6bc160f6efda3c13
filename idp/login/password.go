package login

import (
	"context"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/password"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
	"gatehouse/ui"
)

// credentials are what the first page posts.
type credentials struct {
	population, email, password string
	// keep: to stay signed in. asked: the form was the first page's, which asks that.
	keep, asked bool
}

// postPassword checks email and password. Known and unknown people get the same
// answer after the same work.
func (l *Login) postPassword(c *gin.Context, s *signIn) error {
	if !s.takesPassword() {
		return l.tooLate(c, s)
	}
	in := s.credentials(c)
	switch allowed, err := l.passwordAllowed(c.Request.Context(), s, in.population); {
	case err != nil:
		return err
	case !allowed:
		return l.passwordElsewhere(c, s, in)
	}
	if page, bad := s.incomplete(in); bad {
		return l.renderPassword(c, s, page)
	}
	ctx := c.Request.Context()
	if err := l.choosePopulation(ctx, s, in.population); err != nil {
		return err
	}
	user, known, err := l.findUser(ctx, s, in)
	if err != nil {
		return err
	}
	if known {
		ctx = asPerson(c, password.ForKnown(ctx))
	}
	attempt, err := l.beginPassword(ctx, s, in, known)
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return l.passwordLimited(c, s, in, user, limited)
	}
	if err != nil {
		return err
	}
	ok, rehash, err := l.Hasher.Verify(ctx, user.PasswordHash, in.password)
	if errors.Is(err, idp.ErrBusy) {
		return l.passwordBusy(c, s, in, attempt)
	}
	if err != nil && !errors.Is(err, password.ErrTooLong) { // no password is so long
		return err
	}
	if !ok || user.Disabled || (s.flow.UserID != "" && s.flow.UserID != user.ID) {
		return l.passwordRefused(c, s, in, user, attempt)
	}
	asPerson(c, ctx)
	upgraded := user.PasswordHash
	if rehash {
		upgraded = l.upgrade(ctx, user, in.password)
	}
	return l.passwordRight(c, s, in, user, upgraded, attempt)
}

// passwordRight goes on with a right password, unless it was replaced meanwhile.
func (l *Login) passwordRight(c *gin.Context, s *signIn, in credentials, user idp.User, upgraded string, attempt *throttle.Attempt) error {
	err := l.advance(c, s, func(ctx context.Context) error {
		if err := l.passwordStands(ctx, user, upgraded); err != nil {
			return err
		}
		return l.acceptPassword(ctx, s, in, user, attempt)
	})
	switch {
	case errors.Is(err, errPasswordChanged):
		return l.passwordRefused(c, s, in, user, attempt)
	case errors.Is(err, links.ErrLink):
		return l.passwordElsewhere(c, s, in)
	}
	return err
}

// asPerson has the request write as one of a person who has proved something.
func asPerson(c *gin.Context, ctx context.Context) context.Context {
	ctx = store.OfPerson(ctx)
	c.Request = c.Request.WithContext(ctx)
	return ctx
}

// passwordStands locks a person in the transaction of ctx, and refuses with
// errPasswordChanged a password that was replaced, or a person who was deleted, while it
// was checked.
func (l *Login) passwordStands(ctx context.Context, user idp.User, upgraded string) error {
	err := l.Store.LockUser(ctx, user.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return errPasswordChanged
	}
	if err != nil {
		return err
	}
	hash, err := l.Store.PasswordHash(ctx, user.ID)
	if err == nil && hash != user.PasswordHash && hash != upgraded {
		err = errPasswordChanged
	}
	return err
}

// acceptPassword is what a right password brings, in the transaction that moves the
// flow on.
func (l *Login) acceptPassword(ctx context.Context, s *signIn, in credentials, user idp.User, a *throttle.Attempt) error {
	s.flow.UserID, s.User = user.ID, user
	// They come by their password now: what another provider said before would have
	// them asked there again, and for no second step here.
	s.flow.Proofs = without(s.flow.Proofs, idp.MethodFederated, time.Time{})
	s.prove(idp.MethodPassword)
	s.judge(in.password)
	if in.asked {
		s.notes.Keep = in.keep
	}
	if err := a.Succeeded(ctx); err != nil {
		return err
	}
	if err := l.useBreakGlass(ctx, s); err != nil {
		return err
	}
	return l.Store.Audit(ctx, s.audit(idp.AuditPasswordAccepted, nil))
}

// errPasswordChanged: the password was right a moment ago.
var errPasswordChanged = errors.New("the password was changed while it was checked")

// takesPassword tells whether a password is what the flow waits for.
func (s *signIn) takesPassword() bool {
	switch s.next().(type) {
	case NeedPassword, ChooseSession:
		return true
	case ConfirmEmail, ChooseMethod, NeedCode, NeedEnrolment, ChangePassword, ShowCodes, ShowLeft, Approve, Denied, Stuck, Unmet, Done:
	}
	return false
}

// credentials reads the form. Whose password is asked for again is not the
// form's to say.
func (s *signIn) credentials(c *gin.Context) credentials {
	in := credentials{
		population: c.PostForm("population"),
		email:      typedEmail(c.PostForm("email")),
		password:   c.PostForm("password"),
		keep:       c.PostForm("keep") != "",
		asked:      s.flow.UserID == "",
	}
	if s.flow.UserID != "" {
		in.population, in.email = s.flow.PopulationID, s.User.Email
	}
	if !slices.Contains(s.client.Populations, in.population) {
		in.population = s.flow.PopulationID
	}
	return in
}

// incomplete says what is missing, beside the field.
func (s *signIn) incomplete(in credentials) (passwordPage, bool) {
	page := passwordPage{in: in}
	switch {
	case in.email == "":
		page.emailError = ui.MsgEmailMissing.With()
	case !looksLikeEmail(in.email):
		page.emailError = ui.MsgEmailInvalid.With()
	}
	if in.password == "" {
		page.passwordError = ui.MsgPasswordMissing.With()
	}
	return page, page.emailError != nil || page.passwordError != nil
}

// typedEmail is an address as it is kept, whatever came along with it.
func typedEmail(text string) string {
	if kept, err := idp.ParseEmail(text); err == nil {
		return kept
	}
	return strings.TrimSpace(text)
}

// looksLikeEmail is lenient: the database says whether an address is known, and a mail
// whether it works.
func looksLikeEmail(s string) bool {
	if _, err := idp.ParseEmail(s); err == nil {
		return true
	}
	a, err := mail.ParseAddress(s)
	return err == nil && len(s) <= idp.MaxEmail && a.Name == ""
}

// choosePopulation moves the flow to the population that the person picked.
func (l *Login) choosePopulation(ctx context.Context, s *signIn, population string) (err error) {
	if population == s.flow.PopulationID {
		return nil
	}
	s.flow.PopulationID = population
	s.Population, err = l.Store.Population(ctx, population)
	return err
}

// findUser finds the user, and whether the account knows this browser. That is asked
// for unknown people too, so that both take the same way.
func (l *Login) findUser(ctx context.Context, s *signIn, in credentials) (user idp.User, known bool, err error) {
	user, err = l.Store.UserByEmail(ctx, in.population, in.email)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return user, false, err
	}
	known, err = l.Store.KnowsBrowser(ctx, user.ID, s.flow.BrowserHash)
	return user, known, err
}

// beginPassword counts the attempt: against the browser's own budget where the account
// knows it, else against account and address.
func (l *Login) beginPassword(ctx context.Context, s *signIn, in credentials, known bool) (*throttle.Attempt, error) {
	counters := []throttle.Counter{
		l.Limiter.Account(in.population, in.email),
		l.Limiter.Address(idp.VisitFrom(ctx).Address),
	}
	if known {
		counters = []throttle.Counter{l.Limiter.Browser(in.population, in.email, s.flow.BrowserHash)}
	}
	return l.Limiter.Begin(ctx, counters...)
}

// passwordBusy says that the password was not looked at: that was no guess.
func (l *Login) passwordBusy(c *gin.Context, s *signIn, in credentials, a *throttle.Attempt) error {
	if err := a.NotMade(c.Request.Context()); err != nil {
		return err
	}
	return l.renderPassword(c, s, passwordPage{in: in, busy: true, alert: ui.MsgBusy.With(idp.BusyWait)})
}

func (l *Login) passwordRefused(c *gin.Context, s *signIn, in credentials, user idp.User, a *throttle.Attempt) error {
	reason := "wrong_password"
	switch {
	case user.ID == "":
		reason = "unknown_email"
	case user.Disabled:
		reason = "account_disabled"
	}
	event := s.audit(idp.AuditPasswordRefused, map[string]string{"reason": reason, "email": idp.MaskEmail(in.email)})
	event.ActorID, event.UserID = "", user.ID
	if a.Last() {
		event.Detail["capped"] = "yes"
	}
	if err := l.Store.Audit(c.Request.Context(), event); err != nil {
		return err
	}
	page := passwordPage{in: in, alert: ui.MsgWrongPassword.With()}
	if s.flow.UserID != "" {
		page.alert = ui.MsgWrongPasswordAgain.With()
	}
	return l.renderPassword(c, s, page)
}

func (l *Login) passwordLimited(c *gin.Context, s *signIn, in credentials, user idp.User, limited *throttle.LimitedError) error {
	event := s.audit(idp.AuditPasswordThrottled, map[string]string{"limit": string(limited.Kind), "email": idp.MaskEmail(in.email)})
	event.ActorID, event.UserID = "", user.ID
	if err := l.Store.Audit(c.Request.Context(), event); err != nil {
		return err
	}
	page := passwordPage{in: in, limited: limited, alert: ui.MsgTooManyAttempts.With(limited.Wait)}
	if limited.Capped {
		page.alert = ui.MsgPasswordBlocked.With()
	}
	return l.renderPassword(c, s, page)
}

// upgrade replaces an outdated hash, and returns the one that it tried to store. A
// failure costs nothing: the next sign-in tries again.
func (l *Login) upgrade(ctx context.Context, user idp.User, plain string) string {
	hash, err := l.Hasher.Hash(ctx, plain)
	if err == nil {
		err = l.Store.UpgradePasswordHash(ctx, user.ID, user.PasswordHash, hash)
	}
	logFailure(ctx, "upgrade a password hash", err)
	return hash
}
