package admin

import (
	"errors"
	"net/http"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// subject is whom a deed concerns, and of theirs what: a session, a factor or a
// connected account, by its id.
type subject struct {
	people.UserDetail
	object string
}

// deed is something sensitive that can be done to a person. It asks for a reason on
// a page of its own, which says first what will happen.
type deed struct {
	// may tells whether it is open to the viewer: else its address answers 403.
	may func(v *visit, s subject) bool
	// there is an error when there is nothing to be done.
	there func(s subject) error
	// words are what the page says.
	words func(v *visit, s subject) deedWords
	// carry it out, and say how to answer.
	carry func(v *visit, s subject, reason string) (answer func() error, err error)
}

type deedWords struct {
	heading, button ui.Message
	consequences    []ui.Message
	danger          bool
	// extra is what may be done as well, nil for nothing.
	extra *ui.Extra
}

// deeds are what can be done to a person, by the last part of the address.
func deeds() map[string]deed {
	return map[string]deed{
		"sign-out": signOutDeed(), "end-session": endSessionDeed(), "end-access": endAccessDeed(), "reset-mfa": resetDeed(), "recovery-codes": viewDeed(),
		"new-codes": regenerateDeed(), "enable-factor": enableDeed(), "end-pause": pauseDeed(),
		"anonymise": anonymiseDeed(), "delete": deleteDeed(), "unlink": unlinkDeed(),
	}
}

// words puts together what a page says.
func words(heading, button ui.Key, danger bool, s subject, consequences ...ui.Message) deedWords {
	return deedWords{heading: *heading.With(calls(s.UserDetail)), button: *button.With(), danger: danger, consequences: consequences}
}

func always(subject) error { return nil }

// sessionsEnd says how many sessions end. Who does not manage sessions does not see
// how many there are.
func (v *visit) sessionsEnd(d people.UserDetail) ui.Message {
	if !v.actor.May("ListSessions") {
		return *ui.Key("console.deed.all_sessions_end").With()
	}
	return *ui.Key("console.deed.sessions_end").With(len(d.Sessions))
}

// andTold adds that the person gets a mail, where mail is sent at all.
func (v *visit) andTold(consequences ...ui.Message) []ui.Message {
	if v.console.Manage.Mailer == nil {
		return consequences
	}
	return append(consequences, *ui.Key("console.deed.told").With())
}

// saying goes to a page and says there what was done.
func (v *visit) saying(page string, what ui.Key) func() error {
	return func() error { return v.done(page, what) }
}

func (s subject) page() string { return "/people/" + s.ID }

func signOutDeed() deed {
	return deed{
		may:   func(v *visit, s subject) bool { return v.reaches("SignOut", s.UserDetail) },
		there: always,
		words: func(v *visit, s subject) deedWords {
			w := words("console.deed.sign_out_heading", "console.person.sign_out", true, s,
				v.sessionsEnd(s.UserDetail), *ui.Key("console.deed.sign_out_again").With())
			on := v.Request.Method != http.MethodPost || v.PostForm("offline") == "on"
			w.extra = &ui.Extra{Name: "offline", Label: *ui.Key("console.deed.end_offline").With(), On: on}
			return w
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			apps := people.AppAccess(v.PostForm("offline") == "on")
			_, err := v.console.Manage.People.SignOut(v.Request.Context(), v.actor, s.ID, reason, apps)
			return v.saying(s.page(), "console.done.signed_out"), err
		},
	}
}

// session is the one that a deed is about.
func (s subject) session() (idp.Session, error) {
	for _, session := range s.Sessions {
		if session.ID == s.object {
			return session, nil
		}
	}
	return idp.Session{}, idp.ErrNotFound
}

func endSessionDeed() deed {
	return deed{
		may: func(v *visit, s subject) bool { return v.reaches("EndSession", s.UserDetail) },
		there: func(s subject) error {
			_, err := s.session()
			return err
		},
		words: func(v *visit, s subject) deedWords {
			session, _ := s.session() // it is there
			return words("console.deed.end_heading", "console.deed.end", true, s,
				*ui.Key("console.deed.end_one").With(session.Address, session.LastSeenAt),
				*ui.Key("console.deed.end_others").With(len(s.Sessions) - 1))
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			// Who may not see sessions is refused before one is looked for.
			if _, err := s.session(); err != nil && v.actor.May("EndSession") {
				return nil, err
			}
			return v.saying(s.page(), "console.done.session_ended"), v.console.Manage.People.EndSession(v.Request.Context(), v.actor, s.object, reason)
		},
	}
}

// kept is the access that a deed is about.
func (s subject) kept() (people.KeptAccess, error) {
	for _, k := range s.Kept {
		if k.ID == s.object {
			return k, nil
		}
	}
	return people.KeptAccess{}, idp.ErrNotFound
}

func endAccessDeed() deed {
	return deed{
		may: func(v *visit, s subject) bool { return v.reaches("EndGrant", s.UserDetail) },
		there: func(s subject) error {
			_, err := s.kept()
			return err
		},
		words: func(v *visit, s subject) deedWords {
			kept, _ := s.kept() // it is there
			name := kept.ClientID
			if apps, err := v.appNames(); err == nil && apps[name] != "" {
				name = apps[name]
			}
			return words("console.deed.access_heading", "console.deed.access", true, s,
				*ui.Key("console.deed.access_what").With(name), *ui.Key("console.deed.access_rest").With())
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			if _, err := s.kept(); err != nil && v.actor.May("EndGrant") {
				return nil, err
			}
			return v.saying(s.page(), "console.done.access_ended"), v.console.Manage.People.EndGrant(v.Request.Context(), v.actor, s.ID, s.object, reason)
		},
	}
}

func resetDeed() deed {
	return deed{
		may:   func(v *visit, s subject) bool { return v.helps("ResetMFA", s.UserDetail) },
		there: always,
		words: func(v *visit, s subject) deedWords {
			return words("console.deed.reset_heading", "console.person.reset", true, s,
				v.andTold(*ui.Key("console.deed.reset_factors").With(len(s.Factors)), *ui.Key("console.deed.reset_codes").With(s.RecoveryLeft),
					v.sessionsEnd(s.UserDetail), *ui.Key("console.deed.reset_again").With())...)
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			return v.saying(s.page(), "console.done.mfa_reset"), v.console.Manage.Factors.ResetMFA(v.Request.Context(), v.actor, s.ID, reason)
		},
	}
}

// hasCodes: there are recovery codes, used or not.
func hasCodes(s subject) error {
	if s.Recovery == nil {
		return idp.ErrNotFound
	}
	return nil
}

func viewDeed() deed {
	return deed{
		may:   func(v *visit, s subject) bool { return v.mayViewCodes(s.UserDetail) },
		there: hasCodes,
		words: func(v *visit, s subject) deedWords {
			return words("console.deed.codes_heading", "console.person.view_codes", false, s,
				v.andTold(*ui.Key("console.deed.codes_left").With(s.RecoveryLeft), *ui.Key("console.deed.recorded").With())...)
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			codes, err := v.console.Manage.Factors.ViewRecoveryCodes(v.Request.Context(), v.actor, s.ID, reason)
			return func() error { return v.renderCodes(s, codes) }, err
		},
	}
}

// renderCodes shows somebody's recovery codes, as the answer to the form: the page
// has no address of its own to come back to.
func (v *visit) renderCodes(s subject, codes []string) error {
	frame, err := v.personFrame(s.UserDetail, true)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, ui.ConsolePersonCodes{
		Console: frame, PersonName: calls(s.UserDetail), PersonEmail: s.Email, Codes: codes, BackURL: v.path(s.page()),
		Told: v.console.Manage.Mailer != nil,
	})
}

func regenerateDeed() deed {
	return deed{
		may: func(v *visit, s subject) bool { return v.helps("RegenerateRecoveryCodes", s.UserDetail) },
		there: func(s subject) error {
			switch {
			case len(mfa.Possessions(s.Factors)) == 0:
				return idp.ErrNotFound
			case !s.RegenerateAt.IsZero():
				return &factors.TooSoonError{At: s.RegenerateAt}
			}
			return nil
		},
		words: func(v *visit, s subject) deedWords {
			return words("console.deed.regenerate_heading", "console.person.regenerate", false, s,
				v.andTold(*ui.Key("console.deed.regenerate_old").With(s.RecoveryLeft), *ui.Key("console.deed.regenerate_new").With(),
					*ui.Key("console.deed.regenerate_wait").With())...)
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			err := v.console.Manage.Factors.RegenerateRecoveryCodes(v.Request.Context(), v.actor, s.ID, reason)
			return v.saying(s.page(), "console.done.codes_generated"), err
		},
	}
}

func enableDeed() deed {
	return deed{
		may: func(v *visit, s subject) bool { return v.helps("EnableFactor", s.UserDetail) },
		there: func(s subject) error {
			if (s.Recovery != nil && s.Recovery.ID == s.object && !s.Recovery.DisabledAt.IsZero()) ||
				slices.ContainsFunc(s.Factors, func(f idp.Factor) bool { return f.ID == s.object && !f.DisabledAt.IsZero() }) {
				return nil
			}
			return idp.ErrNotFound
		},
		words: func(v *visit, s subject) deedWords {
			var since any
			if s.Recovery != nil && s.Recovery.ID == s.object {
				since = s.Recovery.DisabledAt
			}
			for _, f := range s.Factors {
				if f.ID == s.object {
					since = f.DisabledAt
				}
			}
			return words("console.deed.factor_heading", "console.person.enable_factor", false, s,
				v.andTold(*ui.Key("console.deed.factor_tried").With(since), *ui.Key("console.deed.factor_works").With())...)
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			err := v.console.Manage.Factors.EnableFactor(v.Request.Context(), v.actor, s.ID, s.object, reason)
			return v.saying(s.page(), "console.done.factor_enabled"), err
		},
	}
}

func pauseDeed() deed {
	return deed{
		may:   func(v *visit, s subject) bool { return v.reaches("ClearThrottle", s.UserDetail) },
		there: always,
		words: func(_ *visit, s subject) deedWords {
			return words("console.deed.throttle_heading", "console.deed.throttle", false, s,
				*ui.Key("console.deed.throttle_counts").With(), *ui.Key("console.deed.throttle_sure").With())
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			err := v.console.Manage.People.ClearThrottle(v.Request.Context(), v.actor, s.ID, reason)
			return v.saying(s.page(), "console.done.throttle_cleared"), err
		},
	}
}

func anonymiseDeed() deed {
	return deed{
		may: func(v *visit, s subject) bool {
			return !v.isViewer(s.UserDetail) && v.reaches("AnonymiseUser", s.UserDetail)
		},
		there: always,
		words: func(v *visit, s subject) deedWords {
			return words("console.deed.anonymise_heading", "console.deed.anonymise", true, s,
				*ui.Key("console.deed.anonymise_what").With(), v.sessionsEnd(s.UserDetail), *ui.Key("console.deed.final").With())
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			err := v.console.Manage.People.AnonymiseUser(v.Request.Context(), v.actor, s.ID, reason)
			return v.saying(s.page(), "console.done.person_anonymised"), err
		},
	}
}

func deleteDeed() deed {
	return deed{
		may: func(v *visit, s subject) bool {
			return !v.isViewer(s.UserDetail) && v.reaches("DeleteUser", s.UserDetail)
		},
		there: always,
		words: func(v *visit, s subject) deedWords {
			return words("console.deed.delete_heading", "console.deed.delete", true, s,
				*ui.Key("console.deed.delete_what").With(), v.sessionsEnd(s.UserDetail), *ui.Key("console.deed.final").With())
		},
		carry: func(v *visit, s subject, reason string) (func() error, error) {
			err := v.console.Manage.People.DeleteUser(v.Request.Context(), v.actor, s.ID, reason)
			return v.saying("/people", "console.done.person_deleted"), err
		},
	}
}

// deedNamed is what the address names, and whom it concerns.
func (v *visit) deedNamed() (deed, subject, error) {
	object := v.Param("object")
	d, known := deeds()[v.Param("deed")]
	about := slices.Contains([]string{"end-session", "end-access", "enable-factor", "unlink"}, v.Param("deed"))
	if !known || about != (object != "") {
		return deed{}, subject{}, idp.ErrNotFound
	}
	person, err := v.personNamed()
	return d, subject{person, object}, err
}

// deedPage is its address.
func (v *visit) deedPage(s subject) string {
	page := s.page() + "/" + v.Param("deed")
	if s.object != "" {
		page += "/" + s.object
	}
	return page
}

// askDeed asks for the reason.
func (v *visit) askDeed() error {
	d, s, err := v.deedNamed()
	if err != nil {
		return err
	}
	if !d.may(v, s) {
		return authz.ErrForbidden
	}
	if err := d.there(s); err != nil {
		return v.refusedFor(err)
	}
	if !v.fresh() { // better now than after the reason
		return v.askFresh(v.deedPage(s))
	}
	return v.renderDeed(http.StatusOK, d, s, nil)
}

func (v *visit) renderDeed(status int, d deed, s subject, wrong *ui.Message) error {
	frame, err := v.personFrame(s.UserDetail, true)
	if err != nil {
		return err
	}
	w := d.words(v, s)
	return v.render(status, ui.ConsoleConfirm{
		Console: frame, Action: v.path(v.deedPage(s)), CancelURL: v.path(s.page()), Heading: w.heading,
		Consequences: w.consequences, Button: w.button, Danger: w.danger, Extra: w.extra, Reason: v.PostForm("reason"), ReasonError: wrong,
	})
}

// postDeed carries it out. Whether it may be is the operation's to say, so that a
// refusal is in the audit log.
func (v *visit) postDeed() error {
	d, s, err := v.deedNamed()
	if err != nil {
		return err
	}
	if d.may(v, s) && !v.fresh() {
		return v.askFresh(v.deedPage(s))
	}
	answer, err := d.carry(v, s, v.PostForm("reason"))
	switch {
	case err == nil:
		return answer()
	case errors.Is(err, idp.ErrInvalid) && d.may(v, s) && d.there(s) == nil:
		return v.renderDeed(http.StatusUnprocessableEntity, d, s, web.Said(web.Wrong(err)[0]))
	}
	return v.refusedFor(err)
}
