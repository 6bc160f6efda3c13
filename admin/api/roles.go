package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
)

// ListRoles implements ServerInterface.
func (h handlers) ListRoles(c *gin.Context) {
	h.do(c, func(v *call) error {
		list, err := v.manage.Roles(v.ctx, v.actor)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, RoleList{Roles: each(list, roleOf)})
	})
}

func roleOf(e manage.RoleEntry) Role {
	return Role{
		ID: e.ID, Name: e.Name, System: e.System, Holders: e.Holders, Version: e.Version,
		Permissions: each(e.Permissions, func(p string) Permission { return Permission(p) }),
	}
}

// CreateRole implements ServerInterface.
func (h handlers) CreateRole(c *gin.Context) {
	h.do(c, func(v *call) error {
		c, err := changeOf(v, "", "", manage.RoleFields())
		if err != nil {
			return err
		}
		e, err := v.manage.CreateRole(v.ctx, v.actor, c.To.Name, c.To.Permissions, c.Reason)
		if err != nil {
			return err
		}
		return v.created(e.ID, e.Version, roleOf(e))
	})
}

// GetRole implements ServerInterface.
func (h handlers) GetRole(c *gin.Context, id RoleID) {
	h.do(c, func(v *call) error {
		list, err := v.manage.Roles(v.ctx, v.actor)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.ID == id {
				return v.versioned(http.StatusOK, e.Version, roleOf(e))
			}
		}
		return fmt.Errorf("role: %w", idp.ErrNotFound)
	})
}

// UpdateRole implements ServerInterface.
func (h handlers) UpdateRole(c *gin.Context, id RoleID, params UpdateRoleParams) {
	h.do(c, func(v *call) error {
		c, err := changeOf(v, id, params.IfMatch, manage.RoleFields())
		if err != nil {
			return err
		}
		c.To.ID = id
		e, err := v.manage.UpdateRole(v.ctx, v.actor, manage.RoleEntry{Version: c.Version, Role: c.To}, c.Reason)
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, e.Version, roleOf(e))
	})
}

// DeleteRole implements ServerInterface.
func (h handlers) DeleteRole(c *gin.Context, id RoleID, params DeleteRoleParams) {
	h.because(c, func(v *call, reason string) error {
		return stale(v.manage.DeleteRole(v.ctx, v.actor, id, versionIn(params.IfMatch), reason))
	})
}

// TestMail implements ServerInterface.
func (h handlers) TestMail(c *gin.Context) {
	h.do(c, func(v *call) error {
		to, err := read[TestMail](v)
		if err != nil {
			return err
		}
		err = v.manage.TestMail(v.ctx, v.actor, to.To)
		var field *manage.FieldError
		switch {
		case err == nil:
			return v.done()
		case errors.Is(err, manage.ErrForbidden), errors.Is(err, manage.ErrNoMail), errors.As(err, new(*manage.WaitError)):
			return err
		case errors.As(err, &field): // manage calls every address email
			return &manage.FieldError{Field: "to", Reason: field.Reason}
		}
		return &refusedMail{err}
	})
}
