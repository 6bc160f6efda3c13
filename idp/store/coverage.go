package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
	"gatehouse/mfa"
)

// Covered counts the people of a population who may sign in and whose strongest factor is of a
// method, empty for those without any.
type Covered struct {
	PopulationID string
	Method       idp.Method
	// Hardware: it is shown that no copy of it can exist.
	Hardware bool
	People   int64
}

// coverage groups people by their strongest factor: it reads factors and people once each.
var coverage = func() string {
	var ranks strings.Builder
	list := mfa.ByStrength()
	for i, m := range list {
		fmt.Fprintf(&ranks, " WHEN '%s' THEN %d", m, len(list)-i)
	}
	return `SELECT u.population_id, COALESCE(f.strength, 0) AS strength, COUNT(*) AS people FROM users u
		LEFT JOIN (SELECT user_id, MAX(CASE method` + ranks.String() + ` ELSE 0 END) AS strength FROM factors GROUP BY user_id) f
			ON f.user_id = u.id
		WHERE NOT u.disabled GROUP BY u.population_id, COALESCE(f.strength, 0) ORDER BY u.population_id, strength DESC`
}()

// inHardware counts the people with a passkey that its maker vouched for as a model which their
// population trusts now. No possession is stronger.
const inHardware = `SELECT u.population_id, COUNT(DISTINCT u.id) AS people FROM factors f
	JOIN users u ON u.id = f.user_id
	JOIN populations p ON p.id = u.population_id
	JOIN policies y ON y.population_id = p.id AND y.version = p.policy_version
	WHERE f.attested_as <> '' AND NOT u.disabled AND y.security_key_roots <> '' AND y.security_keys LIKE '%' || f.attested_as || '%'
	GROUP BY u.population_id`

// withHardware takes those whose passkey is in hardware out of those with a passkey.
func (s *Store) withHardware(ctx context.Context, list []Covered) ([]Covered, error) {
	var rows []struct {
		PopulationID string
		People       int64
	}
	if err := s.reader(ctx).Raw(inHardware).Scan(&rows).Error; err != nil {
		return nil, found(err, "people by their factors")
	}
	for _, r := range rows {
		i := slices.IndexFunc(list, func(c Covered) bool { return c.PopulationID == r.PopulationID && c.Method == idp.MethodPasskey })
		if i < 0 {
			continue // set up this moment
		}
		hardware := list[i]
		hardware.Hardware, hardware.People = true, r.People
		if list[i].People -= r.People; list[i].People <= 0 {
			list[i] = hardware
			continue
		}
		list = slices.Insert(list, i, hardware)
	}
	return list, nil
}

// Coverage counts the people of all populations by their strongest factor, the strongest first.
func (s *Store) Coverage(ctx context.Context) ([]Covered, error) {
	var rows []struct {
		PopulationID     string
		Strength, People int64
	}
	if err := s.reader(ctx).Raw(coverage).Scan(&rows).Error; err != nil {
		return nil, found(err, "people by their factors")
	}
	methods, list := mfa.ByStrength(), make([]Covered, len(rows))
	for i, r := range rows {
		list[i] = Covered{PopulationID: r.PopulationID, People: r.People}
		if r.Strength > 0 {
			list[i].Method = methods[len(methods)-int(r.Strength)]
		}
	}
	return s.withHardware(ctx, list)
}

// reminded is the condition that a person without a second step may be sent a reminder: they
// have a password here, and got none since a moment.
const reminded = "NOT disabled AND password_hash <> '' AND (reminded_at IS NULL OR reminded_at <= ?)"

// CountRemindable counts the people of a population whom a reminder would reach that spares
// those who got one later than since.
func (s *Store) CountRemindable(ctx context.Context, population string, since time.Time) (int64, error) {
	var n int64
	err := s.reader(ctx).Raw("SELECT COUNT(*) FROM users WHERE population_id = ? AND NOT second_step AND "+reminded, population, since).Scan(&n).Error
	return n, found(err, "people to remind")
}

type reminderRow struct {
	PopulationID string `gorm:"primaryKey"`
	DueAt        time.Time
	AfterID      string
	CreatedAt    time.Time
}

func (reminderRow) TableName() string { return "reminders" }

// StartReminder stores that the people of a population are reminded of a date. idp.ErrConflict:
// a reminder of theirs is under way.
func (s *Store) StartReminder(ctx context.Context, population string, due, at time.Time) error {
	r := s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&reminderRow{PopulationID: population, DueAt: due, CreatedAt: at})
	return once(r, "reminder", idp.ErrConflict)
}

// Reminding tells whether a reminder of a population is under way.
func (s *Store) Reminding(ctx context.Context, population string) (bool, error) {
	var n int64
	err := s.reader(ctx).Model(&reminderRow{}).Where("population_id = ?", population).Count(&n).Error
	return n > 0, found(err, "reminders")
}

// Reminder is one that is under way.
type Reminder struct {
	PopulationID string
	DueAt        time.Time
	AfterID      string
}

// Reminders are those under way.
func (s *Store) Reminders(ctx context.Context) ([]Reminder, error) {
	var rows []reminderRow
	err := s.reader(ctx).Order("created_at, population_id").Find(&rows).Error
	list := make([]Reminder, len(rows))
	for i, r := range rows {
		list[i] = Reminder{PopulationID: r.PopulationID, DueAt: r.DueAt.UTC(), AfterID: r.AfterID}
	}
	return list, found(err, "reminders")
}

// EndReminder ends one, wherever it is.
func (s *Store) EndReminder(ctx context.Context, population string) error {
	return written(s.writer(ctx).Where("population_id = ?", population).Delete(&reminderRow{}).Error, "reminder")
}

// Remind takes the next people of a reminder, most at the most, marks them as reminded, and
// returns those to be told. Parallel calls return each person once. done: nobody is left.
// idp.ErrConflict: another replica took them. It belongs to a transaction.
func (s *Store) Remind(ctx context.Context, r Reminder, most int, since, at time.Time) (people []idp.User, done bool, err error) {
	var ids []string
	err = s.reader(ctx).Raw("SELECT id FROM users WHERE population_id = ? AND NOT second_step AND id > ? ORDER BY id LIMIT ?",
		r.PopulationID, r.AfterID, most).Scan(&ids).Error
	if err != nil {
		return nil, false, found(err, "people to remind")
	}
	here := s.writer(ctx).Model(&reminderRow{}).Where("population_id = ? AND after_id = ?", r.PopulationID, r.AfterID)
	if len(ids) == 0 {
		err := once(here.Delete(&reminderRow{}), "reminder", idp.ErrConflict)
		return nil, err == nil, err
	}
	if err := once(here.UpdateColumn("after_id", ids[len(ids)-1]), "reminder", idp.ErrConflict); err != nil {
		return nil, false, err
	}
	var rows []userRow
	err = s.writer(ctx).Model(&rows).Clauses(clause.Returning{}).Where("id IN ? AND NOT second_step AND "+reminded, ids, since).
		UpdateColumn("reminded_at", at).Error
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return nil, false, written(err, "people to remind")
	}
	for _, u := range rows {
		people = append(people, u.user())
	}
	return people, false, nil
}
