package api

import (
	"fmt"
	"maps"
	"net/http"

	"gatehouse/idp"
	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/settings"
)

func connectionOperations() []operation {
	const of = "/connections/{connection_id}"
	return []operation{
		{ID: "listConnections", Route: "GET /connections", Manage: "Connections", Query: "population", Answer: list{"connections", "Connection"}, run: listConnections},
		{ID: "createConnection", Route: "POST /connections", Manage: "AddConnection", Body: "NewConnection", Answer: "Connection", Created: true, ETag: true, run: createConnection},
		{ID: "getConnection", Route: "GET " + of, Manage: "Connection", Answer: "Connection", ETag: true, run: getConnection},
		{ID: "updateConnection", Route: "PUT " + of, Manage: "UpdateConnection", IfMatch: mustMatch, Body: "ConnectionChange", Answer: "Connection", ETag: true, run: updateConnection},
		{ID: "deleteConnection", Route: "DELETE " + of, Manage: "DeleteConnection", IfMatch: mayMatch, Body: Reason{}, run: because(deleteConnection)},
		{ID: "getConnectionCertificate", Route: "GET " + of + "/certificate", Manage: "Connection", Media: "application/x-pem-file", run: getConnectionCertificate},
	}
}

// connectionFields describe a connection as bodies have it: what is missing for its kind is
// said by idp/manage, and lists have no order.
func connectionFields() settings.Fields[idp.Connection] {
	fields := connections.ConnectionFields()
	for i := range fields {
		if f := &fields[i]; f.Name != "name" {
			f.Missing = ""
		}
		if fields[i].Kind == settings.KindList {
			fields[i].Kind = settings.KindSet
		}
	}
	return fields
}

// besideConnection is what a body has beside the fields of a connection.
type besideConnection struct {
	Population     string             `json:"population"`
	Kind           idp.ConnectionKind `json:"kind"`
	Roles          []GivenRole        `json:"roles"`
	ClientSecret   string             `json:"client_secret"`
	NewCertificate bool               `json:"new_certificate"`
	Reason         string             `json:"reason"`
}

// GivenRole gives a role to each person whose claim at the other provider has a value.
type GivenRole struct {
	Claim  string `json:"claim" is:"RoleClaim"`
	Value  string `json:"value" is:"MappedValue"`
	RoleID string `json:"role_id" is:"ID"`
}

// RoleMapping is a GivenRole in answers.
type RoleMapping struct {
	Claim  string `json:"claim"`
	Value  string `json:"value"`
	RoleID string `json:"role_id"`
}

func (d *document) describeConnection(why properties) {
	d.schemas["ConnectionKind"] = object{"type": "string", "enum": []idp.ConnectionKind{idp.EntraConnection, idp.OIDCConnection}}
	d.schemas["RoleClaim"] = object{"type": "string", "enum": []string{"groups", "roles"}}
	fields := d.thing("Connection", specs(connectionFields()))
	roles := func(item any, closed bool) properties {
		return properties{"roles": {"type": "array", "maxItems": 100, "items": ref(d.nameOf(item, closed)), "description": d.Fields["Connection.roles"]}}
	}
	secret := and(why, properties{"client_secret": ref("UpstreamSecret"), "new_certificate": flag()})
	change := and(secret, roles(GivenRole{}, true))
	made := and(change, properties{"population": ref("ID"), "kind": ref("ConnectionKind")})
	given := only(fields, without(fields, "own_redirect_uri")...)
	d.sets("NewConnection", given, made, without(and(given, made), "population", "kind", "name", "client_id", "reason")...)
	d.sets("ConnectionChange", fields, change, "own_redirect_uri", "client_secret", "new_certificate")
	d.says("Connection", fields, and(roles(RoleMapping{}, false), properties{
		"id": text(), "population": text(), "kind": ref("ConnectionKind"), "redirect_uri": text(), "has_secret": flag(),
		"certificate": text(), "certificate_expires_at": moment(), "linked": flag(), "created_at": moment(), "version": number(),
	}), "certificate", "certificate_expires_at")
}

func listConnections(v *call) (any, error) {
	entries, err := v.manage.Connections.Connections(v.ctx, v.actor, v.Query("population"))
	if err != nil {
		return nil, err
	}
	return rows(v, entries, "", connectionOf), nil
}

func connectionOf(e connections.ConnectionEntry) object {
	body := withVersion(connectionFields(), e.Connection, e.Version)
	maps.Copy(body, object{
		"id": e.ID, "population": e.PopulationID, "kind": e.Kind, "redirect_uri": e.RedirectURI, "has_secret": e.HasSecret,
		"linked": e.Linked, "created_at": e.CreatedAt,
		"roles": each(e.Roles, func(m idp.RoleMapping) RoleMapping { return RoleMapping{m.Claim, m.Value, m.RoleID} }),
	})
	if e.Certificate != "" {
		body["certificate"] = e.Certificate
	}
	if parsed, err := certificate.Parse(e.Certificate); err == nil {
		body["certificate_expires_at"] = parsed.NotAfter
	}
	return body
}

// connection answers with a connection as it is now.
func (v *call) connection(e connections.ConnectionEntry, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v.tagged(e.Version, connectionOf(e)), nil
}

// connectionChange puts what a body says onto a connection.
func (v *call) connectionChange(c idp.Connection) (connections.ConnectionChange, error) {
	beside, err := read[besideConnection](v)
	if err != nil {
		return connections.ConnectionChange{}, err
	}
	c.Roles = each(beside.Roles, func(m GivenRole) idp.RoleMapping {
		return idp.RoleMapping{Claim: m.Claim, Value: m.Value, RoleID: m.RoleID}
	})
	c.PopulationID, c.Kind = beside.Population, beside.Kind
	err = decodeOnto(v, connectionFields(), &c)
	return connections.ConnectionChange{
		Connection: c, ClientSecret: beside.ClientSecret, NewCertificate: beside.NewCertificate, Reason: beside.Reason,
	}, err
}

func createConnection(v *call) (any, error) {
	change, err := v.connectionChange(idp.Connection{})
	if err != nil {
		return nil, err
	}
	e, err := v.manage.Connections.AddConnection(v.ctx, v.actor, change)
	if err != nil {
		return nil, err
	}
	return v.made(e.ID, e.Version, connectionOf(e)), nil
}

func getConnection(v *call) (any, error) {
	return v.connection(v.manage.Connections.Connection(v.ctx, v.actor, v.Param("connection_id")))
}

// updateConnection changes a connection. Whether it has a redirect URI of its own stays
// where nothing is said.
func updateConnection(v *call) (any, error) {
	now, err := v.manage.Connections.Connection(v.ctx, v.actor, v.Param("connection_id"))
	if err != nil {
		return nil, err
	}
	change, err := v.connectionChange(idp.Connection{ID: now.ID, Version: v.version(), OwnRedirect: now.OwnRedirect})
	if err != nil {
		return nil, err
	}
	return v.connection(v.manage.Connections.UpdateConnection(v.ctx, v.actor, change))
}

func deleteConnection(v *call, reason string) error {
	return v.manage.Connections.DeleteConnection(v.ctx, v.actor, v.Param("connection_id"), v.version(), reason)
}

func getConnectionCertificate(v *call) (any, error) {
	e, err := v.manage.Connections.Connection(v.ctx, v.actor, v.Param("connection_id"))
	switch {
	case err != nil:
		return nil, err
	case e.Certificate == "":
		return nil, fmt.Errorf("certificate: %w", idp.ErrNotFound)
	}
	v.Header("Content-Disposition", `attachment; filename="gatehouse.pem"`)
	v.Data(http.StatusOK, "application/x-pem-file", []byte(e.Certificate))
	return nil, nil
}
