package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type outboxRow struct {
	ID          string `gorm:"primaryKey"`
	Lane        string
	Destination string
	Kind        string
	UserID      string
	SessionID   string
	Body        []byte
	Attempts    int64
	LastError   string
	CreatedAt   time.Time
	NextAt      time.Time
	ExpiresAt   time.Time
	DoneAt      *time.Time
	Outcome     string
	Trace       string
}

func (outboxRow) TableName() string { return "outbox" }

// Outcome is what became of a delivery; empty while it waits.
type Outcome string

// The outcomes.
const (
	Delivered Outcome = "delivered"
	Failed    Outcome = "failed"    // the other side refuses it for good
	Expired   Outcome = "expired"   // its time was over before the other side took it
	Cancelled Outcome = "cancelled" // what it tells is no longer true
)

// Delivery is something that has to reach another system: a mail, a logout token. Its body
// is sealed, and erased once it is done.
type Delivery struct {
	ID string
	// Lane is what shares one destination: all mail, one client's logout tokens, or
	// what people asked for that we look into later. A destination that is down delays its own lane only.
	Lane string
	// Destination stands for a mail's domain. One that hangs delays its own mails only.
	Destination string
	Kind        string
	UserID      string
	SessionID   string
	Body        []byte
	Attempts    int
	LastError   string
	CreatedAt   time.Time
	NextAt      time.Time
	ExpiresAt   time.Time
	DoneAt      time.Time
	Outcome     Outcome
	// Trace is what the request that stored it was traced as (traceparent of W3C Trace
	// Context); empty: not.
	Trace string
}

func (r outboxRow) delivery() Delivery {
	return Delivery{
		ID: r.ID, Lane: r.Lane, Destination: r.Destination, Kind: r.Kind, UserID: r.UserID, SessionID: r.SessionID, Body: r.Body,
		Attempts: int(r.Attempts), LastError: r.LastError, CreatedAt: r.CreatedAt.UTC(), NextAt: r.NextAt.UTC(),
		ExpiresAt: r.ExpiresAt.UTC(), DoneAt: orZero(r.DoneAt), Outcome: Outcome(r.Outcome), Trace: r.Trace,
	}
}

// Enqueue stores deliveries in the transaction of what they tell about.
func (s *Store) Enqueue(ctx context.Context, list ...Delivery) error {
	rows := make([]outboxRow, len(list))
	for i, d := range list {
		rows[i] = outboxRow{
			ID: d.ID, Lane: d.Lane, Destination: d.Destination, Kind: d.Kind, UserID: d.UserID, SessionID: d.SessionID, Body: notNil(d.Body),
			Attempts: int64(d.Attempts), LastError: d.LastError, CreatedAt: d.CreatedAt, NextAt: d.NextAt,
			ExpiresAt: d.ExpiresAt, DoneAt: orNull(d.DoneAt), Outcome: string(d.Outcome), Trace: d.Trace,
		}
	}
	return written(s.writer(ctx).CreateInBatches(&rows, 500).Error, "delivery")
}

// DueLanes lists the lanes in which something is due.
func (s *Store) DueLanes(ctx context.Context, now time.Time) ([]string, error) {
	var lanes []string
	// One look into the index for each client, however much waits.
	err := s.reader(ctx).Raw(`SELECT lane FROM (SELECT 'mail' AS lane UNION ALL SELECT 'requests' AS lane UNION ALL
			SELECT id AS lane FROM clients WHERE backchannel_logout_uri <> '') AS lanes
		WHERE EXISTS (SELECT 1 FROM outbox o WHERE o.lane = lanes.lane AND o.done_at IS NULL AND o.next_at <= ?)`, now).
		Scan(&lanes).Error
	return lanes, found(err, "deliveries")
}

// ClaimDeliveries takes up to limit deliveries of a lane that are due, and puts
// them off by lease: no other worker tries them meanwhile, and they come back if
// this one dies. The attempt is counted.
func (s *Store) ClaimDeliveries(ctx context.Context, lane string, now time.Time, lease time.Duration, limit int) ([]Delivery, error) {
	return s.claim(ctx, "id IN (?)", s.due(ctx, lane, now).Order("next_at").Limit(limit), now, lease)
}

// MailChoice is which mail to take.
type MailChoice struct {
	// Without are destinations that get none now.
	Without []string
	// Horizon parts what is of use until then from what is of use for longer: Later
	// takes the latter.
	Horizon time.Time
	Later   bool
}

// ClaimMail takes one delivery of a lane, as ClaimDeliveries does: of those that were
// tried the least, the one that is of use for the shortest time. idp.ErrNotFound: there
// is none.
func (s *Store) ClaimMail(ctx context.Context, lane string, now time.Time, lease time.Duration, c MailChoice) (Delivery, error) {
	due := s.due(ctx, lane, now).Order("attempts, expires_at").Limit(1)
	if len(c.Without) > 0 {
		due = due.Where("destination NOT IN ?", c.Without)
	}
	if c.Later {
		due = due.Where("expires_at > ?", c.Horizon)
	} else {
		due = due.Where("expires_at <= ?", c.Horizon)
	}
	if s.dialect == "postgres" {
		// Of two workers, each takes another one. The locks allow no IN: PostgreSQL may
		// look into such a subquery more than once, and lock another row each time.
		due = due.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate, Options: clause.LockingOptionsSkipLocked})
	}
	list, err := s.claim(ctx, "id = (?)", due, now, lease)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("delivery: %w", idp.ErrNotFound)
	}
	if err != nil {
		return Delivery{}, err
	}
	return list[0], nil
}

func (s *Store) due(ctx context.Context, lane string, now time.Time) *gorm.DB {
	return s.writer(ctx).Model(&outboxRow{}).Select("id").Where("lane = ? AND done_at IS NULL AND next_at <= ?", lane, now)
}

// claim takes what a condition on the id says, for a lease.
func (s *Store) claim(ctx context.Context, which string, due *gorm.DB, now time.Time, lease time.Duration) ([]Delivery, error) {
	var rows []outboxRow
	err := s.writer(ctx).Model(&rows).Clauses(clause.Returning{}).
		Where(which+" AND done_at IS NULL AND next_at <= ?", due, now).
		UpdateColumns(map[string]any{"next_at": now.Add(lease), "attempts": clause.Expr{SQL: "attempts + 1"}}).Error
	if err != nil {
		return nil, written(err, "delivery")
	}
	list := make([]Delivery, len(rows))
	for i, r := range rows {
		list[i] = r.delivery()
	}
	return s.claimedLate(ctx, list, now, lease)
}

// claimedLate counts a lease from after a claim that waited, and leaves out what another
// worker has taken since: the lease that was written may be over already.
func (s *Store) claimedLate(ctx context.Context, list []Delivery, began time.Time, lease time.Duration) ([]Delivery, error) {
	for now := idp.Now(); len(list) > 0 && now.Sub(began) >= slowWrite; began, now = now, idp.Now() {
		var kept []Delivery
		for _, d := range list {
			d.NextAt = now.Add(lease)
			r := s.renewal(ctx, d, d.NextAt)
			if r.Error != nil {
				return nil, written(r.Error, "delivery")
			}
			if r.RowsAffected == 1 {
				kept = append(kept, d)
			}
		}
		list = kept
	}
	return list, nil
}

// RenewDelivery keeps a delivery that is under way from other workers for another
// lease, unless one has taken it since.
func (s *Store) RenewDelivery(ctx context.Context, d Delivery, until time.Time) error {
	return written(s.renewal(ctx, d, until).Error, "delivery")
}

func (s *Store) renewal(ctx context.Context, d Delivery, until time.Time) *gorm.DB {
	return s.writer(ctx).Model(&outboxRow{}).Where("id = ? AND attempts = ? AND done_at IS NULL", d.ID, d.Attempts).
		UpdateColumn("next_at", until)
}

// PutOffDelivery records a failed attempt and when the next is due.
func (s *Store) PutOffDelivery(ctx context.Context, id, cause string, next time.Time) error {
	return written(s.writer(ctx).Model(&outboxRow{}).Where("id = ? AND done_at IS NULL", id).
		UpdateColumns(map[string]any{"next_at": next, "last_error": cause}).Error, "delivery")
}

// FinishDelivery marks a delivery as done and erases its body. idp.ErrUsed:
// another worker has finished it.
func (s *Store) FinishDelivery(ctx context.Context, id string, outcome Outcome, cause string, at time.Time) error {
	return once(s.writer(ctx).Model(&outboxRow{}).
		Where("id = ? AND done_at IS NULL", id).
		UpdateColumns(map[string]any{
			"done_at": at, "outcome": string(outcome), "last_error": cause, "body": []byte{},
		}), "delivery", idp.ErrUsed)
}

// CancelDeliveries gives up what still waits in a lane about a session.
func (s *Store) CancelDeliveries(ctx context.Context, lane, sessionID string, at time.Time) error {
	return written(s.writer(ctx).Model(&outboxRow{}).
		Where("lane = ? AND session_id = ? AND done_at IS NULL", lane, sessionID).
		UpdateColumns(map[string]any{"done_at": at, "outcome": string(Cancelled), "body": []byte{}}).Error, "delivery")
}

// CancelLane gives up whatever still waits in a lane: its destination is gone.
func (s *Store) CancelLane(ctx context.Context, lane string, at time.Time) error {
	return written(s.writer(ctx).Model(&outboxRow{}).Where("lane = ? AND done_at IS NULL", lane).
		UpdateColumns(map[string]any{"done_at": at, "outcome": string(Cancelled), "body": []byte{}}).Error, "delivery")
}

// HurryDeliveries makes due now what waits in a lane for a later moment, and
// returns how many there were. One that is being tried right now may be tried
// twice, as after a crash.
func (s *Store) HurryDeliveries(ctx context.Context, lane string, now time.Time) (int64, error) {
	r := s.writer(ctx).Model(&outboxRow{}).Where("lane = ? AND done_at IS NULL AND next_at > ?", lane, now).
		UpdateColumn("next_at", now)
	return r.RowsAffected, written(r.Error, "delivery")
}

// Delivery reads one delivery, done or not.
func (s *Store) Delivery(ctx context.Context, id string) (Delivery, error) {
	var row outboxRow
	err := s.reader(ctx).Where("id = ?", id).Take(&row).Error
	return row.delivery(), found(err, "delivery")
}

// LaneProgress is how far the deliveries of one lane are. What is older than a
// week after it was done has been removed.
type LaneProgress struct {
	Lane      string
	Waiting   int64 // not tried yet, or to be tried again
	Retrying  int64 // of those, tried at least once
	Delivered int64
	Failed    int64 // refused for good, or out of time
	// OldestAt is when the oldest that waits was made; zero for none.
	OldestAt time.Time
	// LastError is the newest complaint of what waits or failed.
	LastError string
}

// Progress reads how far each lane is, in the order of their names.
func (s *Store) Progress(ctx context.Context) ([]LaneProgress, error) {
	var rows []struct {
		Lane                                 string
		Waiting, Retrying, Delivered, Failed int64
		OldestAt                             *time.Time
		LastError                            *string
	}
	err := s.reader(ctx).Raw(`SELECT l.*,
		(SELECT o.created_at FROM outbox o WHERE o.lane = l.lane AND o.done_at IS NULL ORDER BY o.created_at LIMIT 1) AS oldest_at,
		(SELECT o.last_error FROM outbox o WHERE o.lane = l.lane AND o.last_error <> '' AND o.outcome <> 'delivered'
			ORDER BY o.created_at DESC LIMIT 1) AS last_error
		FROM (SELECT lane,
			SUM(CASE WHEN done_at IS NULL THEN 1 ELSE 0 END) AS waiting,
			SUM(CASE WHEN done_at IS NULL AND last_error <> '' THEN 1 ELSE 0 END) AS retrying,
			SUM(CASE WHEN outcome = 'delivered' THEN 1 ELSE 0 END) AS delivered,
			SUM(CASE WHEN outcome IN ('failed', 'expired') THEN 1 ELSE 0 END) AS failed
			FROM outbox GROUP BY lane) AS l ORDER BY l.lane`).Scan(&rows).Error
	if err != nil {
		return nil, found(err, "deliveries")
	}
	list := make([]LaneProgress, len(rows))
	for i, r := range rows {
		list[i] = LaneProgress{
			Lane: r.Lane, Waiting: r.Waiting, Retrying: r.Retrying, Delivered: r.Delivered, Failed: r.Failed,
			OldestAt: orZero(r.OldestAt),
		}
		if r.LastError != nil {
			list[i].LastError = *r.LastError
		}
	}
	return list, nil
}

// Troubled tells whether something waits in a lane that was tried in vain: its
// destination may be down.
func (s *Store) Troubled(ctx context.Context, lane string) (bool, error) {
	var n int64
	err := s.reader(ctx).Raw("SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE lane = ? AND done_at IS NULL AND last_error <> '' LIMIT 1) AS found", lane).
		Scan(&n).Error
	return n > 0, found(err, "deliveries")
}
