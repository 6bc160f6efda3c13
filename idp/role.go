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

// The permissions. Admins know the first two by the labels beside them.
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

// Permissions lists them all, in the order in which admins read them. Their texts are
// permission.ID and permission.ID_hint in the catalogues.
func Permissions() []string {
	return []string{
		PermissionAuthentication, PermissionAgentRecovery, PermissionContactReset, PermissionUsers,
		PermissionRoles, PermissionClients, PermissionSessions, PermissionAudit,
		PermissionKeys, PermissionDeliveries,
	}
}
