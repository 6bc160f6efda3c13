package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
	"gatehouse/mfa"
)

type tallyRow struct {
	Subject   string `gorm:"primaryKey"`
	Kind      string `gorm:"primaryKey"`
	Number    int64
	CountedAt time.Time
}

func (tallyRow) TableName() string { return "tallies" }

// The kinds of tallies. One of people by their strongest factor is tallyFactor and the method.
const (
	tallySignedIn = "signed_in"
	tallyFactor   = "factor:"
	tallyHardware = tallyFactor + "hardware"
	tallyLate     = "late"
	tallyRetrying = "retrying"
	tallyFailed   = "failed"
	tallyStopped  = "stopped"
	tallyTook     = "took" // milliseconds of the count itself
)

const (
	// tallyEvery is how old tallies are at least before they are counted again.
	tallyEvery = 50 * time.Second
	// tallyShare is how many times as long as it took the next count waits: a large
	// installation is counted more rarely, so that counting takes one hundredth of the time.
	tallyShare = 100
	// TallyLate is how long a delivery waits before it counts as late.
	TallyLate = 15 * time.Minute
	// TallyRecent is how long ago something may have failed or stopped that is still counted.
	TallyRecent = 24 * time.Hour
)

// Stops are the counters of failures that stop a way to sign in, and at how many.
type Stops struct {
	Kinds []string
	At    int
}

// Tallies are numbers as a job counted them.
type Tallies struct {
	// At is when; zero: not yet.
	At time.Time
	// SignedIn are the people who have a living session, by population.
	SignedIn map[string]int64
	// Coverage is what Store.Coverage counts.
	Coverage []Covered
	// Lanes are those of the outbox in which something waits or failed lately.
	Lanes map[string]LaneTrouble
	// Stopped are the counters that reached their cap lately.
	Stopped int64
}

// LaneTrouble is what is wrong in a lane of the outbox.
type LaneTrouble struct {
	Late     int64 // waits for longer than TallyLate
	Retrying int64 // waits, and was tried in vain
	Failed   int64 // was given up within TallyRecent
}

// People counts those of all populations who may sign in.
func (t Tallies) People() (n int64) {
	for _, c := range t.Coverage {
		n += c.People
	}
	return n
}

// Present counts those of all populations who are signed in.
func (t Tallies) Present() (n int64) {
	for _, people := range t.SignedIn {
		n += people
	}
	return n
}

// CountTallies counts anew where that is due. Replicas may do it at once: the newest stand.
func (s *Store) CountTallies(ctx context.Context, now time.Time, stops Stops) error {
	var took []tallyRow
	if err := s.reader(ctx).Where("subject = '' AND kind = ?", tallyTook).Find(&took).Error; err != nil {
		return found(err, "tallies")
	}
	if len(took) > 0 {
		wait := max(tallyEvery, tallyShare*time.Duration(took[0].Number)*time.Millisecond)
		if now.Before(took[0].CountedAt.Add(wait)) {
			return nil
		}
	}
	began, rows := idp.Now(), []tallyRow(nil)
	add := func(subject, kind string, number int64) {
		rows = append(rows, tallyRow{Subject: subject, Kind: kind, Number: number, CountedAt: now})
	}
	for _, count := range []func(context.Context, time.Time, Stops, func(string, string, int64)) error{
		s.tallyPeople, s.tallyPresent, s.tallyLanes, s.tallyStopped,
	} {
		if err := count(ctx, now, stops, add); err != nil {
			return err
		}
	}
	add("", tallyTook, idp.Now().Sub(began).Milliseconds())
	return s.Do(ctx, func(ctx context.Context) error {
		newest := clause.OnConflict{
			Columns:   []clause.Column{{Name: "subject"}, {Name: "kind"}},
			Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "tallies.counted_at <= excluded.counted_at"}}},
			DoUpdates: clause.AssignmentColumns([]string{"number", "counted_at"}),
		}
		if err := s.writer(ctx).Clauses(newest).CreateInBatches(&rows, 500).Error; err != nil {
			return written(err, "tallies")
		}
		return written(s.writer(ctx).Where("counted_at < ?", now).Delete(&tallyRow{}).Error, "tallies")
	})
}

func (s *Store) tallyPeople(ctx context.Context, _ time.Time, _ Stops, add func(string, string, int64)) error {
	list, err := s.Coverage(ctx)
	for _, c := range list {
		kind := tallyFactor + string(c.Method)
		if c.Hardware {
			kind = tallyHardware
		}
		add(c.PopulationID, kind, c.People)
	}
	return err
}

func (s *Store) tallyPresent(ctx context.Context, now time.Time, _ Stops, add func(string, string, int64)) error {
	populations, err := s.Populations(ctx)
	if err != nil || len(populations) == 0 {
		return err
	}
	var alive []string
	var args []any
	for _, p := range populations {
		lives, these := living(p, now)
		alive, args = append(alive, "("+lives+")"), append(args, these...)
	}
	var rows []struct {
		PopulationID string
		People       int64
	}
	err = s.reader(ctx).Raw(`SELECT s.population_id, COUNT(DISTINCT s.user_id) AS people FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE NOT u.disabled AND (`+strings.Join(alive, " OR ")+") GROUP BY s.population_id", args...).Scan(&rows).Error
	for _, r := range rows {
		add(r.PopulationID, tallySignedIn, r.People)
	}
	return found(err, "people who are signed in")
}

func (s *Store) tallyLanes(ctx context.Context, now time.Time, _ Stops, add func(string, string, int64)) error {
	var rows []struct {
		Lane                   string
		Late, Retrying, Failed int64
	}
	recent := now.Add(-TallyRecent)
	err := s.reader(ctx).Raw(`SELECT lane,
		SUM(CASE WHEN done_at IS NULL AND created_at < ? THEN 1 ELSE 0 END) AS late,
		SUM(CASE WHEN done_at IS NULL AND last_error <> '' THEN 1 ELSE 0 END) AS retrying,
		SUM(CASE WHEN outcome IN ('failed', 'expired') AND done_at > ? THEN 1 ELSE 0 END) AS failed
		FROM outbox WHERE done_at IS NULL OR done_at > ? GROUP BY lane`, now.Add(-TallyLate), recent, recent).Scan(&rows).Error
	for _, r := range rows {
		for kind, n := range map[string]int64{tallyLate: r.Late, tallyRetrying: r.Retrying, tallyFailed: r.Failed} {
			if n > 0 {
				add(r.Lane, kind, n)
			}
		}
	}
	return found(err, "deliveries")
}

func (s *Store) tallyStopped(ctx context.Context, now time.Time, stops Stops, add func(string, string, int64)) error {
	var n int64
	err := s.reader(ctx).Model(&throttleRow{}).
		Where("last_at > ? AND failures >= ? AND kind IN ?", now.Add(-TallyRecent), stops.At, stops.Kinds).Count(&n).Error
	add("", tallyStopped, n)
	return found(err, "throttles")
}

// Tallies reads what was counted.
func (s *Store) Tallies(ctx context.Context) (Tallies, error) {
	t := Tallies{SignedIn: map[string]int64{}, Lanes: map[string]LaneTrouble{}}
	var rows []tallyRow
	if err := s.reader(ctx).Order("subject, kind").Find(&rows).Error; err != nil {
		return t, found(err, "tallies")
	}
	for _, r := range rows {
		lane, of := t.Lanes[r.Subject], r.Subject
		method, factor := strings.CutPrefix(r.Kind, tallyFactor)
		switch {
		case r.Kind == tallyHardware:
			t.Coverage = append(t.Coverage, Covered{PopulationID: of, Method: idp.MethodPasskey, Hardware: true, People: r.Number})
		case factor:
			t.Coverage = append(t.Coverage, Covered{PopulationID: of, Method: idp.Method(method), People: r.Number})
		case r.Kind == tallySignedIn:
			t.SignedIn[of] = r.Number
		case r.Kind == tallyStopped:
			t.Stopped = r.Number
		case r.Kind == tallyTook:
			t.At = r.CountedAt.UTC()
		case r.Kind == tallyLate:
			lane.Late = r.Number
		case r.Kind == tallyRetrying:
			lane.Retrying = r.Number
		case r.Kind == tallyFailed:
			lane.Failed = r.Number
		}
		if lane != (LaneTrouble{}) {
			t.Lanes[of] = lane
		}
	}
	sortCovered(t.Coverage)
	return t, nil
}

// sortCovered brings counts into the order of Coverage: the strongest first.
func sortCovered(list []Covered) {
	rank := func(c Covered) int {
		switch i := slices.Index(mfa.ByStrength(), c.Method); {
		case c.Hardware:
			return -1
		case i < 0:
			return len(mfa.ByStrength())
		default:
			return i
		}
	}
	slices.SortStableFunc(list, func(a, b Covered) int {
		return cmp.Or(strings.Compare(a.PopulationID, b.PopulationID), cmp.Compare(rank(a), rank(b)))
	})
}
