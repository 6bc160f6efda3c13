package api

import (
	"fmt"
	"maps"

	"gatehouse/idp"
	"gatehouse/idp/manage/roles"
)

func roleOperations() []operation {
	const of = "/roles/{role_id}"
	return []operation{
		{ID: "listRoles", Route: "GET /roles", Manage: "Roles", Answer: list{"roles", "Role"}, run: listRoles},
		{ID: "createRole", Route: "POST /roles", Manage: "CreateRole", Body: "RoleChange", Answer: "Role", Created: true, ETag: true, Taken: "name", run: createRole},
		{ID: "getRole", Route: "GET " + of, Manage: "Roles", Answer: "Role", ETag: true, run: getRole},
		{ID: "updateRole", Route: "PUT " + of, Manage: "UpdateRole", IfMatch: mustMatch, Body: "RoleChange", Answer: "Role", ETag: true, run: updateRole},
		{ID: "deleteRole", Route: "DELETE " + of, Manage: "DeleteRole", IfMatch: mayMatch, Body: Reason{}, run: because(deleteRole)},
	}
}

func listRoles(v *call) (any, error) {
	all, err := v.manage.Roles.Roles(v.ctx, v.actor)
	if err != nil {
		return nil, err
	}
	return rows(v, all, "", roleOf), nil
}

func roleOf(e roles.RoleEntry) object {
	body := withVersion(roles.RoleFields(), e.Role, e.Version)
	maps.Copy(body, object{"id": e.ID, "system": e.System, "holders": e.Holders})
	return body
}

func createRole(v *call) (any, error) {
	c, err := changeOf(v, "", roles.RoleFields())
	if err != nil {
		return nil, err
	}
	e, err := v.manage.Roles.CreateRole(v.ctx, v.actor, c.To.Name, c.To.Permissions, c.Reason)
	if err != nil {
		return nil, err
	}
	return v.made(e.ID, e.Version, roleOf(e)), nil
}

func getRole(v *call) (any, error) {
	all, err := v.manage.Roles.Roles(v.ctx, v.actor)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.ID == v.Param("role_id") {
			return v.tagged(e.Version, roleOf(e)), nil
		}
	}
	return nil, fmt.Errorf("role: %w", idp.ErrNotFound)
}

func updateRole(v *call) (any, error) {
	c, err := changeOf(v, v.Param("role_id"), roles.RoleFields())
	if err != nil {
		return nil, err
	}
	c.To.ID = c.ID
	e, err := v.manage.Roles.UpdateRole(v.ctx, v.actor, roles.RoleEntry{Version: c.Version, Role: c.To}, c.Reason)
	if err != nil {
		return nil, err
	}
	return v.tagged(e.Version, roleOf(e)), nil
}

func deleteRole(v *call, reason string) error {
	return v.manage.Roles.DeleteRole(v.ctx, v.actor, v.Param("role_id"), v.version(), reason)
}
