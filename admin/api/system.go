package api

import (
	"errors"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/settings"
)

func systemOperations() []operation {
	return []operation{
		{ID: "listKeys", Route: "GET /keys", Manage: "SigningKeys", Answer: list{"keys", SigningKey{}}, run: listKeys},
		{ID: "rotateKeys", Route: "POST /keys/rotate", Manage: "RotateKeys", Body: Reason{}, Answer: RotatedKeys{}, run: rotateKeys},
		{ID: "revokeKey", Route: "POST /keys/{key_id}/revoke", Manage: "RevokeKey", Body: Reason{}, run: because(revokeKey)},
		{ID: "listDeliveries", Route: "GET /deliveries", Manage: "Deliveries", Answer: list{"deliveries", Delivery{}}, run: listDeliveries},
		{ID: "retryDeliveries", Route: "POST /deliveries/{lane}/retry", Manage: "RetryDeliveries", Answer: RetriedDeliveries{}, run: retryDeliveries},
		{ID: "testLogout", Route: "POST /clients/{client_id}/logout-test", Manage: "TestLogout", run: testLogout},
		{ID: "testMail", Route: "POST /mail/test", Manage: "TestMail", Body: TestMail{}, Waits: true, run: with(testMail)},
	}
}

// Reason is why.
type Reason struct {
	Reason string `json:"reason" is:"Why"`
}

// SigningKey is a key that signs tokens, did, or will.
type SigningKey struct {
	ID         string    `json:"id"`
	Algorithm  string    `json:"algorithm"`
	State      string    `json:"state"` // next, signs, verifies
	CreatedAt  time.Time `json:"created_at"`
	SignsFrom  time.Time `json:"signs_from"`
	SignsUntil time.Time `json:"signs_until,omitzero"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
}

// RotatedKeys is how many keys have a successor.
type RotatedKeys struct {
	Rotated int `json:"rotated"`
}

// Delivery is how far the deliveries to one receiver are.
type Delivery struct {
	Lane      string    `json:"lane"`
	Waiting   int64     `json:"waiting"`
	Retrying  int64     `json:"retrying"`
	Delivered int64     `json:"delivered"`
	Failed    int64     `json:"failed"`
	OldestAt  time.Time `json:"oldest_at,omitzero"`
	LastError string    `json:"last_error,omitempty"`
}

// RetriedDeliveries is how many deliveries are due now.
type RetriedDeliveries struct {
	Retried int64 `json:"retried"`
}

// TestMail is who gets a test mail.
type TestMail struct {
	To string `json:"to" is:"Email"`
}

func listKeys(v *call) (any, error) {
	keys, err := v.manage.System.SigningKeys(v.ctx, v.actor)
	now, all := idp.Now(), make([]SigningKey, len(keys))
	for i, k := range keys {
		all[i] = SigningKey{
			ID: k.ID, Algorithm: string(k.Algorithm), State: "verifies", CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom,
			SignsUntil: k.SignsUntil, ExpiresAt: k.ExpiresAt,
		}
		switch {
		case now.Before(k.SignsFrom):
			all[i].State = "next"
		case k.SignsUntil.IsZero() || now.Before(k.SignsUntil):
			all[i].State = "signs"
		}
	}
	return object{"keys": all}, err
}

func rotateKeys(v *call) (any, error) {
	reason, err := v.reason()
	if err != nil {
		return nil, err
	}
	n, err := v.manage.System.RotateKeys(v.ctx, v.actor, reason)
	return RotatedKeys{Rotated: n}, err
}

func revokeKey(v *call, reason string) error {
	return v.manage.System.RevokeKey(v.ctx, v.actor, v.Param("key_id"), reason)
}

func listDeliveries(v *call) (any, error) {
	lanes, err := v.manage.System.Deliveries(v.ctx, v.actor)
	all := make([]Delivery, len(lanes))
	for i, l := range lanes {
		all[i] = Delivery{
			Lane: l.Lane, Waiting: l.Waiting, Retrying: l.Retrying, Delivered: l.Delivered, Failed: l.Failed,
			OldestAt: l.OldestAt, LastError: l.LastError,
		}
	}
	return object{"deliveries": all}, err
}

func retryDeliveries(v *call) (any, error) {
	n, err := v.manage.System.RetryDeliveries(v.ctx, v.actor, v.Param("lane"))
	return RetriedDeliveries{Retried: n}, err
}

func testMail(v *call, mail TestMail) (any, error) {
	err := v.manage.System.TestMail(v.ctx, v.actor, mail.To)
	var wrong settings.Errors
	switch {
	case err == nil, errors.Is(err, authz.ErrForbidden), errors.Is(err, system.ErrNoMail), errors.As(err, new(*authz.WaitError)):
		return nil, err
	case errors.As(err, &wrong): // manage calls every address email
		return nil, settings.Invalid("to", wrong[0].Key, wrong[0].Args...)
	}
	return nil, &refusedMail{err}
}

func testLogout(v *call) (any, error) {
	return nil, v.manage.System.TestLogout(v.ctx, v.actor, v.Param("client_id"))
}
