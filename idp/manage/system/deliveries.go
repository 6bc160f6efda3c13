package system

import (
	"context"
	"errors"
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/store"
)

// Deliveries reads how far mail and each app's logout tokens are.
func (m *Manager) Deliveries(ctx context.Context, a authz.Actor) ([]store.LaneProgress, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Deliveries"}); err != nil {
		return nil, err
	}
	return m.Store.Progress(ctx)
}

// RetryDeliveries makes due now what waits in a lane for a later attempt, and
// returns how many there were. What failed for good stays so.
func (m *Manager) RetryDeliveries(ctx context.Context, a authz.Actor, lane string) (int64, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "RetryDeliveries"}); err != nil {
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

// ErrNoLogoutURI: the app has no back-channel logout URI.
var ErrNoLogoutURI = errors.New("the app has no back-channel logout URI")

// errNoLogout: the manager was put together without what posts logout tokens.
var errNoLogout = errors.New("logout notices are not configured")

// An UnansweredError is that a client did not take a logout token, and why.
type UnansweredError struct{ Cause error }

func (e *UnansweredError) Error() string { return e.Cause.Error() }

// Unwrap is the cause.
func (e *UnansweredError) Unwrap() error { return e.Cause }

// TestLogout posts a logout token of an invented session to an app, at once and past the
// outbox, so that the answer is the app's own: an *UnansweredError where it was not 200 or
// 204 within 5 seconds.
func (m *Manager) TestLogout(ctx context.Context, a authz.Actor, clientID string) error {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "TestLogout"}); err != nil {
		return err
	}
	client, err := m.Store.Client(ctx, clientID)
	switch {
	case err != nil:
		return err
	case client.BackchannelLogoutURI == "":
		return ErrNoLogoutURI
	case m.Logout == nil:
		return errNoLogout
	}
	outcome := "sent"
	var unanswered error
	if err := m.Logout(ctx, client); err != nil {
		unanswered, outcome = &UnansweredError{err}, err.Error()
	}
	e := a.Audit(idp.AuditLogoutTested, "", map[string]string{"outcome": outcome})
	e.ClientID = client.ID
	return errors.Join(unanswered, m.Store.Audit(ctx, e))
}
