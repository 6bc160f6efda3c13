package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gatehouse/idp"
)

// VersionedClient is a client as it stands, never from the cache, with the version
// that a change is compared with.
type VersionedClient struct {
	Client   idp.Client
	Version  int64
	Override idp.Override
}

type clientJoin struct {
	Client   clientRow   `gorm:"embedded;embeddedPrefix:c_"`
	Override overrideRow `gorm:"embedded;embeddedPrefix:o_"`
}

var selectClients = "SELECT " + columns(clientRow{}, "c") + ", " + columns(overrideRow{}, "o") +
	" FROM clients c JOIN overrides o ON o.client_id = c.id AND o.version = c.override_version"

// VersionedClients reads up to limit clients in the order of their ids, those after
// an id.
func (s *Store) VersionedClients(ctx context.Context, after string, limit int) ([]VersionedClient, error) {
	return s.versionedClients(ctx, " WHERE c.id > ? ORDER BY c.id LIMIT ?", after, limit)
}

// OverridesFor reads the overrides of the clients that take people of a population, but for
// those that are named.
func (s *Store) OverridesFor(ctx context.Context, population string, except ...string) ([]idp.Override, error) {
	rows, err := s.versionedClients(ctx, " ORDER BY c.id")
	var list []idp.Override
	for _, r := range rows {
		if r.Client.Takes(population) && !slices.Contains(except, r.Client.ID) {
			list = append(list, r.Override)
		}
	}
	return list, err
}

// VersionedClient reads one client.
func (s *Store) VersionedClient(ctx context.Context, id string) (VersionedClient, error) {
	list, err := s.versionedClients(ctx, " WHERE c.id = ?", id)
	if err != nil {
		return VersionedClient{}, err
	}
	if len(list) == 0 {
		return VersionedClient{}, fmt.Errorf("client: %w", idp.ErrNotFound)
	}
	return list[0], nil
}

func (s *Store) versionedClients(ctx context.Context, where string, args ...any) ([]VersionedClient, error) {
	var rows []clientJoin
	if err := s.reader(ctx).Raw(selectClients+where, args...).Scan(&rows).Error; err != nil {
		return nil, found(err, "clients")
	}
	list := make([]VersionedClient, len(rows))
	pointers := make([]*idp.Client, len(rows))
	for i, r := range rows {
		client, err := r.Client.client()
		if err != nil {
			return nil, err
		}
		list[i] = VersionedClient{client, r.Client.Version, r.Override.override(r.Client.OverrideMinVersion)}
		pointers[i] = &list[i].Client
	}
	return list, s.addRoles(ctx, pointers...)
}

// SaveClient writes a client but for its id, kind and override. What the change takes
// away is gone from its grants. idp.ErrConflict: the version is not that of now.
// idp.ErrNotFound: there is no such role.
func (s *Store) SaveClient(ctx context.Context, version int64, c idp.Client) error {
	row := newClientRow(c)
	return s.Do(ctx, func(ctx context.Context) error {
		lost, column, err := s.takeFromClient(ctx, version, c)
		if err != nil {
			return err
		}
		r := s.writer(ctx).Model(&clientRow{}).Where("id = ? AND version = ?", c.ID, version).
			UpdateColumns(map[string]any{
				"name": row.Name, "auth_method": row.AuthMethod, "secret_hashes": row.SecretHashes, "secret_facts": row.SecretFacts,
				"redirect_uris": row.RedirectURIs, "post_logout_redirect_uris": row.PostLogoutRedirectURIs,
				"home_url": row.HomeURL, "grant_types": row.GrantTypes, "scopes": row.Scopes,
				"populations": row.Populations, "token_format": row.TokenFormat, "signing_alg": row.SigningAlg,
				"access_ttl": row.AccessTTL, "refresh_ttl": row.RefreshTTL, "pkce_optional": row.PKCEOptional,
				"backchannel_logout_uri": row.BackchannelLogoutURI, "version": version + 1, "taken": lost,
				"settings": column, "identifier": row.Identifier,
			})
		if err := once(r, "client", idp.ErrConflict); err != nil {
			return err
		}
		if err := s.writer(ctx).Where("client_id = ?", c.ID).Delete(&clientRoleRow{}).Error; err != nil {
			return written(err, "roles of a client")
		}
		s.AfterCommit(ctx, func() { s.forgetClient(c.ID) })
		return s.insertClientRoles(ctx, c)
	})
}

// takeFromClient notes what a change takes from a client, and returns its settings column
// after the change.
func (s *Store) takeFromClient(ctx context.Context, version int64, after idp.Client) (taken, column string, err error) {
	var row clientRow
	if err := s.writer(ctx).Where("id = ? AND version = ?", after.ID, version).Take(&row).Error; err != nil {
		return "", "", changedSince(err, "client")
	}
	before, err := row.client()
	if err != nil {
		return "", "", err
	}
	after.Kind = before.Kind
	lost, err := s.take(ctx, row.Taken, idp.LostByClient(before, after))
	if err != nil {
		return "", "", err
	}
	text, err := json.Marshal(lost)
	if err != nil {
		return "", "", err
	}
	column, err = clientFields.ToColumn(row.Settings, after)
	return string(text), column, err
}

// DeleteClient removes a client with its grants and tokens, as remove says; the audit log
// stays.
func (s *Store) DeleteClient(ctx context.Context, id string, version int64) error {
	return s.Do(ctx, func(ctx context.Context) error {
		s.AfterCommit(ctx, func() { s.forgetClient(id) })
		return s.remove(ctx, &clientRow{}, "client", id, version)
	})
}

// remove deletes a row that has a version, whatever that is where version is 0.
// idp.ErrConflict: the version is not that of now.
func (s *Store) remove(ctx context.Context, row any, what, id string, version int64) error {
	if version == 0 {
		return once(s.writer(ctx).Where("id = ?", id).Delete(row), what, idp.ErrNotFound)
	}
	return once(s.writer(ctx).Where("id = ? AND version = ?", id, version).Delete(row), what, idp.ErrConflict)
}
