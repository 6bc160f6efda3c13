package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/mfa"
)

func device(clientID string) idp.Device {
	now := idp.Now()
	return idp.Device{
		CodeHash: idp.HashSecret(idp.NewSecret()), UserCode: mfa.NewUserCode(), ClientID: clientID, Scopes: []string{"openid", "email"},
		Resource: "urn:example:api", Address: "192.0.2.7", UserAgent: "TV ✓", CreatedAt: now, ExpiresAt: now.Add(idp.DeviceLifetime),
		Interval: idp.DeviceInterval,
	}
}

func TestDeviceIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		full := device(w.Client.ID)
		full.ApprovedAt, full.DeniedAt = idp.Now(), idp.Now()
		expectFull(t, full)
		for _, d := range []idp.Device{full, device(w.Client.ID)} {
			idptest.Must(t, db.CreateDevice(t.Context(), d))
			got, err := db.DeviceByUserCode(t.Context(), d.UserCode)
			idptest.Must(t, err)
			expectSame(t, d, got)
		}
		_, err := db.DeviceByUserCode(t.Context(), "BBBB-BBBB")
		expectError(t, err, idp.ErrNotFound)
		twin := device(w.Client.ID)
		twin.UserCode = full.UserCode
		expectError(t, db.CreateDevice(t.Context(), twin), idp.ErrConflict)
	})
}

func TestPollsThatComeTooSoonHaveToBeFurtherApart(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		d := device(db.World(t).Client.ID)
		idptest.Must(t, db.CreateDevice(t.Context(), d))
		at := idp.Now()
		for i, c := range []struct {
			after    time.Duration
			hasty    bool
			interval time.Duration
		}{
			{0, false, 5 * time.Second},
			{5 * time.Second, false, 5 * time.Second},
			{4500 * time.Millisecond, false, 5 * time.Second}, // networks are not even
			{time.Second, true, 10 * time.Second},
			{5 * time.Second, true, 15 * time.Second},
			{15 * time.Second, false, 15 * time.Second},
		} {
			at = at.Add(c.after)
			got, hasty, err := db.PollDevice(t.Context(), d.CodeHash, d.ClientID, at)
			if err != nil || hasty != c.hasty || got.Interval != c.interval {
				t.Errorf("poll %d: hasty %t, interval %s, %v; want %t, %s", i, hasty, got.Interval, err, c.hasty, c.interval)
			}
		}
		_, _, err := db.PollDevice(t.Context(), d.CodeHash, "another", at)
		expectError(t, err, idp.ErrNotFound)
		_, _, err = db.PollDevice(t.Context(), idp.HashSecret("guessed"), d.ClientID, at)
		expectError(t, err, idp.ErrNotFound)
	})
}

func TestADeviceIsDecidedOnce(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		w := db.World(t)
		d := device(w.Client.ID)
		idptest.Must(t, db.CreateDevice(t.Context(), d))
		expectOneWinner(t, idp.ErrUsed, func(ctx context.Context, i int) error {
			if i%2 == 0 {
				return db.DenyDevice(ctx, d.UserCode, idp.Now())
			}
			return db.ApproveDevice(ctx, d.UserCode, idp.Now())
		})
		late := device(w.Client.ID)
		idptest.Must(t, db.CreateDevice(t.Context(), late))
		expectError(t, db.ApproveDevice(t.Context(), late.UserCode, late.ExpiresAt), idp.ErrUsed)
	})
}

func TestOnlySoManyDevicesOfANetworkAndOfAnAppWait(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	w := db.World(t)
	from := func(address string) context.Context {
		return idp.WithVisit(t.Context(), &idp.Visit{Address: address})
	}
	add := func(address string) error { return db.CreateDevice(from(address), device(w.Client.ID)) }
	for range 100 {
		idptest.Must(t, add("2001:db8::1"))
	}
	expectError(t, add("2001:db8::2"), idp.ErrBusy) // of the same customer
	idptest.Must(t, add("2001:db8:0:1::1"))
	db.Exec(t, "UPDATE device_authorizations SET denied_at = created_at")
	idptest.Must(t, add("2001:db8::2"))

	db.Exec(t, `INSERT INTO device_authorizations SELECT x.a || '-' || y.a, 'u' || x.a || '-' || y.a, client_id, scope, resource, address, user_agent,
		'n' || x.a, created_at, expires_at, poll_seconds, polled_ms, hasty, NULL, NULL FROM device_authorizations d,
		(WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n WHERE a < 70) SELECT a FROM n) x,
		(WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n WHERE a < 80) SELECT a || '.' AS a FROM n) y
		WHERE d.denied_at IS NULL AND d.address = '192.0.2.7' AND d.network = '2001:db8::'`)
	expectError(t, add("192.0.2.1"), idp.ErrBusy)
	db.Exec(t, "UPDATE device_authorizations SET expires_at = created_at")
	if err := add("192.0.2.1"); errors.Is(err, idp.ErrBusy) {
		t.Error("devices whose time is over count")
	}
}
