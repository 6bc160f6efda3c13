package store

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"gatehouse/idp"
	"gatehouse/mfa"
)

// Activity is how often something happened within an hour, in all populations.
type Activity struct {
	Hour  time.Time
	Kind  idp.AuditKind
	Times int64
}

type activityRow struct {
	Hour         time.Time `gorm:"primaryKey"`
	PopulationID string    `gorm:"primaryKey"`
	Kind         string    `gorm:"primaryKey"`
	Times        int64
}

func (activityRow) TableName() string { return "activity" }

const (
	// ActivityBack is how far back an installation is counted that was not yet.
	ActivityBack = 30 * 24 * time.Hour
	// activityLate is how late an event may become visible: its transaction began before.
	activityLate = 15 * time.Minute
)

// ActivitySecondStep counts the sign-ins and step-ups in which a second step was proved. It
// comes beside their own kinds, and is no kind of event.
const ActivitySecondStep idp.AuditKind = "second_step"

// ActivityFailures are the kinds of what was refused to people.
func ActivityFailures() []string { return activityKinds[2:] }

// activityKinds are what is counted: people's sign-ins, and what was refused to them.
var activityKinds = []string{
	string(idp.AuditSignedIn), string(idp.AuditSteppedUp),
	string(idp.AuditPasswordRefused), string(idp.AuditPasswordThrottled), string(idp.AuditFederatedRefused),
	string(idp.AuditCodeRefused), string(idp.AuditCodeReplayed), string(idp.AuditCodeThrottled),
	string(idp.AuditPasskeyRefused), string(idp.AuditPasskeyThrottled),
	string(idp.AuditEmailRefused), string(idp.AuditEmailThrottled),
	string(idp.AuditRecoveryRefused), string(idp.AuditRecoveryThrottled),
}

// CountActivity counts the next hours, most at the most, and returns how many it counted. It
// goes on from the last that was counted, and counts that again, which was not over; and while
// an event of the hour before may still be committed, that one too. Replicas may do it at once: an hour comes out
// the same, and no count falls, not even where the audit log was swept meanwhile.
func (s *Store) CountActivity(ctx context.Context, now time.Time, most int) (int, error) {
	hour := now.UTC().Add(-ActivityBack).Truncate(time.Hour)
	var last []activityRow
	if err := s.reader(ctx).Order("hour DESC").Limit(1).Find(&last).Error; err != nil {
		return 0, found(err, "activity")
	}
	if len(last) > 0 {
		again := last[0].Hour.UTC()
		if late := now.UTC().Add(-activityLate).Truncate(time.Hour); late.Before(again) {
			again = late
		}
		if again.After(hour) {
			hour = again
		}
	}
	n := 0
	for ; n < most && !hour.After(now); n, hour = n+1, hour.Add(time.Hour) {
		if err := s.countHour(ctx, hour); err != nil {
			return n, err
		}
	}
	return n, nil
}

// countActivity counts one hour. Which methods were proved stands in the detail of an event.
var countActivity = func() string {
	var second []string
	for _, m := range mfa.SecondSteps() {
		second = append(second, "detail LIKE '%\"methods\":\"%"+string(m)+"%'")
	}
	return `SELECT population_id, kind, SUM(times) AS times,
		SUM(CASE WHEN kind IN ('` + string(idp.AuditSignedIn) + "', '" + string(idp.AuditSteppedUp) + "') AND (" + strings.Join(second, " OR ") + `) THEN times ELSE 0 END) AS second
		FROM audit_events WHERE kind IN ? AND at >= ? AND at < ? GROUP BY population_id, kind`
}()

// countHour counts one hour in one statement, and stores it in another.
func (s *Store) countHour(ctx context.Context, hour time.Time) error {
	var counted []struct {
		PopulationID, Kind string
		Times, Second      int64
	}
	if err := s.reader(ctx).Raw(countActivity, activityKinds, hour, hour.Add(time.Hour)).Scan(&counted).Error; err != nil {
		return found(err, "audit events")
	}
	rows, second := []activityRow{{Hour: hour}}, map[string]int64{}
	for _, c := range counted {
		rows = append(rows, activityRow{Hour: hour, PopulationID: c.PopulationID, Kind: c.Kind, Times: c.Times})
		second[c.PopulationID] += c.Second
	}
	for population, times := range second {
		rows = append(rows, activityRow{Hour: hour, PopulationID: population, Kind: string(ActivitySecondStep), Times: times})
	}
	return written(s.writer(ctx).Clauses(neverFewer).Create(&rows).Error, "activity")
}

// neverFewer stores a count where it is higher than the one that stands.
var neverFewer = clause.OnConflict{
	Columns: []clause.Column{{Name: "hour"}, {Name: "population_id"}, {Name: "kind"}},
	DoUpdates: clause.Set{{
		Column: clause.Column{Name: "times"},
		Value:  gorm.Expr("CASE WHEN excluded.times > activity.times THEN excluded.times ELSE activity.times END"),
	}},
}

// Activity reads what was counted from an hour on, the oldest first.
func (s *Store) Activity(ctx context.Context, from time.Time) ([]Activity, error) {
	var list []Activity
	err := s.reader(ctx).Raw(`SELECT hour, kind, SUM(times) AS times FROM activity
		WHERE hour >= ? AND times > 0 GROUP BY hour, kind ORDER BY hour, kind`, from).Scan(&list).Error
	for i := range list {
		list[i].Hour = list[i].Hour.UTC()
	}
	return list, found(err, "activity")
}
