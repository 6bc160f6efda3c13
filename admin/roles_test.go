package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func TestRolesAreMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		h.person("admin@rtx.example", idp.RoleAdmin)
		b, _ := h.enters("admin@rtx.example")
		want(t, h.page(b, "/roles"), http.StatusOK, "Roles", "Admin", "built in", "Access to Agent and Contact Authentication")
		form := h.page(b, "/roles/new")
		want(t, form, http.StatusOK, "New role", "Access to Agent and Contact Authentication", "Access to Agent Recovery Code and Reset MFA")
		want(t, b.Submit(form, "/roles/new", "name", "Desk", "permissions", idp.PermissionAgentRecovery), http.StatusUnprocessableEntity, "New role",
			"Say why", `id="reason-error"`, `value="Desk"`, `value="agents.recovery" checked`)
		want(t, b.Submit(form, "/roles/new", "name", "Desk", "reason", strings.Repeat("x", 501)), http.StatusUnprocessableEntity, "New role", "at most 500 characters")
		want(t, b.Submit(form, "/roles/new", "name", " ", "reason", "for nights"), http.StatusUnprocessableEntity, "New role", "A role needs a name.", `value="for nights"`)
		want(t, b.Submit(form, "/roles/new", "name", "ADMIN", "reason", "for nights"), http.StatusUnprocessableEntity, "New role", "Another role has that name.")
		made := b.Submit(form, "/roles/new", "name", "Desk", "permissions", idp.PermissionAgentRecovery, "reason", "for nights")
		want(t, made, http.StatusOK, "Desk", "The role is saved.", "Access to Agent Recovery Code and Reset MFA", "Not held by any person or service.")
		lacks(t, made, "Manage people")
		id := made.URL.Path[len("/admin/roles/"):]
		edit := h.page(b, "/roles/"+id+"/edit")
		want(t, edit, http.StatusOK, "Desk", `value="agents.recovery" checked`)
		want(t, b.Submit(edit, "/edit", "name", "Front desk", "permissions", idp.PermissionUsers), http.StatusUnprocessableEntity, "Front desk", "Say why", `value="users.manage" checked`)
		want(t, b.Submit(edit, "/edit", "name", "", "permissions", idp.PermissionUsers, "reason", "renamed"), http.StatusUnprocessableEntity, "Role", "A role needs a name.", `value="users.manage" checked`)
		want(t, b.Submit(edit, "/edit", "name", "Front desk", "permissions", idp.PermissionUsers, "reason", "renamed"), http.StatusOK, "Front desk", "Manage people")
		want(t, b.Submit(edit, "/edit", "name", "Late", "permissions", idp.PermissionKeys, "reason", "renamed"), http.StatusConflict, "Front desk", "This was changed in the meantime", `value="users.manage" checked`)
		ask := h.page(b, "/roles/"+id+"/delete")
		want(t, ask, http.StatusOK, "Delete the role Front desk?", "It is not in use.")
		holder := h.person("holder@rtx.example", id)
		want(t, b.Submit(ask, "/delete"), http.StatusUnprocessableEntity, "Delete the role Front desk?", "Say why", `id="reason-error"`)
		want(t, b.Submit(ask, "/delete", "version", "1", "reason", "unused"), http.StatusConflict, "Front desk", "This was changed in the meantime")
		want(t, b.Submit(ask, "/delete", "reason", "unused"), http.StatusConflict, "Front desk", "The role is still in use.")
		want(t, h.page(b, "/roles/"+id+"/delete"), http.StatusConflict, "Front desk", "The role is still in use.")
		held := h.page(b, "/roles/"+id)
		want(t, held, http.StatusOK, "Front desk", "1 person or service holds this role.")
		lacks(t, held, "Delete role")
		want(t, b.Submit(h.page(b, "/people/"+holder.ID+"/roles"), "/roles", "reason", "moved on"), http.StatusOK, "Somebody", "The roles are saved.")
		want(t, b.Submit(h.page(b, "/roles/"+id+"/delete"), "/delete", "reason", "unused"), http.StatusOK, "Roles", "The role is deleted.")
		want(t, h.page(b, "/roles/"+id), http.StatusNotFound, "There is no page here")
		for kind, reason := range map[idp.AuditKind]string{
			idp.AuditRoleCreated: "for nights", idp.AuditRoleChanged: "renamed", idp.AuditRoleDeleted: "unused", idp.AuditRolesChanged: "moved on",
		} {
			if e := h.events(kind); len(e) != 1 || e[0].Detail["reason"] != reason {
				t.Errorf("the audit log says %+v of %s", e, kind)
			}
		}
	})
}

func TestSystemRolesAreOnlyRead(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("admin@rtx.example", idp.RoleAdmin)
	b, _ := h.enters("admin@rtx.example")
	page := h.page(b, "/roles/manager")
	want(t, page, http.StatusOK, "Manager", "cannot be changed", "Manage people")
	lacks(t, page, "Edit role", "Delete role", `name="permissions"`, `action="/admin/roles`)
	for _, path := range []string{"/roles/manager/edit", "/roles/manager/delete"} {
		want(t, h.page(b, path), http.StatusForbidden, notAllowed)
		form := url.Values{"version": {"1"}, "name": {"Manager"}, "permissions": {idp.PermissionKeys}}
		want(t, b.Post(h.Issuer+"/admin"+path, form), http.StatusForbidden, notAllowed)
	}
	if roles, err := h.Store.RolesByID(t.Context(), idp.RoleManager); err != nil || len(roles) != 1 || len(roles[0].Permissions) != 3 {
		t.Errorf("roles %v, error %v", roles, err)
	}
}

// A permission that the viewer lacks is shown, and cannot be ticked.
func TestNobodyGivesWhatTheyLack(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t))
	h.person("clerk@rtx.example", h.newRole("Clerk", idp.PermissionRoles, idp.PermissionUsers))
	above := h.newRole("Above", idp.PermissionKeys)
	b, _ := h.enters("clerk@rtx.example")
	form := h.page(b, "/roles/new")
	want(t, form, http.StatusOK, "New role", `value="users.manage"><span>`, `value="keys.manage" disabled>`, `value="agents.recovery" disabled>`)
	page := h.page(b, "/roles/"+above)
	want(t, page, http.StatusOK, "Above", "permissions that you do not hold")
	lacks(t, page, "Edit role", "Delete role")
	agent := h.person("agent@rtx.example")
	want(t, h.page(b, "/people/"+agent.ID+"/roles"), http.StatusOK, "Roles of Somebody", `value="admin" disabled>`, `value="`+above+`" disabled>`, `value="agent"><span>`)
}

// events are those of a kind in the audit log.
func (h *house) events(kind idp.AuditKind) []idp.AuditEvent {
	h.t.Helper()
	list, err := h.Store.AuditEvents(h.t.Context(), kind, "", 100)
	idptest.Must(h.t, err)
	return list
}
