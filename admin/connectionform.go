package admin

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/settings"
	"gatehouse/idp/web"
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

// connectionFields shows a connection as it stands, or as somebody wants it with what
// is wrong about that.
func (v *visit) connectionFields(p manage.PopulationEntry, c manage.ConnectionEntry, wrong error) (ui.ConsoleConnection, error) {
	frame, err := v.connectionFrame(p)
	if err != nil {
		return ui.ConsoleConnection{}, err
	}
	entra := c.Kind == idp.EntraConnection
	page := ui.ConsoleConnection{
		Console: frame, Values: v.otherSide(c), NewID: c.ID, Name: c.Name, Enabled: c.Enabled, Entra: entra,
		HasIssuer: !entra || c.Version != 0, HasAudience: entra, Linked: c.Linked, Issuer: c.Issuer, Tenants: strings.Join(c.Tenants, "\n"),
		AnyTenant: c.AnyTenant, Personal: c.PersonalAccounts, ClientID: c.ClientID,
		Credentials: v.credentials(c), Trusts: v.trusts(c.Trust), Context: c.Context, CreateUsers: c.CreateUsers,
		HasDomains: !entra || c.Version != 0 || !c.AnyTenant && !c.PersonalAccounts, Domains: strings.Join(c.Domains, "\n"),
		NameClaim: c.Claims.Name, EmailClaim: c.Claims.Email, DepartmentClaim: c.Claims.Department,
		OwnRedirect: c.OwnRedirect, OwnRedirectURI: v.party(idp.Client{}).Issuer + idp.CallbackPath(c.ID, true),
		EndUpstream: c.EndUpstream, DomainHint: c.DomainHint, Reason: v.PostForm("reason"),
		Undated: !c.UndatedSince.IsZero(), Lost: c.Lost && c.Version != 0,
	}
	if page.Mappings, err = v.mappings(c.Roles); err != nil {
		return page, err
	}
	if c.Certificate != "" {
		page.CertificateURL = v.path(connectionPage(c) + "/certificate")
		if page.CertificateEnds, err = certificateEnds(c); err != nil {
			return page, err
		}
	}
	v.placeConnectionError(&page, wrong)
	return page, nil
}

// otherSide is what to copy to the other provider.
func (v *visit) otherSide(c manage.ConnectionEntry) []ui.Setting {
	issuer := v.party(idp.Client{}).Issuer
	value := func(label ui.Key, text string) ui.Setting {
		return ui.Setting{Label: *label.With(), Values: []string{text}}
	}
	return []ui.Setting{
		value("console.connection.value_redirect", issuer+c.CallbackPath()),
		value("console.connection.value_logout", issuer+"/federation/logout"),
		value("console.connection.value_scopes", "openid profile email"),
	}
}

// credentials are the ways to prove who we are. What was posted stays chosen.
func (v *visit) credentials(c manage.ConnectionEntry) []ui.Choice {
	chosen, list := v.PostForm("credential"), []ui.Choice(nil)
	add := func(value string, label, hint ui.Key) {
		choice := ui.Choice{Value: value, Label: v.text(label), Chosen: chosen == value}
		if hint != "" {
			choice.Hint = v.text(hint)
		}
		list = append(list, choice)
	}
	if c.Version == 0 {
		add(withSecret, "console.connection.with_secret", "console.connection.with_secret_hint")
		add(withNewKey, "console.connection.with_certificate", "console.connection.with_certificate_hint")
		return list
	}
	chosen = cmp.Or(chosen, keepCredential)
	keep := ui.Key("console.connection.keep_certificate")
	if c.HasSecret {
		keep = "console.connection.keep_secret"
	}
	if !c.Lost {
		add(keepCredential, keep, "")
	}
	add(withSecret, "console.connection.with_new_secret", "console.connection.with_secret_hint")
	add(withNewKey, "console.connection.with_new_certificate", "console.connection.with_new_certificate_hint")
	return list
}

func (v *visit) trusts(now idp.Trust) []ui.Choice {
	var list []ui.Choice
	add := func(t idp.Trust, hint ui.Key) {
		list = append(list, ui.Choice{Value: string(t), Label: v.text(trustLabel(t)), Hint: v.text(hint), Chosen: t == now})
	}
	add(idp.Trusted, "console.connection.trusted_hint")
	add(idp.EvidenceRequired, "console.connection.evidence_hint")
	add(idp.LocalStep, "console.connection.local_hint")
	return list
}

// mappings are the lines of roles, with some to spare. On offer are the roles that the
// viewer may give, and those that are given already.
func (v *visit) mappings(roles []idp.RoleMapping) ([]ui.MappingRow, error) {
	all, err := v.console.Store.VersionedRoles(v.Request.Context(), "")
	if err != nil {
		return nil, err
	}
	given := map[string]bool{}
	for _, m := range roles {
		given[m.RoleID] = true
	}
	list := slices.Clone(roles)
	list = append(list, make([]idp.RoleMapping, spareMappings)...)
	rows := make([]ui.MappingRow, len(list))
	for i, m := range list {
		rows[i] = ui.MappingRow{Value: m.Value, Claims: []ui.Choice{
			{Value: "groups", Label: v.text("console.connection.map_group"), Chosen: m.Claim == "groups"},
			{Value: "roles", Label: v.text("console.connection.map_app_role"), Chosen: m.Claim == "roles"},
		}}
		for _, r := range all {
			r := r.Role
			mayGive := len(r.Permissions) == 0 || v.actor.May("SetRoles") && v.holds(r.Permissions)
			if given[r.ID] || mayGive {
				rows[i].Roles = append(rows[i].Roles, ui.Choice{Value: r.ID, Label: r.Name, Chosen: r.ID == m.RoleID})
			}
		}
	}
	return rows, nil
}

// placeConnectionError puts what is wrong beside its field.
func (v *visit) placeConnectionError(page *ui.ConsoleConnection, wrong error) {
	var all settings.Errors
	if !errors.As(wrong, &all) {
		return
	}
	field := all[0]
	message := web.Said(field)
	switch field.Field {
	case "reason":
		message = web.Said(field)
	case "issuer":
		if !page.HasIssuer {
			page.Alert = message
			return
		}
	case "tenants", "domains":
		if field.Field == "tenants" && !page.Entra || field.Field == "domains" && !page.HasDomains {
			page.Alert = message
			return
		}
	case "name", "client_id", "own_redirect", "any_tenant", "credential", "client_secret", "trust", "context", "roles",
		"name_claim", "email_claim", "department_claim", "domain_hint", "enabled":
	default:
		page.Alert = message
		return
	}
	page.Errors = map[string]*ui.Message{field.Field: message}
}

// ontoConnection puts what was posted onto a connection.
func (v *visit) ontoConnection(c *idp.Connection) {
	line := func(field string) string { return strings.TrimSpace(v.PostForm(field)) }
	c.Name, c.ClientID, c.Enabled = v.PostForm("name"), line("client_id"), v.PostForm("enabled") == "on"
	if issuer, posted := v.GetPostForm("issuer"); posted {
		c.Issuer = strings.TrimSpace(issuer)
	}
	c.Trust, c.Context, c.CreateUsers = idp.Trust(v.PostForm("trust")), line("context"), v.PostForm("create_users") == "on"
	c.Domains, c.EndUpstream, c.DomainHint = strings.Fields(v.PostForm("domains")), v.PostForm("end_upstream") == "on", line("domain_hint")
	c.Claims = idp.ClaimNames{Name: line("name_claim"), Email: line("email_claim"), Department: line("department_claim")}
	if c.Kind == idp.EntraConnection {
		c.Tenants = strings.Fields(v.PostForm("tenants"))
		c.AnyTenant, c.PersonalAccounts = v.PostForm("any_tenant") == "on", v.PostForm("personal_accounts") == "on"
	}
	if own, posted := v.GetPostFormArray("own_redirect"); posted {
		c.OwnRedirect = slices.Contains(own, "on")
	}
	c.Roles = nil
	claims, values, roles := v.PostFormArray("map_claim"), v.PostFormArray("map_value"), v.PostFormArray("map_role")
	for i := range min(len(claims), len(values), len(roles)) {
		if value := strings.TrimSpace(values[i]); value != "" {
			c.Roles = append(c.Roles, idp.RoleMapping{Claim: claims[i], Value: value, RoleID: roles[i]})
		}
	}
}

// connectionChange is what a form asks for.
func (v *visit) connectionChange(wanted idp.Connection, now manage.ConnectionEntry) (manage.ConnectionChange, error) {
	change := manage.ConnectionChange{Connection: wanted, Reason: v.PostForm("reason")}
	switch choice := v.PostForm("credential"); {
	case choice == withSecret:
		if change.ClientSecret = v.PostForm("client_secret"); change.ClientSecret == "" {
			return change, settings.Invalid("client_secret", "console.connection.secret_missing")
		}
	case choice == withNewKey:
		change.NewCertificate = true
	case choice != keepCredential || now.Version == 0:
		return change, settings.Invalid("credential", "console.connection.credential_choose")
	}
	return change, nil
}
