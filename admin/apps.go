package admin

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// need refuses who may not do an operation at all, before a page about it is built.
func (v *visit) need(op string) error {
	if !v.actor.May(op) {
		return manage.ErrForbidden
	}
	return nil
}

// askFresh sends the viewer to a fresh second step and back to a page.
func (v *visit) askFresh(page string) error { return v.proveAgain(v.path(page)) }

// apps lists the apps.
func (v *visit) apps() error {
	ctx := v.Request.Context()
	clients, next, err := v.console.Manage.Clients(ctx, v.actor, manage.Cursor(v.Query("after")), 0)
	if err != nil {
		return broken(err)
	}
	frame, err := v.frame(ctx, "/apps")
	if err != nil {
		return err
	}
	names, err := v.populationNames()
	if err != nil {
		return err
	}
	page := ui.ConsoleApps{Console: frame}
	if v.actor.May("AddClient") {
		page.NewURL = v.path("/apps/new")
	}
	if next != "" {
		page.OlderURL = v.path("/apps?after=" + string(next))
	}
	for _, c := range clients {
		if !idp.OwnClient(c.ID) {
			page.Apps = append(page.Apps, v.appRow(c, names))
		}
	}
	return v.render(http.StatusOK, page)
}

// broken is what an address asks for that no page of ours does.
func broken(err error) error {
	if errors.Is(err, idp.ErrInvalid) {
		return web.BadForm(err)
	}
	return err
}

// populationNames are the names of all populations by their ids.
func (v *visit) populationNames() (map[string]string, error) {
	list, err := v.console.Manage.Populations(v.Request.Context(), v.actor)
	names := map[string]string{}
	for _, p := range list {
		names[p.ID] = v.populationName(p.Population)
	}
	return names, err
}

func (v *visit) appRow(c manage.ClientEntry, names map[string]string) ui.AppRow {
	row := ui.AppRow{Name: c.Name, URL: v.path("/apps/" + c.ID), Kind: *kindOf(c.Kind).With()}
	var populations []string
	for _, id := range c.Populations {
		populations = append(populations, names[id])
	}
	row.Populations = strings.Join(populations, ", ")
	if c.Kind != idp.ServiceClient && v.actor.Can(idp.PermissionAuthentication) {
		row.Rule = *ruleOf(c.Override).With()
	}
	return row
}

func kindOf(k idp.ClientKind) ui.Key {
	switch k {
	case idp.SPAClient:
		return "console.app.kind_spa"
	case idp.NativeClient:
		return "console.app.kind_native"
	case idp.ServiceClient:
		return "console.app.kind_service"
	case idp.WebClient:
	}
	return "console.app.kind_web"
}

func ruleOf(o idp.Override) ui.Key {
	switch {
	case o.Mode == idp.OverrideOff:
		return "console.app.rule_off"
	case o.Mode == idp.OverrideRequired && o.MinACR.Rank() >= idp.ACRMFA.Rank():
		return "console.app.rule_mfa"
	case o.Mode == idp.OverrideRequired:
		return "console.app.rule_required"
	}
	return "console.app.rule_inherit"
}

// appTemplate is a kind of app that can be connected, in an admin's words.
type appTemplate struct {
	id                string
	label, hint, lead ui.Key
	kind              idp.ClientKind
	// portal: of one population, and told by back-channel logout.
	portal bool
}

func appTemplates() []appTemplate {
	return []appTemplate{
		{"portal", "console.app.portal", "console.app.portal_hint", "console.app.portal_lead", idp.WebClient, true},
		{"web", "console.app.kind_web", "console.app.web_hint", "console.app.web_lead", idp.WebClient, false},
		{"spa", "console.app.kind_spa", "console.app.spa_hint", "console.app.public_lead", idp.SPAClient, false},
		{"native", "console.app.kind_native", "console.app.native_hint", "console.app.public_lead", idp.NativeClient, false},
		{"service", "console.app.kind_service", "console.app.service_hint", "console.app.service_lead", idp.ServiceClient, false},
	}
}

// template is the one that the address names.
func (v *visit) template() (appTemplate, error) {
	if err := v.need("AddClient"); err != nil {
		return appTemplate{}, err
	}
	for _, t := range appTemplates() {
		if t.id == v.Param("template") {
			return t, nil
		}
	}
	return appTemplate{}, idp.ErrNotFound
}

// newApp asks what kind of app is connected.
func (v *visit) newApp() error {
	if err := v.need("AddClient"); err != nil {
		return err
	}
	frame, err := v.frame(v.Request.Context(), "/apps")
	if err != nil {
		return err
	}
	frame.Crumbs = v.appCrumbs()
	page := ui.ConsoleAppNew{Console: frame}
	for _, t := range appTemplates() {
		page.Templates = append(page.Templates, ui.AppTemplate{Label: *t.label.With(), Hint: *t.hint.With(), URL: v.path("/apps/new/" + t.id)})
	}
	return v.render(http.StatusOK, page)
}

func (v *visit) appCrumbs() []ui.Link {
	return []ui.Link{{Label: v.text("console.nav.apps"), URL: v.path("/apps")}}
}

// appForm is the form of a new app.
func (v *visit) appForm() error {
	t, err := v.template()
	if err != nil {
		return err
	}
	if t.kind == idp.ServiceClient && v.actor.May("SetRoles") && !v.fresh() { // giving roles asks for it
		return v.askFresh("/apps/new/" + t.id)
	}
	return v.renderNewApp(http.StatusOK, t, idp.Client{Kind: t.kind}, nil)
}

func (v *visit) renderNewApp(status int, t appTemplate, c idp.Client, wrong error) error {
	page, err := v.appFields(c, t.portal)
	if err != nil {
		return err
	}
	page.Crumbs = append(v.appCrumbs(), ui.Link{Label: v.text("console.apps.connect"), URL: v.path("/apps/new")})
	page.Action, page.CancelURL = v.path("/apps/new/"+t.id), v.path("/apps/new")
	page.Heading, page.Lead, page.Submit = *t.label.With(), *t.lead.With(), *ui.Key("console.apps.connect").With()
	page.NeedLogout = t.portal
	placeAppError(&page, wrong)
	return v.render(status, page)
}

// postApp connects an app. The page that answers is the only one with its secret.
func (v *visit) postApp() error {
	t, err := v.template()
	if err != nil {
		return err
	}
	c := idp.Client{Kind: t.kind}
	v.ontoClient(&c)
	if t.portal {
		c.Populations = c.Populations[:min(len(c.Populations), 1)]
	}
	if t.kind == idp.ServiceClient {
		c.Scopes = []string{idp.AdminScope}
	}
	wrong := v.missing(c, t.portal)
	var entry manage.ClientEntry
	secret := ""
	if wrong == nil {
		entry, secret, wrong = v.console.Manage.AddClient(v.Request.Context(), v.actor, c)
	}
	switch {
	case errors.Is(wrong, manage.ErrStepUp):
		return v.askFresh("/apps/new/" + t.id)
	case errors.Is(wrong, idp.ErrInvalid):
		return v.renderNewApp(http.StatusUnprocessableEntity, t, c, wrong)
	case wrong != nil:
		return wrong
	case secret == "":
		return v.done("/apps/"+entry.ID+"/connect", "console.done.connected")
	}
	return v.renderConnect(entry, secret)
}

// missing is what a form lacks although the operation could do without it.
func (v *visit) missing(c idp.Client, portal bool) error {
	switch {
	case c.Kind == idp.ServiceClient:
		return nil
	case len(c.RedirectURIs) == 0:
		return &manage.FieldError{Field: "redirect_uris", Reason: v.text("console.app.need_redirect")}
	case portal && c.BackchannelLogoutURI == "":
		return &manage.FieldError{Field: "backchannel_logout_uri", Reason: v.text("console.app.need_logout")}
	}
	return nil
}

// ontoClient puts what was posted into a client: what an app of its kind has, and
// nothing else.
func (v *visit) ontoClient(c *idp.Client) {
	c.Name = strings.Join(strings.Fields(v.PostForm("name")), " ")
	if v.PostForm("token_format") != "" {
		v.ontoTokens(c)
	}
	if c.Kind == idp.ServiceClient {
		if v.actor.May("SetRoles") {
			c.Roles = slices.Compact(slices.Sorted(slices.Values(v.PostFormArray("roles"))))
		}
		return
	}
	c.Populations = nil
	for i := 1; i <= maxPopulations; i++ {
		if id := v.PostForm("population_" + strconv.Itoa(i)); id != "" && !slices.Contains(c.Populations, id) {
			c.Populations = append(c.Populations, id)
		}
	}
	c.RedirectURIs, c.PostLogoutRedirectURIs = lines(v.PostForm("redirect_uris")), lines(v.PostForm("post_logout_redirect_uris"))
	if c.Kind != idp.NativeClient {
		c.HomeURL = strings.TrimSpace(v.PostForm("home_url"))
	}
	if c.Kind == idp.WebClient {
		c.BackchannelLogoutURI = strings.TrimSpace(v.PostForm("backchannel_logout_uri"))
	}
}

// maxPopulations is how many a form can order.
const maxPopulations = 50

// How long access tokens live when an app changes their form (docs/connect.md).
const (
	opaqueAccess = 15 * time.Minute
	jwtAccess    = 5 * time.Minute
)

// ontoTokens changes the tokens of an app. Their lifetime follows their form.
func (v *visit) ontoTokens(c *idp.Client) {
	format := idp.TokenFormat(v.PostForm("token_format"))
	switch {
	case format == c.TokenFormat:
	case format == idp.JWTToken:
		c.AccessTTL = min(c.AccessTTL, jwtAccess)
	case format == idp.OpaqueToken:
		c.AccessTTL = opaqueAccess
	}
	c.TokenFormat, c.SigningAlg = format, idp.Algorithm(v.PostForm("signing_alg"))
}

func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// appFields is the form of an app that looks so.
func (v *visit) appFields(c idp.Client, portal bool) (ui.ConsoleAppForm, error) {
	ctx := v.Request.Context()
	frame, err := v.frame(ctx, "/apps")
	page := ui.ConsoleAppForm{
		Console: frame, Name: c.Name, SignsIn: c.Kind != idp.ServiceClient,
		HasHome: c.Kind == idp.WebClient || c.Kind == idp.SPAClient, HasLogout: c.Kind == idp.WebClient,
		RedirectURIs: strings.Join(c.RedirectURIs, "\n"), PostLogoutURIs: strings.Join(c.PostLogoutRedirectURIs, "\n"),
		RedirectHint: *ui.Key("console.app.redirect_hint").With(), HomeURL: c.HomeURL, LogoutURI: c.BackchannelLogoutURI,
	}
	if err != nil {
		return page, err
	}
	if c.Kind == idp.NativeClient {
		page.RedirectHint = *ui.Key("console.app.redirect_native").With()
	}
	if !page.SignsIn {
		page.Roles, err = v.roleChoices(c.Roles)
		return page, err
	}
	page.Populations, err = v.populationSelects(c.Populations, portal)
	return page, err
}

// populationSelects ask for populations in their order: one field each, and one or
// two more.
func (v *visit) populationSelects(chosen []string, one bool) ([]ui.Select, error) {
	all, err := v.console.Manage.Populations(v.Request.Context(), v.actor)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		chosen = []string{idp.Agents}
	}
	n := min(len(all), max(2, len(chosen)+1), maxPopulations)
	if one {
		n = 1
	}
	var list []ui.Select
	for i := range n {
		s := ui.Select{Name: "population_" + strconv.Itoa(i+1), Label: *ui.Key("console.app.population_first").With()}
		if i > 0 {
			s.Label = *ui.Key("console.app.population_then").With(i + 1)
			s.Choices = []ui.Choice{{Label: v.text("console.app.population_none")}}
		}
		for _, p := range all {
			s.Choices = append(s.Choices, ui.Choice{Value: p.ID, Label: v.populationName(p.Population), Chosen: i < len(chosen) && chosen[i] == p.ID})
		}
		list = append(list, s)
	}
	return list, nil
}

// roleChoices are the roles that the viewer may give to a service: none without the
// permission for it.
func (v *visit) roleChoices(chosen []string) ([]ui.Choice, error) {
	if !v.actor.May("SetRoles") {
		return nil, nil
	}
	roles, err := v.console.Manage.Roles(v.Request.Context(), v.actor)
	var list []ui.Choice
	for _, r := range roles {
		if has := slices.Contains(chosen, r.ID); has || v.holds(r.Permissions) {
			list = append(list, ui.Choice{Value: r.ID, Label: r.Name, Chosen: has})
		}
	}
	return list, err
}

// placeAppError puts what an operation refuses beside its field.
func placeAppError(page *ui.ConsoleAppForm, wrong error) {
	placeError(wrong, map[string]**ui.Message{
		"name": &page.NameError, "populations": &page.PopulationsError, "redirect_uris": &page.RedirectError,
		"post_logout_redirect_uris": &page.PostLogoutError, "home_url": &page.HomeError,
		"backchannel_logout_uri": &page.LogoutError, "roles": &page.RolesError,
		"token_format": &page.AdvancedError, "signing_alg": &page.AdvancedError, "access_ttl": &page.AdvancedError,
	}, &page.Alert)
}
