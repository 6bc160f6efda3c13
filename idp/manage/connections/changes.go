package connections

import (
	"strconv"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
)

// connectionFacts are what of a connection decides who comes through it, and for what
// that counts.
func connectionFacts(c idp.Connection) authz.Facts {
	return authz.Facts{
		"issuer": c.Issuer, "client_id": c.ClientID, "trust": string(c.Trust), "context": c.Context, "enabled": strconv.FormatBool(c.Enabled),
		"tenants": strings.Join(c.Tenants, " "), "any_tenant": strconv.FormatBool(c.AnyTenant),
		"personal_accounts": strconv.FormatBool(c.PersonalAccounts), "domains": strings.Join(c.Domains, " "),
		"email_claim": c.Claims.Email, "create_users": strconv.FormatBool(c.CreateUsers), "has_secret": strconv.FormatBool(len(c.Secret) > 0),
	}
}
