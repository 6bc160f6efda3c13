package people

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/store"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// UserQuery asks for people. The zero value means everybody whom the actor may see.
type UserQuery struct {
	// Population is one's id, empty for all.
	Population string
	// Prefix is what the address, its domain or a word of the name begins with, or three
	// letters and more within the name or the address before the @, case and accents aside.
	// Of several words, each has to be found.
	Prefix string
	// Subject is the pairwise subject by which apps of a sector know them.
	Subject string
	// Role is the id of a role they hold, empty for any or none.
	Role string
	// WithoutSecondStep: only those who have set up no second factor. A mailbox
	// counts from the first email code on.
	WithoutSecondStep bool
	// Disabled: only those who are, or are not.
	Disabled *bool
	After    entry.Cursor
	Limit    int // 1 to 200; zero is 50
}

// UserEntry is a person in a list. PasswordHash is left out.
type UserEntry struct {
	idp.User
	Roles         []string // ids
	Authenticator bool     // has one set up, disabled or not
	Recovery      bool     // has recovery codes left
	// LastSignInAt is zero when the audit log knows of none.
	LastSignInAt time.Time
	PasswordSet  bool
	Version      int64
}

// maxPrefix is how long a search may be, in characters.
const maxPrefix = 500

// Users reads a page of people, in the order of what the search found, else of their ids,
// and where the next page begins, empty at the end. An actor who may only recover agents
// sees agents; one who may only reset contacts sees the others. A settings.Errors say what
// about the query is wrong.
func (m *Manager) Users(ctx context.Context, a authz.Actor, q UserQuery) (list []UserEntry, next entry.Cursor, err error) {
	r := authz.Request{Op: "Users"}
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return nil, "", err
	}
	query, some, err := q.query()
	if err != nil {
		return nil, "", err
	}
	switch agents, others := a.CanSeePeople(); {
	case agents && others:
	case agents && query.Population == "":
		query.Population = idp.Agents
	case others && query.Population == "":
		query.NotPopulation = idp.Agents
	case agents != (query.Population == idp.Agents):
		return nil, "", m.Authz.Forbid(ctx, a, r, "the permission is for people of another population")
	}
	if q.Subject != "" && some {
		query.ID, err = m.Store.UserOfSubject(ctx, "", q.Subject)
		if errors.Is(err, idp.ErrNotFound) {
			some, err = false, nil
		}
	}
	if err != nil || !some {
		return nil, "", err
	}
	limit := query.Limit
	query.Limit++
	rows, err := m.Store.People(ctx, query)
	if err != nil {
		return nil, "", err
	}
	rows, next = entry.Page(rows, limit, func(r store.PersonRow) entry.Position {
		return entry.Position{List: "people", ID: r.User.ID, Key: r.Word}
	})
	list, err = m.entries(ctx, rows)
	return list, next, err
}

func (m *Manager) entries(ctx context.Context, rows []store.PersonRow) ([]UserEntry, error) {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.User.ID
	}
	facts, err := m.Store.FactsOf(ctx, ids...)
	if err != nil {
		return nil, err
	}
	list := make([]UserEntry, len(rows))
	for i, r := range rows {
		f, set := facts[r.User.ID], r.User.PasswordHash != ""
		r.User.PasswordHash = ""
		list[i] = UserEntry{
			PasswordSet: set, Version: r.Version, User: r.User, Roles: f.Roles, Authenticator: f.Authenticator, Recovery: f.Recovery, LastSignInAt: f.LastSignInAt,
		}
	}
	return list, nil
}

// query translates a query for the store; some is false when no person can match.
func (q UserQuery) query() (query store.PeopleQuery, some bool, err error) {
	query = store.PeopleQuery{Population: q.Population, Role: q.Role, WithoutSecondStep: q.WithoutSecondStep, Disabled: q.Disabled}
	if utf8.RuneCountInString(q.Prefix) > maxPrefix {
		return query, false, entry.Invalid("prefix", "settings.long", maxPrefix)
	}
	after, err := q.After.Position("people")
	if err != nil {
		return query, false, err
	}
	if query.Limit, err = entry.PageSize(q.Limit); err != nil {
		return query, false, err
	}
	if query.Words, some = idp.QueryWords(q.Prefix); len(query.Words) == 0 && after.Key != nil {
		return query, false, entry.Invalid("after", "settings.list.after")
	}
	query.AfterID, query.AfterWord = after.ID, after.Key
	return query, some, nil
}

// UserDetail is a person with everything that the console shows of them.
// PasswordHash is left out, and factors come without their secrets.
type UserDetail struct {
	authz.Person
	// Version is what a change of the person or their roles is compared with.
	Version      int64
	Factors      []idp.Factor
	Recovery     *idp.RecoverySet // nil: no recovery codes
	RecoveryLeft int
	// RegenerateAt is when recovery codes can be generated again; zero for now.
	RegenerateAt time.Time
	// Sessions are the living ones, the newest 200, without their hashes. Only actors who
	// manage sessions see them.
	Sessions []idp.Session
	// Kept is the access that apps keep, for the same viewers.
	Kept []KeptAccess
	// Consents are what they let third-party apps have, for the same viewers.
	Consents []ConsentEntry
	// Trusted are the browsers that they trust, for the same viewers.
	Trusted     []idp.TrustedBrowser
	PasswordSet bool
	// LastSignInAt is as in UserEntry.
	LastSignInAt time.Time
	// Identities say who the person is at other providers.
	Identities []IdentityEntry
}

// UserDetail reads a person. Who may see whom is as in Users.
func (m *Manager) UserDetail(ctx context.Context, a authz.Actor, id string) (UserDetail, error) {
	r := authz.Request{Op: "UserDetail"}
	if err := m.Authz.Authorize(ctx, a, r); err != nil {
		return UserDetail{}, err
	}
	user, version, err := m.Store.VersionedUser(ctx, id)
	if err != nil {
		return UserDetail{}, err
	}
	if err := m.AuthorizeRead(ctx, a, r, user); err != nil {
		return UserDetail{}, err
	}
	return m.Detail(ctx, a, user, version)
}

// AuthorizeRead refuses a person of a population that the actor's permissions do not show.
func (m *Manager) AuthorizeRead(ctx context.Context, a authz.Actor, r authz.Request, user idp.User) error {
	agents, others := a.CanSeePeople()
	if agent := user.PopulationID == idp.Agents; agent && agents || !agent && others {
		return nil
	}
	r.Target = &user
	return m.Authz.Forbid(ctx, a, r, "the permission is for people of another population")
}

func (m *Manager) Detail(ctx context.Context, a authz.Actor, user idp.User, version int64) (UserDetail, error) {
	d := UserDetail{Person: authz.Person{User: user}, Version: version, PasswordSet: user.PasswordHash != ""}
	d.PasswordHash = ""
	var err error
	if d.Roles, err = m.Store.RolesOf(ctx, user.ID); err != nil {
		return d, err
	}
	if d.Identities, err = IdentitiesOf(ctx, m.Store, user.ID); err != nil {
		return d, err
	}
	if d.SecondSteps, err = m.Authz.SecondSteps(ctx, user); err != nil {
		return d, err
	}
	facts, err := m.Store.FactsOf(ctx, user.ID)
	if err != nil {
		return d, err
	}
	d.LastSignInAt = facts[user.ID].LastSignInAt
	enrolment, err := m.Store.Enrolment(ctx, user.ID)
	if err != nil {
		return d, err
	}
	d.Factors = enrolment.Factors
	for i := range d.Factors {
		d.Factors[i].Secret = nil
	}
	d.Recovery, d.RecoveryLeft = enrolment.Recovery, enrolment.RecoveryLeft
	if d.Recovery != nil {
		if ok, at := mfa.CanRegenerate(d.Recovery.CreatedAt, idp.Now()); !ok {
			d.RegenerateAt = at
		}
	}
	if !a.Can(idp.PermissionSessions) {
		return d, nil
	}
	living, err := m.Living(ctx, store.SessionQuery{UserID: user.ID, Limit: entry.MaxLimit}, user.PopulationID)
	for _, s := range living {
		d.Sessions = append(d.Sessions, s.Session)
	}
	if err == nil {
		d.Kept, err = m.Kept(ctx, user.ID)
	}
	if err == nil {
		d.Consents, err = ConsentsOf(ctx, m.Store, user.ID)
	}
	if err == nil {
		d.Trusted, err = TrustedBrowsersOf(ctx, m.Store, user)
	}
	return d, err
}

// IdentityEntry is who a person is at the other end of a connection.
type IdentityEntry struct {
	idp.Identity
	Connection string // its name
}

func IdentitiesOf(ctx context.Context, s *store.Store, userID string) ([]IdentityEntry, error) {
	rows, err := s.IdentitiesOf(ctx, userID)
	list := make([]IdentityEntry, 0, len(rows))
	for _, r := range rows {
		if err != nil {
			return nil, err
		}
		var c idp.Connection
		c, err = s.Connection(ctx, r.ConnectionID)
		list = append(list, IdentityEntry{Identity: r, Connection: c.Name})
	}
	return list, err
}

// SignOutEverywhere ends a person's sessions but one, the trust in their browsers, and all
// that apps have of them, offline access included. Sign-ins under way go first: they rest on what was
// just changed, and one that finishes meanwhile leaves a session to be ended.
func (m *Manager) SignOutEverywhere(ctx context.Context, user idp.User, e idp.AuditEvent, except string) error {
	if err := m.Store.DropFlows(ctx, user.ID); err != nil {
		return err
	}
	if err := m.Store.ForgetTrustedBrowsers(ctx, user.ID); err != nil {
		return err
	}
	// The person who asked for another address may be why this happens.
	if err := m.Store.DropLinks(ctx, idp.EmailLink, user.ID); err != nil {
		return err
	}
	if _, err := m.Sessions.EndAllOf(ctx, e, user.ID, except); err != nil {
		return err
	}
	return m.Store.RevokeGrantsOf(ctx, user.ID, idp.Now())
}

// Target checks an operation on a person's second factors.
func (m *Manager) Target(ctx context.Context, a authz.Actor, op, userID, reason string) (idp.User, error) {
	user, err := m.Store.User(ctx, userID)
	if err != nil {
		return user, err
	}
	return user, m.Authz.Authorize(ctx, a, authz.Request{Op: op, Permission: authz.SecondStepPermission(user), Target: &user, Reason: reason})
}

// Notify mails a person what happened to their account.
func (m *Manager) Notify(ctx context.Context, user idp.User, mail ui.Mail) error {
	population, err := m.Store.Population(ctx, user.PopulationID)
	if err != nil {
		return err
	}
	return m.Outbox.Notify(ctx, user, population, mail)
}
