package throttle

import (
	"context"
	"errors"
	"time"

	"gatehouse/idp"
)

// Mailing counts a mail that somebody who is signed in, or a service, causes to an
// address that nobody has proved to be theirs: against the address, whoever causes it,
// and against the sender, empty for nobody. wait is how long until it may be sent: zero,
// and it was counted.
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
