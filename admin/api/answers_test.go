package api

import (
	"time"

	"gatehouse/idp"
)

// What tests read of answers that settings describe, and of lists.

// Client is an answer.
type Client struct {
	AccessTTL              int64     `json:"access_ttl"`
	AuthMethod             string    `json:"auth_method"`
	BackchannelLogoutURI   string    `json:"backchannel_logout_uri"`
	CreatedAt              time.Time `json:"created_at"`
	GrantTypes             []string  `json:"grant_types"`
	HomeURL                string    `json:"home_url"`
	ID                     string    `json:"id"`
	Kind                   string    `json:"kind"`
	Name                   string    `json:"name"`
	RequirePKCE            bool      `json:"require_pkce"`
	Populations            []string  `json:"populations"`
	PostLogoutRedirectUris []string  `json:"post_logout_redirect_uris"`
	RedirectUris           []string  `json:"redirect_uris"`
	RefreshTTL             int64     `json:"refresh_ttl"`
	Roles                  []string  `json:"roles"`
	Scopes                 []string  `json:"scopes"`
	Secrets                int       `json:"secrets"`
	SigningAlg             string    `json:"signing_alg"`
	TokenFormat            string    `json:"token_format"`
	Version                int64     `json:"version"`
}

// CreatedClient is an answer.
type CreatedClient struct {
	Client Client  `json:"client"`
	Secret *string `json:"secret,omitempty"`
}

// Connection is an answer.
type Connection struct {
	AnyTenant            bool          `json:"any_tenant"`
	Certificate          *string       `json:"certificate,omitempty"`
	CertificateExpiresAt *time.Time    `json:"certificate_expires_at,omitempty"`
	ClientID             string        `json:"client_id"`
	Context              string        `json:"context"`
	CreateUsers          bool          `json:"create_users"`
	CreatedAt            time.Time     `json:"created_at"`
	DepartmentClaim      string        `json:"department_claim"`
	DomainHint           string        `json:"domain_hint"`
	Domains              []string      `json:"domains"`
	EmailClaim           string        `json:"email_claim"`
	Enabled              bool          `json:"enabled"`
	EndUpstream          bool          `json:"end_upstream"`
	HasSecret            bool          `json:"has_secret"`
	ID                   string        `json:"id"`
	Issuer               string        `json:"issuer"`
	Kind                 string        `json:"kind"`
	Linked               bool          `json:"linked"`
	Name                 string        `json:"name"`
	NameClaim            string        `json:"name_claim"`
	OwnRedirectURI       bool          `json:"own_redirect_uri"`
	PersonalAccounts     bool          `json:"personal_accounts"`
	Population           string        `json:"population"`
	RedirectURI          string        `json:"redirect_uri"`
	Roles                []RoleMapping `json:"roles"`
	Tenants              []string      `json:"tenants"`
	Trust                string        `json:"trust"`
	Version              int64         `json:"version"`
}

// Population is an answer.
type Population struct {
	BrandColor string              `json:"brand_color"`
	HelpURL    string              `json:"help_url"`
	ID         string              `json:"id"`
	LogoURL    string              `json:"logo_url"`
	Name       string              `json:"name"`
	PrivacyURL string              `json:"privacy_url"`
	Settings   *PopulationSettings `json:"settings,omitempty"`
	Version    *int64              `json:"version,omitempty"`
}

// PopulationSettings is an answer.
type PopulationSettings struct {
	Access            Access       `json:"access"`
	MFAPolicy         any          `json:"mfa_policy"`
	PasswordMinLength int          `json:"password_min_length"`
	Registration      Registration `json:"registration"`
	SessionIdle       int64        `json:"session_idle"`
	SessionLifetime   int64        `json:"session_lifetime"`
}

// Access is an answer.
type Access struct {
	Federated bool `json:"federated"`
	Password  bool `json:"password"`
}

// Registration is an answer.
type Registration struct {
	Allowed []string `json:"allowed"`
	Denied  []string `json:"denied"`
	Open    bool     `json:"open"`
}

// PasswordRequirements is an answer.
type PasswordRequirements struct {
	AtSignIn   *PasswordRequirements `json:"at_sign_in,omitempty"`
	Digit      bool                  `json:"digit"`
	ExpiryDays int                   `json:"expiry_days"`
	Lower      bool                  `json:"lower"`
	MinLength  int                   `json:"min_length"`
	NoReuse    int                   `json:"no_reuse"`
	Special    bool                  `json:"special"`
	Upper      bool                  `json:"upper"`
	Version    int64                 `json:"version"`
}

// SessionConfiguration is an answer.
type SessionConfiguration struct {
	EndOthers       bool  `json:"end_others"`
	KeepSignedIn    bool  `json:"keep_signed_in"`
	KeptIdle        int64 `json:"kept_idle"`
	KeptLifetime    int64 `json:"kept_lifetime"`
	SessionIdle     int64 `json:"session_idle"`
	SessionLifetime int64 `json:"session_lifetime"`
	Version         int64 `json:"version"`
}

// IdentityList is an answer.
type IdentityList struct {
	Identities []Identity `json:"identities"`
}

// InvitationList is an answer.
type InvitationList struct {
	Invitations []Invitation `json:"invitations"`
	Next        *string      `json:"next,omitempty"`
}

// AuditEventList is an answer.
type AuditEventList struct {
	Events []idp.AuditEvent `json:"events"`
	Next   *string          `json:"next,omitempty"`
}
