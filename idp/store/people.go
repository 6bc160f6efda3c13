package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/idp"
	"gatehouse/mfa"
)

// PeopleQuery narrows a list of people. The zero value means everybody.
type PeopleQuery struct {
	Population    string
	NotPopulation string
	// Words are beginnings of words that each person has, or parts within these, folded by
	// idp.QueryWords.
	Words             [][]byte
	Role              string
	WithoutSecondStep bool
	Disabled          *bool
	// AfterWord and AfterID are the last person's of the page before.
	AfterWord []byte
	AfterID   string
	// ID is one person's, empty for all.
	ID    string
	Limit int
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

// People reads a page of people: in the order of the word that was found, those whose word
// begins so before those who have it within one; or else in the order of their ids. No
// person comes twice, and each page costs what its rows cost, however many people there are;
// a search for several words goes by the rarest.
func (s *Store) People(ctx context.Context, q PeopleQuery) ([]PersonRow, error) {
	if len(q.Words) == 0 {
		text, args := q.listSQL()
		return s.personRows(ctx, text, args)
	}
	words, err := s.rarestFirst(ctx, q)
	if err != nil {
		return nil, err
	}
	q.Words = words
	var list []PersonRow
	if _, within := idp.BeginsWithin(q.AfterWord); !within {
		text, args := q.searchSQL(q.Words[0])
		if list, err = s.personRows(ctx, text, args); err != nil || len(list) == q.Limit {
			return list, err
		}
		q.AfterWord, q.AfterID = nil, ""
	}
	q.Limit -= len(list)
	text, args := q.searchSQL(idp.Within(q.Words[0]))
	more, err := s.personRows(ctx, text, args)
	return append(list, more...), err
}

func (s *Store) personRows(ctx context.Context, text string, args []any) ([]PersonRow, error) {
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

// listSQL lists without a search.
func (q PeopleQuery) listSQL() (string, []any) {
	var c conditions
	from, id := "users u", "u.id"
	if q.Role != "" {
		from, id = "user_roles r JOIN users u ON u.id = r.user_id", "r.user_id"
		c.add("r.role_id = ?", q.Role)
	}
	q.addPopulations(&c, "u.population_id")
	if q.AfterID != "" {
		c.add(id+" > ?", q.AfterID)
	}
	if q.ID != "" {
		c.add("u.id = ?", q.ID)
	}
	if state := q.state("u"); state != "" {
		c.add(state)
	}
	text := "SELECT " + columns(userRow{}, "u") + ", NULL AS word FROM " + from + c.where() + " ORDER BY " + id + " LIMIT ?"
	return text, append(c.args, q.Limit)
}

func (q PeopleQuery) addPopulations(c *conditions, column string) {
	if q.Population != "" {
		c.add(column+" = ?", q.Population)
	}
	if q.NotPopulation != "" {
		c.add(column+" <> ?", q.NotPopulation)
	}
}

// state is what a query asks of a row of users, empty for nothing.
func (q PeopleQuery) state(users string) string {
	var parts []string
	if q.Disabled != nil {
		parts = append(parts, map[bool]string{true: "", false: "NOT "}[*q.Disabled]+users+".disabled")
	}
	if q.WithoutSecondStep {
		parts = append(parts, "NOT "+users+".second_step")
	}
	return strings.Join(parts, " AND ")
}

// searchSQL goes along the words that begin so. It finds the words of a page before it reads
// a row of users: many words are passed over, those of people who were found by another
// before, and of people in another state, whom the small indexes know.
func (q PeopleQuery) searchSQL(from []byte) (string, []any) {
	var c conditions
	q.addPopulations(&c, "k.population_id")
	q.addWords(&c, from)
	if q.Role != "" {
		c.add("EXISTS (SELECT 1 FROM user_roles r WHERE r.user_id = k.user_id AND r.role_id = ?)", q.Role)
	}
	if state := q.state("f"); state != "" {
		c.add("EXISTS (SELECT 1 FROM users f WHERE f.id = k.user_id AND " + state + ")")
	}
	const order = " ORDER BY k.word, k.user_id"
	text := "SELECT " + columns(userRow{}, "u") + ", k.word AS word FROM (SELECT k.word, k.user_id FROM user_words k" + c.where() +
		order + " LIMIT ?) k JOIN users u ON u.id = k.user_id" + order
	return text, append(c.args, q.Limit)
}

// addWords asks for the words of a search, and goes along those that begin with from. A
// person with several words that match counts at the first of them.
func (q PeopleQuery) addWords(c *conditions, from []byte) {
	if q.ID != "" {
		c.add("k.user_id = ?", q.ID)
	}
	if q.AfterID != "" {
		c.add("(k.word, k.user_id) > (?, ?)", oneValue(q.AfterWord), q.AfterID)
	} else {
		c.add("k.word >= ?", from)
	}
	c.add("k.word < ?", wordEnd(from))
	c.add("NOT EXISTS (SELECT 1 FROM user_words e WHERE e.user_id = k.user_id AND e.word >= ? AND e.word < k.word)", from)
	if part, within := idp.BeginsWithin(from); within {
		c.add("NOT EXISTS (SELECT 1 FROM user_words b WHERE b.user_id = k.user_id AND b.word >= ? AND b.word < ?)", part, wordEnd(part))
	}
	for _, w := range q.Words[1:] {
		word := "w.word"
		if len(w) > 2 {
			// Keeps PostgreSQL, which takes few words to begin so, from reading all of
			// these, of anybody: it is to look at those of one person.
			word = "COALESCE(w.word, '')"
		}
		part := idp.Within(w)
		c.add("EXISTS (SELECT 1 FROM user_words w WHERE w.user_id = k.user_id AND ("+word+" >= ? AND "+word+" < ? OR "+word+" >= ? AND "+word+" < ?))",
			w, wordEnd(w), part, wordEnd(part))
	}
}

// searchCount is how far the people are counted who have a word of a search.
const searchCount = 2000

// rarestFirst puts the word in front that the fewest people have, or, on a later
// page, the one that the pages before went along. Words that another implies are
// dropped, so that there is one such word.
func (s *Store) rarestFirst(ctx context.Context, q PeopleQuery) ([][]byte, error) {
	words := slices.Clone(q.Words)
	slices.SortFunc(words, func(a, b []byte) int { return cmp.Or(len(b)-len(a), bytes.Compare(a, b)) })
	var kept [][]byte
	for _, w := range words {
		if !slices.ContainsFunc(kept, func(k []byte) bool { return bytes.HasPrefix(k, w) }) {
			kept = append(kept, w)
		}
	}
	after := q.AfterWord
	if part, within := idp.BeginsWithin(after); within {
		after = part
	}
	first := slices.IndexFunc(kept, func(w []byte) bool { return bytes.HasPrefix(after, w) })
	if len(kept) > 1 && q.AfterID == "" {
		fewest := int64(2*searchCount + 1)
		for i, w := range kept {
			n, err := s.countWords(ctx, q, w)
			if err != nil {
				return nil, err
			}
			if n < fewest {
				first, fewest = i, n
			}
		}
	}
	if first > 0 {
		kept[0], kept[first] = kept[first], kept[0]
	}
	return kept, nil
}

// countWords counts the words that begin so or have such a part, up to searchCount of each.
func (s *Store) countWords(ctx context.Context, q PeopleQuery, word []byte) (n int64, err error) {
	for _, from := range [][]byte{word, idp.Within(word)} {
		var c conditions
		q.addPopulations(&c, "population_id")
		c.add("word >= ? AND word < ?", from, wordEnd(from))
		var some int64
		err := s.reader(ctx).Raw("SELECT COUNT(*) FROM (SELECT 1 FROM user_words"+c.where()+" LIMIT ?) AS words", append(c.args, searchCount)...).Scan(&some).Error
		if err != nil {
			return 0, found(err, "people")
		}
		n += some
	}
	return n, nil
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
		EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id AND f.method IN ?) AS authenticator,
		EXISTS (SELECT 1 FROM recovery_codes c JOIN recovery_sets r ON r.id = c.set_id
			WHERE c.user_id = u.id AND c.used_at IS NULL AND r.retired_at IS NULL) AS recovery,
		(SELECT a.at FROM audit_events a WHERE a.user_id = u.id AND a.kind = 'session.created' ORDER BY a.at DESC LIMIT 1) AS last_sign_in_at
		FROM users u WHERE u.id IN ?`, mfa.ThatArePossessions(), ids).Scan(&rows).Error
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

// SaveUser writes a user's address and whether it was shown to be theirs, name, profile,
// language and whether they are disabled.
// idp.ErrConflict: the version is not that of now, or the population has the
// address.
func (s *Store) SaveUser(ctx context.Context, version int64, u idp.User) error {
	row := userRow{ID: u.ID, PopulationID: u.PopulationID, Email: u.Email, Name: u.Name}
	return s.Do(ctx, func(ctx context.Context) error {
		r := s.writer(ctx).Model(&userRow{}).Where("id = ? AND version = ?", u.ID, version).
			UpdateColumns(profileRow(u.Profile).columns(map[string]any{
				"email": u.Email, "email_key": idp.EmailKey(u.Email), "name": u.Name, "locale": u.Locale,
				"disabled": u.Disabled,
				// A code that came back since the user was read has proved the address that stays.
				"email_verified": gorm.Expr("(? OR email_verified AND email = ?)", u.EmailVerified, u.Email),
				"updated_at":     u.UpdatedAt, "version": version + 1, "indexed": true, "words": wordsForm,
			}))
		if err := once(r, "user", idp.ErrConflict); err != nil {
			return err
		}
		return s.replaceWords(ctx, row)
	})
}

// DeleteUser removes a user with everything that is theirs, as remove says; the audit log
// stays.
func (s *Store) DeleteUser(ctx context.Context, id string, version int64) error {
	return s.remove(ctx, &userRow{}, "user", id, version)
}

// AnonymiseUser takes from a user's row whatever says who they are, with their
// factors, roles and browsers, and disables it. email takes the place of the
// address.
func (s *Store) AnonymiseUser(ctx context.Context, id, email string, at time.Time) error {
	return s.Do(ctx, func(ctx context.Context) error {
		r := s.writer(ctx).Model(&userRow{}).Where("id = ?", id).UpdateColumns(profileRow{}.columns(map[string]any{
			"email": email, "email_key": idp.EmailKey(email), "name": "", "department": "", "locale": "", "password_hash": "",
			"disabled": true, "email_verified": false, "password_by_mail_at": nil,
			"updated_at": at, "version": increment(), "indexed": true, "words": wordsForm,
		}))
		if err := once(r, "user", idp.ErrNotFound); err != nil {
			return err
		}
		for _, row := range []any{&userWordRow{}, &userRoleRow{}, &knownBrowserRow{}, &passwordHistoryRow{}, &identityRow{}, &consentRow{}, &subjectRow{}} {
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
