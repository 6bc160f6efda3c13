package api

import (
	"errors"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/mfa"
)

func userOperations() []operation {
	const of = "/users/{user_id}"
	return []operation{
		{
			ID: "listUsers", Route: "GET /users", Manage: "Users", Query: "population prefix subject role without_second_step disabled after limit",
			Answer: list{"users", User{}}, run: listUsers,
		},
		{ID: "createUser", Route: "POST /users", Manage: "AddUser", Body: NewUser{}, Answer: User{}, Created: true, ETag: true, Taken: "email", run: with(createUser)},
		{ID: "getUser", Route: "GET " + of, Manage: "UserDetail", Answer: User{}, ETag: true, run: getUser},
		{ID: "updateUser", Route: "PATCH " + of, Manage: "UpdateUser", IfMatch: mustMatch, Body: UserChange{}, Answer: User{}, ETag: true, Waits: true, run: with(updateUser)},
		{ID: "deleteUser", Route: "DELETE " + of, Manage: "DeleteUser", IfMatch: mayMatch, Body: Reason{}, run: because(deleteUser)},
		{ID: "anonymiseUser", Route: "POST " + of + "/anonymise", Manage: "AnonymiseUser", Body: Reason{}, run: onUser(inPeople, (*people.Manager).AnonymiseUser)},
		{ID: "setRoles", Route: "PUT " + of + "/roles", Manage: "SetRoles", IfMatch: mustMatch, Body: RolesChange{}, ETag: true, run: with(setRoles)},
		{ID: "listIdentities", Route: "GET " + of + "/identities", Manage: "Identities", Answer: list{"identities", Identity{}}, run: listIdentities},
		{ID: "linkIdentity", Route: "POST " + of + "/identities", Manage: "LinkIdentity", Body: NewIdentity{}, run: with(linkIdentity)},
		{ID: "unlinkIdentity", Route: "DELETE " + of + "/identities/{connection_id}", Manage: "UnlinkIdentity", Body: Reason{}, run: because(unlinkIdentity)},
	}
}

func deleteUser(v *call, reason string) error {
	return v.manage.People.DeleteUser(v.ctx, v.actor, v.Param("user_id"), v.version(), reason)
}

// NewUser is a person to be added.
type NewUser struct {
	Population string   `json:"population" is:"ID"`
	Email      string   `json:"email" is:"Email"`
	Name       string   `json:"name,omitempty" is:"Line"`
	Locale     string   `json:"locale,omitempty" is:"Locale"`
	GivenName  string   `json:"given_name,omitempty" is:"Line"`
	FamilyName string   `json:"family_name,omitempty" is:"Line"`
	Zoneinfo   string   `json:"zoneinfo,omitempty" is:"TimeZone"`
	Picture    string   `json:"picture,omitempty" is:"WebURL"`
	Password   string   `json:"password,omitempty" is:"Password"`
	Roles      []string `json:"roles,omitempty" is:"IDs"`
}

// UserChange is what changes of a person; what is left out stays.
type UserChange struct {
	Email      *string `json:"email,omitempty" is:"Email"`
	Name       *string `json:"name,omitempty" is:"Line"`
	Locale     *string `json:"locale,omitempty" is:"Locale"`
	GivenName  *string `json:"given_name,omitempty" is:"Line"`
	FamilyName *string `json:"family_name,omitempty" is:"Line"`
	Zoneinfo   *string `json:"zoneinfo,omitempty" is:"TimeZone"`
	Picture    *string `json:"picture,omitempty" is:"WebURL"`
	Disabled   *bool   `json:"disabled,omitempty"`
	Reason     string  `json:"reason,omitempty" is:"Why"`
}

// RolesChange is which roles a person has from now on.
type RolesChange struct {
	Roles  []string `json:"roles" is:"IDs"`
	Reason string   `json:"reason" is:"Why"`
}

// User is a person.
type User struct {
	ID          string    `json:"id"`
	Population  string    `json:"population"`
	Email       string    `json:"email"`
	Name        string    `json:"name"`
	Locale      string    `json:"locale"`
	GivenName   string    `json:"given_name"`
	FamilyName  string    `json:"family_name"`
	Zoneinfo    string    `json:"zoneinfo"`
	Picture     string    `json:"picture"`
	Disabled    bool      `json:"disabled"`
	PasswordSet bool      `json:"password_set"`
	Roles       []string  `json:"roles"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Version     int64     `json:"version"`

	Authenticator bool      `json:"authenticator"`
	RecoveryCodes bool      `json:"recovery_codes"`
	LastSignInAt  time.Time `json:"last_sign_in_at,omitzero"`
}

// Identity is who a person is at a connection.
type Identity struct {
	ConnectionID string    `json:"connection_id"`
	Connection   string    `json:"connection"`
	Subject      string    `json:"subject"`
	Email        string    `json:"email"`
	CreatedAt    time.Time `json:"created_at"`
	LastSeenAt   time.Time `json:"last_seen_at,omitzero"`
}

// NewIdentity is who a person is at a connection, before they come through it.
type NewIdentity struct {
	ConnectionID string `json:"connection_id" is:"ID"`
	TenantID     string `json:"tenant_id,omitempty" is:"ShortLine"`
	ObjectID     string `json:"object_id,omitempty" is:"ShortLine"`
	Subject      string `json:"subject,omitempty" is:"Subject"`
	Reason       string `json:"reason" is:"Why"`
}

// flagged is a parameter that is true or false, nil where it is not there.
func (v *call) flagged(name string) *bool {
	text, ok := v.GetQuery(name)
	if !ok {
		return nil
	}
	yes := text == "true" // which was checked
	return &yes
}

func listUsers(v *call) (any, error) {
	without := v.flagged("without_second_step")
	q := people.UserQuery{
		Population: v.Query("population"), Prefix: v.Query("prefix"), Subject: v.Query("subject"), Role: v.Query("role"),
		WithoutSecondStep: without != nil && *without, Disabled: v.flagged("disabled"),
	}
	q.After, q.Limit = v.page()
	all, next, err := v.manage.People.Users(v.ctx, v.actor, q)
	if err != nil {
		return nil, err
	}
	return rows(v, all, next, userOf), nil
}

func userOf(e people.UserEntry) User {
	return User{
		ID: e.ID, Population: e.PopulationID, Email: e.Email, Name: e.Name, Locale: e.Locale, Disabled: e.Disabled,
		GivenName: e.GivenName, FamilyName: e.FamilyName, Zoneinfo: e.Zoneinfo, Picture: e.Picture,
		PasswordSet: e.PasswordSet, Roles: full(e.Roles), CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt, Version: e.Version,
		Authenticator: e.Authenticator, RecoveryCodes: e.Recovery, LastSignInAt: e.LastSignInAt,
	}
}

func createUser(v *call, n NewUser) (any, error) {
	u, err := v.manage.People.AddUser(v.ctx, v.actor, people.NewUser{
		Population: n.Population, Email: n.Email, Name: n.Name, Locale: n.Locale, Password: n.Password, Roles: n.Roles,
		Profile: idp.Profile{GivenName: n.GivenName, FamilyName: n.FamilyName, Zoneinfo: n.Zoneinfo, Picture: n.Picture},
	})
	if err != nil {
		return nil, err
	}
	d, err := v.manage.People.UserDetail(v.ctx, v.actor, u.ID)
	if err != nil {
		return nil, err
	}
	return v.made(d.ID, d.Version, detailOf(d)), nil
}

// detailOf is a person as one of a list.
func detailOf(d people.UserDetail) User {
	return userOf(people.UserEntry{
		User: d.User, Roles: each(d.Roles, func(r idp.Role) string { return r.ID }), PasswordSet: d.PasswordSet, Version: d.Version,
		Authenticator: len(mfa.Possessions(d.Factors)) > 0,
		Recovery:      d.RecoveryLeft > 0, LastSignInAt: d.LastSignInAt,
	})
}

// user answers with a person as they are now.
func (v *call) user(d people.UserDetail, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v.tagged(d.Version, detailOf(d)), nil
}

func getUser(v *call) (any, error) {
	return v.user(v.manage.People.UserDetail(v.ctx, v.actor, v.Param("user_id")))
}

func updateUser(v *call, change UserChange) (any, error) {
	return v.user(v.manage.People.UpdateUser(v.ctx, v.actor, v.Param("user_id"), people.UserChange{
		Version: v.version(), Name: change.Name, Email: change.Email, Locale: change.Locale, Disabled: change.Disabled,
		GivenName: change.GivenName, FamilyName: change.FamilyName, Zoneinfo: change.Zoneinfo, Picture: change.Picture,
		Reason: change.Reason,
	}))
}

func setRoles(v *call, change RolesChange) (any, error) {
	version := v.version()
	err := v.manage.People.SetRoles(v.ctx, v.actor, v.Param("user_id"), version, change.Roles, change.Reason)
	version++ // a change is one step
	if unchanged := new(authz.UnchangedError); errors.As(err, &unchanged) {
		version, err = unchanged.Version, nil
	}
	if err == nil {
		v.Header("ETag", etag(version))
	}
	return nil, err
}

func listIdentities(v *call) (any, error) {
	all, err := v.manage.Connections.Identities(v.ctx, v.actor, v.Param("user_id"))
	if err != nil {
		return nil, err
	}
	return rows(v, all, "", func(e people.IdentityEntry) Identity {
		return Identity{
			ConnectionID: e.ConnectionID, Connection: e.Connection, Subject: e.Subject, Email: e.Email,
			CreatedAt: e.CreatedAt, LastSeenAt: e.LastSeenAt,
		}
	}), nil
}

func linkIdentity(v *call, n NewIdentity) (any, error) {
	return nil, v.manage.Connections.LinkIdentity(v.ctx, v.actor, connections.NewIdentity{
		UserID: v.Param("user_id"), ConnectionID: n.ConnectionID, TenantID: n.TenantID, ObjectID: n.ObjectID,
		Subject: n.Subject, Reason: n.Reason,
	})
}

func unlinkIdentity(v *call, reason string) error {
	return v.manage.Connections.UnlinkIdentity(v.ctx, v.actor, v.Param("user_id"), v.Param("connection_id"), reason)
}
