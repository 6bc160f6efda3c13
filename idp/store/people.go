package store

import (
	"context"
	"database/sql/driver"
	"strings"
	"time"

	"gatehouse/idp"
)

// PeopleQuery narrows a list of people. The zero value means everybody.
type PeopleQuery struct {
	Population    string
	NotPopulation string
	// Words are beginnings of words that each person has, folded by idp.QueryWords.
	Words             [][]byte
	Role              string
	WithoutSecondStep bool
	Disabled          *bool
	// AfterWord and AfterID are the last person's of the page before.
	AfterWord []byte
	AfterID   string
	Limit     int
}

// PersonRow is a person of a list, with the word by which a search found them.
type PersonRow struct {
	User    idp.User
	Version int64
	Word    []byte
}

// conditions collects the parts of a WHERE clause.
type conditions struct {
	parts []string
	args  []any
}

func (c *conditions) add(part string, args ...any) {
	c.parts = append(c.parts, part)
	c.args = append(c.args, args...)
}

func (c *conditions) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}

// wordEnd is greater than every word that begins with prefix: no UTF-8 has 0xff.
func wordEnd(prefix []byte) []byte { return append(prefix[:len(prefix):len(prefix)], 0xff) }

// oneValue keeps GORM from taking bytes after a parenthesis for a list.
type oneValue []byte

// Value implements driver.Valuer.
func (v oneValue) Value() (driver.Value, error) { return []byte(v), nil }

// People reads a page of people: in the order of the word that was found, or else
// of their ids. Nobody comes twice, and each page costs what its rows cost, however
// many people there are; a search for several words goes by the longest.
func (s *Store) People(ctx context.Context, q PeopleQuery) ([]PersonRow, error) {
	text, args := s.peopleSQL(q)
	var rows []struct {
		User userRow `gorm:"embedded;embeddedPrefix:u_"`
		Word []byte
	}
	if err := s.reader(ctx).Raw(text, args...).Scan(&rows).Error; err != nil {
		return nil, found(err, "people")
	}
	list := make([]PersonRow, len(rows))
	for i, r := range rows {
		list[i] = PersonRow{User: r.User.user(), Version: r.User.Version, Word: r.Word}
	}
	return list, nil
}

func (s *Store) peopleSQL(q PeopleQuery) (string, []any) {
	var c conditions
	from, word, id := "users u", "NULL", "u.id"
	population := "u.population_id"
	switch {
	case len(q.Words) > 0:
		from, word, id = "user_words k JOIN users u ON u.id = k.user_id", "k.word", "k.user_id"
		population = "k.population_id"
	case q.Role != "":
		from, id = "user_roles r JOIN users u ON u.id = r.user_id", "r.user_id"
	}
	if q.Population != "" {
		c.add(population+" = ?", q.Population)
	}
	if q.NotPopulation != "" {
		c.add(population+" <> ?", q.NotPopulation)
	}
	order := id
	if len(q.Words) > 0 {
		order = "k.word, k.user_id"
		q.addWords(&c)
	} else if q.AfterID != "" {
		c.add(id+" > ?", q.AfterID)
	}
	switch {
	case q.Role != "" && len(q.Words) > 0:
		c.add("EXISTS (SELECT 1 FROM user_roles r WHERE r.user_id = k.user_id AND r.role_id = ?)", q.Role)
	case q.Role != "":
		c.add("r.role_id = ?", q.Role)
	}
	if q.WithoutSecondStep {
		c.add("NOT u.second_step")
	}
	if q.Disabled != nil {
		c.add(map[bool]string{true: "u.disabled", false: "NOT u.disabled"}[*q.Disabled])
	}
	text := "SELECT " + columns(userRow{}, "u") + ", " + word + " AS word FROM " + from + c.where() + " ORDER BY " + order + " LIMIT ?"
	return text, append(c.args, q.Limit)
}

// addWords asks for the words of a search. A person with several words that match
// counts at the first of them.
func (q PeopleQuery) addWords(c *conditions) {
	longest := 0
	for i, w := range q.Words {
		if len(w) > len(q.Words[longest]) {
			longest = i
		}
	}
	from := q.Words[longest]
	if q.AfterID != "" {
		c.add("(k.word, k.user_id) > (?, ?)", oneValue(q.AfterWord), q.AfterID)
	} else {
		c.add("k.word >= ?", from)
	}
	c.add("k.word < ?", wordEnd(from))
	c.add("NOT EXISTS (SELECT 1 FROM user_words e WHERE e.user_id = k.user_id AND e.word >= ? AND e.word < k.word)", from)
	for i, w := range q.Words {
		if i != longest {
			c.add("EXISTS (SELECT 1 FROM user_words w WHERE w.user_id = k.user_id AND w.word >= ? AND w.word < ?)", w, wordEnd(w))
		}
	}
}

// PersonFacts is what a list says about a person beside their row.
type PersonFacts struct {
	Roles         []string // ids, in their order
	Authenticator bool     // has one enrolled, disabled or not
	Recovery      bool     // has recovery codes that were not used
	// LastSignInAt is zero when the audit log does not reach back to one.
	LastSignInAt time.Time
}

// FactsOf reads what lists say about people, by their ids, in two statements.
func (s *Store) FactsOf(ctx context.Context, ids ...string) (map[string]PersonFacts, error) {
	facts := map[string]PersonFacts{}
	if len(ids) == 0 {
		return facts, nil
	}
	var rows []struct {
		ID                      string
		Authenticator, Recovery bool
		LastSignInAt            *time.Time
	}
	err := s.reader(ctx).Raw(`SELECT u.id,
		EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id AND f.method = 'totp') AS authenticator,
		EXISTS (SELECT 1 FROM recovery_codes c WHERE c.user_id = u.id AND c.used_at IS NULL) AS recovery,
		(SELECT a.at FROM audit_events a WHERE a.user_id = u.id AND a.kind = 'session.created' ORDER BY a.at DESC LIMIT 1) AS last_sign_in_at
		FROM users u WHERE u.id IN ?`, ids).Scan(&rows).Error
	if err != nil {
		return nil, found(err, "people")
	}
	var roles []userRoleRow
	if err := s.reader(ctx).Where("user_id IN ?", ids).Order("user_id, role_id").Find(&roles).Error; err != nil {
		return nil, found(err, "roles of people")
	}
	for _, r := range rows {
		facts[r.ID] = PersonFacts{Authenticator: r.Authenticator, Recovery: r.Recovery, LastSignInAt: orZero(r.LastSignInAt)}
	}
	for _, r := range roles {
		f := facts[r.UserID]
		f.Roles = append(f.Roles, r.RoleID)
		facts[r.UserID] = f
	}
	return facts, nil
}

// VersionedUser reads a user with the version that a change is compared with.
func (s *Store) VersionedUser(ctx context.Context, id string) (idp.User, int64, error) {
	var row userRow
	err := s.reader(ctx).Where("id = ?", id).Take(&row).Error
	return row.user(), row.Version, found(err, "user")
}

// SaveUser writes a user's address, name, language and whether they are disabled.
// idp.ErrConflict: the version is not that of now, or the population has the
// address.
func (s *Store) SaveUser(ctx context.Context, version int64, u idp.User) error {
	row := userRow{ID: u.ID, PopulationID: u.PopulationID, Email: u.Email, Name: u.Name}
	return s.Do(ctx, func(ctx context.Context) error {
		r := s.writer(ctx).Model(&userRow{}).Where("id = ? AND version = ?", u.ID, version).
			UpdateColumns(map[string]any{
				"email": u.Email, "email_key": idp.EmailKey(u.Email), "name": u.Name, "locale": u.Locale,
				"disabled": u.Disabled, "updated_at": u.UpdatedAt, "version": version + 1, "indexed": true,
			})
		if err := once(r, "user", idp.ErrConflict); err != nil {
			return err
		}
		return s.replaceWords(ctx, row)
	})
}

// DeleteUser removes a user with everything that is theirs; the audit log stays.
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	return once(s.writer(ctx).Where("id = ?", id).Delete(&userRow{}), "user", idp.ErrNotFound)
}

// AnonymiseUser takes from a user's row whatever says who they are, with their
// factors, roles and browsers, and disables it. email takes the place of the
// address.
func (s *Store) AnonymiseUser(ctx context.Context, id, email string, at time.Time) error {
	return s.Do(ctx, func(ctx context.Context) error {
		r := s.writer(ctx).Model(&userRow{}).Where("id = ?", id).UpdateColumns(map[string]any{
			"email": email, "email_key": idp.EmailKey(email), "name": "", "locale": "", "password_hash": "",
			"disabled": true, "updated_at": at, "version": increment(), "indexed": true,
		})
		if err := once(r, "user", idp.ErrNotFound); err != nil {
			return err
		}
		for _, row := range []any{&userWordRow{}, &userRoleRow{}, &knownBrowserRow{}} {
			if err := s.writer(ctx).Where("user_id = ?", id).Delete(row).Error; err != nil {
				return written(err, "user")
			}
		}
		return s.RemoveFactors(ctx, id)
	})
}

// CancelMailTo gives up the mails that still wait for a user.
func (s *Store) CancelMailTo(ctx context.Context, userID string, at time.Time) error {
	return written(s.writer(ctx).Model(&outboxRow{}).
		Where("lane = 'mail' AND user_id = ? AND done_at IS NULL", userID).
		UpdateColumns(map[string]any{"done_at": at, "outcome": string(Cancelled), "body": []byte{}}).Error, "delivery")
}
