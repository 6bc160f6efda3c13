package apps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

// ClientEntry is a client as it is managed.
type ClientEntry struct {
	// Client comes without the hashes of its secrets.
	idp.Client
	// Version is what a change is compared with.
	Version int64
	// Secrets is how many it has, the oldest first in RemoveClientSecret.
	Secrets int
	// SecretTimes are about its secrets, the oldest first.
	SecretTimes []SecretTimes
	// Override is its own MFA policy; empty without the permission to change
	// authentication.
	Override idp.Override
	// Given are as in Change.
	Given []string
}

// SecretTimes are those of a secret; zero: not known, never.
type SecretTimes struct{ CreatedAt, UsedAt, EndsAt time.Time }

// Ended tells whether the secret works no longer.
func (s SecretTimes) Ended(now time.Time) bool { return !s.EndsAt.IsZero() && !now.Before(s.EndsAt) }

func clientEntry(a authz.Actor, v store.VersionedClient) ClientEntry {
	e := ClientEntry{Client: v.Client, Version: v.Version, Secrets: len(v.Client.SecretHashes), Override: v.Override}
	for i := range e.SecretHashes {
		f := e.SecretFact(i)
		e.SecretTimes = append(e.SecretTimes, SecretTimes{f.CreatedAt, f.UsedAt, e.SecretEnds(i)})
	}
	e.SecretHashes, e.SecretFacts = nil, nil
	if !a.Can(idp.PermissionAuthentication) {
		e.Override = idp.Override{}
	}
	return e
}

// Clients reads a page of clients, in the order of their ids, and where the next
// begins, empty at the end. limit is 1 to 200; zero is 50.
func (m *Manager) Clients(ctx context.Context, a authz.Actor, after entry.Cursor, limit int) ([]ClientEntry, entry.Cursor, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Clients"}); err != nil {
		return nil, "", err
	}
	at, err := after.Position("clients")
	if err != nil {
		return nil, "", err
	}
	if limit, err = entry.PageSize(limit); err != nil {
		return nil, "", err
	}
	rows, err := m.Store.VersionedClients(ctx, at.ID, limit+1)
	if err != nil {
		return nil, "", err
	}
	rows, next := entry.Page(rows, limit, func(v store.VersionedClient) entry.Position { return entry.Position{List: "clients", ID: v.Client.ID} })
	list := make([]ClientEntry, len(rows))
	for i, r := range rows {
		list[i] = clientEntry(a, r)
	}
	return list, next, nil
}

// Client reads one client as it stands now.
func (m *Manager) Client(ctx context.Context, a authz.Actor, id string) (ClientEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Client"}); err != nil {
		return ClientEntry{}, err
	}
	v, err := m.Store.VersionedClient(ctx, id)
	return clientEntry(a, v), err
}

// AddClient adds a client as CreateClient does, under the id that it has, else one of
// ours, and, unless it is public, with a secret of ours that is shown once. Roles need what
// SetRoles needs but a reason. idp.ErrConflict: the id is taken. A secret that was chosen
// is taken in place of one of ours, and not returned.
func (m *Manager) AddClient(ctx context.Context, a authz.Actor, c idp.Client, chosen ...string) (entry ClientEntry, secret string, err error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "AddClient"}); err != nil {
		return ClientEntry{}, "", err
	}
	c.SecretHashes, c.SecretFacts, c.CreatedAt = nil, nil, idp.Now()
	if err := m.choose(ctx, &c, strings.Join(chosen, "")); err != nil {
		return ClientEntry{}, "", err
	}
	if err := m.authorizeRoles(ctx, a, nil, c.Roles); err != nil {
		return ClientEntry{}, "", err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "AddClient", Holds: authz.ActsAs(c)}); err != nil {
		return ClientEntry{}, "", err
	}
	if len(c.Resources) > 0 { // as changing them does
		if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "AddClient", Fresh: true}); err != nil {
			return ClientEntry{}, "", err
		}
	}
	if err := m.readSector(ctx, idp.Client{}, c); err != nil {
		return ClientEntry{}, "", err
	}
	c, secret, err = m.createClient(ctx, a.Audit(idp.AuditClientCreated, "", nil), c)
	if err != nil {
		return ClientEntry{}, "", err
	}
	v, err := m.Store.VersionedClient(ctx, c.ID)
	return clientEntry(a, v), secret, err
}

// authorizeRoles checks that the actor may change a client's roles.
func (m *Manager) authorizeRoles(ctx context.Context, a authz.Actor, before, after []string) error {
	slices.Sort(before)
	slices.Sort(after)
	if slices.Equal(before, after) {
		return nil
	}
	roles, err := m.Authz.RolesByID(ctx, slices.Concat(before, after))
	if err != nil {
		return err
	}
	return m.Authz.Authorize(ctx, a, authz.Request{Op: "SetRoles", Holds: authz.PermissionsIn(roles), Part: true})
}

// app reads a client that is about to change: the actor must hold what it may do by
// itself, and as the people who sign in to it. The console's own cannot be changed.
func (m *Manager) app(ctx context.Context, a authz.Actor, r authz.Request, id string) (store.VersionedClient, error) {
	v, err := m.Store.VersionedClient(ctx, id)
	if err != nil {
		return v, err
	}
	roles, err := m.Store.RolesByID(ctx, v.Client.Roles...)
	if err != nil {
		return v, err
	}
	r.Holds = append(authz.PermissionsIn(roles), authz.ActsAs(v.Client)...)
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return v, err
	}
	if idp.OwnClient(id) {
		return v, m.Authz.Forbid(ctx, a, r, "an app of our own pages cannot be changed")
	}
	return v, nil
}

// UpdateClient changes a client; its id, kind, secrets and override stay. A
// settings.Errors say what cannot be saved; idp.ErrConflict that it was changed since the
// actor saw it. Other replicas may go by the old one for store.ClientStaleness. Another
// set of roles needs what SetRoles needs.
func (m *Manager) UpdateClient(ctx context.Context, a authz.Actor, e ClientEntry) (ClientEntry, error) {
	before, err := m.app(ctx, a, authz.Request{Op: "UpdateClient"}, e.ID)
	if err != nil {
		return ClientEntry{}, err
	}
	after := e.Client
	settings.Client().Keep(before.Client, &after, e.Given)
	imply(&after)
	after.Kind, after.SecretHashes, after.SecretFacts, after.CreatedAt = before.Client.Kind, before.Client.SecretHashes, before.Client.SecretFacts, before.Client.CreatedAt
	tidied := after
	if before.Version != e.Version && (!a.Repeats || len(settings.Client().Check(&tidied)) > 0 || !settings.Client().Same(before.Client, tidied)) {
		return ClientEntry{}, fmt.Errorf("client: %w", idp.ErrConflict)
	}
	if err := m.authorizeRoles(ctx, a, slices.Clone(before.Client.Roles), slices.Clone(after.Roles)); err != nil {
		return ClientEntry{}, err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "UpdateClient", Holds: authz.ActsAs(after)}); err != nil {
		return ClientEntry{}, err
	}
	// Where people's codes go, and whose, is as sensitive as a secret.
	if settings.Client().Changed(before.Client, after) {
		if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "UpdateClient", Fresh: true}); err != nil {
			return ClientEntry{}, err
		}
	}
	if err := cmp.Or(m.checkClient(ctx, &after), m.staysThird(ctx, after)); err != nil {
		return ClientEntry{}, err
	}
	if err := m.readSector(ctx, before.Client, after); err != nil {
		return ClientEntry{}, err
	}
	if before.Client.Identifier != after.Identifier {
		if apps, err := m.naming(ctx, before.Client); err != nil || len(apps) > 0 {
			return ClientEntry{}, cmp.Or(err, entry.Invalid("identifier", "settings.api.in_use", strings.Join(apps, ", ")))
		}
	}
	if !after.AuthMethod.Secret() { // none that comes back with the method
		after.SecretHashes, after.SecretFacts = nil, nil
	}
	if settings.Client().Same(before.Client, after) {
		return clientEntry(a, before), nil
	}
	return m.saveApp(ctx, a, before, after, a.Audit(idp.AuditClientChanged, "", nil))
}

// staysThird refuses to trust an app that registered itself as one of our own.
func (m *Manager) staysThird(ctx context.Context, c idp.Client) error {
	if c.ThirdParty {
		return nil
	}
	_, err := m.Store.Registration(ctx, c.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return nil
	}
	return cmp.Or(err, entry.Invalid("third_party", "settings.registration.third_party"))
}

// saveApp writes a changed client with its audit event, which says what was before and
// after.
func (m *Manager) saveApp(ctx context.Context, a authz.Actor, before store.VersionedClient, after idp.Client, e idp.AuditEvent) (ClientEntry, error) {
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.SaveClient(ctx, before.Version, after); err != nil {
			return err
		}
		e.ClientID = after.ID
		maps.Copy(e.Detail, settings.Client().Diff(before.Client, after))
		authz.Differing(e.Detail, secretsOf(before.Client), secretsOf(after))
		return m.Store.Audit(ctx, e)
	})
	return clientEntry(a, store.VersionedClient{Client: after, Version: before.Version + 1, Override: before.Override}), err
}

// DeleteClient removes a client, whatever its version where that is 0, with everything that
// it holds of people: its tokens end. Sessions go on. idp.ErrConflict: the version is not
// that of now. A *NamedError: it is an API that apps name.
func (m *Manager) DeleteClient(ctx context.Context, a authz.Actor, id string, version int64, reason string) error {
	before, err := m.app(ctx, a, authz.Request{Op: "DeleteClient", Reason: reason}, id)
	if err != nil {
		return err
	}
	if apps, err := m.naming(ctx, before.Client); err != nil || len(apps) > 0 {
		return cmp.Or(err, error(&NamedError{apps}))
	}
	return m.removeApp(ctx, before.Client, version, a.Audit(idp.AuditClientDeleted, reason, nil))
}

// removeApp removes a client, whatever its version where that is 0, with an audit event.
func (m *Manager) removeApp(ctx context.Context, c idp.Client, version int64, e idp.AuditEvent) error {
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.CancelLane(ctx, c.ID, idp.Now()); err != nil {
			return err
		}
		if err := m.Store.DeleteClient(ctx, c.ID, version); err != nil {
			return err
		}
		e.ClientID, e.Detail["name"] = c.ID, c.Name
		return m.Store.Audit(ctx, e)
	})
}

// maxSecrets is how many a client has: the old one and its successor.
const maxSecrets = 2

// AddClientSecret gives a client another secret beside the one that it has, and
// returns it; it is shown once and not stored. idp.ErrTwoSecrets: it has two.
func (m *Manager) AddClientSecret(ctx context.Context, a authz.Actor, id string) (secret string, err error) {
	before, err := m.app(ctx, a, authz.Request{Op: "AddClientSecret"}, id)
	if err != nil {
		return "", err
	}
	after := before.Client
	switch {
	case !after.AuthMethod.Secret():
		return "", entry.Invalid("auth_method", "settings.client.no_secret", string(after.AuthMethod))
	case len(after.SecretHashes) >= maxSecrets:
		return "", idp.ErrTwoSecrets
	}
	secret = idp.NewSecret()
	after = after.WithSecret(idp.HashSecret(secret), idp.Now())
	if _, err := m.saveApp(ctx, a, before, after, a.Audit(idp.AuditSecretAdded, "", nil)); err != nil {
		return "", err
	}
	return secret, nil
}

// RemoveClientSecret takes a secret from a client by its place, 0 for the older
// one. The last one stays: settings.Errors "index".
func (m *Manager) RemoveClientSecret(ctx context.Context, a authz.Actor, id string, index int) error {
	before, err := m.app(ctx, a, authz.Request{Op: "RemoveClientSecret"}, id)
	if err != nil {
		return err
	}
	after := before.Client
	switch {
	case index < 0 || index >= len(after.SecretHashes):
		return entry.Invalid("index", "settings.client.secret_gone")
	case len(after.SecretHashes) == 1:
		return entry.Invalid("index", "settings.client.last_secret")
	}
	after.SecretHashes = slices.Delete(slices.Clone(after.SecretHashes), index, index+1)
	after.SecretFacts = slices.Delete(slices.Clone(after.SecretFacts), index, index+1)
	_, err = m.saveApp(ctx, a, before, after, a.Audit(idp.AuditSecretRemoved, "", nil))
	return err
}
