package idp

// Role is a named set of permissions. System roles cannot be changed.
type Role struct {
	ID          string
	Name        string
	System      bool
	Permissions []string
}

// The system roles.
const (
	RoleAdmin   = "admin"
	RoleManager = "manager"
	RoleAgent   = "agent"
)

// The permissions. Admins know the first two by the labels of DESIGN section 2.
const (
	PermissionAuthentication = "authentication.manage" // Access to Agent and Contact Authentication
	PermissionAgentRecovery  = "agents.recovery"       // Access to Agent Recovery Code and Reset MFA
	PermissionContactReset   = "contacts.reset"
	PermissionUsers          = "users.manage"
	PermissionRoles          = "roles.manage"
	PermissionClients        = "clients.manage"
	PermissionSessions       = "sessions.manage"
	PermissionAudit          = "audit.read"
	PermissionKeys           = "keys.manage" // signing keys, deliveries and mail
	PermissionDeliveries     = "deliveries.read"
)

// Permissions lists them all.
func Permissions() []string {
	return []string{
		PermissionAuthentication, PermissionAgentRecovery, PermissionContactReset, PermissionUsers,
		PermissionRoles, PermissionClients, PermissionSessions, PermissionAudit,
		PermissionKeys, PermissionDeliveries,
	}
}

// Permission is one as an admin reads it.
type Permission struct {
	ID, Label, Explain string
}

// PermissionList explains all permissions, in the order of Permissions.
func PermissionList() []Permission {
	return []Permission{
		{PermissionAuthentication, "Access to Agent and Contact Authentication", "See and change sign-in methods, MFA, password and session rules of every population, and its name and brand."},
		{PermissionAgentRecovery, "Access to Agent Recovery Code and Reset MFA", "View an agent's recovery codes, and reset an agent's MFA."},
		{PermissionContactReset, "Reset contacts' MFA", "Reset the MFA of contacts, and of everybody else who is not an agent."},
		{PermissionUsers, "Manage people", "Add, change, disable, anonymise and delete people, and set their passwords."},
		{PermissionRoles, "Manage roles", "Make and change roles, and give them to people."},
		{PermissionClients, "Manage apps", "Connect apps, change and remove them, and replace their secrets."},
		{PermissionSessions, "Manage sessions", "See who is signed in and where, and sign people out."},
		{PermissionAudit, "Read the audit log", "See and export who did what to whom."},
		{PermissionKeys, "Manage keys and deliveries", "See and rotate signing keys, and see and retry what waits to be delivered."},
		{PermissionDeliveries, "See deliveries", "See how far emails and the sign-outs of apps are, and why one fails."},
	}
}
