package manage

import "context"

// mailing counts a mail that somebody causes to an address that nobody has proved to be
// theirs; it stands before the mail is written. A *WaitError says that the address, or
// the sender, has had enough for now. Who has a shell on the server may send what they
// like.
func (m *Manager) mailing(ctx context.Context, a Actor, email string) error {
	if a.system || m.Throttles == nil {
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
