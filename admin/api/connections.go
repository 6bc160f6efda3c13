package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/manage"
)

// PreviewAccess implements ServerInterface.
func (h handlers) PreviewAccess(c *gin.Context, id PopulationID) {
	h.do(c, func(v *call) error {
		p, err := v.manage.PreviewAccess(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, AccessPreview{People: p.People, NotLinked: p.NotLinked})
	})
}

// SaveAccess implements ServerInterface.
func (h handlers) SaveAccess(c *gin.Context, id PopulationID, params SaveAccessParams) {
	h.do(c, func(v *call) error {
		change, err := changeOf(v, id, params.IfMatch, manage.AccessFields())
		if err != nil {
			return err
		}
		e, err := v.manage.SaveAccess(v.ctx, v.actor, change)
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, e.Version, populationOf(e))
	})
}

// ListConnections implements ServerInterface.
func (h handlers) ListConnections(c *gin.Context, params ListConnectionsParams) {
	h.do(c, func(v *call) error {
		entries, err := v.manage.Connections(v.ctx, v.actor, or(params.Population))
		if err != nil {
			return err
		}
		list := ConnectionList{Connections: make([]Connection, len(entries))}
		for i := 0; i < len(entries) && err == nil; i++ {
			list.Connections[i], err = connectionOf(entries[i])
		}
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, list)
	})
}

func connectionOf(e manage.ConnectionEntry) (Connection, error) {
	c := Connection{
		ID: e.ID, Population: e.PopulationID, Kind: ConnectionKind(e.Kind), Name: e.Name, Enabled: e.Enabled,
		Issuer: e.Issuer, Tenants: full(e.Tenants), AnyTenant: e.AnyTenant, PersonalAccounts: e.PersonalAccounts,
		ClientID: e.ClientID, Trust: Trust(e.Trust), Context: e.Context, Domains: full(e.Domains), CreateUsers: e.CreateUsers,
		NameClaim: e.Claims.Name, EmailClaim: e.Claims.Email, DepartmentClaim: e.Claims.Department,
		Roles:       each(e.Roles, func(m idp.RoleMapping) RoleMapping { return RoleMapping{RoleMappingClaim(m.Claim), m.RoleID, m.Value} }),
		EndUpstream: e.EndUpstream, DomainHint: e.DomainHint, OwnRedirectURI: e.OwnRedirect, RedirectURI: e.RedirectURI, HasSecret: e.HasSecret, Certificate: text(e.Certificate),
		Linked: e.Linked, CreatedAt: e.CreatedAt, Version: e.Version,
	}
	if e.Certificate == "" {
		return c, nil
	}
	parsed, err := certificate.Parse(e.Certificate)
	if err == nil {
		c.CertificateExpiresAt = moment(parsed.NotAfter)
	}
	return c, err
}

// connection answers with a connection as it is now.
func (v *call) connection(e manage.ConnectionEntry) error {
	c, err := connectionOf(e)
	if err != nil {
		return err
	}
	return v.versioned(http.StatusOK, e.Version, c)
}

// CreateConnection implements ServerInterface.
func (h handlers) CreateConnection(c *gin.Context) {
	h.do(c, func(v *call) error {
		n, err := read[NewConnection](v)
		if err != nil {
			return err
		}
		e, err := v.manage.AddConnection(v.ctx, v.actor, manage.ConnectionChange{
			ClientSecret: or(n.ClientSecret), NewCertificate: or(n.NewCertificate), Reason: n.Reason,
			Connection: idp.Connection{
				PopulationID: n.Population, Kind: idp.ConnectionKind(n.Kind), Name: n.Name, Enabled: or(n.Enabled),
				Issuer: or(n.Issuer), Tenants: or(n.Tenants), AnyTenant: or(n.AnyTenant), PersonalAccounts: or(n.PersonalAccounts),
				ClientID: n.ClientID, Trust: idp.Trust(or(n.Trust)), Context: or(n.Context), Domains: or(n.Domains), CreateUsers: or(n.CreateUsers),
				Claims: idp.ClaimNames{Name: or(n.NameClaim), Email: or(n.EmailClaim), Department: or(n.DepartmentClaim)},
				Roles:  each(or(n.Roles), mappingIn), EndUpstream: or(n.EndUpstream), DomainHint: or(n.DomainHint),
			},
		})
		if err != nil {
			return err
		}
		made, err := connectionOf(e)
		if err != nil {
			return err
		}
		return v.created(e.ID, e.Version, made)
	})
}

func mappingIn(m RoleMapping) idp.RoleMapping {
	return idp.RoleMapping{Claim: string(m.Claim), Value: m.Value, RoleID: m.RoleID}
}

// GetConnection implements ServerInterface.
func (h handlers) GetConnection(c *gin.Context, id ConnectionID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.Connection(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.connection(e)
	})
}

// UpdateConnection implements ServerInterface.
func (h handlers) UpdateConnection(c *gin.Context, id ConnectionID, params UpdateConnectionParams) {
	h.do(c, func(v *call) error {
		s, err := read[ConnectionSettings](v)
		if err != nil {
			return err
		}
		own, err := v.ownRedirect(id, s.OwnRedirectURI)
		if err != nil {
			return err
		}
		e, err := v.manage.UpdateConnection(v.ctx, v.actor, manage.ConnectionChange{
			ClientSecret: or(s.ClientSecret), NewCertificate: or(s.NewCertificate), Reason: s.Reason,
			Connection: idp.Connection{
				ID: id, Version: versionIn(params.IfMatch), Name: s.Name, Enabled: s.Enabled,
				Issuer: s.Issuer, Tenants: s.Tenants, AnyTenant: s.AnyTenant, PersonalAccounts: s.PersonalAccounts,
				ClientID: s.ClientID, Trust: idp.Trust(s.Trust), Context: s.Context, Domains: s.Domains, CreateUsers: s.CreateUsers,
				Claims: idp.ClaimNames{Name: s.NameClaim, Email: s.EmailClaim, Department: s.DepartmentClaim},
				Roles:  each(s.Roles, mappingIn), EndUpstream: s.EndUpstream, DomainHint: s.DomainHint, OwnRedirect: own,
			},
		})
		if err != nil {
			return stale(err)
		}
		return v.connection(e)
	})
}

// ownRedirect is whether a connection has a redirect URI of its own from now on: as it
// does, where nothing is said.
func (v *call) ownRedirect(id string, wanted *bool) (bool, error) {
	if wanted != nil {
		return *wanted, nil
	}
	c, err := v.manage.Connection(v.ctx, v.actor, id)
	return c.OwnRedirect, err
}

// DeleteConnection implements ServerInterface.
func (h handlers) DeleteConnection(c *gin.Context, id ConnectionID, params DeleteConnectionParams) {
	h.because(c, func(v *call, reason string) error {
		return stale(v.manage.DeleteConnection(v.ctx, v.actor, id, versionIn(params.IfMatch), reason))
	})
}

// GetConnectionCertificate implements ServerInterface.
func (h handlers) GetConnectionCertificate(c *gin.Context, id ConnectionID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.Connection(v.ctx, v.actor, id)
		switch {
		case err != nil:
			return err
		case e.Certificate == "":
			return idp.ErrNotFound
		}
		v.Header("Content-Disposition", `attachment; filename="gatehouse.pem"`)
		v.Data(http.StatusOK, "application/x-pem-file", []byte(e.Certificate))
		return nil
	})
}

// ListIdentities implements ServerInterface.
func (h handlers) ListIdentities(c *gin.Context, id UserID) {
	h.do(c, func(v *call) error {
		list, err := v.manage.Identities(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, IdentityList{Identities: each(list, func(e manage.IdentityEntry) Identity {
			return Identity{
				ConnectionID: e.ConnectionID, Connection: e.Connection, Subject: e.Subject, Email: e.Email,
				CreatedAt: e.CreatedAt, LastSeenAt: moment(e.LastSeenAt),
			}
		})})
	})
}

// LinkIdentity implements ServerInterface.
func (h handlers) LinkIdentity(c *gin.Context, id UserID) {
	h.do(c, func(v *call) error {
		n, err := read[NewIdentity](v)
		if err != nil {
			return err
		}
		err = v.manage.LinkIdentity(v.ctx, v.actor, manage.NewIdentity{
			UserID: id, ConnectionID: n.ConnectionID, TenantID: or(n.TenantID), ObjectID: or(n.ObjectID),
			Subject: or(n.Subject), Reason: n.Reason,
		})
		if err != nil {
			return err
		}
		return v.done()
	})
}

// UnlinkIdentity implements ServerInterface.
func (h handlers) UnlinkIdentity(c *gin.Context, id UserID, connection ConnectionID) {
	h.because(c, func(v *call, reason string) error {
		return v.manage.UnlinkIdentity(v.ctx, v.actor, id, connection, reason)
	})
}
