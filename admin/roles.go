package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/ui"
)

// rolesDone is what the pages of roles may say was done.
func rolesDone() []ui.Key {
	return []ui.Key{"console.done.role_saved", "console.done.role_deleted"}
}

// permissionLabels are permissions as admins read them.
func permissionLabels(permissions []string) []string {
	var labels []string
	for _, p := range idp.PermissionList() {
		if slices.Contains(permissions, p.ID) {
			labels = append(labels, p.Label)
		}
	}
	return labels
}

// roles lists them.
func (v *visit) roles() error {
	ctx := v.Request.Context()
	if err := v.need("UpdateRole"); err != nil {
		return err
	}
	list, err := v.console.Manage.Roles(ctx, v.actor)
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
			Permissions: permissionLabels(r.Permissions), Holders: int(r.Holders),
		})
	}
	return v.render(http.StatusOK, page)
}

// named is the role that the address names.
func (v *visit) namedRole() (manage.RoleEntry, error) {
	if err := v.need("UpdateRole"); err != nil {
		return manage.RoleEntry{}, err
	}
	list, err := v.console.Manage.Roles(v.Request.Context(), v.actor)
	if err != nil {
		return manage.RoleEntry{}, err
	}
	i := slices.IndexFunc(list, func(r manage.RoleEntry) bool { return r.ID == v.Param("id") })
	if i < 0 {
		return manage.RoleEntry{}, idp.ErrNotFound
	}
	return list[i], nil
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
func (v *visit) renderRole(status int, r manage.RoleEntry, alert *ui.Message) error {
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
func (v *visit) changeable(r manage.RoleEntry) bool { return !r.System && v.holds(r.Permissions) }

// rolePage is the page of a role, with name and permissions as somebody wants them.
func (v *visit) rolePage(r manage.RoleEntry, wanted idp.Role) (ui.ConsoleRole, error) {
	frame, err := v.frame(v.Request.Context(), "/roles")
	frame.Crumbs = []ui.Link{{Label: v.text("console.nav.roles"), URL: v.path("/roles")}}
	page := ui.ConsoleRole{
		Console: frame, New: r.ID == "", Version: r.Version, Name: wanted.Name, System: r.System, Holders: int(r.Holders),
		Above: !r.System && !v.holds(r.Permissions),
	}
	for _, p := range idp.PermissionList() {
		page.Permissions = append(page.Permissions, ui.Tick{
			Value: p.ID, Label: p.Label, Hint: p.Explain, Fixed: !v.actor.Can(p.ID), On: slices.Contains(wanted.Permissions, p.ID),
		})
	}
	return page, err
}

// renderRoleForm shows a role to be made or changed, with what is wrong about it.
func (v *visit) renderRoleForm(status int, r manage.RoleEntry, wanted idp.Role, field *manage.FieldError, alert *ui.Message) error {
	page, err := v.rolePage(r, wanted)
	if err != nil {
		return err
	}
	page.Action, page.CancelURL, page.Alert, page.Reason = v.path("/roles/new"), v.path("/roles"), alert, v.PostForm("reason")
	if r.ID != "" {
		page.Action, page.CancelURL = v.path("/roles/"+r.ID+"/edit"), v.path("/roles/"+r.ID)
	}
	if field != nil {
		switch message := fieldMessage(field); field.Field {
		case "name":
			page.NameError = message
		case "permissions":
			page.PermissionsError = message
		case "reason":
			page.ReasonError = v.reasonMessage(field)
		default:
			page.Alert = message
		}
	}
	return v.render(status, page)
}

// newRole is the form to make one.
func (v *visit) newRole() error {
	if err := v.need("CreateRole"); err != nil {
		return err
	}
	if !v.fresh() {
		return v.askFresh("/roles/new")
	}
	return v.renderRoleForm(http.StatusOK, manage.RoleEntry{}, idp.Role{}, nil, nil)
}

// postNewRole makes one.
func (v *visit) postNewRole() error {
	wanted := idp.Role{Name: v.PostForm("name"), Permissions: v.PostFormArray("permissions")}
	made, err := v.console.Manage.CreateRole(v.Request.Context(), v.actor, wanted.Name, wanted.Permissions, v.PostForm("reason"))
	var field *manage.FieldError
	switch {
	case errors.As(err, &field):
		return v.renderRoleForm(http.StatusUnprocessableEntity, manage.RoleEntry{}, wanted, field, nil)
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh("/roles/new")
	case err != nil:
		return err
	}
	return v.done("/roles/"+made.ID, "console.done.role_saved")
}

// changingRole is the role that the address names, for a page on which it changes.
func (v *visit) changingRole() (manage.RoleEntry, error) {
	r, err := v.namedRole()
	if err == nil && !v.changeable(r) {
		err = manage.ErrForbidden
	}
	return r, err
}

// editRole is the form to change one.
func (v *visit) editRole() error {
	r, err := v.changingRole()
	if err != nil {
		return err
	}
	if !v.fresh() {
		return v.askFresh("/roles/" + r.ID + "/edit")
	}
	return v.renderRoleForm(http.StatusOK, r, r.Role, nil, nil)
}

// postRole changes one.
func (v *visit) postRole() error {
	wanted := manage.RoleEntry{Version: v.version(), Role: idp.Role{
		ID: v.Param("id"), Name: v.PostForm("name"), Permissions: v.PostFormArray("permissions"),
	}}
	saved, err := v.console.Manage.UpdateRole(v.Request.Context(), v.actor, wanted, v.PostForm("reason"))
	if err == nil {
		return v.saved("/roles/"+wanted.ID, wanted.Version, saved.Version, "console.done.role_saved")
	}
	var field *manage.FieldError
	invalid, stale := errors.As(err, &field), errors.Is(err, idp.ErrConflict)
	if !invalid && !stale {
		return v.roleRefused(err, "/roles/"+wanted.ID+"/edit")
	}
	r, found := v.changingRole()
	switch {
	case found != nil:
		return found
	case stale:
		return v.renderRoleForm(http.StatusConflict, r, r.Role, nil, ui.Key("console.error.stale").With())
	}
	// The version stays the one that was seen.
	r.Version = wanted.Version
	return v.renderRoleForm(http.StatusUnprocessableEntity, r, wanted.Role, field, nil)
}

// roleRefused is what becomes of an operation on a role that was refused.
func (v *visit) roleRefused(err error, page string) error {
	switch {
	case errors.Is(err, manage.ErrStepUp):
		return v.askFresh(page)
	case errors.Is(err, idp.ErrSystemRole):
		return fmt.Errorf("%w: %w", manage.ErrForbidden, err)
	}
	return err
}

// askDeleteRole asks why before a role goes.
func (v *visit) askDeleteRole() error {
	r, err := v.changingRole()
	if err != nil {
		return err
	}
	if r.Holders > 0 {
		return v.renderRole(http.StatusConflict, r, ui.Key("console.roles.in_use").With())
	}
	if !v.fresh() {
		return v.askFresh("/roles/" + r.ID + "/delete")
	}
	return v.renderDeleteRole(http.StatusOK, r, nil)
}

func (v *visit) renderDeleteRole(status int, r manage.RoleEntry, wrong *ui.Message) error {
	page, err := v.rolePage(r, r.Role)
	if err != nil {
		return err
	}
	page.FormFields = append(page.FormFields, versionField(r.Version))
	return v.render(status, ui.ConsoleConfirm{
		Console: page.Console, Action: v.path("/roles/" + r.ID + "/delete"), CancelURL: v.path("/roles/" + r.ID),
		Heading: *ui.Key("console.roles.delete_heading").With(r.Name), Button: *ui.Key("console.roles.delete").With(), Danger: true,
		Consequences: []ui.Message{*ui.Key("console.roles.delete_unheld").With(), *ui.Key("console.deed.final").With()},
		Reason:       v.PostForm("reason"), ReasonError: wrong,
	})
}

// postDeleteRole removes one.
func (v *visit) postDeleteRole() error {
	id := v.Param("id")
	err := v.console.Manage.DeleteRole(v.Request.Context(), v.actor, id, v.version(), v.PostForm("reason"))
	if err == nil {
		return v.done("/roles", "console.done.role_deleted")
	}
	var field *manage.FieldError
	invalid, stale := errors.As(err, &field), errors.Is(err, idp.ErrConflict)
	if !invalid && !stale && !errors.Is(err, idp.ErrInUse) {
		return v.roleRefused(err, "/roles/"+id+"/delete")
	}
	r, err := v.changingRole()
	switch {
	case err != nil:
		return err
	case stale:
		return v.renderRole(http.StatusConflict, r, ui.Key("console.error.stale").With())
	case invalid:
		r.Version = v.version() // the one that was seen
		return v.renderDeleteRole(http.StatusUnprocessableEntity, r, v.reasonMessage(field))
	}
	return v.renderRole(http.StatusConflict, r, ui.Key("console.roles.in_use").With())
}
