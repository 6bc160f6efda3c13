package settings

import (
	"regexp"
	"strings"
	"time"

	"gatehouse/idp"
)

// The bounds of an initial access token.
const (
	maxRegistered   = 10_000
	maxTokenLife    = 366 * 24 * time.Hour
	defaultToken    = 7 * 24 * time.Hour
	maxRegistration = 100
)

// InitialToken describes what an admin says of an initial access token.
func InitialToken() Fields[idp.InitialToken] {
	type token = idp.InitialToken
	return Fields[token]{
		Line("name", func(t *token) *string { return &t.Name }).Must("settings.registration.need_name").Max(maxRegistration).As(Words).Rule(ShowsName).InColumn().FromStart(),
		Duration("lifetime", func(t *token) *time.Duration { return &t.Lifetime }).Lasts(time.Minute, maxTokenLife).Or(defaultToken).InColumn().FromStart(),
		Number("max_apps", func(t *token) *int { return &t.Policy.MaxApps }).Between(1, maxRegistered).Or(1).InColumn().FromStart(),
		List("populations", func(t *token) *[]string { return &t.Policy.Populations }).Max(maxListed).Each(MaxURL).Must("settings.client.nobody").InColumn().FromStart(),
		List("redirect_hosts", func(t *token) *[]string { return &t.Policy.Hosts }).Max(maxListed).Each(MaxURL).Must("settings.registration.need_host").As(Lower).Rule(redirectHost).InColumn().FromStart(),
		Set("grant_types", func(t *token) *[]string { return &t.Policy.GrantTypes }, "authorization_code", "refresh_token", idp.DeviceGrant).Max(maxListed).
			Or([]string{"authorization_code", "refresh_token"}).InColumn().FromStart(),
		Set("scopes", func(t *token) *[]string { return &t.Policy.Scopes }).Max(maxListed).Each(MaxURL).Rule(registrableScope).
			Or([]string{"openid", "profile", "email", "offline_access"}).InColumn().FromStart(),
		Flag("public_clients", func(t *token) *bool { return &t.Policy.PublicClients }).InColumn().FromStart(),
		Duration("secret_lifetime", func(t *token) *time.Duration { return &t.Policy.SecretLifetime }).Lasts(0, maxTTL).InColumn().FromStart(),
	}
}

var (
	hostForm   = regexp.MustCompile(`^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*|[0-9a-f:]*::[0-9a-f:]*)$`)
	schemeForm = regexp.MustCompile(`^[a-z][a-z0-9+.-]*\.[a-z0-9+.-]*:$`)
)

// redirectHost is a host, those below a domain, all, or a private-use scheme (RFC 8252
// section 7.1).
func redirectHost(s string) *Error {
	if strings.HasPrefix(s, "*.") && !strings.Contains(s[2:], ".") || !hostForm.MatchString(s) && !schemeForm.MatchString(s) {
		return wrong("settings.registration.host", Cut(s))
	}
	return nil
}

// registrableScope is a scope that is no admin's.
func registrableScope(s string) *Error {
	if s == idp.AdminScope {
		return wrong("settings.registration.scope", s)
	}
	return scope(s)
}
