package populations

import (
	"context"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/settings"
)

// Admits tells whether an address may be registered: settings.Errors when not, taken or
// not.
func Admits(p idp.Population, email string) error {
	if err := people.CheckUser(idp.User{Email: email}); err != nil {
		return err
	}
	domain, err := idp.MailDomain(email)
	if err != nil {
		return entry.Invalid("email", "settings.user.email", email)
	}
	if !p.Registers() || !p.Registration.Admits(domain) {
		return entry.Invalid("domain", "settings.registration.domain", domain)
	}
	return nil
}

// maxDomains is how many domains a list holds.
const maxDomains = 500

// RegistrationFields describe who may make themselves an account. Domains may come as
// people write them.
func RegistrationFields() settings.Fields[idp.Registration] {
	keep := func(raw string) string {
		raw = strings.TrimPrefix(strings.TrimSpace(raw), "@")
		if d, err := idp.Domain(raw); err == nil {
			return d
		}
		return raw
	}
	domain := func(d string) *settings.Error {
		if _, err := idp.Domain(d); err != nil {
			return &settings.Error{Key: "settings.domain", Args: []any{settings.Cut(d)}}
		}
		return nil
	}
	return settings.Fields[idp.Registration]{
		settings.Flag("open", func(r *idp.Registration) *bool { return &r.Open }),
		settings.List("allowed", func(r *idp.Registration) *[]string { return &r.Allowed }).Max(maxDomains).As(keep).Rule(domain),
		settings.List("denied", func(r *idp.Registration) *[]string { return &r.Denied }).Max(maxDomains).As(keep).Rule(domain),
	}
}

// CheckRegistration says what is wrong about who may make themselves an account.
func (m *Manager) CheckRegistration(p idp.Population, r *idp.Registration) settings.Errors {
	wrong := RegistrationFields().Check(r)
	switch {
	case r.Open && !p.Access.Password:
		wrong = wrong.And(settings.Error{Field: "open", Key: "settings.registration.no_passwords"})
	case r.Open && m.Mailer == nil:
		wrong = wrong.And(settings.Error{Field: "open", Key: "settings.registration.no_mail"})
	}
	return wrong
}

// SaveRegistration changes who may make themselves an account, as save says.
func (m *Manager) SaveRegistration(ctx context.Context, a authz.Actor, c Change[idp.Registration]) (PopulationEntry, error) {
	return setting[idp.Registration]{
		op: "SaveRegistration", kind: idp.AuditPopulationChanged, fields: RegistrationFields(),
		of:   func(p idp.Population) idp.Registration { return p.Registration },
		onto: func(p *idp.Population, c Change[idp.Registration]) { p.Registration = c.To },
		check: func(m *Manager, p idp.Population, c *Change[idp.Registration]) settings.Errors {
			return m.CheckRegistration(p, &c.To)
		},
		write: func(ctx context.Context, m *Manager, w written) error {
			return m.Store.SaveRegistration(ctx, w.version, *w.after)
		},
	}.save(ctx, m, a, c)
}
