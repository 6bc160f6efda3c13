package api

import (
	"maps"
	"slices"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/people"
)

func sessionOperations() []operation {
	return []operation{
		{ID: "listSessions", Route: "GET /sessions", Manage: "ListSessions", Query: "population user_id after limit", Answer: list{"sessions", Session{}}, run: listSessions},
		{ID: "endSession", Route: "DELETE /sessions/{session_id}", Manage: "EndSession", Body: Reason{}, run: because(endSession)},
		{ID: "listUserSessions", Route: "GET /users/{user_id}/sessions", Manage: "ListSessions", Query: "after limit", Answer: list{"sessions", Session{}}, run: listSessions},
		{ID: "signOut", Route: "POST /users/{user_id}/sign-out", Manage: "SignOut", Body: SignOut{}, Answer: SignedOut{}, run: with(signOut)},
		{ID: "listOfflineAccess", Route: "GET /users/{user_id}/offline-access", Manage: "ListGrants", Answer: list{"offline_access", OfflineAccess{}}, run: listOfflineAccess},
		{ID: "listConsents", Route: "GET /users/{user_id}/consents", Manage: "ListConsents", Answer: list{"consents", Consent{}}, run: listConsents},
		{ID: "withdrawConsent", Route: "DELETE /users/{user_id}/consents/{consent_id}", Manage: "WithdrawConsent", Body: Reason{}, run: because(withdrawConsent)},
		{ID: "endOfflineAccess", Route: "DELETE /users/{user_id}/offline-access/{grant_id}", Manage: "EndGrant", Body: Reason{}, run: because(endOfflineAccess)},
	}
}

// Session is a person who is signed in.
type Session struct {
	ID         string    `json:"id"`
	UserID     string    `json:"user_id"`
	Email      string    `json:"email"`
	Population string    `json:"population"`
	Methods    []string  `json:"methods"`
	Address    string    `json:"address"`
	UserAgent  string    `json:"user_agent"`
	Clients    []string  `json:"clients"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// SignOut is why a person is signed out, and whether apps lose what they keep.
type SignOut struct {
	Reason        string `json:"reason" is:"Why"`
	OfflineAccess *bool  `json:"offline_access,omitempty"`
}

// SignedOut is what has ended.
type SignedOut struct {
	Ended int `json:"ended"`
}

// OfflineAccess is what an app keeps of a person.
type OfflineAccess struct {
	ID         string    `json:"id"`
	ClientID   string    `json:"client_id"`
	Scopes     []string  `json:"scopes"`
	SessionID  string    `json:"session_id"`
	Address    string    `json:"address"`
	UserAgent  string    `json:"user_agent"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// Consent is what a person lets a third-party app have.
type Consent struct {
	ID         string       `json:"id"`
	ClientID   string       `json:"client_id"`
	ClientName string       `json:"client_name"`
	Scopes     []string     `json:"scopes"`
	Claims     []string     `json:"claims"`
	APIs       []ConsentAPI `json:"apis"`
	CreatedAt  time.Time    `json:"created_at"`
	ChangedAt  time.Time    `json:"changed_at"`
}

// ConsentAPI is an API that an app may call for a person.
type ConsentAPI struct {
	Identifier string   `json:"identifier"`
	Scopes     []string `json:"scopes"`
}

func listConsents(v *call) (any, error) {
	all, err := v.manage.People.ListConsents(v.ctx, v.actor, v.Param("user_id"))
	if err != nil {
		return nil, err
	}
	return rows(v, all, "", func(e people.ConsentEntry) Consent {
		c := Consent{
			ID: e.ID, ClientID: e.ClientID, ClientName: e.App.Name, Scopes: full(e.Terms.Scopes), Claims: full(e.Terms.Claims),
			APIs: []ConsentAPI{}, CreatedAt: e.CreatedAt, ChangedAt: e.ChangedAt,
		}
		for _, identifier := range slices.Sorted(maps.Keys(e.Terms.APIs)) {
			c.APIs = append(c.APIs, ConsentAPI{identifier, full(e.Terms.APIs[identifier])})
		}
		return c
	}), nil
}

func withdrawConsent(v *call, reason string) error {
	return v.manage.People.WithdrawConsent(v.ctx, v.actor, v.Param("user_id"), v.Param("consent_id"), reason)
}

// listSessions lists all, or those of the person whom the path names.
func listSessions(v *call) (any, error) {
	q := people.SessionQuery{Population: v.Query("population"), UserID: v.Query("user_id")}
	if id := v.Param("user_id"); id != "" {
		q.UserID = id
	}
	q.After, q.Limit = v.page()
	all, next, err := v.manage.People.ListSessions(v.ctx, v.actor, q)
	if err != nil {
		return nil, err
	}
	return rows(v, all, next, sessionOf), nil
}

func sessionOf(e people.SessionEntry) Session {
	return Session{
		ID: e.ID, UserID: e.UserID, Email: e.Email, Population: e.PopulationID,
		Methods: each(e.Proofs, func(p idp.Proof) string { return string(p.Method) }),
		Address: e.Address, UserAgent: e.UserAgent, Clients: full(e.Clients),
		CreatedAt: e.CreatedAt, LastSeenAt: e.LastSeenAt, ExpiresAt: e.ExpiresAt,
	}
}

func endSession(v *call, reason string) error {
	return v.manage.People.EndSession(v.ctx, v.actor, v.Param("session_id"), reason)
}

func signOut(v *call, body SignOut) (any, error) {
	apps := people.AppAccess(body.OfflineAccess == nil || *body.OfflineAccess)
	n, err := v.manage.People.SignOut(v.ctx, v.actor, v.Param("user_id"), body.Reason, apps)
	return SignedOut{Ended: n}, err
}

func listOfflineAccess(v *call) (any, error) {
	all, err := v.manage.People.ListGrants(v.ctx, v.actor, v.Param("user_id"))
	if err != nil {
		return nil, err
	}
	return rows(v, all, "", func(k people.KeptAccess) OfflineAccess {
		return OfflineAccess{
			ID: k.ID, ClientID: k.ClientID, Scopes: full(k.Scopes), SessionID: k.SessionID, Address: k.Address, UserAgent: k.UserAgent,
			CreatedAt: k.CreatedAt, LastUsedAt: k.LastUsedAt, ExpiresAt: k.ExpiresAt,
		}
	}), nil
}

func endOfflineAccess(v *call, reason string) error {
	return v.manage.People.EndGrant(v.ctx, v.actor, v.Param("user_id"), v.Param("grant_id"), reason)
}
