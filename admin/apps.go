package admin

import (
	"errors"
	"net/http"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// authorize refuses a viewer who may not do an operation at all, before its page is built.
func (v *visit) authorize(op string) error {
	if !v.actor.CanDo(op) {
		return authz.ErrForbidden
	}
	return nil
}

// askFresh sends the viewer to a fresh second step and back to a page.
func (v *visit) askFresh(page string) error { return v.proveAgain(v.path(page)) }

// apps lists the apps.
func (v *visit) apps() error {
	ctx := v.Request.Context()
	clients, next, err := v.console.Manage.Apps.Clients(ctx, v.actor, entry.Cursor(v.Query("after")), 0)
	if err != nil {
		return badPage(err)
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
	if v.actor.CanDo("AddClient") {
		page.NewURL = v.path("/apps/new")
	}
	page.RegistrationURL = v.pathFor("InitialTokens", "/apps/registration")
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

// badPage answers an address whose parameters no page of ours writes.
func badPage(err error) error {
	if errors.Is(err, idp.ErrInvalid) {
		return web.BadForm(err)
	}
	return err
}

// populationNames are the names of all populations by their ids.
func (v *visit) populationNames() (map[string]string, error) {
	list, err := v.console.Manage.Populations.Populations(v.Request.Context(), v.actor)
	names := map[string]string{}
	for _, p := range list {
		names[p.ID] = v.populationName(p.Population)
	}
	return names, err
}

func (v *visit) appRow(c apps.ClientEntry, names map[string]string) ui.AppRow {
	row := ui.AppRow{Name: c.Name, URL: v.path("/apps/" + c.ID), Kind: *kindOf(c.Kind).With()}
	var populations []string
	for _, id := range c.Populations {
		populations = append(populations, names[id])
	}
	row.Populations = strings.Join(populations, ", ")
	if c.Kind.SignsIn() && v.actor.Can(idp.PermissionAuthentication) {
		row.Rule, row.RuleURL = *ruleOf(c.Override).With(), row.URL+"/mfa"
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
	case idp.APIClient:
		return "console.app.kind_api"
	case idp.WebClient:
	}
	return "console.app.kind_web"
}

func ruleOf(o idp.Override) ui.Key {
	switch {
	case o.Mode == idp.OverrideOff:
		return "console.app.rule_off"
	case o.Mode == idp.OverrideRequired && o.MinACR == idp.ACRHardware:
		return "console.app.rule_phrh"
	case o.Mode == idp.OverrideRequired && o.MinACR.Rank() > idp.ACRMFA.Rank():
		return "console.app.rule_phr"
	case o.Mode == idp.OverrideRequired && o.MinACR.Rank() == idp.ACRMFA.Rank():
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
	// portal: of one population, told by back-channel logout, and with all claims in the ID
	// token.
	portal bool
}

func appTemplates() []appTemplate {
	return []appTemplate{
		{"portal", "console.app.portal", "console.app.portal_hint", "console.app.portal_lead", idp.WebClient, true},
		{"web", "console.app.kind_web", "console.app.web_hint", "console.app.web_lead", idp.WebClient, false},
		{"spa", "console.app.kind_spa", "console.app.spa_hint", "console.app.public_lead", idp.SPAClient, false},
		{"native", "console.app.kind_native", "console.app.native_hint", "console.app.public_lead", idp.NativeClient, false},
		{"service", "console.app.kind_service", "console.app.service_hint", "console.app.service_lead", idp.ServiceClient, false},
		{"api", "console.app.kind_api", "console.app.api_hint", "console.app.api_lead", idp.APIClient, false},
	}
}

// template is the one that the address names.
func (v *visit) template() (appTemplate, error) {
	if err := v.authorize("AddClient"); err != nil {
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
	if err := v.authorize("AddClient"); err != nil {
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
