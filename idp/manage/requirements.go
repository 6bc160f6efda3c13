package manage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/password"
	"gatehouse/idp/store"
)

// PasswordRulesChange is what passwords of a population must be from now on. Version is
// the population's that the admin saw.
type PasswordRulesChange struct {
	Population string
	Version    int64
	Rules      idp.PasswordRules
	// Apply says for whom: OnNextLogin and Immediately ask people whose password does
	// not meet the rules for another one when they sign in next, OnlyNew asks nobody.
	Apply  Apply
	Reason string
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
func (m *Manager) Requirements(ctx context.Context, a Actor, population string) (PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "Requirements"}); err != nil {
		return PopulationEntry{}, err
	}
	return m.population(ctx, a, population)
}

// PreviewPasswordRules counts whom rules of passwords would concern. It changes
// nothing, and needs the permission of the change.
func (m *Manager) PreviewPasswordRules(ctx context.Context, a Actor, population string, r idp.PasswordRules) (PasswordsPreview, error) {
	if err := m.allow(ctx, a, request{op: "PreviewPasswordRules"}); err != nil {
		return PasswordsPreview{}, err
	}
	if err := CheckPasswordRules(r); err != nil {
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

// CheckPasswordRules refuses rules that nobody could meet, or that would weaken what is
// always asked, with a *FieldError.
func CheckPasswordRules(r idp.PasswordRules) error {
	switch {
	case r.MinLength < password.LeastMinLength:
		return invalid("min_length", "at least %d: shorter passwords are guessed", password.LeastMinLength)
	case r.MinLength > password.MostMinLength:
		return invalid("min_length", "at most %d: nobody could choose a password of their own", password.MostMinLength)
	case r.ExpiryDays < 0 || r.ExpiryDays > password.MostExpiryDays:
		return invalid("expiry_days", "0, for passwords that do not expire, to %d", password.MostExpiryDays)
	case r.NoReuse < 0 || r.NoReuse > password.MostNoReuse:
		return invalid("no_reuse", "0, for passwords that may be used again, to %d", password.MostNoReuse)
	}
	return nil
}

// SavePasswordRules puts rules of passwords in force. A *FieldError says what cannot be
// saved, idp.ErrConflict that somebody else has changed the population since the actor
// saw it. "Immediately" is one write, as in SavePolicy; sign-ins that are under way are
// asked for their password again, so that none is judged by rules of before.
func (m *Manager) SavePasswordRules(ctx context.Context, a Actor, c PasswordRulesChange) (PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "SavePasswordRules", reason: c.Reason}); err != nil {
		return PopulationEntry{}, err
	}
	if err := CheckPasswordRules(c.Rules); err != nil {
		return PopulationEntry{}, err
	}
	if !slices.Contains([]Apply{Immediately, OnNextLogin, OnlyNew}, c.Apply) {
		return PopulationEntry{}, invalid("apply", "say when it applies: %s, %s or %s", Immediately, OnNextLogin, OnlyNew)
	}
	var after PopulationEntry
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		before, err := m.population(ctx, a, c.Population)
		if err != nil {
			return err
		}
		after = PopulationEntry{Population: withRules(before.Population, c), Version: c.Version + 1}
		if before.unchanged(c.Version, after.Population) {
			after = before
			return nil
		}
		version, err := m.Store.NextPolicyVersion(ctx)
		if err != nil {
			return err
		}
		least := int64(0)
		if c.Apply == Immediately {
			least, after.MinVersion = version, version
		}
		if err := m.Store.SavePasswordRules(ctx, c.Version, after.Population, least); err != nil {
			return err
		}
		e := a.audit(idp.AuditPasswordRules, c.Reason, map[string]string{
			"from": describeRules(before.Passwords), "to": describeRules(c.Rules), "apply": string(c.Apply),
		})
		e.PopulationID = c.Population
		m.Store.AfterCommit(ctx, m.reapSoon(c.Apply))
		return m.Store.Audit(ctx, e)
	})
	return after, err
}

// withRules is a population after a change of its rules.
func withRules(p idp.Population, c PasswordRulesChange) idp.Population {
	atSignIn := c.Rules
	if c.Apply == OnlyNew {
		// What was asked before is asked no more where it is not asked of new ones.
		atSignIn = password.Laxer(p.PasswordsAtSignIn, c.Rules)
	}
	if c.Rules.ExpiryDays != p.Passwords.ExpiryDays {
		p.ExpirySince = idp.Now()
	}
	p.Passwords, p.PasswordsAtSignIn = c.Rules, atSignIn
	return p
}

func describeRules(r idp.PasswordRules) string {
	parts := []string{fmt.Sprintf("at least %d characters", r.MinLength)}
	for _, kind := range []struct {
		on   bool
		text string
	}{{r.Upper, "upper case"}, {r.Lower, "lower case"}, {r.Digit, "digit"}, {r.Special, "special character"}} {
		if kind.on {
			parts = append(parts, kind.text)
		}
	}
	if r.ExpiryDays > 0 {
		parts = append(parts, fmt.Sprintf("expiry after %d days", r.ExpiryDays))
	}
	if r.NoReuse > 0 {
		parts = append(parts, fmt.Sprintf("none of the last %d", r.NoReuse))
	}
	return strings.Join(parts, ", ")
}
