package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
)

// ListUsers implements ServerInterface.
func (h handlers) ListUsers(c *gin.Context, params ListUsersParams) {
	h.do(c, func(v *call) error {
		list, next, err := v.manage.Users(v.ctx, v.actor, manage.UserQuery{
			Population: or(params.Population), Prefix: or(params.Prefix), Role: or(params.Role),
			WithoutSecondStep: or(params.WithoutSecondStep), Disabled: params.Disabled,
			After: manage.Cursor(or(params.After)), Limit: or(params.Limit),
		})
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, UserList{Users: each(list, listedUserOf), Next: nextOf(next)})
	})
}

func listedUserOf(e manage.UserEntry) ListedUser {
	return ListedUser{
		ID: e.ID, Population: e.PopulationID, Email: e.Email, Name: e.Name, Disabled: e.Disabled, Roles: full(e.Roles),
		Authenticator: e.Authenticator, RecoveryCodes: e.Recovery, CreatedAt: e.CreatedAt, LastSignInAt: moment(e.LastSignInAt),
	}
}

// CreateUser implements ServerInterface.
func (h handlers) CreateUser(c *gin.Context) {
	h.do(c, func(v *call) error {
		n, err := read[NewUser](v)
		if err != nil {
			return err
		}
		u, err := v.manage.AddUser(v.ctx, v.actor, manage.NewUser{
			Population: n.Population, Email: n.Email, Name: or(n.Name), Locale: or(n.Locale), Password: or(n.Password), Roles: or(n.Roles),
		})
		if err != nil {
			return err
		}
		d, err := v.manage.UserDetail(v.ctx, v.actor, u.ID)
		if err != nil {
			return err
		}
		return v.created(d.ID, d.Version, userOf(d))
	})
}

func userOf(d manage.UserDetail) User {
	return User{
		ID: d.ID, Population: d.PopulationID, Email: d.Email, Name: d.Name, Locale: d.Locale, Disabled: d.Disabled,
		PasswordSet: d.PasswordSet, Roles: each(d.Roles, func(r idp.Role) string { return r.ID }),
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, Version: d.Version,
	}
}

// GetUser implements ServerInterface.
func (h handlers) GetUser(c *gin.Context, id UserID) {
	h.do(c, func(v *call) error { return v.user(id) })
}

// user answers with a person as they are now.
func (v *call) user(id string) error {
	d, err := v.manage.UserDetail(v.ctx, v.actor, id)
	if err != nil {
		return err
	}
	return v.versioned(http.StatusOK, d.Version, userOf(d))
}

// UpdateUser implements ServerInterface.
func (h handlers) UpdateUser(c *gin.Context, id UserID, params UpdateUserParams) {
	h.do(c, func(v *call) error {
		change, err := read[UserChange](v)
		if err != nil {
			return err
		}
		d, err := v.manage.UpdateUser(v.ctx, v.actor, id, manage.UserChange{
			Version: versionIn(params.IfMatch), Name: change.Name, Email: change.Email, Locale: change.Locale, Disabled: change.Disabled,
			Reason: or(change.Reason),
		})
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, d.Version, userOf(d))
	})
}

// DeleteUser implements ServerInterface.
func (h handlers) DeleteUser(c *gin.Context, id UserID) {
	h.because(c, func(v *call, reason string) error { return v.manage.DeleteUser(v.ctx, v.actor, id, reason) })
}

// AnonymiseUser implements ServerInterface.
func (h handlers) AnonymiseUser(c *gin.Context, id UserID) {
	h.because(c, func(v *call, reason string) error { return v.manage.AnonymiseUser(v.ctx, v.actor, id, reason) })
}

// SetRoles implements ServerInterface.
func (h handlers) SetRoles(c *gin.Context, id UserID, params SetRolesParams) {
	h.do(c, func(v *call) error {
		change, err := read[RolesChange](v)
		if err != nil {
			return err
		}
		version := versionIn(params.IfMatch)
		if err := v.manage.SetRoles(v.ctx, v.actor, id, version, change.Roles, change.Reason); err != nil {
			return stale(err)
		}
		v.Header("ETag", etag(version+1)) // a change is one step
		return v.done()
	})
}

// ListFactors implements ServerInterface.
func (h handlers) ListFactors(c *gin.Context, id UserID) {
	h.do(c, func(v *call) error {
		d, err := v.manage.UserDetail(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		list := Factors{Factors: each(d.Factors, factorOf)}
		if r := d.Recovery; r != nil {
			list.Recovery = &RecoverySet{
				ID: r.ID, Left: d.RecoveryLeft, CreatedAt: r.CreatedAt, SavedAt: moment(r.SavedAt),
				DisabledAt: moment(r.DisabledAt), RegenerateAt: moment(d.RegenerateAt),
			}
		}
		return v.json(http.StatusOK, list)
	})
}

func factorOf(f idp.Factor) Factor {
	return Factor{
		ID: f.ID, Method: FactorMethod(f.Method), Name: f.Name, CreatedAt: f.CreatedAt,
		LastUsedAt: moment(f.LastUsedAt), DisabledAt: moment(f.DisabledAt),
	}
}

// EnableFactor implements ServerInterface.
func (h handlers) EnableFactor(c *gin.Context, id UserID, factorID FactorID) {
	h.because(c, func(v *call, reason string) error { return v.manage.EnableFactor(v.ctx, v.actor, id, factorID, reason) })
}

// ViewRecoveryCodes implements ServerInterface.
func (h handlers) ViewRecoveryCodes(c *gin.Context, id UserID) {
	h.do(c, func(v *call) error {
		reason, err := v.reason()
		if err != nil {
			return err
		}
		codes, err := v.manage.ViewRecoveryCodes(v.ctx, v.actor, id, reason)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, RecoveryCodes{Codes: full(codes)})
	})
}

// RegenerateRecoveryCodes implements ServerInterface.
func (h handlers) RegenerateRecoveryCodes(c *gin.Context, id UserID) {
	h.because(c, func(v *call, reason string) error {
		return v.manage.RegenerateRecoveryCodes(v.ctx, v.actor, id, reason)
	})
}

// ResetMFA implements ServerInterface.
func (h handlers) ResetMFA(c *gin.Context, id UserID) {
	h.because(c, func(v *call, reason string) error { return v.manage.ResetMFA(v.ctx, v.actor, id, reason) })
}

// SetPassword implements ServerInterface.
func (h handlers) SetPassword(c *gin.Context, id UserID) {
	h.do(c, func(v *call) error {
		change, err := read[PasswordChange](v)
		if err != nil {
			return err
		}
		if err := v.manage.SetPassword(v.ctx, v.actor, id, change.Password, change.Reason); err != nil {
			return err
		}
		return v.done()
	})
}

// ClearThrottle implements ServerInterface.
func (h handlers) ClearThrottle(c *gin.Context, id UserID) {
	h.because(c, func(v *call, reason string) error { return v.manage.ClearThrottle(v.ctx, v.actor, id, reason) })
}

// ListUserSessions implements ServerInterface.
func (h handlers) ListUserSessions(c *gin.Context, id UserID, params ListUserSessionsParams) {
	h.do(c, func(v *call) error {
		return v.sessions(manage.SessionQuery{UserID: id, After: manage.Cursor(or(params.After)), Limit: or(params.Limit)})
	})
}

// sessions answers with a page of sessions.
func (v *call) sessions(q manage.SessionQuery) error {
	list, next, err := v.manage.ListSessions(v.ctx, v.actor, q)
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, SessionList{Sessions: each(list, sessionOf), Next: nextOf(next)})
}

func sessionOf(e manage.SessionEntry) Session {
	return Session{
		ID: e.ID, UserID: e.UserID, Email: e.Email, Population: e.PopulationID,
		Methods: each(e.Proofs, func(p idp.Proof) string { return string(p.Method) }),
		Address: e.Address, UserAgent: e.UserAgent, Clients: full(e.Clients),
		CreatedAt: e.CreatedAt, LastSeenAt: e.LastSeenAt, ExpiresAt: e.ExpiresAt,
	}
}

// ListOfflineAccess implements ServerInterface.
func (h handlers) ListOfflineAccess(c *gin.Context, id UserID) {
	h.do(c, func(v *call) error {
		list, err := v.manage.ListGrants(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, OfflineAccessList{OfflineAccess: each(list, func(k manage.KeptAccess) OfflineAccess {
			return OfflineAccess{
				ID: k.ID, ClientID: k.ClientID, Scopes: full(k.Scopes), SessionID: k.SessionID, Address: k.Address, UserAgent: k.UserAgent,
				CreatedAt: k.CreatedAt, LastUsedAt: k.LastUsedAt, ExpiresAt: k.ExpiresAt,
			}
		})})
	})
}

// EndOfflineAccess implements ServerInterface.
func (h handlers) EndOfflineAccess(c *gin.Context, id UserID, grant GrantID) {
	h.because(c, func(v *call, reason string) error { return v.manage.EndGrant(v.ctx, v.actor, id, grant, reason) })
}

// SignOut implements ServerInterface.
func (h handlers) SignOut(c *gin.Context, id UserID) {
	h.do(c, func(v *call) error {
		body, err := read[SignOut](v)
		if err != nil {
			return err
		}
		var spared []manage.SignOutSpares
		if body.OfflineAccess != nil && !*body.OfflineAccess {
			spared = append(spared, manage.SpareOffline)
		}
		n, err := v.manage.SignOut(v.ctx, v.actor, id, body.Reason, spared...)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, SignedOut{Ended: n})
	})
}

// ListSessions implements ServerInterface.
func (h handlers) ListSessions(c *gin.Context, params ListSessionsParams) {
	h.do(c, func(v *call) error {
		return v.sessions(manage.SessionQuery{
			Population: or(params.Population), UserID: or(params.UserID), After: manage.Cursor(or(params.After)), Limit: or(params.Limit),
		})
	})
}

// EndSession implements ServerInterface.
func (h handlers) EndSession(c *gin.Context, id SessionID) {
	h.because(c, func(v *call, reason string) error { return v.manage.EndSession(v.ctx, v.actor, id, reason) })
}
