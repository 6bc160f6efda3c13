package manage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/ui"
)

// matches tells whether a password is the person's.
func (o *office) matches(t *testing.T, u idp.User, plain string) bool {
	t.Helper()
	stored, err := o.db.User(t.Context(), u.ID)
	idptest.Must(t, err)
	ok, _, err := hasher.Verify(t.Context(), stored.PasswordHash, plain)
	return err == nil && ok
}

func TestNewPasswordSignsOutEverywhere(t *testing.T) {
	t.Parallel()
	const old, plain = "gentle maple corner", "quiet harbour lantern"
	inOffice(t, func(t *testing.T, o *office) {
		told, untold := o.app(t, listens, idp.Contacts), o.app(t, nil, idp.Contacts)
		b, other := o.settle(t, told, untold), o.settle(t, told, untold)
		idptest.Must(t, o.db.SetPasswordHash(t.Context(), other.user.ID, "untouched", idp.Now()))
		e, eOther := o.enrolment(t, b.user), o.enrolment(t, other.user)
		hash, err := hasher.Hash(t.Context(), old)
		idptest.Must(t, err)
		idptest.Must(t, o.db.SetPasswordHash(t.Context(), b.user.ID, hash, idp.Now()))

		at := idp.Now()
		idptest.Must(t, o.People.SetPassword(t.Context(), holder(idp.PermissionUsers), b.user.ID, plain, ticket))
		if !o.matches(t, b.user, plain) || o.matches(t, b.user, old) {
			t.Error("the password is not the new one")
		}
		if u, err := o.db.User(t.Context(), b.user.ID); err != nil || u.UpdatedAt.Before(at) {
			t.Errorf("updated at %v (%v)", u.UpdatedAt, err)
		}
		if u, err := o.db.User(t.Context(), other.user.ID); err != nil || u.PasswordHash != "untouched" {
			t.Errorf("somebody else's password is %q (%v)", u.PasswordHash, err)
		}
		o.expectSignedOut(t, b, told, "ada")
		o.expectUntouched(t, other, eOther)
		if diff := cmp.Diff(e, o.enrolment(t, b.user)); diff != "" {
			t.Errorf("the second factors: %s", diff)
		}
		o.expectLetters(t, ui.MailPasswordChanged, b.user, true, 1)
		want := []idp.AuditEvent{{
			Kind: idp.AuditPasswordChanged, ActorID: "ada", UserID: b.user.ID, PopulationID: idp.Contacts,
			Detail: map[string]string{"reason": ticket},
		}}
		if diff := cmp.Diff(want, o.events(t, idp.AuditPasswordChanged, ""), cmpopts.IgnoreFields(idp.AuditEvent{}, "ID", "At")); diff != "" {
			t.Error(diff)
		}
		said := fmt.Sprint(o.events(t, "", ""), o.letters(t, ui.MailPasswordChanged, b.user))
		if strings.Contains(said, plain) || strings.Contains(said, "$argon2id$") {
			t.Error("the password is in the audit log or in the mail")
		}
	})
}

func TestPasswordsThatCanBeSetAndThoseThatCannot(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		// Contacts have a password alone, which has to be longer.
		_, err := o.Populations.SavePolicy(t.Context(), authz.System(), populations.Change[idp.Policy]{
			ID: idp.Contacts, To: idp.Policy{Version: 1}, Apply: populations.OnNextLogin, PasswordAlone: true,
		})
		idptest.Must(t, err)
		people := map[string]idp.User{idp.Agents: o.person(t, idp.Agents), idp.Contacts: o.person(t, idp.Contacts)}
		for _, c := range []struct {
			population, password string
			ok                   bool
		}{
			{idp.Agents, "", false},
			{idp.Agents, "x7!kQ2m", false},
			{idp.Agents, "x7!kQ2mw", true},
			{idp.Agents, "password1", false},
			{idp.Agents, people[idp.Agents].Email, false},
			{idp.Agents, "quiet-otter@elsewhere.example", true}, // another address is as good as any text
			{idp.Agents, strings.Repeat("x7!kQ2mw", 1000), false},
			{idp.Contacts, "", false},
			{idp.Contacts, "x7!kQ2mwZ9pL4v", false},
			{idp.Contacts, "x7!kQ2mwZ9pL4vR", true},
		} {
			name, u := c.population+" "+c.password, people[c.population]
			o.session(t, u, nil)
			before, field := o.state(t), "password"
			if c.ok {
				field = ""
			}
			err := o.People.SetPassword(t.Context(), everything(), u.ID, c.password, ticket)
			expectField(t, name, err, field)
			if changed := o.state(t) != before; changed != c.ok || c.ok && !o.matches(t, u, c.password) {
				t.Errorf("%s: changed %t", name, changed)
			}
			if err != nil && c.password != "" && strings.Contains(err.Error(), c.password) {
				t.Errorf("%s: the refusal repeats the password", name)
			}
		}
	})
}
