package idp

import "time"

// DeviceGrant is the grant type of devices that have no browser or keyboard: a person
// approves them on another one (RFC 8628).
const DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

const (
	// DeviceLifetime is how long a device waits for its approval.
	DeviceLifetime = 10 * time.Minute
	// DeviceInterval is how long its polls are apart, and how much longer after one that
	// came too soon (RFC 8628 section 3.5).
	DeviceInterval = 5 * time.Second
)

// Device is a device that waits for its approval on another one.
type Device struct {
	CodeHash []byte // SHA-256 of what the device holds
	// UserCode is what it shows and a person types; it is no credential.
	UserCode string
	ClientID string
	Scopes   []string
	Resource string // that of a Grant
	// Address and UserAgent are of where it asked from.
	Address, UserAgent string
	CreatedAt          time.Time
	ExpiresAt          time.Time
	Interval           time.Duration // between its polls
	ApprovedAt         time.Time
	DeniedAt           time.Time
}

// Waits tells whether it can still be approved or denied.
func (d Device) Waits(now time.Time) bool {
	return d.ApprovedAt.IsZero() && d.DeniedAt.IsZero() && now.Before(d.ExpiresAt)
}
