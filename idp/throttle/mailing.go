package throttle

import (
	"context"
	"errors"
	"time"

	"gatehouse/idp"
)

// Mailing counts a mail that a person who is signed in, or a service, causes to an
// unproved address: against the address, for all senders together, and against the sender,
// empty for none. wait is how long until it may be sent: zero, and it was counted.
func (l *Limiter) Mailing(ctx context.Context, sender, email string) (wait time.Duration, err error) {
	counters := []Counter{l.counter(MailTo, idp.EmailKey(email))}
	if sender != "" {
		counters = append(counters, l.counter(MailBy, []byte(sender)))
	}
	_, err = l.Begin(ctx, counters...)
	var limited *LimitedError
	if errors.As(err, &limited) {
		return limited.Wait, nil
	}
	return 0, err
}
