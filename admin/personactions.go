package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// subject is the person whom an action concerns, and the id of a session, a factor or a
// connected account of theirs.
type subject struct {
	people.UserDetail
	object string
}

// action is something sensitive that can be done to a person. It asks for a reason on
// a page of its own, which says first what will happen.
type action struct {
	// op is the operation of idp/manage, by which it is open to the viewer.
	op string
	// recovery: it gets around the person's second step. others: it cannot be done to
	// oneself. object: it is about something of the person's.
	recovery, others, object bool
	// missing is why there is nothing to be done, nil for always something.
	missing func(s subject) error
	// tab of the person's page it is on.
	tab             string
	heading, button ui.Key
	danger          bool
	// says is what will happen, and told that the person gets a mail.
	says func(v *visit, s subject) []ui.Message
	told bool
	// dress adds to the page what the above does not say.
	dress func(v *visit, s subject, page *ui.ConsoleConfirm)
	// carry it out; done is what the person's page says then. answered does both.
	carry    func(v *visit, s subject, reason string) error
	done     ui.Key
	answered func(v *visit, s subject, reason string) (answer func() error, err error)
}

// allowed tells whether an action is open to the viewer: else its address answers 403.
func (d action) allowed(v *visit, s subject) bool {
	can := v.canDoTo
	if d.recovery {
		can = v.canRecover
	}
	return can(d.op, s.UserDetail) && !(d.others && v.isViewer(s.UserDetail))
}

// sessionsEnd says how many sessions end, to a viewer who manages sessions.
func (v *visit) sessionsEnd(d people.UserDetail) ui.Message {
	if !v.actor.CanDo("ListSessions") {
		return *ui.Key("console.action.all_sessions_end").With()
	}
	return *ui.Key("console.action.sessions_end").With(len(d.Sessions))
}

// andTold adds that the person gets a mail, where mail is sent at all.
func (v *visit) andTold(consequences ...ui.Message) []ui.Message {
	if v.console.Manage.Mailer == nil {
		return consequences
	}
	return append(consequences, *ui.Key("console.action.told").With())
}

func (s subject) page() string { return "/people/" + s.ID }

// one is that of a list which an action is about.
func one[T any](list []T, id func(T) string, wanted string) (found T, err error) {
	i := slices.IndexFunc(list, func(t T) bool { return id(t) == wanted })
	if i < 0 {
		return found, idp.ErrNotFound
	}
	return list[i], nil
}

// session is the one that an action is about.
func (s subject) session() (idp.Session, error) {
	return one(s.Sessions, func(session idp.Session) string { return session.ID }, s.object)
}

// kept is the access that an action is about.
func (s subject) kept() (people.KeptAccess, error) {
	return one(s.Kept, func(k people.KeptAccess) string { return k.ID }, s.object)
}

// consent is the one that an action is about.
func (s subject) consent() (people.ConsentEntry, error) {
	return one(s.Consents, func(c people.ConsentEntry) string { return c.ID }, s.object)
}

// trusted is the browser that an action is about.
func (s subject) trusted() (idp.TrustedBrowser, error) {
	return one(s.Trusted, func(b idp.TrustedBrowser) string { return b.ID }, s.object)
}

// disabledFactor is the one that an action is about, recovery codes among them.
func (s subject) disabledFactor() (idp.Factor, error) {
	all := slices.Clone(s.Factors)
	if s.Recovery != nil {
		all = append(all, idp.Factor{ID: s.Recovery.ID, DisabledAt: s.Recovery.DisabledAt})
	}
	all = slices.DeleteFunc(all, func(f idp.Factor) bool { return f.DisabledAt.IsZero() })
	return one(all, func(f idp.Factor) string { return f.ID }, s.object)
}

// actions are what can be done to a person, by the last part of the address.
var actions = map[string]action{
	"sign-out": {
		tab: sessionsTab, op: "SignOut", heading: "console.action.sign_out_heading", button: "console.person.sign_out", danger: true,
		says: func(v *visit, s subject) []ui.Message {
			return []ui.Message{v.sessionsEnd(s.UserDetail), *ui.Key("console.action.sign_out_again").With()}
		},
		dress: func(v *visit, _ subject, page *ui.ConsoleConfirm) {
			on := v.Request.Method != http.MethodPost || v.PostForm("offline") == "on"
			page.Extra = &ui.Extra{Name: "offline", Label: *ui.Key("console.action.end_offline").With(), On: on}
		},
		carry: func(v *visit, s subject, reason string) error {
			apps := people.AppAccess(v.PostForm("offline") == "on")
			_, err := v.console.Manage.People.SignOut(v.Request.Context(), v.actor, s.ID, reason, apps)
			return err
		},
		done: "console.done.signed_out",
	},
	"end-session": {
		tab: sessionsTab, op: "EndSession", object: true, heading: "console.action.end_heading", button: "console.action.end", danger: true,
		missing: func(s subject) error {
			_, err := s.session()
			return err
		},
		says: func(_ *visit, s subject) []ui.Message {
			session, _ := s.session() // it is there
			return []ui.Message{
				*ui.Key("console.action.end_one").With(session.Address, session.LastSeenAt), *ui.Key("console.action.end_others").With(len(s.Sessions) - 1),
			}
		},
		carry: func(v *visit, s subject, reason string) error {
			// Who may not see sessions is refused before one is looked for.
			if _, err := s.session(); err != nil && v.actor.CanDo("EndSession") {
				return err
			}
			return v.console.Manage.People.EndSession(v.Request.Context(), v.actor, s.object, reason)
		},
		done: "console.done.session_ended",
	},
	"end-access": {
		tab: sessionsTab, op: "EndGrant", object: true, heading: "console.action.access_heading", button: "console.action.access", danger: true,
		missing: func(s subject) error {
			_, err := s.kept()
			return err
		},
		says: func(v *visit, s subject) []ui.Message {
			kept, _ := s.kept() // it is there
			name := kept.ClientID
			if apps, err := v.clientNames(); err == nil && apps[name] != "" {
				name = apps[name]
			}
			return []ui.Message{*ui.Key("console.action.access_what").With(name), *ui.Key("console.action.access_rest").With()}
		},
		carry: func(v *visit, s subject, reason string) error {
			if _, err := s.kept(); err != nil && v.actor.CanDo("EndGrant") {
				return err
			}
			return v.console.Manage.People.EndGrant(v.Request.Context(), v.actor, s.ID, s.object, reason)
		},
		done: "console.done.access_ended",
	},
	"withdraw-consent": {
		tab: sessionsTab, op: "WithdrawConsent", object: true, heading: "console.action.consent_heading", button: "console.action.consent", danger: true,
		missing: func(s subject) error {
			_, err := s.consent()
			return err
		},
		says: func(_ *visit, s subject) []ui.Message {
			consent, _ := s.consent() // it is there
			return []ui.Message{*ui.Key("console.action.consent_what").With(consent.App.Name), *ui.Key("console.action.consent_again").With()}
		},
		carry: func(v *visit, s subject, reason string) error {
			if _, err := s.consent(); err != nil && v.actor.CanDo("WithdrawConsent") {
				return err
			}
			return v.console.Manage.People.WithdrawConsent(v.Request.Context(), v.actor, s.ID, s.object, reason)
		},
		done: "console.done.consent_withdrawn",
	},
	"forget-browser": {
		tab: sessionsTab, op: "ForgetTrustedBrowser", object: true, heading: "console.action.forget_heading", button: "console.action.forget",
		missing: func(s subject) error {
			_, err := s.trusted()
			return err
		},
		says: func(*visit, subject) []ui.Message {
			return []ui.Message{*ui.Key("console.action.forget_what").With(), *ui.Key("console.action.forget_sessions").With()}
		},
		carry: func(v *visit, s subject, reason string) error {
			if _, err := s.trusted(); err != nil && v.actor.CanDo("ForgetTrustedBrowser") {
				return err
			}
			return v.console.Manage.Factors.ForgetTrustedBrowser(v.Request.Context(), v.actor, s.ID, s.object, reason)
		},
		done: "console.done.browser_forgotten",
	},
	"reset-mfa": {
		tab: signInTab, op: "ResetMFA", recovery: true, heading: "console.action.reset_heading", button: "console.person.reset", danger: true, told: true,
		says: func(v *visit, s subject) []ui.Message {
			return []ui.Message{
				*ui.Key("console.action.reset_factors").With(len(s.Factors)), *ui.Key("console.action.reset_codes").With(s.RecoveryLeft),
				v.sessionsEnd(s.UserDetail), *ui.Key("console.action.reset_again").With(),
			}
		},
		carry: onPerson(inFactors, (*factors.Manager).ResetMFA),
		done:  "console.done.mfa_reset",
	},
	"recovery-codes": {
		tab: signInTab, op: "ViewRecoveryCodes", recovery: true, heading: "console.action.codes_heading", button: "console.person.view_codes", told: true,
		missing: func(s subject) error {
			if s.Recovery == nil {
				return idp.ErrNotFound
			}
			return nil
		},
		says: func(_ *visit, s subject) []ui.Message {
			return []ui.Message{*ui.Key("console.action.codes_left").With(s.RecoveryLeft), *ui.Key("console.action.recorded").With()}
		},
		answered: func(v *visit, s subject, reason string) (func() error, error) {
			codes, err := v.console.Manage.Factors.ViewRecoveryCodes(v.Request.Context(), v.actor, s.ID, reason)
			return func() error { return v.renderCodes(s, codes) }, err
		},
	},
	"new-codes": {
		tab: signInTab, op: "RegenerateRecoveryCodes", recovery: true, heading: "console.action.regenerate_heading", button: "console.person.regenerate", told: true,
		missing: func(s subject) error {
			switch {
			case len(mfa.Possessions(s.Factors)) == 0:
				return idp.ErrNotFound
			case !s.RegenerateAt.IsZero():
				return &factors.TooSoonError{At: s.RegenerateAt}
			}
			return nil
		},
		says: func(_ *visit, s subject) []ui.Message {
			return append([]ui.Message{*ui.Key("console.action.regenerate_old").With(s.RecoveryLeft)},
				says("console.action.regenerate_new", "console.action.regenerate_wait")...)
		},
		carry: onPerson(inFactors, (*factors.Manager).RegenerateRecoveryCodes),
		done:  "console.done.codes_generated",
	},
	"enable-factor": {
		tab: signInTab, op: "EnableFactor", recovery: true, object: true, heading: "console.action.factor_heading", button: "console.person.enable_factor", told: true,
		missing: func(s subject) error {
			_, err := s.disabledFactor()
			return err
		},
		says: func(_ *visit, s subject) []ui.Message {
			f, _ := s.disabledFactor() // it is there
			return []ui.Message{*ui.Key("console.action.factor_tried").With(f.DisabledAt), *ui.Key("console.action.factor_works").With()}
		},
		carry: func(v *visit, s subject, reason string) error {
			return v.console.Manage.Factors.EnableFactor(v.Request.Context(), v.actor, s.ID, s.object, reason)
		},
		done: "console.done.factor_enabled",
	},
	"end-pause": {
		tab: signInTab, op: "ClearThrottle", heading: "console.action.throttle_heading", button: "console.action.throttle",
		says: func(*visit, subject) []ui.Message {
			return says("console.action.throttle_counts", "console.action.throttle_sure")
		},
		carry: onPerson(inPeople, (*people.Manager).ClearThrottle),
		done:  "console.done.throttle_cleared",
	},
	"state": {
		op: "UpdateUser", others: true, heading: "console.action.disable_heading", button: "console.action.disable", danger: true, told: true,
		says: func(v *visit, s subject) []ui.Message {
			if s.Disabled {
				return says("console.action.enable_hint")
			}
			return []ui.Message{*ui.Key("console.action.disable_hint").With(), v.sessionsEnd(s.UserDetail), *ui.Key("console.action.disable_keeps").With()}
		},
		dress: func(v *visit, s subject, page *ui.ConsoleConfirm) {
			version, state := s.Version, "disabled"
			if v.Request.Method == http.MethodPost {
				version = v.seenVersion()
			}
			if s.Disabled {
				state, page.Danger = "enabled", false
				page.Heading, page.Button = *ui.Key("console.action.enable_heading").With(displayName(s.UserDetail)), *ui.Key("console.action.enable").With()
			}
			page.FormFields = append(page.FormFields, versionField(version), ui.Field{Name: "state", Value: state})
		},
		answered: func(v *visit, s subject, reason string) (func() error, error) {
			disabled := v.PostForm("state") == "disabled"
			if !disabled && v.PostForm("state") != "enabled" {
				return nil, web.BadForm(errors.New("neither disabled nor enabled"))
			}
			d, err := v.console.Manage.People.UpdateUser(v.Request.Context(), v.actor, s.ID, people.UserChange{
				Version: v.seenVersion(), Disabled: &disabled, Reason: reason,
			})
			done := ui.Key("console.done.person_enabled")
			if disabled {
				done = "console.done.person_disabled"
			}
			return func() error { return v.saved(s.page(), v.seenVersion(), d.Version, done) }, err
		},
	},
	"anonymise": {
		op: "AnonymiseUser", others: true, heading: "console.action.anonymise_heading", button: "console.action.anonymise", danger: true,
		says: func(v *visit, s subject) []ui.Message {
			return []ui.Message{*ui.Key("console.action.anonymise_what").With(), v.sessionsEnd(s.UserDetail), *ui.Key("console.action.final").With()}
		},
		carry: onPerson(inPeople, (*people.Manager).AnonymiseUser),
		done:  "console.done.person_anonymised",
	},
	"delete": {
		op: "DeleteUser", others: true, heading: "console.action.delete_heading", button: "console.action.delete", danger: true,
		says: func(v *visit, s subject) []ui.Message {
			return []ui.Message{*ui.Key("console.action.delete_what").With(), v.sessionsEnd(s.UserDetail), *ui.Key("console.action.final").With()}
		},
		answered: func(v *visit, s subject, reason string) (func() error, error) {
			err := v.console.Manage.People.DeleteUser(v.Request.Context(), v.actor, s.ID, 0, reason)
			return v.saying("/people", "console.done.person_deleted"), err
		},
	},
	"unlink": unlinkAction,
}

// renderCodes shows a person's recovery codes, as the answer to the form: the page
// has no address of its own to come back to.
func (v *visit) renderCodes(s subject, codes []string) error {
	frame, err := v.personFrame(s.UserDetail, true)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, ui.ConsolePersonCodes{
		Console: frame, PersonName: displayName(s.UserDetail), PersonEmail: s.Email, Codes: codes, BackURL: v.path(s.page() + signInTab),
		Told: v.console.Manage.Mailer != nil,
	})
}

func inPeople(m *manage.Manager) *people.Manager   { return m.People }
func inFactors(m *manage.Manager) *factors.Manager { return m.Factors }

// onPerson carries out an operation on a person that takes a reason.
func onPerson[M any](in func(*manage.Manager) *M, op func(*M, context.Context, authz.Actor, string, string) error) func(*visit, subject, string) error {
	return func(v *visit, s subject, reason string) error {
		return op(in(v.console.Manage), v.Request.Context(), v.actor, s.ID, reason)
	}
}

// askAction asks before an action, and postAction does it.
func (v *visit) askAction() error  { return v.onActionPage(question[subject].get) }
func (v *visit) postAction() error { return v.onActionPage(question[subject].post) }

// onActionPage is the page of the action that the address names.
func (v *visit) onActionPage(page func(question[subject], *visit) error) error {
	object := v.Param("object")
	d, known := actions[v.Param("action")]
	if !known || d.object != (object != "") {
		return idp.ErrNotFound
	}
	return page(question[subject]{
		load: func(v *visit) (subject, error) {
			person, err := v.personNamed()
			return subject{person, object}, err
		},
		allowed: func(v *visit, s subject) bool { return d.allowed(v, s) }, missing: d.missing,
		refused: func(v *visit, err error) error { return v.refusedFor(d.tab, err) },
		home:    func(s subject) string { return s.page() + d.tab },
		at: func(s subject) string {
			if object == "" {
				return s.page() + "/" + v.Param("action")
			}
			return s.page() + "/" + v.Param("action") + "/" + object
		},
		page: d.page,
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			if d.answered != nil {
				return d.answered(v, s, reason)
			}
			return v.saying(s.page()+d.tab, d.done), d.carry(v, s, reason)
		},
	}, v)
}

func (d action) page(v *visit, s subject) (page ui.ConsoleConfirm, err error) {
	page.Console, err = v.personFrame(s.UserDetail, true)
	page.Heading, page.Button, page.Danger, page.Consequences = *d.heading.With(displayName(s.UserDetail)), *d.button.With(), d.danger, d.says(v, s)
	if d.told {
		page.Consequences = v.andTold(page.Consequences...)
	}
	if d.dress != nil {
		d.dress(v, s, &page)
	}
	return page, err
}
