package idp

import (
	"strconv"
	"time"
)

// MaxTrustDays is how long a browser may be trusted at most.
const MaxTrustDays = 30

// TrustedBrowser is a browser in which a person is not asked again for the second step that
// their population's policy wants. It is known by the hash of its cookie, as a session's is.
// It proves nothing: no token says more because of it.
type TrustedBrowser struct {
	ID          string
	UserID      string
	BrowserHash []byte
	// ACR is the class of the second step that was proved there. A policy that asks for more
	// is not met.
	ACR ACR
	// PolicyVersion is the number of the last change of any policy or override then.
	PolicyVersion      int64
	UserAgent, Address string
	CreatedAt          time.Time
	// ExpiresAt is by the days that the policy had then.
	ExpiresAt  time.Time
	LastUsedAt time.Time // zero for never
	// LeastDays are the fewest days that the policy has had since, negative where it was not
	// changed: what was lowered does not come back.
	LeastDays int
}

// TrustDetail is the detail of the event that a browser was trusted.
func TrustDetail(days int, m Method) map[string]string {
	return map[string]string{"days": strconv.Itoa(days), "method": string(m)}
}

// Until is when the trust ends, unless something ends it before.
func (b TrustedBrowser) Until() time.Time {
	if lowered := b.CreatedAt.Add(time.Duration(b.LeastDays) * 24 * time.Hour); b.LeastDays >= 0 && lowered.Before(b.ExpiresAt) {
		return lowered
	}
	return b.ExpiresAt
}

// Worth is the class that the trust stands for now, empty for none. "Immediately", of the
// population's policy or of the client's, ends it.
func (b TrustedBrowser) Worth(p Population, o Override, now time.Time) ACR {
	if b.PolicyVersion < max(p.MinVersion, o.MinVersion) || !now.Before(b.Until()) {
		return ""
	}
	return b.ACR
}
