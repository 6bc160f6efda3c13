package manage

import (
	"strconv"
	"strings"

	"gatehouse/idp"
)

// facts are what is said of a thing in the audit log, by the names and in the values of
// the admin API; a list is written with spaces, which none of its values has.
type facts map[string]string

// differing adds to an event's detail what was before and what is after, of everything
// that differs: "before.scopes" and "after.scopes".
func differing(detail map[string]string, before, after facts) map[string]string {
	for name, value := range after {
		if was := before[name]; was != value {
			detail["before."+name], detail["after."+name] = was, value
		}
	}
	return detail
}

// secretsOf is how many secrets an app has; nothing else is said of them.
func secretsOf(c idp.Client) facts { return facts{"secrets": strconv.Itoa(len(c.SecretHashes))} }

// connectionFacts are what of a connection decides who comes through it, and for what
// that counts.
func connectionFacts(c idp.Connection) facts {
	return facts{
		"issuer": c.Issuer, "client_id": c.ClientID, "trust": string(c.Trust), "context": c.Context, "enabled": strconv.FormatBool(c.Enabled),
		"tenants": strings.Join(c.Tenants, " "), "any_tenant": strconv.FormatBool(c.AnyTenant),
		"personal_accounts": strconv.FormatBool(c.PersonalAccounts), "domains": strings.Join(c.Domains, " "),
		"email_claim": c.Claims.Email, "create_users": strconv.FormatBool(c.CreateUsers), "has_secret": strconv.FormatBool(len(c.Secret) > 0),
	}
}

// addressFacts are a person's. They are masked when the person is deleted or anonymised.
func addressFacts(u idp.User) facts {
	return facts{"email": u.Email, "email_verified": strconv.FormatBool(u.EmailVerified)}
}
