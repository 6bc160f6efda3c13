package populations

import (
	"context"
	"errors"
	"strconv"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
	"gatehouse/mfa"
	"gatehouse/ui"
)

const (
	// RemindAgain is how long a person is spared after a reminder.
	RemindAgain = 7 * 24 * time.Hour
	// mostAhead is how far the date of a reminder may lie ahead.
	mostAhead = 366 * 24 * time.Hour
	// remindBatch is how many people are reminded in one transaction.
	remindBatch = 200
)

// Coverage counts the people of all populations who may sign in, by their strongest factor.
func (m *Manager) Coverage(ctx context.Context, a authz.Actor) ([]store.Covered, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Coverage"}); err != nil {
		return nil, err
	}
	return m.Store.Coverage(ctx)
}

// Reminding is whom a reminder would reach.
type Reminding struct {
	// People have no second factor and a password here, and were not reminded lately.
	People int64
	// Running: a reminder of these people is under way.
	Running bool
}

// PreviewReminder counts whom a reminder to set up a second step would reach.
func (m *Manager) PreviewReminder(ctx context.Context, a authz.Actor, population string) (r Reminding, err error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "PreviewReminder"}); err != nil {
		return r, err
	}
	if _, err := m.Store.Population(ctx, population); err != nil {
		return r, err
	}
	if r.Running, err = m.Store.Reminding(ctx, population); err != nil {
		return r, err
	}
	r.People, err = m.Store.CountRemindable(ctx, population, idp.Now().Add(-RemindAgain))
	return r, err
}

// RemindSecondStep has the people of a population who have no second factor told by mail that
// they should set one up by a day, and returns how many there are. The mails leave in batches.
// settings.Errors: the day is none ahead, the policy has nothing to set up, or no mail is sent.
// idp.ErrConflict: a reminder of these people is under way.
func (m *Manager) RemindSecondStep(ctx context.Context, a authz.Actor, population string, due time.Time, reason string) (people int64, err error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "RemindSecondStep", Reason: reason}); err != nil {
		return 0, err
	}
	p, err := m.Store.Population(ctx, population)
	if err != nil {
		return 0, err
	}
	now := idp.Now()
	switch {
	case m.Mailer == nil:
		return 0, entry.Invalid("by", "settings.mfa.no_mail")
	case !mfa.SetsUp(p.Policy):
		return 0, entry.Invalid("by", "settings.remind.nothing")
	case !due.After(now) || due.After(now.Add(mostAhead)):
		return 0, entry.Invalid("by", "settings.remind.by")
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.StartReminder(ctx, population, due, now); err != nil {
			return err
		}
		if people, err = m.Store.CountRemindable(ctx, population, now.Add(-RemindAgain)); err != nil {
			return err
		}
		e := a.Audit(idp.AuditReminded, reason, map[string]string{"by": due.Format(time.DateOnly), "people": strconv.FormatInt(people, 10)})
		e.PopulationID = population
		return m.Store.Audit(ctx, e)
	})
	return people, err
}

// Remind sends the next mails of the reminders under way, and may run on all replicas at once.
// While the mail server has trouble it waits.
func (m *Manager) Remind(ctx context.Context) error {
	list, err := m.Store.Reminders(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	troubled, err := m.Store.Troubled(ctx, outbox.MailLane)
	if err != nil || troubled {
		return err
	}
	for _, r := range list {
		if err := m.remind(ctx, r); err != nil && !errors.Is(err, idp.ErrConflict) { // else another replica was faster
			return err
		}
	}
	return nil
}

// remind sends one batch of a reminder. Past its day, and once there is nothing to set up any
// more, it ends.
func (m *Manager) remind(ctx context.Context, r store.Reminder) error {
	now := idp.Now()
	return m.Store.Do(ctx, func(ctx context.Context) error {
		p, err := m.Store.Population(ctx, r.PopulationID)
		if err != nil {
			return err
		}
		if !r.DueAt.After(now) || !mfa.SetsUp(p.Policy) {
			return m.Store.EndReminder(ctx, r.PopulationID)
		}
		people, _, err := m.Store.Remind(ctx, r, remindBatch, now.Add(-RemindAgain), now)
		if err != nil {
			return err
		}
		for _, u := range people {
			if err := m.Outbox.Notify(ctx, u, p, ui.Mail{Kind: ui.MailReminder, ByAdmin: true, Due: r.DueAt}); err != nil {
				return err
			}
		}
		return nil
	})
}
