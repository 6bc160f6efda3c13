package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/roles"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// rolesDone is what the pages of roles may say was done.
func rolesDone() []ui.Key {
	return []ui.Key{"console.done.role_saved", "console.done.role_deleted"}
}

// permissionLabels are permissions as admins read them.
func (v *visit) permissionLabels(permissions []string) (labels []string) {
	for _, p := range idp.Permissions() {
		if slices.Contains(permissions, p) {
			labels = append(labels, v.text(permissionKey(p)))
		}
	}
	return labels
}

func permissionKey(permission string) ui.Key { return ui.Key("permission." + permission) }

// roles lists them.
func (v *visit) roles() error {
	ctx := v.Request.Context()
	if err := v.authorize("UpdateRole"); err != nil {
		return err
	}
	list, err := v.console.Manage.Roles.Roles(ctx, v.actor)
	if err != nil {
		return err
	}
	frame, err := v.frame(ctx, "/roles")
	if err != nil {
		return err
	}
	page := ui.ConsoleRoles{Console: frame, AddURL: v.path("/roles/new")}
	for _, r := range list {
		page.Roles = append(page.Roles, ui.RoleRow{
			Name: r.Name, URL: v.path("/roles/" + r.ID), System: r.System,
			Permissions: v.permissionLabels(r.Permissions), Holders: int(r.Holders),
		})
	}
	return v.render(http.StatusOK, page)
}

// namedRole is the role that the address names, for who may see its page.
func (v *visit) namedRole() (roles.RoleEntry, error) {
	if err := v.authorize("UpdateRole"); err != nil {
		return roles.RoleEntry{}, err
	}
	return v.listedRole()
}

// listedRole is the role that the address names.
func (v *visit) listedRole() (roles.RoleEntry, error) {
	list, err := v.console.Manage.Roles.Roles(v.Request.Context(), v.actor)
	if err != nil {
		return roles.RoleEntry{}, err
	}
	return one(list, func(r roles.RoleEntry) string { return r.ID }, v.Param("id"))
}

// role shows one, to be read.
func (v *visit) role() error {
	r, err := v.namedRole()
	if err != nil {
		return err
	}
	return v.renderRole(http.StatusOK, r, nil)
}

// renderRole shows a role to be read, with what could not be done.
func (v *visit) renderRole(status int, r roles.RoleEntry, alert *ui.Message) error {
	page, err := v.rolePage(r, r.Role)
	if err != nil {
		return err
	}
	page.CancelURL, page.Alert = v.path("/roles"), alert
	if v.changeable(r) {
		page.EditURL = v.path("/roles/" + r.ID + "/edit")
		if r.Holders == 0 {
			page.DeleteURL = v.path("/roles/" + r.ID + "/delete")
		}
	}
	return v.render(status, page)
}

// changeable tells whether the viewer may change a role.
func (v *visit) changeable(r roles.RoleEntry) bool { return !r.System && v.actor.CanAll(r.Permissions) }

// rolePage is the page of a role, with name and permissions as they were entered.
func (v *visit) rolePage(r roles.RoleEntry, wanted idp.Role) (ui.ConsoleRole, error) {
	frame, err := v.frame(v.Request.Context(), "/roles")
	frame.Crumbs = []ui.Link{{Label: v.text("console.nav.roles"), URL: v.path("/roles")}}
	page := ui.ConsoleRole{
		Console: frame, Name: wanted.Name, System: r.System, Holders: int(r.Holders),
		Above: !r.System && !v.actor.CanAll(r.Permissions),
	}
	page.Permissions = v.permissionTicks(wanted)
	return page, err
}

// roleForm is the form of a role, with what new and existing ones have in common.
func roleForm() section[roles.RoleEntry, idp.Role] {
	type entry = roles.RoleEntry
	return section[entry, idp.Role]{
		thing: "roles", fields: roles.RoleFields(),
		seen:  func(r entry) (idp.Role, int64) { return r.Role, r.Version },
		kept:  func(r entry) idp.Role { return idp.Role{ID: r.ID} },
		check: func(*visit, entry, *idp.Role) settings.Errors { return nil }, // the operation does: first whether the viewer may
		frame: func(v *visit, r entry) (ui.ConsoleForm, error) {
			read, err := v.rolePage(r, r.Role)
			page := ui.ConsoleForm{Console: read.Console, Heading: *ui.Key("console.roles.new").With()}
			page.CancelURL = v.path("/roles")
			return page, err
		},
		more: func(v *visit, r entry, wanted idp.Role, page *ui.ConsoleForm) error {
			page.Name = "console-role"
			if r.ID == "" {
				page.Submit = *ui.Key("console.roles.add").With()
			} else {
				page.CancelURL, page.Heading = v.path("/roles/"+r.ID), *ui.Key("console.roles.role").With()
				if wanted.Name != "" {
					page.Heading = ui.Plain(wanted.Name)
				}
				page.Notes = append(page.Notes, note("hint", "console.roles.held_by", int(r.Holders)))
			}
			page.Inputs[1].Ticks = v.permissionTicks(wanted)
			page.Inputs[1].After = []ui.Note{note("hint", "console.roles.only_own")}
			page.Inputs = append(page.Inputs, v.reasonInput())
			return nil
		},
	}
}

// reasonInput asks for a reason on the form itself.
func (v *visit) reasonInput() ui.Input {
	return ui.Input{
		Kind: ui.TextInput, Name: "reason", Label: *ui.Key("console.reason").With(), Hint: *ui.Key("console.reason_hint").With(),
		Value: v.PostForm("reason"), Required: true,
	}
}

// permissionTicks are all permissions; who lacks one cannot give it.
func (v *visit) permissionTicks(r idp.Role) (list []ui.Tick) {
	for _, p := range idp.Permissions() {
		list = append(list, ui.Tick{
			Value: p, Label: v.text(permissionKey(p)), Hint: v.text(permissionKey(p) + "_hint"), Fixed: !v.actor.Can(p), On: slices.Contains(r.Permissions, p),
		})
	}
	return list
}

// newRole is the form to make one.
func newRole() section[roles.RoleEntry, idp.Role] {
	x := roleForm()
	x.load = func(v *visit) (roles.RoleEntry, error) { return roles.RoleEntry{}, v.authorize("CreateRole") }
	x.at = func(*visit) string { return "/roles/new" }
	x.early = true
	x.add = func(v *visit, _ roles.RoleEntry, r idp.Role) error {
		made, err := v.console.Manage.Roles.CreateRole(v.Request.Context(), v.actor, r.Name, r.Permissions, v.PostForm("reason"))
		if err != nil {
			return err
		}
		return v.done("/roles/"+made.ID, "console.done.role_saved")
	}
	return x
}

// changedRole is the form to change one; done, the role is shown.
func changedRole() section[roles.RoleEntry, idp.Role] {
	x := roleForm()
	x.load = (*visit).namedRole // the operation refuses who may not, and the audit log has it
	x.home = func(r roles.RoleEntry) string { return "/roles/" + r.ID + "/edit" }
	x.early = true
	x.add = func(v *visit, r roles.RoleEntry, wanted idp.Role) error {
		saved, err := v.console.Manage.Roles.UpdateRole(v.Request.Context(), v.actor, roles.RoleEntry{Role: wanted, Version: v.seenVersion()}, v.PostForm("reason"))
		if err != nil {
			if _, found := v.changingRole(); found != nil { // no form for who may not
				return found
			}
			return err
		}
		return v.saved("/roles/"+r.ID, v.seenVersion(), saved.Version, "console.done.role_saved")
	}
	return x
}

// editRole is the form to change one.
func (v *visit) editRole() error {
	if _, err := v.changingRole(); err != nil {
		return err
	}
	return changedRole().get(v)
}

// changingRole is the role that the address names, for a page on which it changes.
func (v *visit) changingRole() (roles.RoleEntry, error) {
	r, err := v.namedRole()
	if err == nil && !v.changeable(r) {
		err = authz.ErrForbidden
	}
	return r, err
}

// askDeleteRole asks before a role without holders is deleted.
func (v *visit) askDeleteRole() error {
	r, err := v.changingRole()
	if err != nil {
		return err
	}
	if r.Holders > 0 {
		return v.roleStays(idp.ErrInUse)
	}
	return deleteRole().get(v)
}

// deleteRole is the question before a role goes.
func deleteRole() question[roles.RoleEntry] {
	type entry = roles.RoleEntry
	home := func(r entry) string { return "/roles/" + r.ID }
	return question[entry]{
		load:    (*visit).listedRole, // the operation refuses who may not, and the audit log has it
		allowed: func(v *visit, r entry) bool { return v.actor.CanDo("UpdateRole") && v.changeable(r) },
		at:      func(r entry) string { return home(r) + "/delete" }, home: home,
		version: func(r entry) int64 { return r.Version },
		page: func(v *visit, r entry) (ui.ConsoleConfirm, error) {
			page, err := v.rolePage(r, r.Role)
			return ui.ConsoleConfirm{
				Console: page.Console, Heading: *ui.Key("console.roles.delete_heading").With(r.Name), Button: *ui.Key("console.roles.delete").With(),
				Danger: true, Consequences: says("console.roles.delete_unheld", "console.action.final"),
			}, err
		},
		carry: func(v *visit, r entry, reason string) (func() error, error) {
			return v.saying("/roles", "console.done.role_deleted"), v.console.Manage.Roles.DeleteRole(v.Request.Context(), v.actor, r.ID, v.seenVersion(), reason)
		},
		refused: (*visit).roleStays,
	}
}

// roleStays shows a role that was not deleted, with why.
func (v *visit) roleStays(err error) error {
	var alert ui.Key
	switch {
	case errors.Is(err, idp.ErrSystemRole):
		return fmt.Errorf("%w: %w", authz.ErrForbidden, err)
	case errors.Is(err, idp.ErrConflict):
		alert = "error.stale"
	case errors.Is(err, idp.ErrInUse):
		alert = "console.roles.in_use"
	default:
		return err
	}
	r, err := v.changingRole()
	if err != nil {
		return err
	}
	return v.renderRole(http.StatusConflict, r, alert.With())
}
