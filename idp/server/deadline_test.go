package server

import (
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/web"
	"gatehouse/mfa"
)

func TestARequestsOwnDeadlineLiesBelowTheServers(t *testing.T) {
	if web.AnswerWithin >= writeTimeout || web.AnswerWithin > StopTimeout {
		t.Errorf("%s, writes end after %s, a stop after %s", web.AnswerWithin, writeTimeout, StopTimeout)
	}
}

// Times that are read before a write which may wait are early by web.AnswerWithin at
// most: the request ends then. What lives at least twice as long as that outlasts a wait
// where it is made and another where it is used. What is shorter counts from after the
// write: the grace of refresh tokens (store.CreatedLate), the lease of a delivery
// (store.ClaimDeliveries), which no request bounds, and what an app is told of an access
// token's life (expires_in). The pauses of limits (throttle, email codes) are between
// the moments at which the attempts came in: a wait makes none of them shorter.
// Idleness is judged by the statement that ends a session, and by a moment that can
// only be too early.
func TestWhatIsMadeBeforeAWaitOutlastsIt(t *testing.T) {
	for name, lives := range map[string]time.Duration{
		"authorization code": idp.CodeLifetime, "email code": mfa.EmailCodeLifetime, "sign-in": idp.FlowLifetime,
		"lost successor": idp.RefreshLost, "reset link": idp.ResetLifetime, "invitation": idp.InvitationLifetime,
		"registration": idp.RegistrationLifetime, "address to confirm": idp.EmailLifetime,
	} {
		if lives < 2*web.AnswerWithin {
			t.Errorf("%s: lives for %s, and a request may wait for %s", name, lives, web.AnswerWithin)
		}
	}
}
