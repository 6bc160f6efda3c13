package store

import (
	"context"
	"strings"
	"time"

	"gatehouse/idp"
)

type deviceRow struct {
	CodeHash    []byte `gorm:"primaryKey"`
	UserCode    string
	ClientID    string
	Scope       string
	Resource    string
	Address     string
	UserAgent   string
	Network     string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	PollSeconds int64
	PolledMS    int64 `gorm:"column:polled_ms"`
	Hasty       bool
	ApprovedAt  *time.Time
	DeniedAt    *time.Time
}

func (deviceRow) TableName() string { return "device_authorizations" }

func (r deviceRow) device() idp.Device {
	return idp.Device{
		CodeHash: r.CodeHash, UserCode: r.UserCode, ClientID: r.ClientID, Scopes: fromWords(r.Scope), Resource: r.Resource,
		Address: r.Address, UserAgent: r.UserAgent, CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
		Interval: duration(r.PollSeconds), ApprovedAt: orZero(r.ApprovedAt), DeniedAt: orZero(r.DeniedAt),
	}
}

// How many devices may wait: of one network, as many as a person sets up in one place, and
// of one app. One more is refused until one of them was approved or has expired.
const (
	devicesOfNetwork = 100
	devicesOfClient  = 5000
)

// CreateDevice stores a device that waits. idp.ErrBusy: as many of its network or app wait
// as may; idp.ErrConflict: its user code is another's.
func (s *Store) CreateDevice(ctx context.Context, d idp.Device) error {
	network := idp.VisitFrom(ctx).Network()
	names, values := namesAndValues(ctx, &deviceRow{
		CodeHash: d.CodeHash, UserCode: d.UserCode, ClientID: d.ClientID, Scope: words(d.Scopes), Resource: d.Resource,
		Address: d.Address, UserAgent: d.UserAgent, Network: network, CreatedAt: d.CreatedAt, ExpiresAt: d.ExpiresAt,
		PollSeconds: seconds(d.Interval), ApprovedAt: orNull(d.ApprovedAt), DeniedAt: orNull(d.DeniedAt),
	})
	fewer := func(column string) string {
		return "(SELECT COUNT(*) FROM (SELECT 1 FROM device_authorizations w WHERE w." + column + ` = ?
			AND w.approved_at IS NULL AND w.denied_at IS NULL AND w.expires_at > ? LIMIT ?) AS waiting) < ?`
	}
	statement := "INSERT INTO device_authorizations (" + strings.Join(names, ", ") + ") SELECT " +
		strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ") +
		" FROM clients WHERE id = ? AND " + fewer("network") + " AND " + fewer("client_id")
	return once(s.writer(ctx).Exec(statement, append(values, d.ClientID,
		network, d.CreatedAt, devicesOfNetwork, devicesOfNetwork, d.ClientID, d.CreatedAt, devicesOfClient, devicesOfClient)...),
		"device", idp.ErrBusy)
}

// DeviceByUserCode reads the device that shows a code, whatever became of it.
func (s *Store) DeviceByUserCode(ctx context.Context, userCode string) (idp.Device, error) {
	var row deviceRow
	err := s.reader(ctx).Where("user_code = ?", userCode).Take(&row).Error
	return row.device(), found(err, "device")
}

// pollSlack is how much sooner a poll may arrive than it has to: networks are not even.
const pollSlack = time.Second

// PollDevice counts a poll of a client's device in the statement that reads it. hasty: it came
// too soon, and the next has to wait longer.
func (s *Store) PollDevice(ctx context.Context, codeHash []byte, clientID string, now time.Time) (d idp.Device, hasty bool, err error) {
	const early = "polled_ms + poll_seconds * 1000 - ? > ?"
	ms, slack := now.UnixMilli(), pollSlack.Milliseconds()
	var row deviceRow
	err = s.writer(ctx).Raw("UPDATE device_authorizations SET poll_seconds = CASE WHEN "+early+" THEN poll_seconds + ? ELSE poll_seconds END, "+
		"hasty = ("+early+"), polled_ms = ? WHERE code_hash = ? AND client_id = ? RETURNING *",
		slack, ms, seconds(idp.DeviceInterval), slack, ms, ms, codeHash, clientID).Take(&row).Error
	return row.device(), row.Hasty, found(err, "device")
}

// ApproveDevice takes the one decision about a device that waits. idp.ErrUsed: it was taken
// before, or its time is over.
func (s *Store) ApproveDevice(ctx context.Context, userCode string, at time.Time) error {
	return s.decide(ctx, userCode, "approved_at", at)
}

// DenyDevice is ApproveDevice for a device that is not the person's.
func (s *Store) DenyDevice(ctx context.Context, userCode string, at time.Time) error {
	return s.decide(ctx, userCode, "denied_at", at)
}

func (s *Store) decide(ctx context.Context, userCode, column string, at time.Time) error {
	return once(s.writer(ctx).Model(&deviceRow{}).
		Where("user_code = ? AND approved_at IS NULL AND denied_at IS NULL AND expires_at > ?", userCode, at).
		UpdateColumn(column, at), "device", idp.ErrUsed)
}
