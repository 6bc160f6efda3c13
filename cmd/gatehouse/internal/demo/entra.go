package demo

import (
	"maps"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/idptest/entra"
)

// What the demo's simulated Entra knows.
const (
	entraTenant      = "5f0c2a7e-3d41-4b8e-9c52-7a1de0b4c001" // the helpdesk's own directory
	entraCustomer    = "5f0c2a7e-3d41-4b8e-9c52-7a1de0b4c002" // a customer's directory
	entraStaffApp    = "8b1d6e54-02fa-4c7b-a3e9-61c0f5d7a001" // for the helpdesk's directory alone
	entraStaffSecret = "demo-secret-of-the-entra-app"
	entraOpenApp     = "8b1d6e54-02fa-4c7b-a3e9-61c0f5d7a002" // for every organisation and personal accounts
	entraOpenSecret  = "demo-secret-of-the-shared-entra-app"
	entraContext     = "c1" // what Conditional Access ties to multi-factor sign-in
	genericApp       = "gatehouse"
	genericSecret    = "demo-secret-at-the-other-provider"
)

// EntraConnection is what a population's connection to the simulated Entra is made of.
type EntraConnection struct {
	Population       string
	Authority        string   // the tenants are below it
	Tenants          []string // whose people may come
	ClientID, Secret string
	Context          string            // proves multi-factor sign-in; empty: the directory has none
	Roles            map[string]string // a role of ours by app role; other people's roles are not touched
}

// EntraConnections are the demo's, both trusted and making accounts for all who come,
// given the address of the simulated Entra.
func EntraConnections(authority string) []EntraConnection {
	return []EntraConnection{
		{
			Population: idp.Agents, Authority: authority, Tenants: []string{entraTenant}, ClientID: entraStaffApp, Secret: entraStaffSecret,
			Context: entraContext, Roles: map[string]string{idp.RoleManager: idp.RoleManager, idp.RoleAgent: idp.RoleAgent},
		},
		{Population: idp.Contacts, Authority: authority, Tenants: []string{entraCustomer}, ClientID: entraOpenApp, Secret: entraOpenSecret},
	}
}

func (c EntraConnection) connection() idp.Connection {
	connection := idp.Connection{
		PopulationID: c.Population, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true, Issuer: c.Authority,
		Tenants: c.Tenants, ClientID: c.ClientID, Context: c.Context, CreateUsers: true,
	}
	for _, value := range slices.Sorted(maps.Keys(c.Roles)) {
		connection.Roles = append(connection.Roles, idp.RoleMapping{Claim: "roles", Value: value, RoleID: c.Roles[value]})
	}
	return connection
}

// entraPeople have accounts at the simulated Entra and no password here.
func entraPeople() []Person {
	return []Person{
		{Email: "entra-lead@rtx.example", Password: "calm marble orchard", Population: idp.Agents, Roles: []string{idp.RoleManager}, Entra: true, name: "Entra lead"},
		{Email: "entra-agent@rtx.example", Password: "brisk cedar window", Population: idp.Agents, Roles: []string{idp.RoleAgent}, Entra: true, name: "Entra agent"},
		{Email: "entra-contact@customer.example", Password: "plain river basket", Population: idp.Contacts, Roles: []string{}, Entra: true, name: "Entra contact"},
	}
}

// newEntra makes the simulated Entra for a provider.
func newEntra(base, issuer string) (*entra.Tenant, error) {
	return entra.New(entra.Config{
		BaseURL: base, Console: true, Apps: entraApps(issuer), People: entraAccounts(),
		Directories: []entra.Directory{
			{ID: entraTenant, Name: "RTX Solutions", Domains: []string{"rtx.example"}, AuthContexts: []string{entraContext}},
			{ID: entraCustomer, Name: "A customer", Domains: []string{"customer.example"}},
		},
	})
}

// entraApps are the registrations that docs/entra.md describes.
func entraApps(issuer string) []entra.App {
	app := entra.App{
		Name: "Gatehouse", ClientID: entraStaffApp, Directory: entraTenant, Audience: entra.MyOrg, Secrets: []string{entraStaffSecret},
		RedirectURIs: []string{issuer + "/federation/callback", issuer + "/federation/callback/*"}, FrontChannelLogoutURI: issuer + "/federation/logout",
		PostLogoutRedirectURIs: []string{issuer + "/"}, AssignmentRequired: true, GroupClaims: true,
		OptionalClaims: []string{"email", "xms_edov", "login_hint", "sid", "auth_time", "acrs", "given_name", "family_name"},
	}
	anyone, generic := app, app
	anyone.Name, anyone.ClientID, anyone.Audience = "Gatehouse for customers", entraOpenApp, entra.AnyAccount
	anyone.Secrets, anyone.AssignmentRequired, anyone.ConsentRequired = []string{entraOpenSecret}, false, false
	generic.ClientID, generic.Directory, generic.Audience = genericApp, entra.Generic, ""
	generic.Secrets, generic.AssignmentRequired, generic.OptionalClaims = []string{genericSecret}, false, nil
	generic.BackChannelLogoutURI = app.FrontChannelLogoutURI
	return []entra.App{app, anyone, generic}
}

// entraAccounts are the people of entraPeople and those that an app should refuse or
// take with care.
func entraAccounts() []entra.Person {
	lead, agent, contact := entraPeople()[0], entraPeople()[1], entraPeople()[2]
	staff := []string{entraStaffApp}
	return []entra.Person{
		{
			Directory: entraTenant, OID: "c3a9d0f2-7be1-4d06-8a5f-0e94b6d1a001", PreferredUsername: lead.Email, Email: lead.Email, EmailVerified: true,
			Name: lead.name, Password: lead.Password, Roles: lead.Roles, Apps: staff, ACRS: []string{entraContext},
			Groups: []string{"d7f1b3c8-1a2e-4f60-9b7d-52e8c0a6a001", "d7f1b3c8-1a2e-4f60-9b7d-52e8c0a6a002"},
		},
		{
			Directory: entraTenant, OID: "c3a9d0f2-7be1-4d06-8a5f-0e94b6d1a002", PreferredUsername: agent.Email, Email: agent.Email, EmailVerified: true,
			Name: agent.name, Password: agent.Password, Roles: agent.Roles, Apps: staff, ACRS: []string{entraContext},
			Groups: []string{"d7f1b3c8-1a2e-4f60-9b7d-52e8c0a6a002"},
		},
		{
			Directory: entraTenant, OID: "c3a9d0f2-7be1-4d06-8a5f-0e94b6d1a003", PreferredUsername: "unassigned@rtx.example",
			Email: "unassigned@rtx.example", EmailVerified: true, Name: "Not assigned to the app", Password: "faint copper ladder",
		},
		{
			Directory: entraCustomer, OID: "c3a9d0f2-7be1-4d06-8a5f-0e94b6d1a004", PreferredUsername: contact.Email, Email: contact.Email,
			EmailVerified: true, Name: contact.name, Password: contact.Password,
		},
		{
			Directory: entraCustomer, OID: "c3a9d0f2-7be1-4d06-8a5f-0e94b6d1a005", PreferredUsername: "guest@customer.example",
			Email: "guest@customer.example", EmailVerified: true, Name: "A customer’s, and a guest", Password: "round velvet anchor",
		},
		{
			Directory: entraTenant, OID: "c3a9d0f2-7be1-4d06-8a5f-0e94b6d1a008", PreferredUsername: "guest@customer.example",
			Email: "guest@customer.example", Name: "A customer’s, and a guest", Password: "round velvet anchor", Home: entraCustomer, Apps: staff,
		},
		{
			Directory: entraCustomer, OID: "c3a9d0f2-7be1-4d06-8a5f-0e94b6d1a006", PreferredUsername: "claims-to-be-agent@customer.example",
			Email: "agent@rtx.example", Name: "Claims another’s email", Password: "sly pewter mirror",
		},
		{
			Directory: entra.Consumers, OID: "00000000-0000-0000-5c1e-0e94b6d1a007", PreferredUsername: "personal@outlook.example",
			Email: "personal@outlook.example", EmailVerified: true, Name: "Personal account", Password: "warm linen harbour",
		},
		{
			Directory: entra.Generic, OID: "generic-1", PreferredUsername: "someone@generic.example", Email: "someone@generic.example",
			EmailVerified: true, Name: "Of another provider", Password: "young amber valley", AMR: []string{"pwd", "otp", "mfa"},
			ACR: "urn:example:acr:two-factor",
		},
	}
}
