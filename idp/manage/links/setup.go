package links

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
)

// How long a link to set up the installation works: the one that the first start prints,
// and one that an admin asks for at the server.
const (
	FirstSetupLifetime = 24 * time.Hour
	SetupLifetime      = time.Hour
)

// ErrLink: the link was used, has expired, or never existed. The error does not say which.
var ErrLink = errors.New("the link does not work")

// HasAdmin tells whether there is an admin who can sign in.
func (m *Manager) HasAdmin(ctx context.Context) (bool, error) {
	return m.Store.HasHolder(ctx, idp.RoleAdmin)
}

// SetupLink makes the token of a link by which one admin can be created. Links of
// before stop working.
func (m *Manager) SetupLink(ctx context.Context, lifetime time.Duration) (token string, err error) {
	err = m.Store.Do(ctx, func(ctx context.Context) (err error) {
		if err := m.Authz.OneAtATime(ctx); err != nil { // of two at once, the later one works alone
			return err
		}
		if err := m.Store.DropLinks(ctx, idp.SetupLink, ""); err != nil {
			return err
		}
		token, err = m.makeSetupLink(ctx, lifetime)
		return err
	})
	return token, err
}

// FirstSetupLink is the link that each process prints as long as there is no admin. All of
// them work until one is used: of several that start at once, which printed last is
// unknown.
func (m *Manager) FirstSetupLink(ctx context.Context) (token string, err error) {
	return m.makeSetupLink(ctx, FirstSetupLifetime)
}

func (m *Manager) makeSetupLink(ctx context.Context, lifetime time.Duration) (token string, err error) {
	token = idp.NewSecret()
	now := idp.Now()
	return token, m.Store.Do(ctx, func(ctx context.Context) error {
		err := m.Store.CreateLink(ctx, idp.Link{
			ID: idp.NewID(), Kind: idp.SetupLink, Hash: idp.HashSecret(token), PopulationID: idp.Agents,
			CreatedAt: now, ExpiresAt: now.Add(lifetime),
		})
		if err != nil {
			return err
		}
		return m.Store.Audit(ctx, idp.AuditEvent{Kind: idp.AuditSetupOffered})
	})
}

// CheckSetup tells whether a token would work now: ErrLink. It uses nothing up.
func (m *Manager) CheckSetup(ctx context.Context, token string) error {
	_, err := m.setupLink(ctx, token)
	return err
}

func (m *Manager) setupLink(ctx context.Context, token string) (idp.Link, error) {
	link, err := m.Store.Link(ctx, idp.SetupLink, idp.HashSecret(token))
	if errors.Is(err, idp.ErrNotFound) || err == nil && !link.Works(idp.Now()) {
		return link, fmt.Errorf("%w: setup", ErrLink)
	}
	return link, err
}

// CreateAdmin makes an agent who holds the role Admin, with a token of SetupLink,
// which is used up by it, with all others of its kind, and by nothing else: a
// settings.Errors or idp.ErrConflict leaves it good.
func (m *Manager) CreateAdmin(ctx context.Context, token string, n people.NewUser) (idp.User, error) {
	link, err := m.setupLink(ctx, token)
	if err != nil {
		return idp.User{}, err
	}
	if n.Password == "" {
		return idp.User{}, entry.Invalid("password", "settings.user.need_password")
	}
	n.Population, n.Roles = link.PopulationID, []string{idp.RoleAdmin}
	var user idp.User
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		// Of two links used at once, each would still find the other one good.
		if err := m.Authz.OneAtATime(ctx); err != nil {
			return err
		}
		err := m.Store.UseLink(ctx, link, idp.Now())
		if errors.Is(err, idp.ErrUsed) {
			return fmt.Errorf("%w: setup", ErrLink)
		}
		if err != nil {
			return err
		}
		user, err = m.People.CreateUser(ctx, n)
		return err
	})
	return user, err
}
