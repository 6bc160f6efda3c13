package login

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/passkey"
	"gatehouse/idp/throttle"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// passkeyField is the field of the browser's answer.
const passkeyField = "credential"

// challenge is what an answer about a passkey has to be to: to this sign-in, as far as it has
// got. A right answer takes it further, so that no answer counts twice.
func (l *Login) challenge(s *signIn, purpose string) []byte {
	return l.Manage.Factors.Passkeys.Challenge(purpose, s.flow.ID, strconv.FormatInt(s.flow.Version, 10))
}

// passkeys are those of the person that work.
func (s *signIn) passkeys() (list []idp.Passkey) {
	for _, f := range s.usable(idp.MethodPasskey) {
		if f.Passkey != nil {
			list = append(list, *f.Passkey)
		}
	}
	return list
}

// useForm is the form by which a passkey is used; one of allowed, or any.
func (l *Login) useForm(s *signIn, label ui.Key, allowed []idp.Passkey, verify bool) ui.PasskeyForm {
	return ui.PasskeyForm{
		Action: l.action(s, string(idp.MethodPasskey)), Label: *label.With(),
		Options: l.Manage.Factors.Passkeys.Request(l.challenge(s, passkey.ToUse), allowed, verify),
	}
}

func (l *Login) renderPasskey(c *gin.Context, s *signIn, p codePage, state NeedCode) error {
	methods := l.methods(s, state, p.method)
	allowed := s.passkeys()
	if state.Hardware {
		allowed = slices.DeleteFunc(allowed, func(k idp.Passkey) bool { return !k.Hardware(s.Population.Policy) })
	}
	form := l.useForm(s, ui.MsgPasskeyUse, allowed, false)
	form.Wait = p.limited != nil
	return l.render(c, s, p.status(), ui.Passkey{
		Frame: l.frame(c, s), Form: form, Alert: p.alert, RetryAfter: retryAfter(c, p.limited), Methods: methods, LastResort: len(methods) == 0,
		Trust: s.trustOffer(c, p.method),
	})
}

// standsAlone tells whether a passkey will do in place of a password for people of a
// population, or for some of them. An account that is about to be linked is proved as it was
// before, and a link for emergencies is for a password.
func (s *signIn) standsAlone(p idp.Population) bool { return s.standsAloneFor(p, true) }

func (s *signIn) standsAloneFor(p idp.Population, privileged bool) bool {
	return s.notes.Pending == nil && p.Access.Password && s.onlyWay() == "" &&
		mfa.MayStandAlone(idp.MethodPasskey, p.Policy, s.Override, privileged)
}

// signsInByPasskey tells whether one will do for a person. Who has no password here signs in
// elsewhere, where the population has such ways: who left there must not come back by a
// passkey.
func (l *Login) signsInByPasskey(ctx context.Context, s *signIn, u idp.User, p idp.Population) (bool, error) {
	if u.PasswordHash == "" && p.Access.Federated {
		return false, nil
	}
	if !p.Policy.PasskeyForRoles {
		return s.standsAloneFor(p, false), nil
	}
	held, err := l.Manage.Authz.PermissionsOf(ctx, u.ID)
	return s.standsAloneFor(p, len(held) > 0), err
}

// aloneForm is the form by which people sign in with nothing but a passkey, nil where they
// cannot. Who it is is known where they sign in again.
func (l *Login) aloneForm(s *signIn, p idp.Population) *ui.PasskeyForm {
	if !s.standsAlone(p) {
		return nil
	}
	allowed, label := []idp.Passkey(nil), ui.MsgPasskeySignIn
	if s.flow.UserID != "" {
		allowed, label = s.passkeys(), ui.MsgPasskeyInstead
		if len(allowed) == 0 || s.User.PasswordHash == "" && p.Access.Federated {
			return nil
		}
	}
	form := l.useForm(s, label, allowed, true)
	form.Second, form.Suggest = true, s.flow.UserID == ""
	return &form
}

// postPasskey takes a passkey: in place of a password where the sign-in waits for one, and
// else as its second step.
func (l *Login) postPasskey(c *gin.Context, s *signIn) error {
	switch {
	case s.accepts(idp.MethodPasskey):
		return l.tryPasskey(c, s, passkeyUse{l.ownPasskey, l.checkSecond})
	case s.takesPassword():
		return l.tryPasskey(c, s, passkeyUse{l.anyPasskey, l.checkAlone})
	}
	return l.tooLate(c, s)
}

// passkeyUse is how an answer is taken: find says whose passkey it names, and check whether it is
// right.
type passkeyUse struct {
	find  func(context.Context, *signIn, passkey.Answer, *usedPasskey) error
	check func(context.Context, *signIn, passkey.Answer, *usedPasskey) error
}

// usedPasskey is a passkey whose use was right.
type usedPasskey struct {
	factor idp.Factor
	user   idp.User
	passkey.Use
	// known: the browser is one in which the person proved as much before.
	known bool
	// answer is what tells this answer from all others, and elsewhere that the browser says
	// that the passkey is not on this device.
	answer    []byte
	elsewhere bool
}

// errPasskey: an answer that is refused for what is ours to know.
func errPasskey(r passkey.Reason) error {
	return &passkey.RefusedError{Reason: r, Cause: errors.New("it is not for this sign-in")}
}

// The reasons of errPasskey.
const (
	passkeyUnknown   passkey.Reason = "unknown"
	passkeyDisabled  passkey.Reason = "account_disabled"
	passkeyElsewhere passkey.Reason = "population"
	passkeyOff       passkey.Reason = "passkeys_off"
)

// passkeyCounter is what an answer is counted against: the budget of a browser that its person
// proved as much in before, else the address. To count against the passkey would let a thief who
// has the password lock its owner out.
func (l *Login) passkeyCounter(ctx context.Context, s *signIn, used usedPasskey) throttle.Counter {
	if used.known {
		return l.Limiter.FactorInBrowser(throttle.Passkey, used.user.ID, s.flow.BrowserHash)
	}
	return l.Limiter.Address(idp.VisitFrom(ctx).Address)
}

// tryPasskey goes on with an answer that is right. A signature cannot be guessed: the count keeps
// strangers from having us check many.
func (l *Login) tryPasskey(c *gin.Context, s *signIn, use passkeyUse) error {
	ctx := c.Request.Context()
	if c.PostForm(passkeyField) == "" { // no script filled it in
		return l.passkeyPage(c, s, ui.MsgPasskeyScript, nil)
	}
	answer, used, wrong := l.readPasskey(ctx, s, c.PostForm(passkeyField), use)
	var refused *passkey.RefusedError
	if wrong != nil && !errors.As(wrong, &refused) {
		return wrong
	}
	attempt, err := l.Limiter.Begin(ctx, l.passkeyCounter(ctx, s, used))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		if err := l.Store.Audit(ctx, s.audit(idp.AuditPasskeyThrottled, map[string]string{"limit": string(limited.Kind)})); err != nil {
			return err
		}
		return l.passkeyPage(c, s, ui.MsgTooManyAttempts, limited)
	}
	if err != nil {
		return err
	}
	if wrong == nil {
		wrong = use.check(ctx, s, answer, &used)
	}
	if wrong == nil {
		asPerson(c, ctx)
		wrong = l.advance(c, s, func(ctx context.Context) error {
			if err := l.acceptPasskey(ctx, s, used, c.PostForm("keep") != ""); err != nil {
				return err
			}
			return attempt.Succeeded(ctx)
		})
	}
	if errors.As(wrong, &refused) {
		return l.passkeyRefused(c, s, used, refused)
	}
	return wrong
}

// readPasskey reads an answer to what this page asked for, and finds whose passkey it names.
func (l *Login) readPasskey(ctx context.Context, s *signIn, typed string, use passkeyUse) (answer passkey.Answer, used usedPasskey, err error) {
	if s.flow.UserID != "" {
		used.user, used.known = s.User, s.ownBrowser(idp.MethodPasskey)
	}
	if answer, err = passkey.Read(typed); err != nil {
		return answer, used, err
	}
	used.answer, used.elsewhere = answer.Hash(), answer.Elsewhere()
	if !answer.To(l.challenge(s, passkey.ToUse)) {
		return answer, used, errPasskey(passkey.OldChallenge)
	}
	return answer, used, use.find(ctx, s, answer, &used)
}

// ownPasskey finds the passkey of an answer among those of the person.
func (l *Login) ownPasskey(_ context.Context, s *signIn, a passkey.Answer, used *usedPasskey) error {
	list := s.usable(idp.MethodPasskey)
	i := slices.IndexFunc(list, func(f idp.Factor) bool { return f.Passkey != nil && a.Names(*f.Passkey) })
	if i < 0 {
		return errPasskey(passkeyUnknown)
	}
	used.factor = list[i]
	return nil
}

func (l *Login) checkSecond(_ context.Context, s *signIn, a passkey.Answer, used *usedPasskey) (err error) {
	used.Use, err = l.Manage.Factors.Passkeys.Check(a, passkey.Ask{Challenge: l.challenge(s, passkey.ToUse), UserID: s.User.ID}, *used.factor.Passkey)
	return err
}

// anyPasskey finds whose the passkey of an answer is, who has to be the one who signs in again.
func (l *Login) anyPasskey(ctx context.Context, s *signIn, a passkey.Answer, used *usedPasskey) error {
	factor, owner, known, err := l.Store.PasskeyOwner(ctx, a.CredentialID(), s.flow.BrowserHash)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return errPasskey(passkeyUnknown)
	case err != nil:
		return err
	case s.flow.UserID == "":
		used.known = known
	}
	used.factor, used.user = factor, owner
	if s.flow.UserID != "" && s.flow.UserID != owner.ID {
		return errPasskey(passkey.WrongPerson)
	}
	return nil
}

// checkAlone holds an answer against what stands in place of a password, by one of the app's
// people.
func (l *Login) checkAlone(ctx context.Context, s *signIn, a passkey.Answer, used *usedPasskey) (err error) {
	if !slices.Contains(s.client.Populations, used.user.PopulationID) {
		return errPasskey(passkeyElsewhere)
	}
	population := s.Population
	if used.user.PopulationID != population.ID {
		if population, err = l.Store.Population(ctx, used.user.PopulationID); err != nil {
			return err
		}
	}
	alone, err := l.signsInByPasskey(ctx, s, used.user, population)
	switch {
	case err != nil:
		return err
	case !alone:
		return errPasskey(passkeyOff)
	case used.user.Disabled, !used.factor.DisabledAt.IsZero():
		return errPasskey(passkeyDisabled)
	}
	ask := passkey.Ask{Challenge: l.challenge(s, passkey.ToUse), UserID: used.user.ID, Verify: true, Alone: true}
	used.Use, err = l.Manage.Factors.Passkeys.Check(a, ask, *used.factor.Passkey)
	return err
}

// acceptPasskey is what a right answer brings, in the transaction that moves the flow on.
func (l *Login) acceptPasskey(ctx context.Context, s *signIn, used usedPasskey, keep bool) error {
	if s.flow.UserID == "" {
		err := l.Store.LockUser(ctx, used.user.ID)
		if err != nil { // deleted this moment
			return err
		}
		s.flow.PopulationID, s.notes.Keep = used.user.PopulationID, keep
	}
	policy := s.Population.Policy
	if used.user.PopulationID != s.Population.ID {
		p, err := l.Store.Population(ctx, used.user.PopulationID)
		if err != nil {
			return err
		}
		policy = p.Policy
	}
	proof := used.factor.Passkey.Proof(policy, used.Verified, s.Version)
	if proof.First = s.takesPassword(); proof.First {
		if err := l.stillAlone(ctx, s, used); err != nil {
			return err
		}
		// They come by their passkey now: what another provider said before would have them
		// asked there again.
		s.flow.Proofs = without(s.flow.Proofs, idp.MethodFederated, time.Time{})
	}
	err := l.Store.UsePasskey(ctx, used.factor, used.SignCount, used.BackedUp, idp.Now())
	if errors.Is(err, idp.ErrUsed) { // while it was checked
		reason, err := l.whyUsed(ctx, s, used)
		if err != nil {
			return err
		}
		return errPasskey(reason)
	}
	if err != nil {
		return err
	}
	s.flow.UserID, s.User, s.notes.Elsewhere, s.notes.Answered = used.user.ID, used.user, used.elsewhere, used.answer
	s.add(proof)
	return nil
}

// whyUsed tells why a passkey's counter had moved on, and holds its owner. idp.ErrConflict: by
// this very answer, which came twice, such as by a double click: its first copy has taken the
// sign-in further. The passkey may have gone meanwhile. Else it has a copy.
func (l *Login) whyUsed(ctx context.Context, s *signIn, used usedPasskey) (passkey.Reason, error) {
	if err := l.Store.LockUser(ctx, used.user.ID); err != nil {
		return "", err
	}
	flow, err := l.Store.Flow(ctx, s.flow.ID)
	if err != nil {
		return "", err
	}
	notes, err := decodeNotes(flow.Data)
	if err == nil && bytes.Equal(notes.Answered, used.answer) {
		err = idp.ErrConflict
	}
	if err != nil {
		return "", err
	}
	enrolment, err := l.Store.Enrolment(ctx, used.user.ID)
	i := slices.IndexFunc(enrolment.Factors, func(f idp.Factor) bool { return f.ID == used.factor.ID })
	switch {
	case err != nil:
		return "", err
	case i < 0:
		return passkeyUnknown, nil
	case !enrolment.Factors[i].DisabledAt.IsZero() && used.factor.DisabledAt.IsZero():
		return passkeyDisabled, nil
	}
	return passkey.WentBack, nil
}

// tellOfCopy tells a passkey's owner by mail that it has a copy, and not for each of many tries.
func (l *Login) tellOfCopy(ctx context.Context, used usedPasskey) error {
	_, err := l.Limiter.Begin(ctx, l.Limiter.Mail(string(ui.MailPasskeyCopied), used.user.PopulationID, used.user.Email))
	var lately *throttle.LimitedError
	if errors.As(err, &lately) {
		return nil
	}
	if err != nil {
		return err
	}
	population, err := l.Store.Population(ctx, used.user.PopulationID)
	if err != nil {
		return err
	}
	return l.Outbox.Notify(ctx, used.user, population, ui.Mail{Kind: ui.MailPasskeyCopied})
}

// stillAlone asks again, in the transaction that takes a passkey in place of a password,
// whether it may be: what was open when the answer was checked may be closed now.
func (l *Login) stillAlone(ctx context.Context, s *signIn, used usedPasskey) error {
	p, err := l.Store.Population(ctx, used.user.PopulationID)
	if err != nil {
		return err
	}
	if alone, err := l.signsInByPasskey(ctx, s, used.user, p); err != nil || alone {
		return err
	}
	return errPasskey(passkeyOff)
}

// passkeyRefused tells the audit log why, and the person no more than that it was refused:
// unknown passkeys and those of disabled people are one.
func (l *Login) passkeyRefused(c *gin.Context, s *signIn, used usedPasskey, refused *passkey.RefusedError) error {
	ctx := c.Request.Context()
	slog.InfoContext(ctx, "passkey refused", "cause", refused)
	err := l.Store.Do(ctx, func(ctx context.Context) (err error) {
		reason := refused.Reason
		if reason == passkey.WentBack {
			if reason, err = l.whyUsed(ctx, s, used); err != nil {
				return err
			}
		}
		if err := l.Store.Audit(ctx, s.passkeyEvent(used, reason)); err != nil || reason != passkey.WentBack {
			return err
		}
		return l.tellOfCopy(ctx, used)
	})
	if errors.Is(err, idp.ErrConflict) || errors.Is(err, idp.ErrNotFound) {
		return l.tooLate(c, s)
	}
	if err != nil {
		return err
	}
	text := ui.MsgPasskeyUnknown
	switch {
	case refused.Reason == passkey.OldChallenge:
		text = ui.MsgPasskeyLate
	case s.accepts(idp.MethodPasskey):
		text = ui.MsgPasskeyRefused
	}
	return l.passkeyPage(c, s, text, nil)
}

// passkeyEvent is a refusal as the audit log has it.
func (s *signIn) passkeyEvent(used usedPasskey, reason passkey.Reason) idp.AuditEvent {
	event := s.audit(idp.AuditPasskeyRefused, map[string]string{"reason": string(reason)})
	if s.flow.UserID == "" && used.user.ID != "" { // the owner's log, not that of the app's people
		event.ActorID, event.UserID, event.PopulationID = "", used.user.ID, used.user.PopulationID
	}
	unasked := []passkey.Reason{passkeyUnknown, passkeyDisabled, passkeyElsewhere, passkeyOff, passkey.WrongPerson}
	if used.factor.ID != "" && !slices.Contains(unasked, reason) { // else anybody's word
		event.Detail["name"] = used.factor.Name
	}
	return event
}

// passkeyPage is the page of the sign-in again, with what was wrong.
func (l *Login) passkeyPage(c *gin.Context, s *signIn, text ui.Key, limited *throttle.LimitedError) error {
	alert := text.With()
	if limited != nil {
		alert = text.With(limited.Wait)
	}
	if s.accepts(idp.MethodPasskey) {
		return l.renderCode(c, s, codePage{method: idp.MethodPasskey, alert: alert, limited: limited})
	}
	return l.renderPassword(c, s, passwordPage{in: s.prefilled(c), alert: alert, limited: limited})
}

// renderPasskeySetUp asks the browser for a passkey.
func (l *Login) renderPasskeySetUp(c *gin.Context, s *signIn, state NeedEnrolment, p enrolPage) error {
	if state.Late {
		return l.render(c, s, http.StatusOK, l.offerPage(c, s, p))
	}
	label := ui.MsgPasskeyMake
	if state.Offered {
		label = ui.MsgPasskeyAdd
	}
	person := passkey.Person{ID: s.User.ID, Name: s.User.Email, DisplayName: s.User.Name}
	form := ui.PasskeyForm{
		Action: l.action(s, "enrol"), Label: *label.With(), Create: true, Wait: p.limited != nil,
		Options: l.Manage.Factors.AskForPasskey(s.Population.Policy, state.Hardware, l.challenge(s, passkey.ToCreate), person, s.enrolment),
	}
	status := passwordPage{alert: p.alert, limited: p.limited}.status()
	if state.Offered {
		page := l.offerPage(c, s, p)
		page.Form, page.Only = &form, factors.OnlyModels(s.Population.Policy, state.Hardware)
		return l.render(c, s, status, page)
	}
	return l.render(c, s, status, ui.PasskeySetUp{
		Frame: l.frame(c, s), Form: form, Only: factors.OnlyModels(s.Population.Policy, state.Hardware), Alert: p.alert,
		RetryAfter: retryAfter(c, p.limited), Methods: l.instead(s, state.Instead),
	})
}

// enrolPasskey keeps the passkey that the browser made; recovery codes come with it.
func (l *Login) enrolPasskey(c *gin.Context, s *signIn, state NeedEnrolment) error {
	ctx := c.Request.Context()
	answer := c.PostForm(passkeyField)
	if answer == "" {
		return l.renderPasskeySetUp(c, s, state, enrolPage{alert: ui.MsgPasskeyScript.With()})
	}
	attempt, err := l.Limiter.Begin(ctx, l.Limiter.SetUp(s.flow.ID))
	var limited *throttle.LimitedError
	if errors.As(err, &limited) {
		return l.enrolLimited(c, s, state, limited)
	}
	if err != nil {
		return err
	}
	key, verified, err := l.Manage.Factors.NewPasskey(s.Population.Policy, state.Hardware, answer, l.challenge(s, passkey.ToCreate))
	if err == nil {
		err = l.advance(c, s, func(ctx context.Context) error {
			if err := l.stillWithout(ctx, s, idp.MethodPasskey); err != nil {
				return err
			}
			f := factors.NewFactor{ID: idp.NewID(), Method: idp.MethodPasskey, Passkey: &key, At: idp.Now()}
			if err := l.Manage.Factors.Enrol(ctx, s.User, s.Population, f, s.audit("", nil)); err != nil {
				return err
			}
			if state.Offered {
				s.notes.Offer = offerAnswered
			}
			s.add(key.Proof(s.Population.Policy, verified, s.Version))
			return attempt.Succeeded(ctx)
		})
	}
	var refused *passkey.RefusedError
	switch {
	case errors.Is(err, factors.ErrPasskeyTaken):
		return l.renderPasskeySetUp(c, s, state, enrolPage{alert: ui.MsgPasskeyTaken.With()})
	case errors.As(err, &refused):
		slog.InfoContext(ctx, "passkey refused", "cause", refused)
		if err := l.Store.Audit(ctx, s.audit(idp.AuditPasskeyRefused, map[string]string{"reason": string(refused.Reason), "setup": "yes"})); err != nil {
			return err
		}
		text := ui.MsgPasskeyNotMade
		switch refused.Reason {
		case passkey.OldChallenge:
			text = ui.MsgPasskeyLate
		case passkey.Unlisted:
			text = ui.MsgPasskeyModel
		default:
		}
		return l.renderPasskeySetUp(c, s, state, enrolPage{alert: text.With()})
	}
	return err
}
