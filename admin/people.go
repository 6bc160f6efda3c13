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

// listURL is a page of the list of people; what is empty is left out.
func (v *visit) listURL(population, filter, search string, after entry.Cursor) string {
	q := url.Values{"population": {population}}
	for name, value := range map[string]string{"filter": filter, "q": search, "after": string(after)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return v.path("/people?" + q.Encode())
}

// people lists those of a population.
func (v *visit) people() error {
	ctx := v.Request.Context()
	populations, current, err := v.shown()
	if err != nil {
		return err
	}
	search, filter := strings.TrimSpace(v.Query("q")), v.Query("filter")
	query := people.UserQuery{Population: current.ID, Prefix: search, After: entry.Cursor(v.Query("after"))}
	switch filter {
	case onlyAlone:
		query.WithoutSecondStep = true
	case onlyDisabled:
		disabled := true
		query.Disabled = &disabled
	default:
		filter = ""
	}
	list, next, err := v.console.Manage.People.Users(ctx, v.actor, query)
	if err != nil {
		return badPage(err)
	}
	frame, err := v.frame(ctx, "/people")
	if err != nil {
		return err
	}
	for _, p := range populations {
		frame.Tabs = append(frame.Tabs, ui.NavItem{Label: v.populationName(p), URL: v.listURL(p.ID, "", "", ""), Current: p.ID == current.ID})
	}
	page := ui.ConsolePeople{
		Console: frame, Action: v.path("/people"), Population: current.ID, Filter: filter, Search: search,
		Filters: v.filters(current.ID, filter, search),
	}
	if query.After != "" {
		page.StartURL = v.listURL(current.ID, filter, search, "")
	}
	if next != "" {
		page.NextURL = v.listURL(current.ID, filter, search, next)
	}
	if filter == onlyAlone && len(list) > 0 {
		page.ExportURL = v.path("/people/export?population=" + url.QueryEscape(current.ID))
		page.RemindURL = v.remindURL(current)
	}
	if v.actor.CanDo("AddUser") {
		page.AddURL = v.path("/people/new?population=" + url.QueryEscape(current.ID))
	}
	page.InviteURL = v.inviteURL(current.ID)
	page.People, err = v.personRows(list, filter == onlyAlone)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, page)
}

func (v *visit) filters(population, current, search string) []ui.NavItem {
	item := func(label ui.Key, filter string) ui.NavItem {
		return ui.NavItem{Label: v.text(label), URL: v.listURL(population, filter, search, ""), Current: filter == current}
	}
	list := []ui.NavItem{
		item("console.people.filter_all", ""), item("console.people.filter_alone", onlyAlone),
		item("console.people.filter_disabled", onlyDisabled),
	}
	if v.actor.CanDo("Invitations") {
		list = append(list, ui.NavItem{
			Label: v.text("console.people.filter_invited"), URL: v.invitationsURL(population, ""), Current: current == onlyInvited,
		})
	}
	return list
}

func (v *visit) personRows(list []people.UserEntry, alone bool) ([]ui.PersonRow, error) {
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
			Name: e.Name, Email: e.Email, URL: v.path("/people/" + e.ID), Authenticator: e.Authenticator, Alone: alone,
			Disabled: e.Disabled, LastSignInAt: e.LastSignInAt,
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
