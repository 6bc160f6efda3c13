package connections

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/settings"
)

// The limits of a connection.
const (
	maxUpstreamSecret = 1000 // bytes
	maxConnectionName = 100
	maxClaimName      = 100
	maxMappings       = 100
	maxOwnDomains     = 50
	maxTenants        = 100
	maxTenantID       = 36
	maxDomain         = 253
)

var (
	guidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// contextForm: Entra has the authentication contexts c1 to c99.
	contextForm = regexp.MustCompile(`^c[1-9][0-9]?$`)
	domainForm  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)
)

// ConnectionFields describe a connection, but for the roles that it gives and for what
// proves who we are. Its kind is not asked for again.
func ConnectionFields() settings.Fields[idp.Connection] {
	type conn = idp.Connection
	return settings.Fields[conn]{
		settings.Line("name", func(c *conn) *string { return &c.Name }).Must("settings.connection.need_name").Max(maxConnectionName).As(settings.Words).Rule(settings.ShowsName),
		settings.Line("issuer", func(c *conn) *string { return &c.Issuer }).Must("settings.connection.need_issuer").Max(settings.MaxURL),
		settings.Line("client_id", func(c *conn) *string { return &c.ClientID }).Must("settings.connection.need_client").Max(maxClaimName),
		settings.List("tenants", func(c *conn) *[]string { return &c.Tenants }).Max(maxTenants).Each(maxTenantID).As(settings.Lower).Rule(tenant),
		settings.Flag("any_tenant", func(c *conn) *bool { return &c.AnyTenant }),
		settings.Flag("personal_accounts", func(c *conn) *bool { return &c.PersonalAccounts }),
		settings.Flag("own_redirect_uri", func(c *conn) *bool { return &c.OwnRedirect }),
		settings.Choice("trust", func(c *conn) *idp.Trust { return &c.Trust }, idp.Trusted, idp.EvidenceRequired, idp.LocalStep),
		settings.Line("context", func(c *conn) *string { return &c.Context }).Max(maxClaimName),
		settings.Flag("create_users", func(c *conn) *bool { return &c.CreateUsers }),
		settings.List("domains", func(c *conn) *[]string { return &c.Domains }).Max(maxOwnDomains).Each(maxDomain).As(keptDomain).Rule(ownDomain),
		settings.Line("name_claim", func(c *conn) *string { return &c.Claims.Name }).Max(maxClaimName),
		settings.Line("email_claim", func(c *conn) *string { return &c.Claims.Email }).Max(maxClaimName),
		settings.Line("department_claim", func(c *conn) *string { return &c.Claims.Department }).Max(maxClaimName),
		settings.Line("domain_hint", func(c *conn) *string { return &c.DomainHint }).Max(maxDomain).Rule(ownDomain),
		settings.Flag("end_upstream", func(c *conn) *bool { return &c.EndUpstream }),
		settings.Flag("enabled", func(c *conn) *bool { return &c.Enabled }),
	}
}

func tenant(id string) *settings.Error {
	switch {
	case !guidForm.MatchString(id):
		return &settings.Error{Key: "settings.connection.tenant", Args: []any{settings.Cut(id)}}
	case id == idp.PersonalTenant:
		return &settings.Error{Key: "settings.connection.personal"}
	}
	return nil
}

// keptDomain is how a domain is kept; what is none is refused later.
func keptDomain(d string) string {
	if domain, err := idp.Domain(settings.Lower(d)); err == nil {
		return domain
	}
	return settings.Lower(d)
}

func ownDomain(d string) *settings.Error {
	if !domainForm.MatchString(strings.ToLower(d)) {
		return &settings.Error{Key: "settings.domain", Args: []any{settings.Cut(d)}}
	}
	return nil
}

// CheckConnection completes a connection with what follows from its kind, and says all
// that is wrong about it.
func (m *Manager) CheckConnection(c *idp.Connection) settings.Errors {
	if c.Kind == idp.EntraConnection {
		c.Issuer = strings.TrimRight(cmp.Or(strings.TrimSpace(c.Issuer), idp.EntraAuthority), "/")
	}
	if c.Trust == "" {
		c.Trust = idp.LocalStep
		if c.NamesTenants() {
			c.Trust = idp.Trusted
		}
	}
	wrong := ConnectionFields().Check(c)
	refuse := func(broken bool, field, key string, args ...any) {
		if broken {
			wrong = wrong.And(entry.Said(entry.Invalid(field, key, args...))...)
		}
	}
	refuse(!guidForm.MatchString(c.ID), "id", "settings.connection.id", c.ID)
	wrong = wrong.And(m.checkIssuer(c.Issuer)...)
	entra := c.Kind == idp.EntraConnection
	if entra {
		checkEntra(*c, refuse)
	} else {
		refuse(c.Kind != idp.OIDCConnection, "kind", "settings.choice", string(c.Kind), string(idp.EntraConnection+", "+idp.OIDCConnection))
		refuse(len(c.Tenants) > 0 || c.AnyTenant || c.PersonalAccounts, "tenants", "settings.connection.only_entra")
	}
	return wrong.And(entry.Said(checkMappingForms(*c))...)
}

func checkEntra(c idp.Connection, refuse func(broken bool, field, key string, args ...any)) {
	refuse(len(c.Tenants) == 0 && !c.AnyTenant && !c.PersonalAccounts, "tenants", "settings.connection.nobody")
	refuse(c.AnyTenant && len(c.Tenants) > 0, "any_tenant", "settings.connection.any_tenant")
	refuse(c.Context != "" && !contextForm.MatchString(c.Context), "context", "settings.connection.context")
	refuse(c.Trust == idp.EvidenceRequired && c.Context == "", "context", "settings.connection.need_context")
	refuse(len(c.Domains) > 0 && !c.NamesTenants(), "domains", "settings.connection.domains_named")
}

// checkIssuer allows https, and http to this network where that is allowed.
func (m *Manager) checkIssuer(issuer string) settings.Errors {
	checked := issuer
	if rest, plain := strings.CutPrefix(issuer, "http://"); plain && m.PrivateNetworks {
		checked = "https://" + rest
	}
	if e := settings.WebURL(checked); e != nil {
		return settings.Invalid("issuer", e.Key, e.Args...)
	}
	if strings.ContainsAny(issuer, "?#") { // OpenID Connect Discovery 1.0 section 3: issuer
		return settings.Invalid("issuer", "settings.connection.issuer")
	}
	return nil
}

func checkMappingForms(c idp.Connection) error {
	switch {
	case len(c.Roles) > maxMappings:
		return entry.Invalid("roles", "settings.many", maxMappings)
	case len(c.Roles) > 0 && c.Kind == idp.EntraConnection && c.AnyTenant:
		return entry.Invalid("roles", "settings.connection.roles_named")
	}
	seen := map[string]bool{}
	for _, r := range c.Roles {
		key := fmt.Sprintf("%s %s %s", r.Claim, r.RoleID, r.Value)
		switch {
		case r.Claim != "groups" && r.Claim != "roles":
			return entry.Invalid("roles", "settings.connection.map_claim", r.Claim)
		case r.Value == "":
			return entry.Invalid("roles", "settings.connection.map_value")
		case seen[key]:
			return entry.Invalid("roles", "settings.connection.map_twice", r.Claim, r.Value)
		}
		seen[key] = true
		if err := entry.CheckLine("roles", r.Value, maxClaimName); err != nil {
			return err
		}
	}
	return nil
}
