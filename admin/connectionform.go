package admin

import (
	"cmp"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// The values of what proves who we are.
const (
	keepCredential = "keep"
	withSecret     = "secret"
	withNewKey     = "certificate"
)

// spareMappings is how many empty lines a form has for more roles.
const spareMappings = 3

// connecting is a connection of a population: one that exists, or one that a template
// begins.
type connecting struct {
	connections.ConnectionEntry

	population populations.PopulationEntry
	template   connectionTemplate
}

// strangers tells whether people of tenants that are not named may come.
func (c connecting) strangers() bool { return c.AnyTenant || c.PersonalAccounts }

// connectionFields are what the form asks. Who may come a template says.
func (v *visit) connectionFields(c connecting) settings.Fields[idp.Connection] {
	entra, fresh := c.Kind == idp.EntraConnection, c.Version == 0
	left := map[string]bool{
		"issuer": entra && fresh, "tenants": !entra || fresh && c.strangers(), "any_tenant": !entra || fresh, "personal_accounts": !entra || fresh,
		"own_redirect_uri": fresh, "context": !entra, "domains": entra && fresh && c.strangers(), "domain_hint": !entra,
	}
	return connections.ConnectionFields().Only(func(s settings.Spec) bool { return !left[s.Name] })
}

// connectionForm is the form of a connection, with what new and existing ones have in
// common.
func connectionForm() section[connecting, idp.Connection] {
	return section[connecting, idp.Connection]{
		thing: "connection", pick: (*visit).connectionFields, early: true,
		seen:  func(c connecting) (idp.Connection, int64) { return c.Connection, c.Version },
		kept:  func(c connecting) idp.Connection { return c.Connection },
		check: (*visit).checkConnection,
		more:  (*visit).askMoreOfConnection,
	}
}

// newConnectionForm is the form of a connection to add, by the template of the URL.
func newConnectionForm() section[connecting, idp.Connection] {
	x := connectionForm()
	x.load = (*visit).startedConnection
	x.home = func(c connecting) string {
		return "/authentication/" + c.population.ID + "/connections/new/" + c.template.id
	}
	x.frame = func(v *visit, c connecting) (page ui.ConsoleForm, err error) {
		page.Console, err = v.connectionFrame(c.population)
		page.FormFields = []ui.Field{{Name: "id", Value: c.ID}} // a part of its redirect URI
		page.CancelURL, page.Heading = v.path("/authentication/"+c.population.ID+"/connections/new"), *c.template.label.With()
		return page, err
	}
	x.add = func(v *visit, _ connecting, wanted idp.Connection) error {
		added, err := v.console.Manage.Connections.AddConnection(v.Request.Context(), v.actor, v.connectionChange(wanted))
		if err != nil {
			return err
		}
		return v.done(connectionPage(added), "console.done.connection_added")
	}
	return x
}

// connectionSettings are those of a connection that exists.
func connectionSettings() section[connecting, idp.Connection] {
	x := connectionForm()
	x.load = func(v *visit) (c connecting, err error) {
		c.ConnectionEntry, c.population, err = v.connectionNamed("UpdateConnection")
		return c, err
	}
	x.home = func(c connecting) string { return connectionPage(c.ConnectionEntry) }
	x.frame = func(v *visit, c connecting) (page ui.ConsoleForm, err error) {
		page.Console, err = v.connectionFrame(c.population)
		page.CancelURL, page.Heading = v.path("/authentication/"+c.population.ID+"/access"), ui.Plain(c.Name)
		if v.actor.CanDo("DeleteConnection") && !c.Above {
			page.DeleteURL, page.DeleteTexts = v.path(connectionPage(c.ConnectionEntry)+"/delete"), "console.connection.delete"
		}
		return page, err
	}
	x.save = func(v *visit, _ connecting, wanted idp.Connection) (int64, ui.Key, error) {
		wanted.Version = v.seenVersion()
		saved, err := v.console.Manage.Connections.UpdateConnection(v.Request.Context(), v.actor, v.connectionChange(wanted))
		return saved.Version, "console.done.connection_saved", err
	}
	return x
}

// checkConnection reads what the description does not say, and says what is wrong about a
// connection.
func (v *visit) checkConnection(now connecting, c *idp.Connection) (wrong settings.Errors) {
	c.Roles = v.postedMappings()
	switch choice := v.PostForm("credential"); {
	case choice == withSecret && v.PostForm("client_secret") == "":
		wrong = settings.Invalid("client_secret", "console.connection.secret_missing")
	case choice != withSecret && choice != withNewKey && (choice != keepCredential || now.Version == 0):
		wrong = settings.Invalid("credential", "console.connection.credential_choose")
	}
	if strings.TrimSpace(v.PostForm("reason")) == "" {
		wrong = wrong.And(settings.Error{Field: "reason", Key: "settings.reason"})
	}
	return wrong.And(v.console.Manage.Connections.CheckConnection(c)...)
}

func (v *visit) postedMappings() (list []idp.RoleMapping) {
	claims, values, roles := v.PostFormArray("map_claim"), v.PostFormArray("map_value"), v.PostFormArray("map_role")
	for i := range min(len(claims), len(values), len(roles)) {
		if value := strings.TrimSpace(values[i]); value != "" {
			list = append(list, idp.RoleMapping{Claim: claims[i], Value: value, RoleID: roles[i]})
		}
	}
	return list
}

// connectionChange reads the change of a connection from the posted form.
func (v *visit) connectionChange(wanted idp.Connection) connections.ConnectionChange {
	change := connections.ConnectionChange{Connection: wanted, Reason: v.PostForm("reason")}
	switch v.PostForm("credential") {
	case withSecret:
		change.ClientSecret = v.PostForm("client_secret")
	case withNewKey:
		change.NewCertificate = true
	}
	return change
}

// askMoreOfConnection adds to the form what the description does not say.
func (v *visit) askMoreOfConnection(now connecting, c idp.Connection, page *ui.ConsoleForm) error {
	entra := c.Kind == idp.EntraConnection
	if now.Version == 0 {
		page.Submit = *ui.Key("console.connection.add").With()
	} else if now.Above && page.Alert == nil {
		page.Alert = ui.Key("console.connection.above").With()
	}
	if now.Lost && now.Version != 0 {
		page.Notes = append(page.Notes, warning("console.connection.lost", "console.connection.lost_what"))
	}
	if !now.UndatedSince.IsZero() {
		page.Notes = append(page.Notes, warning("console.connection.undated", byKind(c, "console.connection.undated_entra", "console.connection.undated_oidc")))
	}
	for i := range page.Inputs {
		v.dressConnection(&page.Inputs[i], now, entra)
	}
	values, err := v.otherSide(now)
	if err != nil {
		return err
	}
	mappings, err := v.mappings(c.Roles)
	if err != nil {
		return err
	}
	page.Inputs = v.arranged(page.Inputs, now, values, mappings)
	return nil
}

// arranged are the inputs in their order on the page, with those that no field has.
func (v *visit) arranged(inputs []ui.Input, now connecting, values, mappings ui.Input) (list []ui.Input) {
	audience := ui.Input{Kind: ui.GroupInput, Name: "any_tenant", Label: *ui.Key("console.connection.audience").With()}
	details := ui.Input{Kind: ui.DetailsInput, Label: *ui.Key("console.connection.more").With(), Inputs: []ui.Input{mappings}}
	last := []ui.Input{v.reasonInput()}
	list = append(list, values)
	for _, i := range inputs {
		switch i.Name {
		case "any_tenant", "personal_accounts":
			if audience.Inputs = append(audience.Inputs, i); i.Name == "personal_accounts" {
				list = append(list, audience)
			}
		case "name_claim", "email_claim", "department_claim", "domain_hint", "end_upstream":
			details.Inputs = append(details.Inputs, i)
		case "enabled":
			last = slices.Insert(last, 0, i)
		case "own_redirect_uri":
			list = append(list, v.ownRedirect(now, i)...)
		case "trust":
			list = append(list, v.credential(now)...)
			list = append(list, i)
		default:
			list = append(list, i)
		}
	}
	return append(append(list, details), last...)
}

// dressConnection makes an input of a connection what this form has.
func (v *visit) dressConnection(i *ui.Input, now connecting, entra bool) {
	switch i.Name {
	case "name":
		i.Heading = "console.connection.who"
	case "issuer":
		switch {
		case now.Linked:
			i.Hint = *ui.Key("console.connection.issuer_linked").With()
		case entra:
			i.Hint = *ui.Key("console.connection.issuer_entra").With()
		}
	case "tenants":
		i.Required = now.Version == 0
		if now.template.id == "entra" {
			i.Kind, i.Label, i.Hint = ui.TextInput, *ui.Key("console.connection.tenant").With(), *ui.Key("console.connection.tenant_hint").With()
		}
	case "any_tenant", "personal_accounts":
		i.Kind = ui.CheckInput
	case "trust":
		i.Heading, i.Hint = "console.connection.trust", *ui.Key("console.connection.trust_lead").With()
	case "create_users":
		i.Heading = "console.connection.accounts"
	case "name_claim", "email_claim", "department_claim":
		i.Hint = *ui.Key("console.connection.claim_hint").With(strings.TrimSuffix(i.Name, "_claim"))
	}
}

func warning(title, text ui.Key) ui.Note {
	return ui.Note{Class: "warning", Title: *title.With(), Text: *text.With()}
}

func byKind(c idp.Connection, entra, other ui.Key) ui.Key {
	if c.Kind == idp.EntraConnection {
		return entra
	}
	return other
}

// otherSide is what to copy to the other provider.
func (v *visit) otherSide(c connecting) (ui.Input, error) {
	issuer := v.party(idp.Client{}).Issuer
	value := func(label ui.Key, text string) ui.Setting {
		return ui.Setting{Label: *label.With(), Values: []string{text}}
	}
	i := ui.Input{Kind: ui.ValuesInput, Name: "other", Heading: "console.connection.values", Settings: []ui.Setting{
		value("console.connection.value_redirect", issuer+c.CallbackPath()),
		value("console.connection.value_logout", issuer+"/federation/logout"),
		value("console.connection.value_scopes", "openid profile email"),
	}}
	i.Before = []ui.Note{note("hint", byKind(c.Connection, "console.connection.values_entra", "console.connection.values_oidc"))}
	if c.Certificate == "" {
		return i, nil
	}
	ends, err := certificateEnds(c.ConnectionEntry)
	i.Settings = append(i.Settings, ui.Setting{
		Label: *ui.Key("console.connection.certificate").With(), Text: *ui.Key("console.connection.certificate_ends").With(ends),
		Download: ui.Link{Label: v.text("console.connection.certificate_download"), URL: v.path(connectionPage(c.ConnectionEntry) + "/certificate")},
	})
	return i, err
}

// ownRedirect asks for a redirect URI of its own, and says which it would be.
func (v *visit) ownRedirect(c connecting, i ui.Input) []ui.Input {
	if c.OwnRedirect {
		i.Heading = "console.connection.redirect"
		return []ui.Input{i}
	}
	own := ui.Input{Kind: ui.ValuesInput, Name: "own", Heading: "console.connection.redirect", Settings: []ui.Setting{{
		Label: *ui.Key("console.connection.redirect_own").With(), Values: []string{v.party(idp.Client{}).Issuer + idp.CallbackPath(c.ID, true)},
	}}}
	own.Before = []ui.Note{note("hint", "console.connection.redirect_shared")}
	return []ui.Input{own, i}
}

// credential asks what proves who we are. What was posted stays chosen.
func (v *visit) credential(c connecting) []ui.Input {
	i := ui.Input{Kind: ui.RadioInput, Name: "credential", Label: *ui.Key("console.connection.credential").With()}
	i.Hint = i.Label
	chosen := v.PostForm("credential")
	add := func(value string, label, hint ui.Key) {
		i.Choices = append(i.Choices, ui.Choice{Value: value, Label: v.text(label), Hint: v.written(v.textIfAny(hint)), Chosen: chosen == value})
	}
	if c.Version == 0 {
		add(withSecret, "console.connection.with_secret", "console.connection.with_secret_hint")
		add(withNewKey, "console.connection.with_certificate", "console.connection.with_certificate_hint")
	} else {
		chosen = cmp.Or(chosen, keepCredential)
		switch {
		case c.Lost:
		case c.HasSecret:
			add(keepCredential, "console.connection.keep_secret", "")
		default:
			add(keepCredential, "console.connection.keep_certificate", "")
		}
		add(withSecret, "console.connection.with_new_secret", "console.connection.with_secret_hint")
		add(withNewKey, "console.connection.with_new_certificate", "console.connection.with_new_certificate_hint")
	}
	return []ui.Input{i, {
		Kind: ui.SecretInput, Name: "client_secret", Label: *ui.Key("console.connection.secret").With(), Hint: *ui.Key("console.connection.secret_hint").With(),
	}}
}

// mappings are the lines of roles, with some to spare. On offer are the roles that the
// viewer may give, and those that are given already.
func (v *visit) mappings(roles []idp.RoleMapping) (ui.Input, error) {
	i := ui.Input{
		Kind: ui.MappingsInput, Name: "roles", Label: *ui.Key("console.connection.mappings").With(), Hint: *ui.Key("console.connection.mappings_hint").With(),
	}
	all, err := v.console.Store.VersionedRoles(v.Request.Context(), "")
	if err != nil {
		return i, err
	}
	given := map[string]bool{}
	for _, m := range roles {
		given[m.RoleID] = true
	}
	for _, m := range append(slices.Clone(roles), make([]idp.RoleMapping, spareMappings)...) {
		row := ui.MappingRow{Value: m.Value, Claims: []ui.Choice{
			{Value: "groups", Label: v.text("console.connection.map_group"), Chosen: m.Claim == "groups"},
			{Value: "roles", Label: v.text("console.connection.map_app_role"), Chosen: m.Claim == "roles"},
		}}
		for _, r := range all {
			r := r.Role
			if given[r.ID] || len(r.Permissions) == 0 || v.actor.CanDo("SetRoles") && v.actor.CanAll(r.Permissions) {
				row.Roles = append(row.Roles, ui.Choice{Value: r.ID, Label: r.Name, Chosen: r.ID == m.RoleID})
			}
		}
		i.Mappings = append(i.Mappings, row)
	}
	return i, nil
}
