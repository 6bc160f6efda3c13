package admin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// section is a page on which a T that settings describes is changed: a part of an O, such
// as the session rules of a population.
type section[O, T any] struct {
	// thing is the part of the texts' keys: console.THING.lead, .FIELD and .FIELD_hint.
	thing  string
	fields settings.Fields[T]
	// pick are the fields instead of fields, where they depend on the O.
	pick func(v *visit, o O) settings.Fields[T]
	// load is what the URL names, for those who may change it.
	load func(v *visit) (O, error)
	// home is the page's path, frame what stands around it, and behind the frame of the
	// page that asks once more.
	home   func(o O) string
	at     func(v *visit) string // instead of home, where the O is new
	frame  func(v *visit, o O) (ui.ConsoleForm, error)
	behind func(v *visit, o O) (ui.Console, error)
	seen   func(o O) (now T, version int64)
	// kept is where the reading of a form begins, nil for an empty T.
	kept  func(o O) T
	check func(v *visit, o O, t *T) settings.Errors
	// more adds to the form what the description does not say.
	more func(v *visit, o O, t T, page *ui.ConsoleForm) error
	// render sends a page that is more than its form, nil for one that is not.
	render func(v *visit, status int, o O, page ui.ConsoleForm) error
	// ask is the page that says what a change does, nil where a change is saved at once;
	// it is posted to confirmAt.
	ask       func(v *visit, o O, wanted T) (ui.ConsoleConfirm, error)
	confirmAt func(o O) string
	// when are the times from which a change may apply. Each is a button of the form, where the
	// reason stands; what ends sessions is asked about once more. Empty: ask offers them.
	when []populations.Apply
	// save returns the version after the change and what to say then.
	save func(v *visit, o O, wanted T) (version int64, done ui.Key, err error)
	// early asks for a fresh second step before the form is shown: better then than after.
	early bool
	// add does instead of save what makes a new thing, and answers. It compares the version
	// itself: who may not do it is told that first.
	add func(v *visit, o O, wanted T) error
}

func (x section[O, T]) described(v *visit, o O) settings.Fields[T] {
	if x.pick != nil {
		return x.pick(v, o)
	}
	return x.fields
}

func (x section[O, T]) path(v *visit, o O) string {
	if x.at != nil {
		return x.at(v)
	}
	return x.home(o)
}

// get shows the thing as it stands.
func (x section[O, T]) get(v *visit) error {
	o, err := x.load(v)
	if err != nil {
		return err
	}
	if x.early && !v.fresh() {
		return v.askFresh(x.path(v, o))
	}
	return x.show(v, http.StatusOK, o, nil)
}

func (x section[O, T]) show(v *visit, status int, o O, alert *ui.Message) error {
	now, _ := x.seen(o)
	return x.form(v, status, o, now, x.described(v, o).Values(now), nil, alert)
}

// stale shows the thing as it is after another change.
func (x section[O, T]) stale(v *visit) error {
	o, err := x.load(v)
	if err != nil {
		return err
	}
	return x.show(v, http.StatusConflict, o, ui.Key("error.stale").With())
}

// form shows what was typed, and what is wrong about it. The version stays the one that
// was seen.
func (x section[O, T]) form(v *visit, status int, o O, t T, typed url.Values, wrong settings.Errors, alert *ui.Message) error {
	page, err := x.frame(v, o)
	if err != nil {
		return err
	}
	_, version := x.seen(o)
	if len(wrong) > 0 {
		version = v.seenVersion()
	}
	page.Name, page.Action, page.Alert = "console-"+x.thing, v.path(x.path(v, o)), alert
	page.FormFields = append(page.FormFields, versionField(version))
	page.Lead, page.Submit = v.textIfAny(ui.Key("console."+x.thing+".lead")), *ui.Key("button.save").With()
	for _, f := range x.described(v, o) {
		page.Inputs = append(page.Inputs, v.input(x.thing, f.Spec, typed))
	}
	if x.more != nil {
		if err := x.more(v, o, t, &page); err != nil {
			return err
		}
	}
	x.offerWhen(v, &page)
	page.Alert = placeErrors(page.Inputs, wrong, page.Alert)
	if x.render != nil {
		return x.render(v, status, o, page)
	}
	return v.render(status, page)
}

// offerWhen makes the times from which the change may apply buttons, and asks for its reason.
func (x section[O, T]) offerWhen(v *visit, page *ui.ConsoleForm) {
	if len(x.when) == 0 {
		return
	}
	page.Inputs = append(page.Inputs, ui.Input{
		Kind: ui.TextInput, Name: "reason", Label: *ui.Key("console.reason").With(), Hint: *ui.Key("console.reason_hint").With(),
		Value: v.PostForm("reason"), Required: true,
	})
	for i, at := range x.when {
		sends, label := ui.Field{Name: "apply", Value: string(at)}, *ui.Key("console.save." + string(at)).With()
		if i == 0 {
			page.Sends, page.Submit = sends, label
		} else {
			page.More = append(page.More, ui.Button{Field: sends, Label: label})
		}
	}
}

// placeErrors puts errors at their inputs; the first that has none is the alert.
func placeErrors(inputs []ui.Input, wrong settings.Errors, alert *ui.Message) *ui.Message {
	for _, e := range wrong {
		if input := inputNamed(inputs, e.Field); input != nil {
			input.Error = web.Said(e)
		} else if alert == nil {
			alert = web.Said(e)
		}
	}
	return alert
}

func inputNamed(inputs []ui.Input, name string) *ui.Input {
	for i := range inputs {
		if inputs[i].Name == name && inputs[i].Kind != ui.HiddenInput {
			return &inputs[i]
		}
		if found := inputNamed(inputs[i].Inputs, name); found != nil {
			return found
		}
	}
	return nil
}

// textIfAny is a message that the catalogue may lack: then it is empty.
func (v *visit) textIfAny(key ui.Key) ui.Message {
	if v.text(key) == string(key) {
		return ui.Message{}
	}
	return *key.With()
}

// input is the form input of a described field, with what was typed.
func (v *visit) input(thing string, s settings.Spec, typed url.Values) ui.Input {
	label := ui.Key("console." + thing + "." + s.Name)
	i := ui.Input{
		Kind: ui.TextInput, Name: s.Name, Label: *label.With(), Hint: v.textIfAny(label + "_hint"), Value: typed.Get(s.Name),
		Required: s.Required() || s.Least > 0,
	}
	switch s.Kind {
	case settings.KindFlag:
		i.Kind, i.On = ui.SwitchInput, i.Value == "on"
	case settings.KindList, settings.KindText:
		i.Kind = ui.LinesInput
	case settings.KindDuration:
		i.Kind = ui.LimitInput
		for _, u := range settings.Units() {
			if s.Least >= int64(time.Minute) && u.Unit < time.Minute {
				continue
			}
			i.Units = append(i.Units, ui.Unit{
				Value: u.Name, Label: *ui.Key("console.unit." + u.Name).With(), Chosen: u.Name == typed.Get(s.Name+"_unit"),
			})
		}
	case settings.KindChoice:
		i.Kind = ui.RadioInput
		for _, value := range s.Values {
			at := label + ui.Key("."+value)
			i.Choices = append(i.Choices, ui.Choice{Value: value, Label: v.text(at), Hint: v.written(v.textIfAny(at + "_hint")), Chosen: value == i.Value})
		}
	case settings.KindSet:
		i.Kind = ui.TicksInput
		for _, value := range s.Values {
			i.Ticks = append(i.Ticks, ui.Tick{Value: value, Label: v.text(label + ui.Key("."+value)), On: slices.Contains(typed[s.Name], value)})
		}
	case settings.KindLine, settings.KindNumber:
	}
	return i
}

func (v *visit) written(m ui.Message) string { return v.text(m.Key, m.Args...) }

// posted reads the form.
func (x section[O, T]) posted(v *visit, o O) (typed url.Values, t T, wrong settings.Errors) {
	if x.kept != nil {
		t = x.kept(o)
	}
	fields := x.described(v, o)
	typed = fields.Sent(v.Request.PostForm)
	wrong = fields.Read(typed, &t)
	return typed, t, wrong.And(x.check(v, o, &t)...)
}

// post says what a change does, saves it at once, or only shows what it looks like.
func (x section[O, T]) post(v *visit) error {
	o, err := x.load(v)
	if err != nil {
		return err
	}
	typed, wanted, wrong := x.posted(v, o)
	_, version := x.seen(o)
	switch {
	case x.add == nil && v.seenVersion() != version:
		return x.stale(v)
	case v.PostForm("preview") != "":
		return x.form(v, http.StatusOK, o, wanted, typed, wrong, nil)
	case len(wrong) > 0:
		return x.form(v, http.StatusUnprocessableEntity, o, wanted, typed, wrong, nil)
	case x.ask == nil, x.when != nil && slices.Contains(x.when, chosen(v)) && chosen(v) != populations.Immediately:
		return x.keep(v, o, wanted, typed, answers)
	case !v.fresh(): // better now than after the choice
		return v.askFresh(x.path(v, o))
	}
	return x.asks(v, http.StatusOK, o, wanted, typed, nil)
}

// asks is the page that says what a change does, with what is wrong about the answer.
func (x section[O, T]) asks(v *visit, status int, o O, wanted T, typed url.Values, wrong settings.Errors) error {
	page, err := x.ask(v, o, wanted)
	if err != nil {
		return err
	}
	if page.Console, err = x.behind(v, o); err != nil {
		return err
	}
	page.Action, page.CancelURL, page.Reason = v.path(x.confirmAt(o)), v.path(x.path(v, o)), v.PostForm("reason")
	page.FormFields = []ui.Field{versionField(v.seenVersion())}
	for name := range typed {
		for _, value := range typed[name] {
			page.FormFields = append(page.FormFields, ui.Field{Name: name, Value: value})
		}
	}
	if e := wrong.Of("apply"); e != nil {
		page.Apply.Error = web.Said(*e)
	}
	if e := wrong.Of("password_alone"); e != nil && page.Extra != nil {
		page.Extra.Error = web.Said(*e)
	}
	if e := wrong.Of("reason"); e != nil {
		page.ReasonError = web.Said(*e)
	}
	return v.render(status, page)
}

// apply saves a change that was confirmed.
func (x section[O, T]) apply(v *visit) error {
	o, err := x.load(v)
	if err != nil {
		return err
	}
	typed, wanted, wrong := x.posted(v, o)
	if len(wrong) > 0 {
		return x.form(v, http.StatusUnprocessableEntity, o, wanted, typed, wrong, nil)
	}
	return x.keep(v, o, wanted, typed, answersOrReason)
}

// keep saves a change, or says why that cannot be: on the page that asks where asked tells of
// a field that it stands there.
func (x section[O, T]) keep(v *visit, o O, wanted T, typed url.Values, asked func(field string) bool) error {
	var (
		version int64
		done    ui.Key
		err     error
		wrong   settings.Errors
	)
	if x.add != nil {
		err = x.add(v, o, wanted)
	} else {
		version, done, err = x.save(v, o, wanted)
	}
	switch {
	case err == nil && x.add != nil:
		return nil
	case err == nil:
		return v.saved(x.path(v, o), v.seenVersion(), version, done)
	case errors.Is(err, authz.ErrStepUp):
		return v.askFresh(x.path(v, o))
	case !errors.As(err, &wrong) && errors.Is(err, idp.ErrConflict):
		return x.stale(v)
	case wrong == nil:
		return err
	case x.ask != nil && slices.ContainsFunc(wrong, func(e settings.Error) bool { return asked(e.Field) }):
		return x.asks(v, http.StatusUnprocessableEntity, o, wanted, typed, wrong)
	}
	status := http.StatusUnprocessableEntity
	if errors.Is(err, idp.ErrConflict) { // what it would be called is taken
		status = http.StatusConflict
	}
	return x.form(v, status, o, wanted, typed, wrong, nil)
}

// answers tells whether a field stands on the page that asks once more, and there alone.
func answers(field string) bool { return field == "apply" || field == "password_alone" }

func answersOrReason(field string) bool { return answers(field) || field == "reason" }

// chosen is when the change is to apply.
func chosen(v *visit) populations.Apply { return populations.Apply(v.PostForm("apply")) }

// change is the change that a posted form asks for.
func change[T any](v *visit, id string, wanted T) populations.Change[T] {
	return populations.Change[T]{
		ID: id, Version: v.seenVersion(), To: wanted, Apply: chosen(v),
		PasswordAlone: v.PostForm("password_alone") != "", Reason: v.PostForm("reason"),
	}
}

// applyChoices are when a change may apply, with what each does.
func (v *visit) applyChoices(now, next string, more ...ui.Choice) ui.Input {
	choices := append([]ui.Choice{
		{Value: string(populations.Immediately), Label: v.text("console.apply.immediately"), Hint: now},
		{Value: string(populations.OnNextLogin), Label: v.text("console.apply.next_login"), Hint: next},
	}, more...)
	for i := range choices {
		choices[i].Chosen = choices[i].Value == string(chosen(v))
	}
	return ui.Input{Name: "apply", Label: *ui.Key("console.apply.heading").With(), Choices: choices}
}

// populationSection is a section of a population's authentication.
func populationSection[T any](tab, op string, fields settings.Fields[T], of func(idp.Population) T) section[populations.PopulationEntry, T] {
	type entry = populations.PopulationEntry
	home := func(e entry) string { return "/authentication/" + e.ID + "/" + tab }
	return section[entry, T]{
		thing: tab, fields: fields, home: home, confirmAt: func(e entry) string { return home(e) + "/apply" },
		load: func(v *visit) (entry, error) { return v.populationFor(op) },
		seen: func(e entry) (T, int64) { return of(e.Population), e.Version },
		frame: func(v *visit, e entry) (page ui.ConsoleForm, err error) {
			page.Console, err = v.frame(v.Request.Context(), "/authentication/"+e.ID)
			page.Crumbs, page.Tabs = v.crumbs(), v.tabs(e.Population, tab)
			page.Heading = *ui.Key("console.policy.heading").With(populationLabel(e.Population))
			return page, err
		},
		behind: func(v *visit, e entry) (ui.Console, error) {
			frame, err := v.frame(v.Request.Context(), "/authentication/"+e.ID)
			frame.Crumbs = append(v.crumbs(), ui.Link{Label: v.text("console.nav.authentication", populationLabel(e.Population)), URL: v.path(home(e))})
			return frame, err
		},
		check: func(_ *visit, _ entry, t *T) settings.Errors { return fields.Check(t) },
	}
}

// populationFor is the population that the URL names, for those who may do an operation.
func (v *visit) populationFor(op string) (populations.PopulationEntry, error) {
	if err := v.authorize(op); err != nil {
		return populations.PopulationEntry{}, err
	}
	id := v.Param("population")
	if !identifier.MatchString(id) {
		return populations.PopulationEntry{}, idp.ErrNotFound
	}
	return v.console.Manage.Populations.Population(v.Request.Context(), v.actor, id)
}
