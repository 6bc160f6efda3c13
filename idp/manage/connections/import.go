package connections

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/manage/people"
)

// ImportedUser is a person from another system, with what it kept of them.
type ImportedUser struct {
	Population, Email, Name, Locale string
	idp.Profile
	EmailVerified, Disabled bool
	Roles                   []string
	// PasswordHash is as password.Foreign returns it, empty for none. The password
	// stays the person's, and is hashed anew at their first sign-in with it.
	PasswordHash string
	// PasswordChangedAt is when the password was set, zero where that is unknown.
	PasswordChangedAt time.Time
	// TOTPKey is their authenticator's, as mfa.ReadTOTPKey returns it, empty for none.
	TOTPKey []byte
	// TenantID and ObjectID name them at Microsoft Entra, both or none.
	TenantID, ObjectID string
}

// ImportUser adds a person from another system. settings.Errors say what cannot be saved;
// idp.ErrConflict that the population has that address: that person stays as they are.
// Nothing is written before all of it is checked, so that others can follow in the same
// transaction. It sends no mail.
func (m *Manager) ImportUser(ctx context.Context, a authz.Actor, n ImportedUser, reason string) (idp.User, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "ImportUser", Reason: reason}); err != nil {
		return idp.User{}, err
	}
	given, err := m.Authz.RolesByID(ctx, n.Roles)
	if err != nil {
		return idp.User{}, err
	}
	if permissions := authz.PermissionsIn(given); len(permissions) > 0 {
		if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "SetRoles", Holds: permissions, Part: true}); err != nil {
			return idp.User{}, err
		}
	}
	population, err := m.Store.Population(ctx, n.Population)
	if errors.Is(err, idp.ErrNotFound) {
		return idp.User{}, entry.Invalid("population", "settings.no_population", n.Population)
	}
	if err != nil {
		return idp.User{}, err
	}
	u := n.user(idp.Now())
	if n.PasswordHash != "" || len(n.TOTPKey) > 0 || n.ObjectID != "" {
		u.UnprovedAt = a.MadeFor(idp.User{}, u.CreatedAt)
	}
	if err := m.checkImport(ctx, u, n); err != nil {
		return u, err
	}
	identities, err := m.importedIdentities(ctx, a, u, n)
	if err != nil {
		return u, err
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.CreateUser(ctx, u); err != nil {
			return err
		}
		if err := m.People.GiveRoles(ctx, u.ID, n.Roles); err != nil {
			return err
		}
		if err := m.importFactor(ctx, u, population, n.TOTPKey); err != nil {
			return err
		}
		for _, i := range identities {
			if err := m.Store.CreateIdentity(ctx, i); err != nil {
				return err
			}
		}
		e := a.Audit(idp.AuditUserCreated, reason, map[string]string{"imported": "yes"})
		e.UserID, e.PopulationID = u.ID, u.PopulationID
		return m.Store.Audit(ctx, e)
	})
	u.PasswordHash = ""
	return u, err
}

func (n ImportedUser) user(now time.Time) idp.User {
	u := idp.User{
		ID: idp.NewID(), PopulationID: n.Population, Email: entry.KeptEmail(n.Email), Name: strings.TrimSpace(n.Name),
		Locale: n.Locale, EmailVerified: n.EmailVerified, Disabled: n.Disabled, CreatedAt: now, UpdatedAt: now,
		Profile: n.Profile,
	}
	if n.PasswordHash != "" {
		u.PasswordHash, u.PasswordChangedAt = n.PasswordHash, n.PasswordChangedAt
	}
	return u
}

// checkImport finds what is wrong before anything is written.
func (m *Manager) checkImport(ctx context.Context, u idp.User, n ImportedUser) error {
	if err := people.CheckUser(u); err != nil {
		return err
	}
	if n.PasswordChangedAt.After(u.CreatedAt) {
		return entry.Invalid("password_changed_at", "settings.user.future")
	}
	_, err := m.Store.UserByEmail(ctx, u.PopulationID, u.Email)
	if err == nil {
		return fmt.Errorf("user: %w", idp.ErrConflict)
	}
	if !errors.Is(err, idp.ErrNotFound) {
		return err
	}
	return nil
}

// importFactor keeps a person's authenticator. They see their recovery codes at the first
// sign-in with it.
func (m *Manager) importFactor(ctx context.Context, u idp.User, p idp.Population, key []byte) error {
	if len(key) == 0 {
		return nil
	}
	_, err := m.Factors.KeepFactor(ctx, u.ID, factors.NewFactor{
		ID: idp.NewID(), Method: idp.MethodTOTP, Name: p.FactorLabel(), Secret: key, At: u.CreatedAt,
	})
	return err
}

// importedIdentities are a person's identities at Microsoft Entra, one for every
// connection of their population that takes people of that tenant. It writes nothing: what
// cannot be is found before anything of a batch is written.
func (m *Manager) importedIdentities(ctx context.Context, a authz.Actor, u idp.User, n ImportedUser) ([]idp.Identity, error) {
	if n.ObjectID == "" {
		return nil, nil
	}
	connections, err := m.Store.Connections(ctx, u.PopulationID)
	if err != nil {
		return nil, err
	}
	var list []idp.Identity
	for _, c := range connections {
		if c.Kind != idp.EntraConnection || !c.AllowsTenant(strings.ToLower(n.TenantID)) {
			continue
		}
		if err := m.authorizeLinking(ctx, a, "ImportUser", nil, c); err != nil {
			return nil, err
		}
		subject, err := NewIdentity{TenantID: n.TenantID, ObjectID: n.ObjectID}.subject(c)
		if err != nil {
			return nil, err
		}
		switch _, err := m.Store.Identity(ctx, c.ID, subject); {
		case err == nil:
			return nil, entry.Invalid("entra_oid", "settings.user.entra_taken")
		case !errors.Is(err, idp.ErrNotFound):
			return nil, err
		}
		list = append(list, idp.Identity{ConnectionID: c.ID, Subject: subject, UserID: u.ID, CreatedAt: u.CreatedAt, Unproved: !u.UnprovedAt.IsZero()})
	}
	if len(list) == 0 {
		return nil, entry.Invalid("entra_tid", "settings.user.entra_tenant")
	}
	return list, nil
}
