package manage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

// People count once, by the strongest of their factors; who is disabled counts nowhere.
func TestPeopleAreCountedByTheirStrongestFactor(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.exec(t, "DELETE FROM users")
		o.enrolled(t, idp.Agents)
		o.enrolled(t, idp.Agents)
		o.person(t, idp.Agents)
		gone := o.person(t, idp.Agents)
		o.exec(t, "UPDATE users SET disabled = TRUE WHERE id = '"+gone.ID+"'")
		mail := o.person(t, idp.Contacts)
		idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{ID: idp.NewID(), UserID: mail.ID, Method: idp.MethodEmail, CreatedAt: idp.Now(), LastUsedAt: idp.Now()}))
		got, err := o.Populations.Coverage(t.Context(), authz.System())
		idptest.Must(t, err)
		want := []store.Covered{
			{PopulationID: idp.Agents, Method: idp.MethodTOTP, People: 2},
			{PopulationID: idp.Agents, People: 1},
			{PopulationID: idp.Contacts, Method: idp.MethodEmail, People: 1},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Who has no second step gets one mail, once in seven days, however many replicas send.
func TestPeopleAreRemindedOnceInSevenDays(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.exec(t, "DELETE FROM users")
		const people = 5
		for range people {
			o.person(t, idp.Agents)
		}
		o.enrolled(t, idp.Agents)
		other, passwordless, off := o.person(t, idp.Contacts), o.person(t, idp.Agents), o.person(t, idp.Agents)
		o.exec(t, "UPDATE users SET password_hash = 'x'")
		o.exec(t, "UPDATE users SET password_hash = '' WHERE id = '"+passwordless.ID+"'")
		o.exec(t, "UPDATE users SET disabled = TRUE WHERE id = '"+off.ID+"'")
		o.exec(t, "DELETE FROM outbox")
		m, ctx := o.Populations, t.Context()
		idptest.Must(t, o.ruled(t, idp.Agents, idp.Policy{Authenticator: true, IssuerLabel: "RTX"}))
		remind := func() (int64, error) {
			return m.RemindSecondStep(ctx, authz.System(), idp.Agents, idp.Now().Add(14*24*time.Hour), ticket)
		}
		seen, err := m.PreviewReminder(ctx, authz.System(), idp.Agents)
		idptest.Must(t, err)
		n, err := remind()
		if err != nil || n != people || seen.People != people || seen.Running {
			t.Fatalf("%d are told, %d were shown (%v)", n, seen.People, err)
		}
		if _, err := remind(); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("a second one beside the first: %v", err)
		}
		send := func() {
			for range 3 { // the last finds that there are no more
				idptest.Race(3, func(int) error { idptest.Must(t, m.Remind(ctx)); return nil })
			}
		}
		send()
		mails := func() int { return o.db.Count(t, "outbox WHERE kind = 'reminder'") }
		if got := mails(); got != people {
			t.Errorf("%d mails, want %d", got, people)
		}
		if o.db.Count(t, "outbox WHERE user_id IN ('"+other.ID+"', '"+passwordless.ID+"', '"+off.ID+"')") != 0 {
			t.Error("somebody else was told")
		}
		if n, err := remind(); err != nil || n != 0 {
			t.Errorf("again at once: %d (%v)", n, err)
		}
		send()
		if got := mails(); got != people {
			t.Errorf("%d mails after the second reminder, want %d", got, people)
		}
		o.db.Age(t, "users", populations.RemindAgain, "reminded_at")
		if n, err := remind(); err != nil || n != people {
			t.Errorf("seven days later: %d (%v)", n, err)
		}
		if o.db.Count(t, "audit_events WHERE kind = 'second_step.reminded'") != 3 {
			t.Error("it was not audited each time")
		}
	})
}

func TestARemindersDayLiesAheadAndThePolicyHasSomethingToSetUp(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		remind := func(after time.Duration) error {
			_, err := o.Populations.RemindSecondStep(t.Context(), authz.System(), idp.Agents, idp.Now().Add(after), ticket)
			return err
		}
		idptest.Must(t, o.ruled(t, idp.Agents, idp.Policy{Authenticator: true, IssuerLabel: "RTX"}))
		for _, after := range []time.Duration{-time.Hour, 0, 400 * 24 * time.Hour} {
			var wrong settings.Errors
			if err := remind(after); !errors.As(err, &wrong) {
				t.Errorf("a day %v ahead: %v", after, err)
			}
		}
		idptest.Must(t, o.ruled(t, idp.Agents, idp.Policy{EmailCode: true}))
		var wrong settings.Errors
		if err := remind(48 * time.Hour); !errors.As(err, &wrong) {
			t.Errorf("nothing to set up: %v", err)
		}
	})
}

// ruled puts a policy in force.
func (o *office) ruled(t *testing.T, population string, p idp.Policy) error {
	t.Helper()
	now, err := o.db.Population(t.Context(), population)
	idptest.Must(t, err)
	p.Version = now.Policy.Version
	_, err = o.Populations.SavePolicy(t.Context(), authz.System(), populations.Change[idp.Policy]{
		ID: population, To: p, Apply: populations.OnNextLogin, Reason: ticket,
	})
	return err
}
