package manage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/manage/self"
)

// possessions are what a person has: passkeys, browsers whose trust counts, and living sessions.
type possessions struct{ passkeys, trusted, sessions int }

// owner is a person with two passkeys, a trusted browser, and two sessions of which they sit in
// one.
type owner struct {
	*office
	idp.User
	self    self.Self
	another idp.Session
}

const ownPhrase = "gentle maple corner"

func (o *office) owner(t *testing.T) *owner {
	t.Helper()
	u := o.enrolled(t, idp.Agents)
	idptest.Must(t, o.People.SetPassword(t.Context(), everything(), u.ID, ownPhrase, ticket))
	for range 2 {
		id := idp.NewID()
		idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{
			ID: id, UserID: u.ID, Method: idp.MethodPasskey, Passkey: idptest.Passkey(id), CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
		}))
	}
	w := &owner{office: o, User: u, self: o.self(t, u), another: o.signedIn(t, u)}
	w.self.Proofs = append(w.self.Proofs, idp.Proof{Method: idp.MethodPasskey, At: idp.Now(), Verified: true})
	b := idptest.TrustedBrowser(u.ID)
	b.ID, b.BrowserHash = idp.NewID(), []byte(u.ID)
	var err error
	b.PolicyVersion, err = o.db.PolicyVersion(t.Context())
	idptest.Must(t, err)
	idptest.Must(t, o.db.TrustBrowser(t.Context(), b))
	return w
}

// has is what is left of it. What is gone with the person is none.
func (w *owner) has(t *testing.T) (b possessions) {
	t.Helper()
	ctx := t.Context()
	enrolment, err := w.db.Enrolment(ctx, w.ID)
	if !errors.Is(err, idp.ErrNotFound) {
		idptest.Must(t, err)
	}
	b.passkeys = len(enrolment.Of(idp.MethodPasskey))
	p, err := w.db.Population(ctx, idp.Agents)
	idptest.Must(t, err)
	trusted, err := w.db.TrustedBrowsers(ctx, w.ID)
	idptest.Must(t, err)
	for _, browser := range trusted {
		if browser.Worth(p, idp.Override{}, idp.Now()) != "" {
			b.trusted++
		}
	}
	for _, id := range []string{w.self.SessionID, w.another.ID} {
		s, err := w.db.Session(ctx, id)
		if err == nil && s.Alive(p, idp.Now()) {
			b.sessions++
		}
	}
	return b
}

// factor is one of the person's factors of a method.
func (w *owner) factor(t *testing.T, m idp.Method) string {
	t.Helper()
	return w.enrolment(t, w.User).Of(m)[0].ID
}

// rules changes the policy of agents.
func (w *owner) rules(t *testing.T, apply populations.Apply, change func(*idp.Policy)) error {
	t.Helper()
	p, err := w.db.Population(t.Context(), idp.Agents)
	idptest.Must(t, err)
	change(&p.Policy)
	return second(w.Populations.SavePolicy(t.Context(), everything(), populations.Change[idp.Policy]{
		ID: idp.Agents, To: p.Policy, Apply: apply, PasswordAlone: true, Reason: ticket,
	}))
}

// change is one of the person by an admin.
func (w *owner) change(ctx context.Context, c people.UserChange) error {
	_, version, err := w.db.VersionedUser(ctx, w.ID)
	if err != nil {
		return err
	}
	c.Version, c.Reason = version, ticket
	return second(w.People.UpdateUser(ctx, everything(), w.ID, c))
}

// whatEnds is what each operation on a person or their user group leaves of two passkeys, a trusted
// browser and two sessions. docs/mfa.md has it as a table.
var whatEnds = []struct {
	name string
	do   func(t *testing.T, w *owner) error
	left possessions
}{
	{"nothing", func(*testing.T, *owner) error { return nil }, possessions{2, 1, 2}},
	{"deleted", func(t *testing.T, w *owner) error {
		return w.People.DeleteUser(t.Context(), everything(), w.ID, 0, ticket)
	}, possessions{}},
	{"anonymised", func(t *testing.T, w *owner) error {
		return w.People.AnonymiseUser(t.Context(), everything(), w.ID, ticket)
	}, possessions{}},
	{"disabled", func(t *testing.T, w *owner) error {
		return w.change(t.Context(), people.UserChange{Disabled: new(true)})
	}, possessions{2, 0, 0}},
	{"disabled and enabled", func(t *testing.T, w *owner) error {
		return errors.Join(w.change(t.Context(), people.UserChange{Disabled: new(true)}), w.change(t.Context(), people.UserChange{Disabled: new(false)}))
	}, possessions{2, 0, 0}},
	{"signed out everywhere", func(t *testing.T, w *owner) error {
		return second(w.People.SignOut(t.Context(), everything(), w.ID, ticket, people.KeepAppAccess))
	}, possessions{2, 0, 0}},
	{"signed out everywhere else, by themselves", func(t *testing.T, w *owner) error {
		return w.Self.EndOtherSessions(t.Context(), w.self, false)
	}, possessions{2, 0, 1}},
	{"a session ended, by themselves", func(t *testing.T, w *owner) error {
		return w.Self.EndOwnSession(t.Context(), w.self, w.another.ID)
	}, possessions{2, 1, 1}},
	{"MFA reset", func(t *testing.T, w *owner) error {
		return w.Factors.ResetMFA(t.Context(), everything(), w.ID, ticket)
	}, possessions{}},
	{"a password by an admin", func(t *testing.T, w *owner) error {
		return w.People.SetPassword(t.Context(), everything(), w.ID, "another maple corner", ticket)
	}, possessions{2, 0, 0}},
	{"a password of their own", func(t *testing.T, w *owner) error {
		return w.Self.ChangePassword(t.Context(), w.self, ownPhrase, "another maple corner")
	}, possessions{2, 0, 1}},
	{"a password by mail", func(t *testing.T, w *owner) error {
		idptest.Must(t, w.asks(t, w.Manager, "reset", idp.Agents, w.Email))
		form := links.LinkForm{Password: "another maple corner"}
		return second(w.Links.UseLink(t.Context(), idp.ResetLink, w.token(t, idp.ResetLink), form))
	}, possessions{2, 0, 0}},
	{"another address", func(t *testing.T, w *owner) error {
		return w.change(t.Context(), people.UserChange{Email: new("another" + w.Email)})
	}, possessions{2, 0, 2}},
	{"another name", func(t *testing.T, w *owner) error {
		return w.change(t.Context(), people.UserChange{Name: new("Another")})
	}, possessions{2, 1, 2}},
	{"another role", func(t *testing.T, w *owner) error {
		_, version, err := w.db.VersionedUser(t.Context(), w.ID)
		idptest.Must(t, err)
		return w.People.SetRoles(t.Context(), everything(), w.ID, version, []string{idp.RoleAgent}, ticket)
	}, possessions{2, 0, 2}},
	{"new recovery codes", func(t *testing.T, w *owner) error {
		w.db.Age(t, "recovery_sets", 3*time.Hour, "created_at")
		return w.Factors.RegenerateRecoveryCodes(t.Context(), everything(), w.ID, ticket)
	}, possessions{2, 0, 2}},
	{"an authenticator added", func(t *testing.T, w *owner) error {
		return w.addsAuthenticators(t, w.self)(w.Manager, 0)
	}, possessions{2, 0, 2}},
	{"an authenticator removed", func(t *testing.T, w *owner) error {
		return w.Self.RemoveAuthenticator(t.Context(), w.self, w.factor(t, idp.MethodTOTP))
	}, possessions{2, 0, 2}},
	{"a passkey removed", func(t *testing.T, w *owner) error {
		return w.Self.RemoveAuthenticator(t.Context(), w.self, w.factor(t, idp.MethodPasskey))
	}, possessions{1, 0, 1}},
	{"a passkey renamed", func(t *testing.T, w *owner) error {
		return w.Self.RenameAuthenticator(t.Context(), w.self, w.factor(t, idp.MethodPasskey), "Another")
	}, possessions{2, 1, 2}},
	{"the browser forgotten", func(t *testing.T, w *owner) error {
		list, err := w.db.TrustedBrowsers(t.Context(), w.ID)
		idptest.Must(t, err)
		return w.Factors.ForgetTrustedBrowser(t.Context(), everything(), w.ID, list[0].ID, ticket)
	}, possessions{2, 0, 2}},
	{"the policy, immediately", func(t *testing.T, w *owner) error {
		return w.rules(t, populations.Immediately, func(p *idp.Policy) { p.IssuerLabel += "." })
	}, possessions{2, 0, 0}},
	{"the policy, on next login", func(t *testing.T, w *owner) error {
		return w.rules(t, populations.OnNextLogin, func(p *idp.Policy) { p.IssuerLabel += "." })
	}, possessions{2, 1, 2}},
	{"passkeys switched off", func(t *testing.T, w *owner) error {
		return w.rules(t, populations.OnNextLogin, func(p *idp.Policy) { p.Passkey = !p.Passkey })
	}, possessions{2, 1, 2}},
	{"no trusted browsers", func(t *testing.T, w *owner) error {
		return w.rules(t, populations.OnNextLogin, func(p *idp.Policy) { p.TrustDays = 0 })
	}, possessions{2, 0, 2}},
}

// Each operation leaves of passkeys, trusted browsers and sessions what the table says.
func TestWhatEndsPasskeysTrustAndSessions(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.exec(t, "UPDATE policies SET passkey = TRUE, trust_days = 30")
		for _, c := range whatEnds {
			w := o.owner(t)
			if err := c.do(t, w); err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if left := w.has(t); left != c.left {
				t.Errorf("%s leaves %+v, want %+v", c.name, left, c.left)
			}
		}
	})
}
