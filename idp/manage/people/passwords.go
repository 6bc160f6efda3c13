package people

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/password"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// aloneMinLength is the shortest password that lets people in alone (NIST SP
// 800-63B-4 section 3.1.1.2).
const aloneMinLength = 15

// NewPasswordRules are what a new password of a person must meet: what their population
// asks for, and at least 15 characters where an app lets them in by the password alone.
func (m *Manager) NewPasswordRules(ctx context.Context, p idp.Population, u idp.User) (password.Rules, error) {
	rules := p.Passwords
	asked, err := m.Authz.AskedEverywhere(ctx, p)
	if !asked {
		rules.MinLength = max(rules.MinLength, aloneMinLength)
	}
	return password.Rules{PasswordRules: rules, Personal: personal(p, u)}, err
}

// personal are the words that a password must not consist of.
func personal(p idp.Population, u idp.User) []string {
	return []string{u.Email, u.Name, p.Name, "Gatehouse"}
}

// JudgeSignIn lists what is wrong about the password with which a person signs in, by
// the rules that count for passwords in use, and whether it has expired. Where no rule
// was ever applied to those, nothing is. People who sign in elsewhere type none.
func JudgeSignIn(p idp.Population, u idp.User, plain string) []password.Reason {
	var reasons []password.Reason
	if rules := p.PasswordsAtSignIn; rules != (idp.PasswordRules{}) {
		reasons = password.Judge(plain, password.Rules{PasswordRules: rules, Personal: personal(p, u)})
	}
	rules, set := p.PasswordsAtSignIn, u.PasswordSince()
	if !set.Before(p.ExpirySince) {
		rules = p.Passwords
	}
	if at := password.Expires(rules, set); !at.IsZero() && !idp.Now().Before(at) {
		reasons = append(reasons, password.Reason{Kind: password.Expired, Number: rules.ExpiryDays})
	}
	return reasons
}

// PasswordRuleList lists the rules for a new password, for a page that asks for one. The
// rules that the posted password breaks are marked. Replaced: it must not be the one that
// the person has.
func PasswordRuleList(r password.Rules, replaced bool, broken []password.Reason) []ui.PasswordRule {
	var list []ui.PasswordRule
	add := func(on bool, kind password.Kind, numbers ...any) {
		isBroken := slices.ContainsFunc(broken, func(b password.Reason) bool { return b.Kind == kind })
		if on || isBroken {
			list = append(list, ui.PasswordRule{
				Kind: string(kind), Text: ui.Message{Key: ui.Key("password_rule." + string(kind)), Args: numbers},
				Broken: isBroken, Later: kind == password.Reused || kind == password.Same,
			})
		}
	}
	add(true, password.TooShort, r.MinLength)
	add(false, password.TooLong, password.MaxBytes)
	add(r.Upper, password.NoUpper)
	add(r.Lower, password.NoLower)
	add(r.Digit, password.NoDigit)
	add(r.Special, password.NoSpecial)
	add(true, password.Common)
	add(true, password.Personal)
	add(r.NoReuse > 0, password.Reused, r.NoReuse)
	add(replaced && r.NoReuse == 0, password.Same)
	return list
}

// BrokenRules are the names of the rules that a new password breaks, for the person who
// types it: those that do not take a look at their former passwords.
func BrokenRules(r password.Rules, plain string) []string {
	names := []string{}
	for _, reason := range password.Judge(plain, r) {
		names = append(names, string(reason.Kind))
	}
	return names
}

// Hash judges a new password of a person, who may not be stored yet, and hashes it; an
// empty one stays empty. settings.Errors for "password" lists everything that is wrong
// about it.
func (m *Manager) Hash(ctx context.Context, p idp.Population, u idp.User, plain string) (string, error) {
	if plain == "" {
		return "", nil
	}
	rules, err := m.NewPasswordRules(ctx, p, u)
	if err != nil {
		return "", err
	}
	reasons := password.Judge(plain, rules)
	if len(reasons) == 0 {
		if reasons, err = m.reused(ctx, p, u, plain); err != nil {
			return "", err
		}
	}
	if len(reasons) > 0 {
		return "", &PasswordError{reasons}
	}
	return m.Hasher.Hash(ctx, plain)
}

// PasswordError says which rules a new password breaks; PasswordRuleList marks them. For
// those who show texts it is settings.Errors at the field "password".
type PasswordError struct{ Reasons []password.Reason }

// Error implements error.
func (e *PasswordError) Error() string { return e.Unwrap().Error() }

// Unwrap is the error at its field.
func (e *PasswordError) Unwrap() error {
	broken := make(settings.Errors, len(e.Reasons))
	for i, r := range e.Reasons {
		broken[i] = settings.Error{Key: "settings.password." + string(r.Kind), Args: []any{r.Number}}
	}
	return settings.Invalid("password", "settings.user.weak_password", broken)
}

// reused tells whether a password is among the last of a person, as many as the
// population refuses: each takes as long as a sign-in.
func (m *Manager) reused(ctx context.Context, p idp.Population, u idp.User, plain string) ([]password.Reason, error) {
	most := p.Passwords.NoReuse
	if most == 0 || u.ID == "" {
		return nil, nil
	}
	hashes, err := m.Store.FormerPasswords(ctx, u.ID, most-1)
	if err != nil {
		return nil, err
	}
	for _, hash := range append([]string{u.PasswordHash}, hashes...) {
		if same, err := m.matches(ctx, hash, plain); same || err != nil {
			return []password.Reason{{Kind: password.Reused, Number: most}}, err
		}
	}
	return nil, nil
}

// matches compares a password with a stored hash, of which an unusable one matches
// nothing.
func (m *Manager) matches(ctx context.Context, hash, plain string) (bool, error) {
	if hash == "" {
		return false, nil
	}
	ok, _, err := m.Hasher.Verify(ctx, hash, plain)
	if errors.Is(err, password.ErrBadHash) {
		return false, nil
	}
	return ok, err
}

// HashReplacement judges and hashes the password by which a person replaces the one
// that they have, which it must not be. settings.Errors for "password" lists what is
// wrong about it.
func (m *Manager) HashReplacement(ctx context.Context, p idp.Population, u idp.User, plain string) (string, error) {
	if plain == "" {
		return "", entry.Invalid("password", "settings.user.need_password")
	}
	hash, err := m.Hash(ctx, p, u, plain)
	if err != nil {
		return "", err
	}
	same, err := m.matches(ctx, u.PasswordHash, plain)
	if err != nil {
		return "", err
	}
	if same {
		return "", &PasswordError{[]password.Reason{{Kind: password.Same}}}
	}
	return hash, nil
}

// Spared is what goes on when a person changes their own password: the session and the
// sign-in in which they do, empty for none.
type Spared struct{ Session, Flow string }

// ReplacePassword stores a hash of HashReplacement for a person who changes their own
// password. It ends their other sign-ins under way, what apps hold of them for longer
// than a session, and where the population wants that their other sessions; and it
// tells them by mail. The event says how it came about.
func (m *Manager) ReplacePassword(ctx context.Context, p idp.Population, u idp.User, hash string, spared Spared, e idp.AuditEvent) error {
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.SetPasswordHash(ctx, u.ID, hash, idp.Now()); err != nil {
			return fmt.Errorf("replace a password: %w", err)
		}
		e.Kind, e.ActorID, e.UserID, e.PopulationID = idp.AuditPasswordChanged, u.ID, u.ID, p.ID
		if err := m.Store.Audit(ctx, e); err != nil {
			return err
		}
		if err := m.endOthers(ctx, p, u, spared); err != nil {
			return err
		}
		// The person who asked for a change of address may have known the old password.
		if err := m.Store.DropLinks(ctx, idp.EmailLink, u.ID); err != nil {
			return err
		}
		return m.Outbox.Notify(ctx, u, p, ui.Mail{Kind: ui.MailPasswordChanged})
	})
}

// endOthers is what a change of the own password ends.
func (m *Manager) endOthers(ctx context.Context, p idp.Population, u idp.User, spared Spared) error {
	if err := m.Store.DropOtherFlows(ctx, u.ID, spared.Flow); err != nil {
		return err
	}
	if p.EndOthers {
		ended := authz.Actor{UserID: u.ID}.AuditSignOut(idp.AuditPasswordChanged)
		if _, err := m.Sessions.EndAllOf(ctx, ended, u.ID, spared.Session); err != nil {
			return err
		}
	}
	return m.Store.RevokeGrantsByPassword(ctx, u.ID, spared.Session, p.EndOthers, idp.Now())
}

// SetPassword gives a person a new password, ends their sessions and everything that
// apps hold of them, and tells them by mail. It needs the permission to manage users.
// settings.Errors say what is wrong with the password.
func (m *Manager) SetPassword(ctx context.Context, a authz.Actor, userID, plain, reason string) error {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "SetPassword", Target: &user, Reason: reason}); err != nil {
		return err
	}
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return err
	}
	if plain == "" {
		return entry.Invalid("password", "settings.user.need_password")
	}
	hash, err := m.Hash(password.ForKnown(ctx), population, user, plain)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		now := idp.Now()
		if err := m.Store.SetPasswordHash(ctx, userID, hash, now); err != nil {
			return fmt.Errorf("set a password: %w", err)
		}
		if err := m.passwordMade(ctx, a, user, now); err != nil {
			return err
		}
		// This one did not come by mail.
		if err := m.Store.ForgetPasswordByMail(ctx, userID, user.PasswordByMailAt); err != nil {
			return err
		}
		if err := m.Store.DropLinks(ctx, idp.ResetLink, userID); err != nil {
			return err
		}
		e := a.Audit(idp.AuditPasswordChanged, reason, nil)
		e.UserID, e.PopulationID = user.ID, user.PopulationID
		if err := m.Store.Audit(ctx, e); err != nil {
			return err
		}
		if err := m.SignOutEverywhere(ctx, user, a.AuditSignOut(idp.AuditPasswordChanged), ""); err != nil {
			return err
		}
		return m.Outbox.Notify(ctx, user, population, ui.Mail{Kind: ui.MailPasswordChanged, ByAdmin: true})
	})
}
