package manage

import (
	"context"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/store"
	"gatehouse/mfa"
)

// UserQuery asks for people. The zero value means everybody whom the actor may see.
type UserQuery struct {
	// Population is one's id, empty for all.
	Population string
	// Prefix is what the address or a word of the name begins with, case and accents
	// aside. Of several words, each has to be found.
	Prefix string
	// Role is the id of a role they hold, empty for any or none.
	Role string
	// WithoutSecondStep: only those who have set up no second factor. A mailbox
	// counts from the first email code on.
	WithoutSecondStep bool
	// Disabled: only those who are, or are not.
	Disabled *bool
	After    Cursor
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
}

// maxPrefix is how long a search may be, in bytes.
const maxPrefix = 500

// Users reads a page of people, in the order of what the search found, else of
// their ids, and where the next page begins, empty at the end. Whoever may only
// recover agents sees agents, whoever may only reset contacts everybody else. A
// settings.Errors say what about the query is wrong.
func (m *Manager) Users(ctx context.Context, a Actor, q UserQuery) (list []UserEntry, next Cursor, err error) {
	r := request{op: "Users"}
	if err := m.allow(ctx, a, r); err != nil {
		return nil, "", err
	}
	query, some, err := q.query()
	if err != nil {
		return nil, "", err
	}
	switch agents, others := a.seesPeople(); {
	case agents && others:
	case agents && query.Population == "":
		query.Population = idp.Agents
	case others && query.Population == "":
		query.NotPopulation = idp.Agents
	case agents != (query.Population == idp.Agents):
		return nil, "", m.forbid(ctx, a, r, "the permission is for people of another population")
	}
	if !some {
		return nil, "", nil
	}
	limit := query.Limit
	query.Limit++
	rows, err := m.Store.People(ctx, query)
	if err != nil {
		return nil, "", err
	}
	rows, next = page(rows, limit, func(r store.PersonRow) position {
		return position{List: "people", ID: r.User.ID, Key: r.Word}
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
		f := facts[r.User.ID]
		r.User.PasswordHash = ""
		list[i] = UserEntry{
			User: r.User, Roles: f.Roles, Authenticator: f.Authenticator, Recovery: f.Recovery, LastSignInAt: f.LastSignInAt,
		}
	}
	return list, nil
}

// query translates a query for the store; some is false when nobody can match.
func (q UserQuery) query() (query store.PeopleQuery, some bool, err error) {
	query = store.PeopleQuery{Population: q.Population, Role: q.Role, WithoutSecondStep: q.WithoutSecondStep, Disabled: q.Disabled}
	if len(q.Prefix) > maxPrefix {
		return query, false, invalid("prefix", "settings.long_bytes", maxPrefix)
	}
	after, err := q.After.position("people")
	if err != nil {
		return query, false, err
	}
	if query.Limit, err = pageSize(q.Limit); err != nil {
		return query, false, err
	}
	if query.Words, some = idp.QueryWords(q.Prefix); len(query.Words) == 0 && after.Key != nil {
		return query, false, invalid("after", "settings.list.after")
	}
	query.AfterID, query.AfterWord = after.ID, after.Key
	return query, some, nil
}

// seesPeople tells whose data the actor's permissions let them see: agents, and
// everybody else.
func (a Actor) seesPeople() (agents, others bool) {
	all := a.Can(idp.PermissionUsers) || a.Can(idp.PermissionSessions)
	return all || a.Can(idp.PermissionAgentRecovery), all || a.Can(idp.PermissionContactReset)
}

// UserDetail is a person with everything that the console shows of them.
// PasswordHash is left out, and factors come without their secrets.
type UserDetail struct {
	Person
	// Version is what a change of the person or their roles is compared with.
	Version      int64
	Factors      []idp.Factor
	Recovery     *idp.RecoverySet // nil: no recovery codes
	RecoveryLeft int
	// RegenerateAt is when recovery codes can be generated again; zero for now.
	RegenerateAt time.Time
	// Sessions are the living ones, the newest 200, without their hashes. Only
	// whoever manages sessions sees them.
	Sessions []idp.Session
	// Kept is the access that apps keep, for the same viewers.
	Kept        []KeptAccess
	PasswordSet bool
	// Identities say who the person is at other providers.
	Identities []IdentityEntry
}

// UserDetail reads a person. Who may see whom is as in Users.
func (m *Manager) UserDetail(ctx context.Context, a Actor, id string) (UserDetail, error) {
	r := request{op: "UserDetail"}
	if err := m.allow(ctx, a, r); err != nil {
		return UserDetail{}, err
	}
	user, version, err := m.Store.VersionedUser(ctx, id)
	if err != nil {
		return UserDetail{}, err
	}
	if err := m.mayRead(ctx, a, r, user); err != nil {
		return UserDetail{}, err
	}
	return m.detail(ctx, a, user, version)
}

// mayRead refuses somebody of a population that the actor's permissions do not show.
func (m *Manager) mayRead(ctx context.Context, a Actor, r request, user idp.User) error {
	agents, others := a.seesPeople()
	if agent := user.PopulationID == idp.Agents; agent && agents || !agent && others {
		return nil
	}
	r.target = &user
	return m.forbid(ctx, a, r, "the permission is for people of another population")
}

func (m *Manager) detail(ctx context.Context, a Actor, user idp.User, version int64) (UserDetail, error) {
	d := UserDetail{Person: Person{User: user}, Version: version, PasswordSet: user.PasswordHash != ""}
	d.PasswordHash = ""
	var err error
	if d.Roles, err = m.Store.RolesOf(ctx, user.ID); err != nil {
		return d, err
	}
	if d.Identities, err = m.identities(ctx, user.ID); err != nil {
		return d, err
	}
	if d.SecondSteps, err = m.secondSteps(ctx, user); err != nil {
		return d, err
	}
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
		if ok, at := mfa.MayRegenerate(d.Recovery.CreatedAt, idp.Now()); !ok {
			d.RegenerateAt = at
		}
	}
	if !a.Can(idp.PermissionSessions) {
		return d, nil
	}
	living, err := m.living(ctx, store.SessionQuery{UserID: user.ID, Limit: maxLimit}, user.PopulationID)
	for _, s := range living {
		d.Sessions = append(d.Sessions, s.Session)
	}
	if err == nil {
		d.Kept, err = m.kept(ctx, user.ID)
	}
	return d, err
}
