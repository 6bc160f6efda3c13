package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// kindText is a kind in plain words. One that the catalogue lacks is shown as it is.
func (v *visit) kindText(kind idp.AuditKind) string {
	return or(v.written(v.textIfAny(ui.Key("console.event."+kind))), string(kind))
}

// reasonText is why something happened: what an admin wrote, or a code of ours in plain words,
// or the kind of the event that caused it.
func (v *visit) reasonText(e idp.AuditEvent) string {
	reason := e.Detail["reason"]
	if cause := e.Detail["cause"]; reason == "" && cause != "" {
		return v.kindText(idp.AuditKind(cause))
	}
	return or(v.written(v.textIfAny(ui.Key("console.audit.reason."+reason))), reason)
}

// auditFilter is what an address narrows the log by.
type auditFilter struct {
	query system.AuditQuery
	// values are the parameters that were given, without those of paging.
	values url.Values
	page   ui.ConsoleAudit // with what is wrong
	wrong  bool
}

// auditParameters narrow the log, in the order of the form.
func auditParameters() []string {
	return []string{"kind", "person", "by", "app", "population", "from", "to"}
}

// identifier is what a kind or an id looks like: nothing else is looked for.
var identifier = regexp.MustCompile(`^[A-Za-z0-9._:~-]{1,200}$`)

// auditFilter reads the address.
func (v *visit) auditFilter() (auditFilter, error) {
	f := auditFilter{values: url.Values{}}
	for _, name := range auditParameters() {
		if value := strings.TrimSpace(v.Query(name)); value != "" {
			f.values.Set(name, value)
		}
	}
	plain := func(name string) string {
		value := f.values.Get(name)
		if value != "" && !identifier.MatchString(value) {
			f.wrong, f.page.Alert = true, ui.Key("console.audit.broken").With()
			return ""
		}
		return value
	}
	f.query = system.AuditQuery{
		Kind: idp.AuditKind(plain("kind")), ClientID: plain("app"), PopulationID: plain("population"),
		After: entry.Cursor(v.Query("after")),
	}
	var err error
	if f.query.UserID, f.page.PersonError, err = v.auditPerson(f, "person"); err != nil {
		return f, err
	}
	if f.query.ActorID, f.page.ByError, err = v.auditPerson(f, "by"); err != nil {
		return f, err
	}
	f.query.From, f.page.FromError = moment(f.values.Get("from"), 0)
	f.query.To, f.page.ToError = moment(f.values.Get("to"), 24*time.Hour)
	p := f.page
	f.wrong = f.wrong || p.PersonError != nil || p.ByError != nil || p.FromError != nil || p.ToError != nil
	return f, nil
}

// auditPerson finds the id of a person who was named by id or, where the viewer may
// see people, by address.
func (v *visit) auditPerson(f auditFilter, name string) (string, *ui.Message, error) {
	value := f.values.Get(name)
	nobody := ui.Key("console.audit.nobody").With()
	switch {
	case value == "" || identifier.MatchString(value):
		return value, nil, nil
	case !strings.Contains(value, "@") || len(value) > idp.MaxEmail || strings.ContainsAny(value, "\x00\r\n"):
		return "", nobody, nil
	}
	ids, err := v.console.relyingParty().Populations(v.Request.Context())
	if err != nil {
		return "", nil, err
	}
	if p := f.values.Get("population"); p != "" {
		ids = []string{p}
	}
	for _, id := range ids {
		u, err := v.console.Store.UserByEmail(v.Request.Context(), id, value)
		if err == nil && v.canSeePerson(u) {
			return u.ID, nil, nil
		}
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return "", nil, err
		}
	}
	return "", nobody, nil
}

// canSeePerson tells whether the viewer may see who a person is.
func (v *visit) canSeePerson(u idp.User) bool {
	return u.ID == v.viewer.User.ID || v.canSee(u.PopulationID)
}

// moment reads a day, to which more is added, or a moment (RFC 3339).
func moment(text string, more time.Duration) (time.Time, *ui.Message) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err == nil {
		at = at.Add(more)
	} else {
		at, err = time.Parse(time.RFC3339, text)
	}
	if err != nil || at.Year() < 1970 || at.Year() > 9998 {
		return time.Time{}, ui.Key("console.audit.no_day").With()
	}
	return at.UTC(), nil
}

// audit is the log, newest first.
func (v *visit) audit() error {
	if err := v.authorize("Audit"); err != nil {
		return err
	}
	f, err := v.auditFilter()
	if err != nil {
		return err
	}
	ctx := v.Request.Context()
	frame, err := v.frame(ctx, "/audit")
	if err != nil {
		return err
	}
	frame.Alert = f.page.Alert
	f.page.Console = frame
	status := http.StatusOK
	if f.wrong {
		status = http.StatusUnprocessableEntity
	} else {
		events, next, err := v.console.Manage.System.Audit(ctx, v.actor, f.query)
		if err != nil {
			return badPage(err)
		}
		if f.page.Events, err = v.auditRows(f, events); err != nil {
			return err
		}
		f.page.ExportURL = v.auditURL("/audit/export", f.values)
		if next != "" {
			f.page.OlderURL = v.auditURL("/audit", with(f.values, "after", string(next)))
		}
	}
	if err := v.auditForm(&f); err != nil {
		return err
	}
	return v.render(status, f.page)
}

// auditForm fills in what is around the events.
func (v *visit) auditForm(f *auditFilter) error {
	p := &f.page
	p.Action, p.NewestURL, p.RefreshURL = v.path("/audit"), v.auditURL("/audit", f.values), v.Request.URL.RequestURI()
	p.FirstPage, p.Filtered = f.query.After == "", len(f.values) > 0
	p.Person, p.By, p.From, p.To = f.values.Get("person"), f.values.Get("by"), f.values.Get("from"), f.values.Get("to")
	kinds := slices.SortedFunc(slices.Values(idp.AuditKinds()), func(a, b idp.AuditKind) int { return strings.Compare(v.kindText(a), v.kindText(b)) })
	p.Kind = v.auditSelect(*f, "kind", "console.audit.kind")
	for _, k := range kinds {
		addChoice(&p.Kind, f.values, string(k), v.kindText(k))
	}
	names, err := v.populationNames()
	if err != nil {
		return err
	}
	p.Population = v.auditSelect(*f, "population", "console.audit.population")
	for _, id := range slices.Sorted(maps.Keys(names)) {
		addChoice(&p.Population, f.values, id, names[id])
	}
	apps, err := v.clientNames()
	if err != nil {
		return err
	}
	p.App = v.auditSelect(*f, "app", "console.audit.app")
	for _, id := range slices.SortedFunc(maps.Keys(apps), func(a, b string) int { return strings.Compare(apps[a]+a, apps[b]+b) }) {
		addChoice(&p.App, f.values, id, apps[id])
	}
	for _, name := range auditParameters() {
		value := f.values.Get(name)
		if value == "" {
			continue
		}
		label := value
		switch name {
		case "kind":
			label = v.kindText(idp.AuditKind(value))
		case "app":
			label = or(apps[value], value)
		case "population":
			label = or(names[value], value)
		case "person", "by":
			if label, err = v.personLabel(map[string]string{}, value); err != nil {
				return err
			}
			if name == "by" && label == value {
				label = or(apps[value], value) // a service
			}
		}
		p.Active = append(p.Active, ui.Link{Label: v.text(auditLabel(name)) + ": " + label, URL: v.auditURL("/audit", with(f.values, name, ""))})
	}
	return nil
}

func auditLabel(parameter string) ui.Key {
	return map[string]ui.Key{
		"kind": "console.audit.kind", "person": "console.audit.person", "by": "console.audit.by", "app": "console.audit.app",
		"population": "console.audit.population", "from": "console.audit.from", "to": "console.audit.to",
	}[parameter]
}

// auditSelect is a filter out of a list; a value that the list lacks stays chosen.
func (v *visit) auditSelect(f auditFilter, name string, label ui.Key) ui.Select {
	s := ui.Select{Name: name, Label: *label.With(), Choices: []ui.Choice{{Label: v.text("console.audit.all")}}}
	if value := f.values.Get(name); value != "" {
		s.Choices = append(s.Choices, ui.Choice{Value: value, Label: value, Chosen: true})
	}
	return s
}

// addChoice adds a choice, or names the chosen one that stands there by its id.
func addChoice(s *ui.Select, values url.Values, value, label string) {
	if values.Get(s.Name) == value {
		s.Choices[1].Label = label
		return
	}
	s.Choices = append(s.Choices, ui.Choice{Value: value, Label: label})
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// with is an address's parameters with another value for one, or without it.
func with(values url.Values, name, value string) url.Values {
	out := maps.Clone(values)
	if value == "" {
		out.Del(name)
	} else {
		out.Set(name, value)
	}
	return out
}

func (v *visit) auditURL(page string, values url.Values) string {
	if len(values) == 0 {
		return v.path(page)
	}
	return v.path(page) + "?" + values.Encode()
}

// clientNames are the names of all apps by their ids.
func (v *visit) clientNames() (map[string]string, error) {
	list, err := v.console.Store.Clients(v.Request.Context())
	names := map[string]string{}
	for _, c := range list {
		names[c.ID] = c.Name
	}
	return names, err
}

// personLabel is how a person is called: by address where the viewer may see it,
// else by id. known keeps what was found.
func (v *visit) personLabel(known map[string]string, id string) (string, error) {
	if label, ok := known[id]; ok || !identifier.MatchString(id) {
		return or(label, id), nil
	}
	known[id] = id
	u, err := v.console.Store.User(v.Request.Context(), id)
	switch {
	case errors.Is(err, idp.ErrNotFound):
	case err != nil:
		return "", err
	case v.canSeePerson(u):
		known[id] = u.Email
	}
	return known[id], nil
}

// auditRows puts events into words.
func (v *visit) auditRows(f auditFilter, events []idp.AuditEvent) ([]ui.AuditRow, error) {
	populations, err := v.populationNames()
	if err != nil {
		return nil, err
	}
	apps, err := v.clientNames()
	if err != nil {
		return nil, err
	}
	people := map[string]string{}
	link := func(name, value, label string) *ui.Link {
		if value == "" {
			return nil
		}
		return &ui.Link{Label: or(label, value), URL: v.auditURL("/audit", with(f.values, name, value))}
	}
	rows := make([]ui.AuditRow, len(events))
	for i, e := range events {
		person, err := v.personLabel(people, e.UserID)
		if err != nil {
			return nil, err
		}
		actor, err := v.personLabel(people, e.ActorID)
		if err != nil {
			return nil, err
		}
		rows[i] = ui.AuditRow{
			At: e.At, Raw: string(e.Kind), Kind: *link("kind", string(e.Kind), v.kindText(e.Kind)),
			Person: link("person", e.UserID, person), App: link("app", e.ClientID, apps[e.ClientID]),
			Population: link("population", e.PopulationID, populations[e.PopulationID]), Address: e.Address,
			Details: v.auditDetails(e), Times: e.Times, LastAt: e.LastAt,
		}
		if service := e.Detail["service"]; service != "" {
			rows[i].Actor = link("by", service, apps[service])
		} else if e.ActorID != e.UserID {
			rows[i].Actor = link("by", e.ActorID, actor)
		}
	}
	return rows, nil
}

// auditDetails are what else an event tells, in a fixed order.
func (v *visit) auditDetails(e idp.AuditEvent) (list []ui.Field) {
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		list = append(list, ui.Field{Name: name, Value: e.Detail[name]})
	}
	for _, f := range []ui.Field{
		{Name: v.text("console.audit.session"), Value: e.SessionID},
		{Name: v.text("console.audit.browser"), Value: e.UserAgent},
		{Name: v.text("console.audit.request"), Value: e.RequestID},
	} {
		if f.Value != "" {
			list = append(list, f)
		}
	}
	return list
}

// exportAudit streams what a query finds as JSON lines. When it breaks off, so does
// the connection: half a log does not look like a whole one.
func (v *visit) exportAudit() error {
	if err := v.authorize("ExportAudit"); err != nil {
		return err
	}
	f, err := v.auditFilter()
	if err != nil {
		return err
	}
	f.query.After = ""
	if f.wrong {
		return web.BadForm(fmt.Errorf("%w: filter of an export", idp.ErrInvalid))
	}
	file := "audit-" + idp.Now().Format("20060102-150405") + ".jsonl"
	return web.Whole(v.Writer, "application/x-ndjson", file, func(w io.Writer) error {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		return v.console.Manage.System.ExportAudit(v.Request.Context(), v.actor, f.query, func(e idp.AuditEvent) error { return out.Encode(e) })
	})
}
