package mail

import (
	"context"
	"net"
)

// DialWith makes the sender connect with dial, for tests in fake time: a real
// network does not live in a bubble.
func (s *Sender) DialWith(dial func(ctx context.Context, address string) (net.Conn, error)) {
	s.dial = dial
}
