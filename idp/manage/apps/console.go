package apps

import (
	"context"
	"errors"
	"strings"

	"gatehouse/idp"
)

// EnsureConsole makes the client by which the console asks for sign-ins, or brings
// it up to date: everybody may hold roles, so it takes all populations. A second
// step is always required there.
func (m *Manager) EnsureConsole(ctx context.Context, callback string) error {
	client, err := m.ownClient(ctx, idp.ConsoleClient, callback)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		now, err := m.Store.Override(ctx, client.ID)
		if errors.Is(err, idp.ErrNotFound) {
			return m.makeConsole(ctx, client)
		}
		if err != nil || now.Mode == idp.OverrideRequired {
			return errors.Join(err, m.Store.MoveClient(ctx, client))
		}
		return m.requireSecondStep(ctx, now)
	})
}

// EnsureAccount makes the client of the pages where people look after their account,
// or brings it up to date. What a sign-in there takes is the population's to say.
func (m *Manager) EnsureAccount(ctx context.Context, callback string) error {
	client, err := m.ownClient(ctx, idp.AccountClient, callback)
	if err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if _, err := m.Store.Client(ctx, client.ID); errors.Is(err, idp.ErrNotFound) {
			return m.Store.CreateClient(ctx, client)
		}
		return m.Store.MoveClient(ctx, client)
	})
}

// ownClient is the client of our own pages as it should be now.
func (m *Manager) ownClient(ctx context.Context, id, callback string) (idp.Client, error) {
	populations, err := m.Store.Populations(ctx)
	client := withDefaults(idp.Client{
		ID: id, Name: "Gatehouse", Kind: idp.SPAClient, RedirectURIs: []string{callback},
		HomeURL: strings.TrimSuffix(callback, "/callback"), GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid"},
	})
	// Agents first: they are who mostly holds roles.
	client.Populations = []string{idp.Agents}
	for _, p := range populations {
		if p.ID != idp.Agents {
			client.Populations = append(client.Populations, p.ID)
		}
	}
	return client, err
}

// OpenOwnPages lets the people of a population that is new in the transaction of ctx
// sign in to our own pages: to their account, and to the console should they hold
// roles.
func (m *Manager) OpenOwnPages(ctx context.Context) error {
	for _, id := range []string{idp.ConsoleClient, idp.AccountClient} {
		client, err := m.Store.Client(ctx, id)
		if errors.Is(err, idp.ErrNotFound) {
			continue // a manager without a provider around it
		}
		if err != nil {
			return err
		}
		// The list of the client may be a second old: another population may have come.
		if client, err = m.ownClient(ctx, id, client.RedirectURIs[0]); err != nil {
			return err
		}
		if err := m.Store.MoveClient(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manager) makeConsole(ctx context.Context, client idp.Client) error {
	if err := m.Store.CreateClient(ctx, client); err != nil {
		return err
	}
	return m.requireSecondStep(ctx, idp.Override{})
}

// requireSecondStep puts the console's own override in force.
func (m *Manager) requireSecondStep(ctx context.Context, before idp.Override) error {
	version, err := m.Store.NextPolicyVersion(ctx)
	if err != nil {
		return err
	}
	return m.Store.SaveOverride(ctx, idp.ConsoleClient, before.Version, idp.Override{
		Version: version, MinVersion: before.MinVersion, Mode: idp.OverrideRequired,
	}, idp.Now())
}
