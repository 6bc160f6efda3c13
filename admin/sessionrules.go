package admin

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// units are those in which limits can be typed, the smallest first.
var units = []struct {
	name  string
	label ui.Key
	unit  time.Duration
}{
	{"minutes", "console.sessions.minutes", time.Minute},
	{"hours", "console.sessions.hours", time.Hour},
	{"days", "console.sessions.days", 24 * time.Hour},
}

// limitForm is a limit as it was typed.
type limitForm struct{ number, unit string }

// typed is how somebody would type a limit.
func typed(d time.Duration) limitForm {
	f := limitForm{strconv.FormatInt(int64(d/time.Minute), 10), "minutes"}
	for _, u := range units {
		if d > 0 && d%u.unit == 0 {
			f = limitForm{strconv.FormatInt(int64(d/u.unit), 10), u.name}
		}
	}
	return f
}

// maxTyped bounds the number, so that no product overflows: in minutes two years.
const maxTyped = 1_000_000

func (f limitForm) duration() (time.Duration, bool) {
	n, err := strconv.Atoi(f.number)
	for _, u := range units {
		if err == nil && n >= 0 && n <= maxTyped && f.unit == u.name {
			return time.Duration(n) * u.unit, true
		}
	}
	return 0, false
}

func (f limitForm) limit() ui.Limit {
	l := ui.Limit{Number: f.number}
	for _, u := range units {
		l.Units = append(l.Units, ui.Unit{Value: u.name, Label: *u.label.With(), Chosen: u.name == f.unit})
	}
	return l
}

// limitNames are the limits' form fields.
var limitNames = []string{"session_idle", "session_lifetime", "kept_idle", "kept_lifetime"}

// sessionsForm is the form of a session configuration, as it was typed.
type sessionsForm struct {
	limits            map[string]limitForm
	keepSignedIn, end bool
}

func sessionsFormOf(r manage.SessionRules) sessionsForm {
	return sessionsForm{
		limits: map[string]limitForm{
			"session_idle": typed(r.Idle), "session_lifetime": typed(r.Lifetime),
			"kept_idle": typed(r.KeptIdle), "kept_lifetime": typed(r.KeptLifetime),
		},
		keepSignedIn: r.KeepSignedIn, end: r.EndOthers,
	}
}

// postedSessions reads the form. A *manage.FieldError says what is wrong with it.
func (v *visit) postedSessions() (sessionsForm, manage.SessionRules, error) {
	f := sessionsForm{limits: map[string]limitForm{}, keepSignedIn: v.PostForm("keep_signed_in") == "on", end: v.PostForm("end_others") == "on"}
	durations, wrong := map[string]time.Duration{}, error(nil)
	for _, name := range limitNames {
		f.limits[name] = limitForm{strings.TrimSpace(v.PostForm(name)), v.PostForm(name + "_unit")}
		d, ok := f.limits[name].duration()
		if !ok && wrong == nil {
			wrong = &manage.FieldError{Field: name, Reason: v.text("console.passwords.number")}
		}
		durations[name] = d
	}
	rules := manage.SessionRules{
		Idle: durations["session_idle"], Lifetime: durations["session_lifetime"],
		KeptIdle: durations["kept_idle"], KeptLifetime: durations["kept_lifetime"], KeepSignedIn: f.keepSignedIn, EndOthers: f.end,
	}
	if wrong == nil {
		wrong = manage.CheckSessionRules(rules)
	}
	return f, rules, wrong
}

// sessions is the page of a population's session configuration.
func (v *visit) sessions() error {
	e, err := v.required()
	if err != nil {
		return err
	}
	return v.renderSessions(http.StatusOK, e, sessionsFormOf(manage.SessionRulesOf(e.Population)), nil, nil)
}

func (v *visit) renderSessions(status int, e manage.PopulationEntry, f sessionsForm, wrong error, alert *ui.Message) error {
	frame, err := v.frame(v.Request.Context(), "/authentication/"+e.ID)
	if err != nil {
		return err
	}
	frame.Crumbs, frame.Tabs, frame.Alert = v.crumbs(), v.tabs(e.Population, "sessions"), alert
	page := ui.ConsoleSessions{
		Console: frame, Action: v.path("/authentication/" + e.ID + "/sessions"), PopulationName: populationLabel(e.Population),
		Version: e.Version, KeepSignedIn: f.keepSignedIn, EndOthers: f.end,
		Idle: f.limits["session_idle"].limit(), Lifetime: f.limits["session_lifetime"].limit(),
		KeptIdle: f.limits["kept_idle"].limit(), KeptLifetime: f.limits["kept_lifetime"].limit(),
	}
	placeError(wrong, map[string]**ui.Message{
		"session_idle": &page.Idle.Error, "session_lifetime": &page.Lifetime.Error,
		"kept_idle": &page.KeptIdle.Error, "kept_lifetime": &page.KeptLifetime.Error,
	}, &page.Alert)
	return v.render(status, page)
}

// postSessions says what the change does, and asks for a reason; nothing is saved yet.
func (v *visit) postSessions() error {
	e, err := v.required()
	if err != nil {
		return err
	}
	f, rules, wrong := v.postedSessions()
	switch {
	case v.seenVersion() != e.Version:
		return v.renderSessions(http.StatusConflict, e, sessionsFormOf(manage.SessionRulesOf(e.Population)), nil, ui.Key("console.error.stale").With())
	case wrong != nil:
		return v.renderSessions(http.StatusUnprocessableEntity, e, f, wrong, nil)
	}
	return v.confirmSessions(http.StatusOK, e, f, rules, nil)
}

func (v *visit) confirmSessions(status int, e manage.PopulationEntry, f sessionsForm, r manage.SessionRules, reason *ui.Message) error {
	ctx, home := v.Request.Context(), "/authentication/"+e.ID+"/sessions"
	if !v.fresh() {
		return v.askFresh(home)
	}
	preview, err := v.console.Manage.PreviewSessionRules(ctx, v.actor, e.ID, r)
	if err != nil {
		return err
	}
	frame, err := v.frame(ctx, "/authentication/"+e.ID)
	if err != nil {
		return err
	}
	frame.Crumbs = append(v.crumbs(), ui.Link{Label: v.text("console.nav.authentication", populationLabel(e.Population)), URL: v.path(home)})
	frame.FormFields = f.fields(e.Version)
	return v.render(status, ui.ConsoleConfirm{
		Console: frame, Action: v.path(home + "/apply"), CancelURL: v.path(home), Heading: *ui.Key("console.sessions.confirm").With(),
		Consequences: []ui.Message{
			*ui.Key("console.sessions.living").With(int(preview.Sessions)), *ui.Key("console.sessions.ending").With(int(preview.Ending)),
		},
		Button: *ui.Key("console.sessions.submit").With(), Danger: preview.Ending > 0, Reason: v.PostForm("reason"), ReasonError: reason,
	})
}

func (f sessionsForm) fields(version int64) []ui.Field {
	fields := []ui.Field{{Name: "version", Value: strconv.FormatInt(version, 10)}}
	for _, name := range limitNames {
		fields = append(fields, ui.Field{Name: name, Value: f.limits[name].number}, ui.Field{Name: name + "_unit", Value: f.limits[name].unit})
	}
	if f.keepSignedIn {
		fields = append(fields, ui.Field{Name: "keep_signed_in", Value: "on"})
	}
	if f.end {
		fields = append(fields, ui.Field{Name: "end_others", Value: "on"})
	}
	return fields
}

// postSessionsApply saves the change.
func (v *visit) postSessionsApply() error {
	e, err := v.required()
	if err != nil {
		return err
	}
	f, rules, wrong := v.postedSessions()
	if wrong != nil {
		return v.renderSessions(http.StatusUnprocessableEntity, e, f, wrong, nil)
	}
	saved, err := v.console.Manage.SaveSessionRules(v.Request.Context(), v.actor, manage.SessionRulesChange{
		Population: e.ID, Version: v.seenVersion(), Rules: rules, Reason: v.PostForm("reason"),
	})
	var field *manage.FieldError
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh("/authentication/" + e.ID + "/sessions")
	case errors.As(err, &field) && field.Field == "reason":
		return v.confirmSessions(http.StatusUnprocessableEntity, e, f, rules, ui.Key("console.error.reason").With())
	case errors.Is(err, idp.ErrInvalid):
		return v.renderSessions(http.StatusUnprocessableEntity, e, f, err, nil)
	case errors.Is(err, idp.ErrConflict):
		return v.renderSessions(http.StatusConflict, e, sessionsFormOf(manage.SessionRulesOf(e.Population)), nil, ui.Key("console.error.stale").With())
	case err != nil:
		return err
	}
	return v.saved("/authentication/"+e.ID+"/sessions", v.seenVersion(), saved.Version, "console.done.saved")
}
