package authz

import (
	"context"
	"time"

	"gatehouse/idp"
)

// Mailing counts a mail that an actor causes, to an address that is not proved to be its
// owner's. It is called before the mail is written. A *WaitError says that the address, or
// the sender, has had enough for now. The system actor is not limited.
func (m *Manager) Mailing(ctx context.Context, a Actor, email string) error {
	if a.System || m.Throttles == nil {
		return nil
	}
	sender := "user " + a.UserID
	if a.Service != "" {
		sender = "service " + a.Service
	}
	// Of two counters one may have counted when the other refuses.
	return m.Store.Do(ctx, func(ctx context.Context) error {
		wait, err := m.Throttles.Mailing(ctx, sender, email)
		if err == nil && wait > 0 {
			err = &WaitError{For: wait}
		}
		return err
	})
}

// Throttles counts mails, and forgets the failures that were counted against people.
type Throttles interface {
	// ClearAccount forgets those of a password, from browsers that the account does
	// not know.
	ClearAccount(ctx context.Context, population, email string) error
	// ClearFactor forgets those of a method of second step of a person, from all browsers.
	ClearFactor(ctx context.Context, userID string, method idp.Method) error
	// Mailing counts a mail to an unproved address, and says how long it has to wait, zero
	// for not at all.
	Mailing(ctx context.Context, sender, email string) (wait time.Duration, err error)
}

// WaitError says that something may be asked for again only later.
type WaitError struct{ For time.Duration }

// Error implements error.
func (e *WaitError) Error() string { return "again in " + e.For.String() }
