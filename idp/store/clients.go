package store

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"gatehouse/idp"
)

type clientRow struct {
	ID                     string `gorm:"primaryKey"`
	Name                   string
	Kind                   string
	AuthMethod             string
	SecretHashes           string
	RedirectURIs           string `gorm:"column:redirect_uris"`
	PostLogoutRedirectURIs string `gorm:"column:post_logout_redirect_uris"`
	HomeURL                string
	GrantTypes             string
	Scopes                 string
	Populations            string
	TokenFormat            string
	SigningAlg             string
	AccessTTL              int64 `gorm:"column:access_ttl"`
	RefreshTTL             int64 `gorm:"column:refresh_ttl"`
	PKCEOptional           bool  `gorm:"column:pkce_optional"`
	BackchannelLogoutURI   string
	OverrideVersion        int64
	OverrideMinVersion     int64
	CreatedAt              time.Time
	Version                int64
	Taken                  taken `gorm:"serializer:json"`
	Settings               string
	Identifier             string
	SecretFacts            string
}

func (clientRow) TableName() string { return "clients" }

func (r clientRow) client() (idp.Client, error) {
	hashes, errHashes := decodeHashes(r.SecretHashes)
	redirects, errRedirects := fromJSONList(r.RedirectURIs)
	postLogout, errPost := fromJSONList(r.PostLogoutRedirectURIs)
	c := idp.Client{
		ID: r.ID, Name: r.Name, Kind: idp.ClientKind(r.Kind), AuthMethod: idp.AuthMethod(r.AuthMethod),
		SecretHashes: hashes, RedirectURIs: redirects, PostLogoutRedirectURIs: postLogout, HomeURL: r.HomeURL,
		GrantTypes: fromWords(r.GrantTypes), Scopes: fromWords(r.Scopes), Populations: fromWords(r.Populations),
		TokenFormat: idp.TokenFormat(r.TokenFormat), SigningAlg: idp.Algorithm(r.SigningAlg),
		AccessTTL: duration(r.AccessTTL), RefreshTTL: duration(r.RefreshTTL), RequirePKCE: r.requiresPKCE(),
		BackchannelLogoutURI: r.BackchannelLogoutURI, Identifier: r.Identifier,
		CreatedAt: r.CreatedAt.UTC(),
	}
	var errFacts error
	c.SecretFacts, errFacts = decodeSecretFacts(r.SecretFacts, hashes)
	return c, errors.Join(errHashes, errFacts, errRedirects, errPost, clientFields.FromColumn(r.Settings, &c))
}

// requiresPKCE reads a column that says the opposite, and of web apps alone: older programs
// refuse it of the others.
func (r clientRow) requiresPKCE() bool {
	return idp.ClientKind(r.Kind).SignsIn() && !r.PKCEOptional
}

// CreateClient adds a client that inherits its populations' policies.
// idp.ErrConflict: its id is taken. idp.ErrNotFound: there is no such role.
func (s *Store) CreateClient(ctx context.Context, c idp.Client) error {
	row := newClientRow(c)
	var err error
	if row.Settings, err = clientFields.ToColumn("", c); err != nil {
		return err
	}
	return s.Do(ctx, func(ctx context.Context) error {
		if err := s.writer(ctx).Create(&row).Error; err != nil {
			return written(err, "client")
		}
		if err := s.insertClientRoles(ctx, c); err != nil {
			return err
		}
		return s.insertOverride(ctx, c.ID, idp.Override{Mode: idp.OverrideInherit}, c.CreatedAt)
	})
}

func newClientRow(c idp.Client) clientRow {
	return clientRow{
		ID: c.ID, Name: c.Name, Kind: string(c.Kind), AuthMethod: string(c.AuthMethod),
		SecretHashes: encodeHashes(c.SecretHashes), RedirectURIs: jsonList(c.RedirectURIs),
		PostLogoutRedirectURIs: jsonList(c.PostLogoutRedirectURIs), HomeURL: c.HomeURL,
		GrantTypes: words(c.GrantTypes), Scopes: words(c.Scopes), Populations: words(c.Populations),
		TokenFormat: string(c.TokenFormat), SigningAlg: string(c.SigningAlg),
		AccessTTL: seconds(c.AccessTTL), RefreshTTL: seconds(c.RefreshTTL), PKCEOptional: c.Kind == idp.WebClient && !c.RequirePKCE,
		BackchannelLogoutURI: c.BackchannelLogoutURI, Identifier: c.Identifier, CreatedAt: c.CreatedAt, Version: 1, Taken: taken{}, SecretFacts: encodeSecretFacts(c),
	}
}

// Client reads one client, at most ClientStaleness old.
func (s *Store) Client(ctx context.Context, id string) (idp.Client, error) {
	if c, ok := s.clients.get(id); ok {
		return c, nil
	}
	read := idp.Now()
	c, err := s.readClient(ctx, id)
	if err == nil {
		s.clients.put(id, c, read)
	}
	return c, err
}

// API reads the client that is an API by its identifier, at most ClientStaleness old.
// idp.ErrNotFound: there is none.
func (s *Store) API(ctx context.Context, identifier string) (idp.Client, error) {
	if c, ok := s.apis.get(identifier); ok {
		return c, nil
	}
	read := idp.Now()
	var row clientRow
	err := s.reader(ctx).Where("identifier = ? AND kind = ?", identifier, string(idp.APIClient)).Take(&row).Error
	if err != nil {
		return idp.Client{}, found(err, "API")
	}
	c, err := row.client()
	if err == nil {
		s.apis.put(identifier, c, read)
	}
	return c, err
}

// ClientNow reads one client as it is now.
func (s *Store) ClientNow(ctx context.Context, id string) (idp.Client, error) {
	return s.readClient(ctx, id)
}

// Clients reads all clients, in the order of their ids.
func (s *Store) Clients(ctx context.Context) ([]idp.Client, error) {
	var rows []clientRow
	if err := s.reader(ctx).Order("id").Find(&rows).Error; err != nil {
		return nil, found(err, "clients")
	}
	list := make([]idp.Client, len(rows))
	for i, r := range rows {
		var err error
		if list[i], err = r.client(); err != nil {
			return nil, err
		}
	}
	pointers := make([]*idp.Client, len(list))
	for i := range list {
		pointers[i] = &list[i]
	}
	return list, s.addRoles(ctx, pointers...)
}

// RedirectURIs reads the redirect URIs of all clients of a kind.
func (s *Store) RedirectURIs(ctx context.Context, kind idp.ClientKind) ([]string, error) {
	var lists []string
	err := s.reader(ctx).Model(&clientRow{}).Where("kind = ?", string(kind)).Pluck("redirect_uris", &lists).Error
	if err != nil {
		return nil, found(err, "redirect URIs")
	}
	var all []string
	for _, list := range lists {
		uris, err := fromJSONList(list)
		if err != nil {
			return nil, err
		}
		all = append(all, uris...)
	}
	return all, nil
}

// ClientStaleness is how long a change of a client may go unnoticed.
const ClientStaleness = time.Second

const clientCacheSize = 1024

// clientCache keeps clients that were just read. Only rows that exist get in,
// so that invented ids cannot fill it.
type clientCache struct {
	mu    sync.RWMutex
	byKey map[string]cachedClient
}

type cachedClient struct {
	client idp.Client
	read   time.Time
}

func newClientCache() *clientCache { return &clientCache{byKey: map[string]cachedClient{}} }

func (c *clientCache) get(id string) (idp.Client, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.byKey[id]
	return e.client, ok && idp.Now().Sub(e.read) < ClientStaleness
}

// forgetClient forgets a client that was changed here; other processes go by its age.
func (s *Store) forgetClient(id string) {
	s.clients.drop(id)
	s.apis.drop(id)
}

func (c *clientCache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.byKey, func(_ string, e cachedClient) bool { return e.client.ID == id })
}

func (c *clientCache) put(key string, client idp.Client, read time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byKey) >= clientCacheSize {
		clear(c.byKey)
	}
	c.byKey[key] = cachedClient{client, read}
}
