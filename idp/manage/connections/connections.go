package connections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/store"
)

// ConnectionEntry is a connection as it is managed: without its secrets.
type ConnectionEntry struct {
	idp.Connection
	// HasSecret: a client secret is stored. Otherwise the certificate counts.
	HasSecret bool
	// Lost: the secret or key that proves who we are cannot be read any more. The
	// connection does not work until an admin has entered it again.
	Lost bool
	// Linked: people are linked through it, so that its issuer stays.
	Linked bool
	// RedirectURI is what is registered at the other side.
	RedirectURI string
	// InsteadOf is the name of a connection that is the same and stands on the sign-in page
	// in place of this one, empty for none.
	InsteadOf string
	// Above: the actor may not reset a person who is linked through it, or lacks what that
	// person holds. The actor may only change its looks. Connection alone says so.
	Above bool
}

// ConnectionChange is how a connection is from now on.
type ConnectionChange struct {
	// Connection as it shall be. Its population and kind count when it is added, and stay.
	// Secret, Key and Certificate are not looked at; Version is the one that the actor
	// saw. A new one may bring its id, which is part of its redirect URI: that may be
	// registered already. It always has a redirect URI of its own.
	idp.Connection
	// ClientSecret replaces what proved who we are; empty leaves it as it is.
	ClientSecret string
	// NewCertificate replaces it with a new key and a certificate for it, which an
	// admin uploads at the other side. One of both.
	NewCertificate bool
	Reason         string
}

// Connections lists the connections of a population (empty: of all).
func (m *Manager) Connections(ctx context.Context, a authz.Actor, population string) ([]ConnectionEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Connections"}); err != nil {
		return nil, err
	}
	rows, err := m.Store.Connections(ctx, population)
	list := make([]ConnectionEntry, len(rows))
	for i := 0; i < len(rows) && err == nil; i++ {
		list[i], err = m.connectionEntry(ctx, rows[i])
	}
	return list, err
}

// Connection reads one connection.
func (m *Manager) Connection(ctx context.Context, a authz.Actor, id string) (ConnectionEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Connection"}); err != nil {
		return ConnectionEntry{}, err
	}
	c, err := m.Store.Connection(ctx, id)
	if err != nil {
		return ConnectionEntry{}, err
	}
	e, err := m.connectionEntry(ctx, c)
	if err != nil {
		return e, err
	}
	holds, err := m.Authz.HeldThrough(ctx, c)
	e.Above = !a.CanAll(holds)
	return e, err
}

func (m *Manager) connectionEntry(ctx context.Context, c idp.Connection) (ConnectionEntry, error) {
	linked, err := m.Store.HasIdentities(ctx, c.ID)
	e := ConnectionEntry{Connection: c, HasSecret: len(c.Secret) > 0, Lost: m.credentialLost(c), Linked: linked, RedirectURI: m.Issuer + c.CallbackPath()}
	e.Secret, e.Key = nil, nil
	if err != nil || !c.Enabled {
		return e, err
	}
	list, err := m.Store.Connections(ctx, c.PopulationID)
	for _, offered := range idp.Distinct(list) {
		if offered.Same(c) && offered.ID != c.ID {
			e.InsteadOf = offered.Name
		}
	}
	return e, err
}

// AddConnection adds a way in for the people of a population. An empty Trust is the
// kind's own: trusted for named Entra tenants, a local second step for all others. A
// settings.Errors say what cannot be saved. Mapping roles asks what giving them asks, and
// naming domains what linking the people of the population asks. It changes nothing for
// anybody until portal access allows sign-ins through connections (SaveAccess).
func (m *Manager) AddConnection(ctx context.Context, a authz.Actor, n ConnectionChange) (ConnectionEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "AddConnection", Reason: n.Reason}); err != nil {
		return ConnectionEntry{}, err
	}
	c := n.Connection
	c.CreatedAt, c.Version, c.OwnRedirect = idp.Now(), 1, true
	if c.ID == "" {
		c.ID = idp.NewID()
	}
	c.Secret, c.Key, c.Certificate = nil, nil, ""
	switch _, err := m.Store.Population(ctx, c.PopulationID); {
	case errors.Is(err, idp.ErrNotFound):
		return ConnectionEntry{}, entry.Invalid("population", "settings.no_population", c.PopulationID)
	case err != nil:
		return ConnectionEntry{}, err
	}
	c, err := m.prepareConnection(ctx, a, c, n)
	if err != nil {
		return ConnectionEntry{}, err
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.keepMapped(ctx, c); err != nil {
			return err
		}
		if err := m.checkTwice(ctx, idp.Connection{}, c); err != nil {
			return err
		}
		if err := m.Store.CreateConnection(ctx, c); err != nil {
			return err
		}
		return m.auditConnection(ctx, a, idp.AuditConnectionCreated, c, n.Reason,
			n.credential(map[string]string{"to": describeConnection(c)}))
	})
	if err != nil {
		return ConnectionEntry{}, err
	}
	return m.connectionEntry(ctx, c)
}

// UpdateConnection changes a connection. idp.ErrConflict: it was changed since the actor
// saw it. Where people are linked through it, its issuer stays what it was: another one
// could claim to be any of them. Changing who they are there, or what that counts for,
// takes the right to reset each of them. The only way in of a population cannot be
// switched off.
func (m *Manager) UpdateConnection(ctx context.Context, a authz.Actor, n ConnectionChange) (ConnectionEntry, error) {
	before, err := m.Store.Connection(ctx, n.ID)
	if err != nil {
		return ConnectionEntry{}, err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "UpdateConnection", Reason: n.Reason}); err != nil {
		return ConnectionEntry{}, err
	}
	c := n.Connection
	c.PopulationID, c.Kind, c.CreatedAt, c.UndatedSince = before.PopulationID, before.Kind, before.CreatedAt, before.UndatedSince
	c.Secret, c.Key, c.Certificate = before.Secret, before.Key, before.Certificate
	if err := m.checkMapped(ctx, a, before.Roles); err != nil {
		return ConnectionEntry{}, err
	}
	if c, err = m.prepareConnection(ctx, a, c, n); err != nil {
		return ConnectionEntry{}, err
	}
	done, err := m.carriedOut(ctx, a, before, c, n)
	if err != nil {
		return ConnectionEntry{}, err
	}
	if done {
		return m.connectionEntry(ctx, before)
	}
	if authz.MovesWay(before, c) {
		if err := m.Authz.Through(ctx, a, "UpdateConnection", c); err != nil {
			return ConnectionEntry{}, err
		}
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.keepMapped(ctx, c); err != nil {
			return err
		}
		if err := m.checkOtherIssuer(ctx, before, c, n); err != nil {
			return err
		}
		if err := m.checkTwice(ctx, before, c); err != nil {
			return err
		}
		if err := m.Store.SaveConnection(ctx, c); err != nil {
			return err
		}
		if before.Enabled && !c.Enabled {
			if err := m.keepAWayIn(ctx, c.PopulationID); err != nil {
				return err
			}
		}
		return m.auditConnection(ctx, a, idp.AuditConnectionChanged, c, n.Reason,
			authz.Differing(n.credential(map[string]string{"from": describeConnection(before), "to": describeConnection(c)}), connectionFacts(before), connectionFacts(c)))
	})
	if err != nil {
		return ConnectionEntry{}, err
	}
	if m.Reap != nil {
		m.Reap()
	}
	c.Version++
	return m.connectionEntry(ctx, c)
}

// carriedOut tells whether a connection is what a change would make of it, or has a
// certificate that the same change has made, whose answer was lost.
func (m *Manager) carriedOut(ctx context.Context, a authz.Actor, before, c idp.Connection, n ConnectionChange) (bool, error) {
	made := n.NewCertificate && a.Repeats && before.Certificate != "" && c.Version+1 == before.Version
	if made {
		c.Secret, c.Key, c.Certificate = before.Secret, before.Key, before.Certificate
	}
	if a.Repeats {
		c.Version = before.Version
	}
	if same := authz.Same(before, c); !same || !made {
		return same, nil
	}
	events, err := m.Store.AuditPage(ctx, store.AuditQuery{Kind: idp.AuditConnectionChanged, PopulationID: c.PopulationID, Limit: 50})
	i := slices.IndexFunc(events, func(e idp.AuditEvent) bool { return e.Detail["connection"] == c.ID })
	if i < 0 {
		return false, err
	}
	e := events[i]
	return e.Detail["credential"] == newCertificate && e.ActorID == a.UserID && e.Detail["service"] == a.Service, err
}

// checkTwice refuses a connection that there is already: it would stand twice on the
// sign-in page, and each would know other people. One that was the same before can be
// changed otherwise, and not switched on again.
func (m *Manager) checkTwice(ctx context.Context, before, after idp.Connection) error {
	list, err := m.Store.Connections(ctx, after.PopulationID)
	if err != nil {
		return err
	}
	for _, other := range list {
		was := other.Same(before) && (before.Enabled || !after.Enabled)
		if other.ID != after.ID && other.Same(after) && !was {
			return entry.Invalid(twiceField(after), "settings.connection.twice", other.Name)
		}
	}
	return nil
}

// twiceField is the field that makes a connection another one.
func twiceField(c idp.Connection) string {
	switch {
	case c.Kind != idp.EntraConnection:
		return "client_id"
	case len(c.Tenants) > 0:
		return "tenants"
	}
	return "any_tenant"
}

// checkOtherIssuer refuses another issuer where people are linked, and one that would
// get the secret of this one.
func (m *Manager) checkOtherIssuer(ctx context.Context, before, after idp.Connection, n ConnectionChange) error {
	if after.Issuer == before.Issuer {
		return nil
	}
	linked, err := m.Store.HasIdentities(ctx, after.ID)
	switch {
	case err != nil:
		return err
	case linked:
		return entry.Invalid("issuer", "settings.connection.linked")
	case len(after.Secret) > 0 && n.ClientSecret == "":
		return entry.Invalid("client_secret", "settings.connection.other_secret")
	}
	return nil
}

// newCertificate says in an audit event that one was made.
const newCertificate = "certificate"

// credential adds to an audit event what proves who we are from now on.
func (n ConnectionChange) credential(detail map[string]string) map[string]string {
	switch {
	case n.ClientSecret != "":
		detail["credential"] = "client_secret"
	case n.NewCertificate:
		detail["credential"] = newCertificate
	}
	return detail
}

// DeleteConnection removes a connection, whatever its version where that is 0, unlinks the
// people who are linked through it, and ends their sessions that began with it. Apps lose
// what they hold of them. The only way in of a population cannot be deleted.
func (m *Manager) DeleteConnection(ctx context.Context, a authz.Actor, id string, version int64, reason string) error {
	c, err := m.Store.Connection(ctx, id)
	if err != nil {
		return err
	}
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "DeleteConnection", Reason: reason}); err != nil {
		return err
	}
	if err := m.checkMapped(ctx, a, c.Roles); err != nil {
		return err
	}
	// Who is unlinked has to set up a second step here, by a password.
	if err := m.Authz.Through(ctx, a, "DeleteConnection", c); err != nil {
		return err
	}
	return m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Authz.OneAtATime(ctx); err != nil {
			return err
		}
		if err := m.Store.RevokeGrantsThrough(ctx, id, idp.Now()); err != nil {
			return err
		}
		if _, err := m.Sessions.EndThrough(ctx, a.AuditSignOut(idp.AuditConnectionDeleted), id); err != nil {
			return err
		}
		if err := m.Store.DeleteConnection(ctx, id, cmp.Or(version, c.Version)); err != nil {
			return err
		}
		if err := m.keepAWayIn(ctx, c.PopulationID); err != nil {
			return err
		}
		return m.auditConnection(ctx, a, idp.AuditConnectionDeleted, c, reason, map[string]string{"from": describeConnection(c)})
	})
}

// keepAWayIn refuses what would leave a population that signs in through connections
// alone without one, or no admin who could.
func (m *Manager) keepAWayIn(ctx context.Context, population string) error {
	p, err := m.Store.Population(ctx, population)
	if err != nil || !p.Access.Federated {
		return err
	}
	list, err := m.Store.Connections(ctx, population)
	if err != nil {
		return err
	}
	if !p.Access.Password && !AnyEnabled(list) {
		return entry.Invalid("enabled", "settings.connection.only_way")
	}
	shut, err := m.AdminsShutOut(ctx)
	if err == nil && shut {
		err = entry.Invalid("enabled", "settings.connection.last_admin")
	}
	return err
}

// AdminsShutOut tells whether there are admins, of whom none can sign in.
func (m *Manager) AdminsShutOut(ctx context.Context) (bool, error) {
	can, err := m.Store.AdminCanSignIn(ctx)
	if err != nil || can {
		return false, err
	}
	return m.Store.HasHolder(ctx, idp.RoleAdmin)
}

func AnyEnabled(list []idp.Connection) bool {
	for _, c := range list {
		if c.Enabled {
			return true
		}
	}
	return false
}

// prepareConnection checks a connection and puts its secrets in place.
func (m *Manager) prepareConnection(ctx context.Context, a authz.Actor, c idp.Connection, n ConnectionChange) (idp.Connection, error) {
	if err := m.CheckConnection(&c).Err(); err != nil {
		return c, err
	}
	if err := m.checkMappings(ctx, a, c.Roles); err != nil {
		return c, err
	}
	if err := m.AuthorizeVouching(ctx, a, c); err != nil {
		return c, err
	}
	switch {
	case n.ClientSecret != "" && n.NewCertificate:
		return c, entry.Invalid("client_secret", "settings.connection.one_credential")
	case n.ClientSecret != "":
		if err := entry.CheckLine("client_secret", n.ClientSecret, maxUpstreamSecret); err != nil {
			return c, err
		}
		aad := keyring.AAD("connections", c.ID, "secret")
		if opened, err := m.Keyring.Open(c.Secret, aad); err != nil || string(opened) != n.ClientSecret { // sealed anew, it would differ
			c.Secret = m.Keyring.Seal([]byte(n.ClientSecret), aad)
		}
		c.Key, c.Certificate = nil, ""
	case n.NewCertificate:
		key, pem, err := certificate.New("Gatehouse "+c.ClientID, idp.Now())
		if err != nil {
			return c, err
		}
		c.Key, c.Certificate = m.Keyring.Seal(key, keyring.AAD("connections", c.ID, "private_key")), pem
		c.Secret = nil
	case len(c.Secret) == 0 && len(c.Key) == 0:
		return c, entry.Invalid("client_secret", "settings.connection.need_credential")
	case c.Enabled && m.credentialLost(c):
		return c, entry.Invalid("client_secret", "settings.connection.lost_credential")
	}
	return c, nil
}

// checkMappings checks that the actor may give the roles that a connection maps. The roles
// must exist.
func (m *Manager) checkMappings(ctx context.Context, a authz.Actor, mappings []idp.RoleMapping) error {
	given, err := m.Authz.RolesByID(ctx, Mapped(mappings))
	if err != nil {
		return err
	}
	return m.authorizeMapping(ctx, a, given)
}

// keepMapped locks out, until this transaction ends, operations that delete a role which the
// connection gives or that add the same connection. The roles must still exist.
func (m *Manager) keepMapped(ctx context.Context, c idp.Connection) error {
	if err := m.Authz.OneAtATime(ctx); err != nil {
		return err
	}
	_, err := m.Authz.RolesByID(ctx, Mapped(c.Roles))
	return err
}

// AuthorizeVouching checks an operation by which the other side may vouch for addresses. It
// asks what LinkIdentity asks, for each person who could be linked: the other side could
// sign in as them.
func (m *Manager) AuthorizeVouching(ctx context.Context, a authz.Actor, c idp.Connection) error {
	if len(c.Domains) == 0 && !ownWord(c) {
		return nil
	}
	roles, err := m.Store.RolesHeldIn(ctx, c.PopulationID)
	if err != nil {
		return err
	}
	// A person without a second step may have one tomorrow.
	holds := append(authz.PermissionsIn(roles), authz.ResetPermission(c.PopulationID))
	return m.Authz.Authorize(ctx, a, authz.Request{Op: "LinkIdentity", Holds: holds, Part: true})
}

// authorities are Microsoft's: what they say of an address (xms_edov) they have checked.
var authorities = []string{
	idp.EntraAuthority, "https://login.microsoftonline.us", "https://login.partner.microsoftonline.cn", "https://login.chinacloudapi.cn",
}

// ownWord tells whether a connection of Entra's kind leads to another authority than
// Microsoft's. What that says about addresses is what the admin who set it up says.
func ownWord(c idp.Connection) bool {
	return c.Kind == idp.EntraConnection && !slices.Contains(authorities, c.Issuer)
}

// checkMapped checks a change of a connection that maps roles: it takes them, or says from
// now on whose they are.
func (m *Manager) checkMapped(ctx context.Context, a authz.Actor, mappings []idp.RoleMapping) error {
	given, err := m.Store.RolesByID(ctx, Mapped(mappings)...)
	if err != nil {
		return err
	}
	return m.authorizeMapping(ctx, a, given)
}

// authorizeLinking checks that the actor who links an account holds what the connection may
// give to it. user may be nil.
func (m *Manager) authorizeLinking(ctx context.Context, a authz.Actor, op string, user *idp.User, c idp.Connection) error {
	given, err := m.Store.RolesByID(ctx, Mapped(c.Roles)...)
	if err != nil || len(authz.PermissionsIn(given)) == 0 {
		return err
	}
	return m.Authz.Authorize(ctx, a, authz.Request{Op: op, Target: user, Holds: authz.PermissionsIn(given), Part: true})
}

// authorizeMapping checks that the actor may give roles by a mapping.
func (m *Manager) authorizeMapping(ctx context.Context, a authz.Actor, roles []idp.Role) error {
	if permissions := authz.PermissionsIn(roles); len(permissions) > 0 {
		return m.Authz.Authorize(ctx, a, authz.Request{Op: "SetRoles", Holds: permissions, Part: true})
	}
	return nil
}

// Mapped are the ids of the roles.
func Mapped(mappings []idp.RoleMapping) []string {
	ids := make([]string, len(mappings))
	for i, r := range mappings {
		ids[i] = r.RoleID
	}
	return ids
}

func (m *Manager) auditConnection(ctx context.Context, a authz.Actor, kind idp.AuditKind, c idp.Connection, reason string, detail map[string]string) error {
	detail["connection"] = c.ID
	e := a.Audit(kind, reason, detail)
	e.PopulationID = c.PopulationID
	return m.Store.Audit(ctx, e)
}

func describeConnection(c idp.Connection) string {
	text := []string{
		fmt.Sprintf("%q", c.Name), string(c.Kind), onOff(c.Enabled), "issuer " + c.Issuer, "client " + c.ClientID, "trust " + string(c.Trust),
	}
	if c.Kind == idp.EntraConnection {
		text = append(text, fmt.Sprintf("tenants %q, any organisation %s, personal accounts %s", c.Tenants, onOff(c.AnyTenant), onOff(c.PersonalAccounts)))
	}
	if c.OwnRedirect {
		text = append(text, "redirect URI of its own")
	} else {
		text = append(text, "shared redirect URI")
	}
	text = append(text, fmt.Sprintf("domains %q", c.Domains), "new accounts "+onOff(c.CreateUsers))
	for _, r := range c.Roles {
		text = append(text, fmt.Sprintf("%s %q: role %s", r.Claim, r.Value, r.RoleID))
	}
	return strings.Join(text, ", ")
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
