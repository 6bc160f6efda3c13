package populations

import (
	"context"
	"slices"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/password"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

// PasswordFields describe what passwords of a population must be from now on.
func PasswordFields() settings.Fields[idp.PasswordRules] {
	type rules = idp.PasswordRules
	return settings.Fields[rules]{
		settings.Number("min_length", func(r *rules) *int { return &r.MinLength }).Between(password.LeastMinLength, password.MostMinLength).Or(password.LeastMinLength),
		settings.Flag("upper", func(r *rules) *bool { return &r.Upper }),
		settings.Flag("lower", func(r *rules) *bool { return &r.Lower }),
		settings.Flag("digit", func(r *rules) *bool { return &r.Digit }),
		settings.Flag("special", func(r *rules) *bool { return &r.Special }),
		settings.Number("expiry_days", func(r *rules) *int { return &r.ExpiryDays }).Max(password.MostExpiryDays),
		settings.Number("no_reuse", func(r *rules) *int { return &r.NoReuse }).Max(password.MostNoReuse),
	}
}

// PasswordsPreview is whom a change of the rules concerns. Who has to change their
// password is not known before they type it, apart from those whose has expired.
type PasswordsPreview struct {
	store.AffectedPasswords
	// JWTFor is as in Preview.
	JWTFor time.Duration
}

// Requirements reads a population for its password requirements and its session
// configuration.
func (m *Manager) Requirements(ctx context.Context, a authz.Actor, population string) (PopulationEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Requirements"}); err != nil {
		return PopulationEntry{}, err
	}
	return m.population(ctx, a, population)
}

// PreviewPasswordRules counts whom rules of passwords would concern. It changes
// nothing, and needs the permission of the change.
func (m *Manager) PreviewPasswordRules(ctx context.Context, a authz.Actor, population string, r idp.PasswordRules) (PasswordsPreview, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "PreviewPasswordRules"}); err != nil {
		return PasswordsPreview{}, err
	}
	if err := PasswordFields().Check(&r).Err(); err != nil {
		return PasswordsPreview{}, err
	}
	p, err := m.Store.Population(ctx, population)
	if err != nil {
		return PasswordsPreview{}, err
	}
	now, expired := idp.Now(), time.Time{}
	if r.ExpiryDays > 0 {
		expired = now.Add(-time.Duration(r.ExpiryDays) * 24 * time.Hour)
	}
	affected, err := m.Store.AffectedByPasswords(ctx, p, expired, now)
	if err != nil {
		return PasswordsPreview{}, err
	}
	clients, err := m.Store.Clients(ctx)
	var of Preview
	for _, c := range clients {
		if slices.Contains(c.Populations, population) {
			of.add(c)
		}
	}
	return PasswordsPreview{AffectedPasswords: affected, JWTFor: of.JWTFor}, err
}

// SavePasswordRules puts rules of passwords in force, as save says. OnNextLogin and
// Immediately ask people whose password does not meet the rules for another one when they
// sign in next. OnlyNew does not. Sign-ins that are under way are asked for their password
// again, so that none is judged by the old rules.
func (m *Manager) SavePasswordRules(ctx context.Context, a authz.Actor, c Change[idp.PasswordRules]) (PopulationEntry, error) {
	return setting[idp.PasswordRules]{
		op: "SavePasswordRules", kind: idp.AuditPasswordRules, fields: PasswordFields(), applies: []Apply{Immediately, OnNextLogin, OnlyNew},
		of:   func(p idp.Population) idp.PasswordRules { return p.Passwords },
		onto: func(p *idp.Population, c Change[idp.PasswordRules]) { *p = withRules(*p, c) },
		check: func(_ *Manager, _ idp.Population, c *Change[idp.PasswordRules]) settings.Errors {
			return PasswordFields().Check(&c.To)
		},
		write: func(ctx context.Context, m *Manager, w written) error {
			return m.Store.SavePasswordRules(ctx, w.version, *w.after, w.least)
		},
	}.save(ctx, m, a, c)
}

// withRules is a population after a change of its rules.
func withRules(p idp.Population, c Change[idp.PasswordRules]) idp.Population {
	atSignIn := c.To
	if c.Apply == OnlyNew {
		// What was asked before is asked no more where it is not asked of new ones.
		atSignIn = password.Laxer(p.PasswordsAtSignIn, c.To)
	}
	if c.To.ExpiryDays != p.Passwords.ExpiryDays {
		p.ExpirySince = idp.Now()
	}
	p.Passwords, p.PasswordsAtSignIn = c.To, atSignIn
	return p
}
