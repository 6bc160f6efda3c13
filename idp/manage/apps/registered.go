package apps

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

// Why an app that registers itself is refused, beside settings.Errors about what it asks for.
var (
	// ErrNoRegistration: the token is none of ours, has ended, or is of another app.
	ErrNoRegistration = errors.New("the registration's token is not valid")
	// ErrRegistrationFrozen: the initial access token of the app was withdrawn.
	ErrRegistrationFrozen = errors.New("the initial access token of the app was withdrawn")
)

// Metadata is what an app says of itself that registers itself (RFC 7591 section 2).
type Metadata = map[string]json.RawMessage

// Registered is an app that registered itself.
type Registered struct {
	idp.Client
	// Secret is one that was made just now, mostly empty.
	Secret string
	// AccessToken is the app's registration access token (RFC 7592 section 3).
	AccessToken string
}

// Register adds an app by an initial access token: a third party's in any case, and within the
// token's policy.
func (m *Manager) Register(ctx context.Context, bearer string, body Metadata) (r Registered, err error) {
	token, err := m.Store.InitialTokenByHash(ctx, idp.HashSecret(bearer))
	if errors.Is(err, idp.ErrNotFound) || err == nil && !token.Live(idp.Now()) {
		return r, fmt.Errorf("%w: %w", ErrNoRegistration, errors.Join(err, idp.ErrExpired))
	}
	if err != nil {
		return r, err
	}
	c := idp.Client{ThirdParty: true, Populations: token.Policy.Populations, SecretLifetime: token.Policy.SecretLifetime}
	if c.Kind, err = kindIn(body); err != nil {
		return r, err
	}
	if err := m.describe(ctx, &c, token.Policy, body); err != nil {
		return r, err
	}
	r.AccessToken = idp.NewSecret()
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		now := idp.Now()
		err := m.Store.UseInitialToken(ctx, token, now)
		if errors.Is(err, idp.ErrUsed) {
			return fmt.Errorf("%w: %w", ErrNoRegistration, err)
		}
		if err != nil {
			return err
		}
		r.Client, r.Secret, err = m.createClient(ctx, ofRegistration(idp.AuditClientCreated, token.ID), c)
		if err != nil {
			return err
		}
		return m.Store.CreateRegistration(ctx, idp.ClientRegistration{ClientID: r.ID, TokenID: token.ID, Hash: idp.HashSecret(r.AccessToken), CreatedAt: now})
	})
	return r, err
}

func ofRegistration(kind idp.AuditKind, tokenID string) idp.AuditEvent {
	return idp.AuditEvent{Kind: kind, Detail: map[string]string{"by": "app", "initial_access_token": tokenID}}
}

// Registered reads an app by its registration access token.
func (m *Manager) Registered(ctx context.Context, id, bearer string) (Registered, error) {
	v, _, err := m.registration(ctx, id, bearer)
	return Registered{Client: v.Client, AccessToken: bearer}, err
}

// ChangeRegistered gives an app that registered itself other metadata, all of it: what the body
// lacks has its default (RFC 7592 section 2.2), but for its scopes and what keepStrict keeps.
// What is not the app's to ask for stays as it is.
// The registration access token stays: an answer that gets lost must not lock the app out. An
// app without a secret that works gets another one.
func (m *Manager) ChangeRegistered(ctx context.Context, id, bearer string, body Metadata) (r Registered, err error) {
	before, token, err := m.registration(ctx, id, bearer)
	if err != nil {
		return r, err
	}
	if !token.WithdrawnAt.IsZero() {
		return r, ErrRegistrationFrozen
	}
	if err := sameIdentity(before.Client, body); err != nil {
		return r, err
	}
	r.AccessToken, r.Client = bearer, before.Client
	if err := m.describe(ctx, &r.Client, token.Policy, body); err != nil {
		return r, err
	}
	if !r.AuthMethod.Secret() {
		r.SecretHashes, r.SecretFacts = nil, nil
	} else if lacksSecret(r.Client) {
		r.SecretHashes, r.SecretFacts, r.Secret = nil, nil, idp.NewSecret()
		r.Client = r.WithSecret(idp.HashSecret(r.Secret), idp.Now())
	}
	if r.Secret == "" && settings.Client().Same(before.Client, r.Client) {
		return r, nil
	}
	_, err = m.saveApp(ctx, authz.Actor{}, before, r.Client, ofRegistration(idp.AuditClientChanged, token.ID))
	return r, err
}

// DeleteRegistered removes an app that registered itself, with everything that it holds of
// people (RFC 7592 section 2.3).
func (m *Manager) DeleteRegistered(ctx context.Context, id, bearer string) error {
	before, token, err := m.registration(ctx, id, bearer)
	if err != nil {
		return err
	}
	return m.removeApp(ctx, before.Client, 0, ofRegistration(idp.AuditClientDeleted, token.ID))
}

// registration finds an app by its id and registration access token, and the token that it
// registered by. The three causes not to find it look alike.
func (m *Manager) registration(ctx context.Context, id, bearer string) (c store.VersionedClient, t idp.InitialToken, err error) {
	if entry.IsText("client_id", id) != nil {
		return c, t, ErrNoRegistration
	}
	r, err := m.Store.Registration(ctx, id)
	if errors.Is(err, idp.ErrNotFound) || err == nil && subtle.ConstantTimeCompare(r.Hash, idp.HashSecret(bearer)) != 1 {
		return c, t, fmt.Errorf("%w: %s", ErrNoRegistration, id)
	}
	if err != nil {
		return c, t, err
	}
	if c, err = m.Store.VersionedClient(ctx, id); err != nil {
		return c, t, err
	}
	t, err = m.Store.InitialToken(ctx, r.TokenID)
	return c, t, err
}

// kindIn is the kind of an app by what it says of itself.
func kindIn(body Metadata) (idp.ClientKind, error) {
	application, err := textIn(body, "application_type")
	if err != nil {
		return "", err
	}
	method, err := textIn(body, "token_endpoint_auth_method")
	switch {
	case err != nil:
		return "", err
	case application == "native":
		return idp.NativeClient, nil
	case application != "" && application != "web":
		return "", entry.Invalid("application_type", "settings.choice", settings.Cut(application), "web, native")
	case method == string(idp.NoClientAuth):
		return idp.SPAClient, nil
	}
	return idp.WebClient, nil
}

// textIn is a text of the metadata that settings do not describe; empty where there is none.
func textIn(body Metadata, name string) (text string, err error) {
	if raw, has := body[name]; has && json.Unmarshal(raw, &text) != nil {
		return "", entry.Invalid(name, "settings.kind")
	}
	return text, nil
}

// sameIdentity refuses what a change may not say: another id, secret or kind (RFC 7592 section
// 2.2).
func sameIdentity(c idp.Client, body Metadata) error {
	id, err := textIn(body, "client_id")
	if err != nil || id != c.ID {
		return entry.Invalid("client_id", "settings.registration.client_id")
	}
	secret, err := textIn(body, "client_secret")
	if err != nil || secret != "" && !slices.ContainsFunc(c.SecretHashes, func(live []byte) bool {
		return subtle.ConstantTimeCompare(live, idp.HashSecret(secret)) == 1
	}) {
		return entry.Invalid("client_secret", "settings.registration.client_secret")
	}
	kind, err := kindIn(body)
	if err != nil {
		return err
	}
	if kind != c.Kind {
		return entry.Invalid("application_type", "settings.registration.kind")
	}
	return nil
}

// lacksSecret tells whether none of an app's secrets works any more.
func lacksSecret(c idp.Client) bool {
	for i := range c.SecretHashes {
		if ends := c.SecretEnds(i); ends.IsZero() || idp.Now().Before(ends) {
			return false
		}
	}
	return true
}

// describe puts what an app asks for into c, with the defaults of RFC 7591, and returns all that
// is wrong about it.
func (m *Manager) describe(ctx context.Context, c *idp.Client, policy idp.RegistrationPolicy, body Metadata) error {
	before := *c
	wrong := settings.Client().FromMetadata(body, c)
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code"}
	}
	if len(c.Scopes) == 0 {
		c.Scopes = slices.Clone(policy.Scopes)
		if before.ID != "" {
			c.Scopes = before.Scopes
		}
	}
	keepStrict(c, before)
	if c.Name == "" {
		c.Name = nameOf(*c)
	}
	c.RequirePKCE = c.RequirePKCE || !c.Kind.Confidential()
	*c = withDefaults(*c)
	wrong = wrong.And(checkAsked(*c, policy, body)...).And(m.outOfReach(*c, policy)...)
	err := m.checkClient(ctx, c)
	var checked settings.Errors
	if err != nil && !errors.As(err, &checked) {
		return err
	}
	if err := wrong.And(checked...).Err(); err != nil {
		return err // nobody is asked about what is refused anyway
	}
	return m.readSector(ctx, before, *c)
}

// keepStrict keeps what makes an app safer, whether an admin or the app itself asked for it: a
// change of an app's registration may add to that, and an admin alone takes it back.
func keepStrict(c *idp.Client, before idp.Client) {
	c.DPoPBound = c.DPoPBound || before.DPoPBound
	c.RequirePushed = c.RequirePushed || before.RequirePushed
	if before.SubjectType == idp.PairwiseSubject {
		c.SubjectType = idp.PairwiseSubject
	}
}

// nameOf is what an app is called that gives itself no name: the host that it is at.
func nameOf(c idp.Client) string {
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err == nil && u.Hostname() != "" {
			return settings.Cut(u.Hostname())
		}
	}
	return string(c.Kind)
}

// checkAsked compares what an app asks for with the policy of its token.
func checkAsked(c idp.Client, policy idp.RegistrationPolicy, body Metadata) (wrong settings.Errors) {
	refuse := func(broken bool, field, key string, args ...any) {
		if broken {
			wrong = wrong.And(settings.Error{Field: field, Key: key, Args: args})
		}
	}
	if raw, has := body["response_types"]; has {
		var types []string
		broken := json.Unmarshal(raw, &types) != nil || slices.ContainsFunc(types, func(t string) bool { return t != "code" })
		refuse(broken, "response_types", "settings.choice", settings.Cut(string(raw)), "code")
	}
	refuse(c.Public() && !policy.PublicClients, "auth_method", "settings.registration.public")
	signsIn := slices.Contains(c.GrantTypes, "authorization_code")
	refuse(signsIn && len(c.RedirectURIs) == 0, "redirect_uris", "settings.registration.need_redirect")
	for _, g := range c.GrantTypes {
		refuse(!slices.Contains(policy.GrantTypes, g), "grant_types", "settings.registration.not_allowed", settings.Cut(g), strings.Join(policy.GrantTypes, " "))
	}
	for _, s := range c.Scopes {
		refuse(!slices.Contains(policy.Scopes, s), "scopes", "settings.registration.not_allowed", settings.Cut(s), strings.Join(policy.Scopes, " "))
	}
	return wrong
}

// fetched are the addresses that this server itself asks.
var fetched = []string{"logo_uri", "jwks_uri", "backchannel_logout_uri", "sector_identifier_uri"}

// outOfReach refuses addresses that the policy does not cover. Where this server may reach
// private networks, those that it asks itself must be of a host that the policy names: what
// registers itself must not make it ask its neighbours.
func (m *Manager) outOfReach(c idp.Client, policy idp.RegistrationPolicy) (wrong settings.Errors) {
	metadata := settings.Client().ToMetadata(c)
	for _, f := range settings.Client().Registrable() {
		if f.Name != "home_url" && !strings.HasSuffix(f.Name, "_uri") && !strings.HasSuffix(f.Name, "_uris") {
			continue
		}
		var addresses []string
		switch v := metadata[f.Metadata].(type) {
		case string:
			addresses = []string{v}
		case []string:
			addresses = v
		}
		for _, address := range addresses {
			covered, named := policy.Covers(address)
			if !covered || m.PrivateNetworks && !named && slices.Contains(fetched, f.Name) {
				wrong = wrong.And(settings.Error{Field: f.Name, Key: "settings.registration.host_not_allowed", Args: []any{settings.Cut(address)}})
			}
		}
	}
	return wrong
}

// MetadataOf is an app as it reads itself (RFC 7591 section 3.2.1), but for its credentials.
func MetadataOf(c idp.Client) map[string]any {
	body := map[string]any{"client_id": c.ID, "client_id_issued_at": c.CreatedAt.Unix(), "application_type": "web"}
	if c.Kind == idp.NativeClient {
		body["application_type"] = "native"
	}
	if slices.Contains(c.GrantTypes, "authorization_code") {
		body["response_types"] = []string{"code"}
	}
	if c.AuthMethod.Secret() && len(c.SecretHashes) > 0 {
		body["client_secret_expires_at"] = 0
		if ends := c.SecretEnds(len(c.SecretHashes) - 1); !ends.IsZero() {
			body["client_secret_expires_at"] = ends.Unix()
		}
	}
	maps.Copy(body, settings.Client().ToMetadata(c))
	return body
}
