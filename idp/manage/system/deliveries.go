package system

import (
	"context"
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/store"
)

// Deliveries reads how far mail and each app's logout tokens are.
func (m *Manager) Deliveries(ctx context.Context, a authz.Actor) ([]store.LaneProgress, error) {
	if err := m.Authz.Allow(ctx, a, authz.Request{Op: "Deliveries"}); err != nil {
		return nil, err
	}
	return m.Store.Progress(ctx)
}

// RetryDeliveries makes due now what waits in a lane for a later attempt, and
// returns how many there were. What failed for good stays so.
func (m *Manager) RetryDeliveries(ctx context.Context, a authz.Actor, lane string) (int64, error) {
	if err := m.Authz.Allow(ctx, a, authz.Request{Op: "RetryDeliveries"}); err != nil {
		return 0, err
	}
	var n int64
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		var err error
		if n, err = m.Store.HurryDeliveries(ctx, lane, idp.Now()); err != nil || n == 0 {
			return err
		}
		return m.Store.Audit(ctx, a.Audit(idp.AuditDeliveriesRetried, "", map[string]string{
			"lane": lane, "deliveries": strconv.FormatInt(n, 10),
		}))
	})
	return n, err
}
