package admin

import (
	"encoding/csv"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// peopleDone is what the pages of people may say was done.
func peopleDone() []ui.Key {
	return []ui.Key{
		"console.done.person_added", "console.done.person_saved", "console.done.roles_saved", "console.done.signed_out",
		"console.done.session_ended", "console.done.mfa_reset", "console.done.codes_generated", "console.done.factor_enabled",
		"console.done.throttle_cleared", "console.done.person_disabled", "console.done.reminded", "console.done.person_enabled",
		"console.done.password_set", "console.done.person_anonymised", "console.done.person_deleted",
	}
}

// canSee tells whether the viewer may see the people of a population, so that a page can
// leave out what would be refused.
func (v *visit) canSee(population string) bool {
	return v.actor.Can(idp.PermissionUsers) || v.actor.Can(idp.PermissionSessions) ||
		v.actor.Can(authz.ResetPermission(population))
}

// shown are the populations that the viewer sees people of, and the one that the
// address names, or the first.
func (v *visit) shown() (all []idp.Population, current idp.Population, err error) {
	if err := v.authorize("Users"); err != nil {
		return nil, current, err
	}
	all, err = v.console.Store.Populations(v.Request.Context())
	if err != nil {
		return nil, current, err
	}
	wanted := v.Query("population")
	named := func(p idp.Population) bool { return p.ID == wanted }
	if wanted != "" && !slices.ContainsFunc(all, named) {
		return nil, current, idp.ErrNotFound
	}
	all = slices.DeleteFunc(all, func(p idp.Population) bool { return !v.canSee(p.ID) })
	i := 0
	if wanted != "" {
		i = slices.IndexFunc(all, named)
	}
	if i < 0 || len(all) == 0 {
		return nil, current, authz.ErrForbidden
	}
	return all, all[i], nil
}

// The lists of people.
const (
	onlyAlone    = "alone"
	onlyDisabled = "disabled"
)

// peopleList is what a page of the list of people is asked for.
type peopleList struct {
	population string // its id, empty for all
	filters    []string
	search     string
	after      entry.Cursor
}

// peopleAsked reads it from the address. Where the viewer sees one population alone, it is
// that one's list.
func (v *visit) peopleAsked(all []idp.Population, current idp.Population) peopleList {
	l := peopleList{search: strings.TrimSpace(v.Query("q")), after: entry.Cursor(v.Query("after"))}
	if v.Query("population") != "" || len(all) == 1 {
		l.population = current.ID
	}
	for _, filter := range v.Request.URL.Query()["filter"] {
		if filter == onlyAlone || filter == onlyDisabled {
			l = l.switched(filter, true)
		}
	}
	return l
}

// switched is the list with a filter on or off, from its beginning.
func (l peopleList) switched(filter string, on bool) peopleList {
	l.after = ""
	l.filters = slices.DeleteFunc(slices.Clone(l.filters), func(f string) bool { return f == filter })
	if on {
		l.filters = append(l.filters, filter)
	}
	return l
}

func (l peopleList) has(filter string) bool { return slices.Contains(l.filters, filter) }

func (l peopleList) query() people.UserQuery {
	q := people.UserQuery{Population: l.population, Prefix: l.search, After: l.after, WithoutSecondStep: l.has(onlyAlone)}
	if l.has(onlyDisabled) {
		q.Disabled = new(true)
	}
	return q
}

// url is the list's address; what is empty is left out.
func (l peopleList) url(v *visit) string {
	q := url.Values{}
	for name, value := range map[string]string{"population": l.population, "q": l.search, "after": string(l.after)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(l.filters) > 0 {
		q["filter"] = l.filters
	}
	return v.path("/people?" + q.Encode())
}

// people lists those of a population, or of all that the viewer sees. Asked to open, it leads
// to the one who alone was found.
func (v *visit) people() error {
	ctx := v.Request.Context()
	populations, current, err := v.shown()
	if err != nil {
		return err
	}
	asked := v.peopleAsked(populations, current)
	list, next, err := v.console.Manage.People.Users(ctx, v.actor, asked.query())
	if err != nil {
		return badPage(err)
	}
	if only := asked.search != "" && len(list) == 1 && next == ""; only && v.Query("open") != "" {
		return web.Redirect(v.Context, v.path("/people/"+list[0].ID))
	}
	frame, err := v.frame(ctx, "/people")
	if err != nil {
		return err
	}
	page := ui.ConsolePeople{
		Console: frame, Action: v.path("/people"), Population: asked.population, On: asked.filters, Search: asked.search,
		Filters: v.filters(asked, current, false),
	}
	page.Tabs = v.peopleTabs(asked, populations)
	if asked.after != "" {
		page.StartURL = asked.from("").url(v)
	}
	if next != "" {
		page.NextURL = asked.from(next).url(v)
	}
	if asked.population != "" && asked.has(onlyAlone) && len(list) > 0 {
		page.ExportURL = v.path("/people/export?population=" + url.QueryEscape(current.ID))
		page.RemindURL = v.remindURL(current)
	}
	if v.actor.CanDo("AddUser") {
		page.AddURL = v.path("/people/new?population=" + url.QueryEscape(current.ID))
	}
	page.InviteURL = v.inviteURL(current.ID)
	page.People, err = v.personRows(list, asked, populations)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, page)
}

// from is the list from a place on.
func (l peopleList) from(after entry.Cursor) peopleList {
	l.after = after
	return l
}

// peopleTabs are the populations, and all of them first. The search stays, the place in the
// list does not.
func (v *visit) peopleTabs(asked peopleList, populations []idp.Population) []ui.NavItem {
	tab := func(label, population string) ui.NavItem {
		l := asked.from("")
		l.population = population
		return ui.NavItem{Label: label, URL: l.url(v), Current: population == asked.population}
	}
	var tabs []ui.NavItem
	if len(populations) > 1 {
		tabs = append(tabs, tab(v.text("console.people.all_groups"), ""))
	}
	for _, p := range populations {
		tabs = append(tabs, tab(v.populationName(p), p.ID))
	}
	return tabs
}

// filters may be on together; the invitations of a population, or of current, are a list of
// their own.
func (v *visit) filters(asked peopleList, current idp.Population, invited bool) []ui.NavItem {
	everybody := asked.switched(onlyAlone, false).switched(onlyDisabled, false)
	list := []ui.NavItem{{Label: v.text("console.people.filter_all"), URL: everybody.url(v), Current: len(asked.filters) == 0 && !invited}}
	for _, f := range []struct {
		label  ui.Key
		filter string
	}{{"console.people.filter_alone", onlyAlone}, {"console.people.filter_disabled", onlyDisabled}} {
		on := asked.has(f.filter)
		list = append(list, ui.NavItem{Label: v.text(f.label), URL: asked.switched(f.filter, !on).url(v), Current: on})
	}
	if v.actor.CanDo("Invitations") {
		list = append(list, ui.NavItem{Label: v.text("console.people.filter_invited"), URL: v.invitationsURL(current.ID, ""), Current: invited})
	}
	return list
}

// personRows are the rows of the list. Where it has people of several populations, each row
// names its own.
func (v *visit) personRows(list []people.UserEntry, asked peopleList, populations []idp.Population) ([]ui.PersonRow, error) {
	groups := map[string]string{}
	if asked.population == "" {
		for _, p := range populations {
			groups[p.ID] = v.populationName(p)
		}
	}
	roles, err := v.console.Manage.Roles.Roles(v.Request.Context(), v.actor)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, r := range roles {
		names[r.ID] = r.Name
	}
	rows := make([]ui.PersonRow, len(list))
	for i, e := range list {
		rows[i] = ui.PersonRow{
			Name: e.Name, Email: e.Email, URL: v.path("/people/" + e.ID), Group: groups[e.PopulationID],
			Authenticator: e.Authenticator, Alone: asked.has(onlyAlone), Disabled: e.Disabled, LastSignInAt: e.LastSignInAt,
		}
		for _, id := range e.Roles {
			rows[i].Roles = append(rows[i].Roles, names[id])
		}
	}
	return rows, nil
}

// exportPage is how many people an export reads at once.
const exportPage = 200

// exportPeople answers with all people of a population who have no second step.
func (v *visit) exportPeople() error {
	ctx := v.Request.Context()
	_, current, err := v.shown()
	if err != nil {
		return err
	}
	query := people.UserQuery{Population: current.ID, WithoutSecondStep: true, Limit: exportPage}
	return web.Whole(v.Writer, "text/csv; charset=utf-8", "without-second-step.csv", func(to io.Writer) error {
		w := csv.NewWriter(to)
		_ = w.Write([]string{"email", "name", "population", "disabled", "added", "last_sign_in"}) // Flush's error counts
		for {
			list, next, err := v.console.Manage.People.Users(ctx, v.actor, query)
			if err != nil {
				return badPage(err)
			}
			for _, e := range list {
				_ = w.Write(personLine(e))
			}
			w.Flush()
			if err := w.Error(); err != nil || next == "" {
				return err
			}
			query.After = next
		}
	})
}

func personLine(e people.UserEntry) []string {
	disabled, last := "no", ""
	if e.Disabled {
		disabled = "yes"
	}
	if !e.LastSignInAt.IsZero() {
		last = e.LastSignInAt.Format(time.RFC3339)
	}
	return []string{plainCell(e.Email), plainCell(e.Name), plainCell(e.PopulationID), disabled, e.CreatedAt.Format(time.RFC3339), last}
}

// plainCell keeps a spreadsheet from taking a person's name for a formula.
func plainCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}

// placeError puts what an operation refuses beside its field, or above the form where it
// has none there. Nothing else is placed.
func placeError(wrong error, fields map[string]**ui.Message, above **ui.Message) {
	for _, e := range web.Wrong(wrong) {
		place, ok := fields[e.Field]
		if !ok {
			place = above
		}
		*place = web.Said(e)
	}
}

func (v *visit) peopleCrumbs() []ui.Link {
	return []ui.Link{{Label: v.text("console.nav.people"), URL: v.path("/people")}}
}

// givable are the roles as boxes to tick, none for who gives no roles. One with a
// permission that the viewer lacks is shown, and fixed.
func (v *visit) givable(held []string) ([]ui.Tick, error) {
	if !v.actor.CanDo("SetRoles") {
		return nil, nil
	}
	roles, err := v.console.Manage.Roles.Roles(v.Request.Context(), v.actor)
	ticks := make([]ui.Tick, len(roles))
	for i, r := range roles {
		ticks[i] = ui.Tick{
			Value: r.ID, Label: r.Name, Hint: strings.Join(v.permissionLabels(r.Permissions), " · "),
			On: slices.Contains(held, r.ID), Fixed: !v.actor.CanAll(r.Permissions),
		}
	}
	return ticks, err
}
