package manage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gatehouse/idp"
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
)

var (
	guidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// contextForm: Entra has the authentication contexts c1 to c99.
	contextForm = regexp.MustCompile(`^c[1-9][0-9]?$`)
	domainForm  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)
)

// tidyConnection writes a connection as it is compared, and fills in what follows
// from its kind.
func tidyConnection(c idp.Connection) idp.Connection {
	c.Name = strings.Join(strings.Fields(c.Name), " ")
	for _, field := range []*string{&c.Issuer, &c.ClientID, &c.Context, &c.DomainHint, &c.Claims.Name, &c.Claims.Email, &c.Claims.Department} {
		*field = strings.TrimSpace(*field)
	}
	c.Tenants, c.Domains = lowered(c.Tenants), lowered(c.Domains)
	for i, d := range c.Domains { // what is none is refused later
		if domain, err := idp.Domain(d); err == nil {
			c.Domains[i] = domain
		}
	}
	if c.Kind == idp.EntraConnection {
		if c.Issuer == "" {
			c.Issuer = idp.EntraAuthority
		}
		c.Issuer = strings.TrimRight(c.Issuer, "/")
	}
	if c.Trust == "" {
		c.Trust = idp.LocalStep
		if c.NamesTenants() {
			c.Trust = idp.Trusted
		}
	}
	return c
}

// lowered are the values without space around them, in lower case, each once.
func lowered(values []string) []string {
	var list []string
	for _, v := range values {
		if v = strings.ToLower(strings.TrimSpace(v)); v != "" && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

func (m *Manager) checkConnection(c idp.Connection) error {
	if !guidForm.MatchString(c.ID) {
		return invalid("id", "settings.connection.id", c.ID)
	}
	if c.Name == "" {
		return invalid("name", "settings.connection.need_name")
	}
	if err := checkName("name", c.Name, maxConnectionName); err != nil {
		return err
	}
	if c.ClientID == "" {
		return invalid("client_id", "settings.connection.need_client")
	}
	for field, value := range map[string]string{
		"client_id": c.ClientID, "name_claim": c.Claims.Name, "email_claim": c.Claims.Email, "department_claim": c.Claims.Department,
		"context": c.Context,
	} {
		if err := checkLine(field, value, maxClaimName); err != nil {
			return err
		}
	}
	if err := m.checkIssuer(c.Issuer); err != nil {
		return err
	}
	check := checkOIDC
	if c.Kind == idp.EntraConnection {
		check = checkEntra
	}
	for _, rule := range []func(idp.Connection) error{check, checkTrust, checkDomains, checkMappingForms} {
		if err := rule(c); err != nil {
			return err
		}
	}
	return nil
}

// checkIssuer allows https, and http to this network where that is allowed.
func (m *Manager) checkIssuer(issuer string) error {
	if issuer == "" {
		return invalid("issuer", "settings.connection.need_issuer")
	}
	checked := issuer
	if rest, plain := strings.CutPrefix(issuer, "http://"); plain && m.PrivateNetworks {
		checked = "https://" + rest
	}
	if e := settings.WebURL(checked); e != nil {
		return settings.Invalid("issuer", e.Key, e.Args...)
	}
	if err := checkLine("issuer", issuer, settings.MaxURL); err != nil {
		return err
	}
	if strings.ContainsAny(issuer, "?#") { // OpenID Connect Discovery 1.0 section 3: issuer
		return invalid("issuer", "settings.connection.issuer")
	}
	return nil
}

func checkEntra(c idp.Connection) error {
	if len(c.Tenants) > maxTenants {
		return invalid("tenants", "settings.many", maxTenants)
	}
	for _, tid := range c.Tenants {
		switch {
		case !guidForm.MatchString(tid):
			return invalid("tenants", "settings.connection.tenant", tid)
		case tid == idp.PersonalTenant:
			return invalid("tenants", "settings.connection.personal")
		}
	}
	switch {
	case len(c.Tenants) == 0 && !c.AnyTenant && !c.PersonalAccounts:
		return invalid("tenants", "settings.connection.nobody")
	case c.AnyTenant && len(c.Tenants) > 0:
		return invalid("any_tenant", "settings.connection.any_tenant")
	case c.Context != "" && !contextForm.MatchString(c.Context):
		return invalid("context", "settings.connection.context")
	}
	return nil
}

func checkOIDC(c idp.Connection) error {
	switch {
	case c.Kind != idp.OIDCConnection:
		return invalid("kind", "settings.choice", string(c.Kind), string(idp.EntraConnection+", "+idp.OIDCConnection))
	case len(c.Tenants) > 0 || c.AnyTenant || c.PersonalAccounts:
		return invalid("tenants", "settings.connection.only_entra")
	}
	return nil
}

func checkTrust(c idp.Connection) error {
	switch c.Trust {
	case idp.Trusted, idp.LocalStep:
		return nil
	case idp.EvidenceRequired:
		if c.Kind == idp.EntraConnection && c.Context == "" {
			return invalid("context", "settings.connection.need_context")
		}
		return nil
	}
	return invalid("trust", "settings.choice", string(c.Trust), string(idp.Trusted+", "+idp.EvidenceRequired+", "+idp.LocalStep))
}

func checkDomains(c idp.Connection) error {
	switch {
	case len(c.Domains) > maxOwnDomains:
		return invalid("domains", "settings.many", maxOwnDomains)
	case len(c.Domains) > 0 && c.Kind == idp.EntraConnection && !c.NamesTenants():
		return invalid("domains", "settings.connection.domains_named")
	case c.DomainHint != "" && !domainForm.MatchString(strings.ToLower(c.DomainHint)):
		return invalid("domain_hint", "settings.domain", c.DomainHint)
	}
	for _, d := range c.Domains {
		if !domainForm.MatchString(d) {
			return invalid("domains", "settings.domain", d)
		}
	}
	return nil
}

func checkMappingForms(c idp.Connection) error {
	switch {
	case len(c.Roles) > maxMappings:
		return invalid("roles", "settings.many", maxMappings)
	case len(c.Roles) > 0 && c.Kind == idp.EntraConnection && c.AnyTenant:
		return invalid("roles", "settings.connection.roles_named")
	}
	seen := map[string]bool{}
	for _, r := range c.Roles {
		key := fmt.Sprintf("%s %s %s", r.Claim, r.RoleID, r.Value)
		switch {
		case r.Claim != "groups" && r.Claim != "roles":
			return invalid("roles", "settings.connection.map_claim", r.Claim)
		case r.Value == "":
			return invalid("roles", "settings.connection.map_value")
		case seen[key]:
			return invalid("roles", "settings.connection.map_twice", r.Claim, r.Value)
		}
		seen[key] = true
		if err := checkLine("roles", r.Value, maxClaimName); err != nil {
			return err
		}
	}
	return nil
}
