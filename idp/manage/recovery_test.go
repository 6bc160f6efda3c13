package manage_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/factors"
	"gatehouse/idp/outbox"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// codes opens those of a person that were not used.
func (o *office) codes(t *testing.T, u idp.User) []string {
	t.Helper()
	codes, err := o.Factors.OpenRecoveryCodes(t.Context(), o.enrolment(t, u).Recovery.ID)
	idptest.Must(t, err)
	return codes
}

// use consumes a code as a sign-in does.
func (o *office) use(t *testing.T, u idp.User, code string) {
	t.Helper()
	row, err := o.db.RecoveryCodeByMAC(t.Context(), u.ID, mfa.RecoveryMAC(o.RecoveryKey, u.ID, code))
	idptest.Must(t, err)
	idptest.Must(t, o.db.UseRecoveryCode(t.Context(), row.ID, idp.Now()))
}

func TestRecoveryCodesAreStoredSealedAndOpenAgain(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u, before := o.person(t, idp.Agents), idp.Now()
		idptest.Must(t, o.Factors.MakeRecoveryCodes(t.Context(), u.ID))
		e := o.enrolment(t, u)
		if e.RecoveryLeft != 10 || e.Recovery.CreatedAt.Before(before) || !e.Recovery.SavedAt.IsZero() || !e.Recovery.DisabledAt.IsZero() {
			t.Errorf("%d left of %+v", e.RecoveryLeft, e.Recovery)
		}
		codes := o.codes(t, u)
		if distinct := slices.Compact(slices.Sorted(slices.Values(codes))); len(distinct) != 10 {
			t.Fatalf("codes %q", codes)
		}
		rows, err := o.db.RecoveryCodes(t.Context(), e.Recovery.ID)
		idptest.Must(t, err)
		for i, r := range rows {
			if r.Position != i || r.UserID != u.ID || !bytes.Equal(r.MAC, mfa.RecoveryMAC(o.RecoveryKey, u.ID, codes[i])) {
				t.Errorf("code %d: %+v", i, r)
			}
			for _, plain := range []string{codes[i], strings.ReplaceAll(codes[i], "-", "")} {
				if bytes.Contains(r.Sealed, []byte(plain)) || bytes.Contains(r.MAC, []byte(plain)) {
					t.Errorf("code %d can be read", i)
				}
			}
			if _, err := o.Keyring.Open(r.Sealed, ""); err == nil {
				t.Error("a sealed code is not bound to its row")
			}
		}
		o.use(t, u, codes[3])
		if diff := cmp.Diff(slices.Delete(slices.Clone(codes), 3, 4), o.codes(t, u)); diff != "" {
			t.Errorf("after one was used: %s", diff)
		}
		if none, err := o.Factors.OpenRecoveryCodes(t.Context(), "no set"); err != nil || len(none) != 0 {
			t.Errorf("codes of no set: %q, %v", none, err)
		}
	})
}

// A row that was put in the place of another opens nothing.
func TestSwappedRecoveryCodesDoNotOpen(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.enrolled(t, idp.Agents)
		o.exec(t, "UPDATE recovery_codes SET sealed = (SELECT c.sealed FROM recovery_codes c WHERE c.position = 9) WHERE position = 0")
		if codes, err := o.Factors.OpenRecoveryCodes(t.Context(), o.enrolment(t, u).Recovery.ID); err == nil || codes != nil {
			t.Errorf("%q, %v", codes, err)
		}
		if codes, err := o.Factors.ViewRecoveryCodes(t.Context(), everything(), u.ID, ticket); err == nil || codes != nil {
			t.Errorf("viewed %q, %v", codes, err)
		}
		if n := len(o.events(t, idp.AuditRecoveryViewed, "")) + len(o.letters(t, ui.MailRecoveryViewed, u)); n != 0 {
			t.Errorf("%d traces of it", n)
		}
	})
}

// regenerations are the two ways to a new set; who is the actor of the audit log.
func (o *office) regenerations(t *testing.T) map[string]func(m *manage.Manager, u idp.User) error {
	t.Helper()
	return map[string]func(m *manage.Manager, u idp.User) error{
		"own": func(m *manage.Manager, u idp.User) error { return m.Self.RegenerateOwn(t.Context(), u.ID, idp.Now()) },
		"by an admin": func(m *manage.Manager, u idp.User) error {
			return m.Factors.RegenerateRecoveryCodes(t.Context(), everything(), u.ID, ticket)
		},
		"from the command line": func(m *manage.Manager, u idp.User) error {
			return m.Factors.RegenerateRecoveryCodes(t.Context(), authz.System(), u.ID, "")
		},
	}
}

func TestNewSetReplacesTheOldOne(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for name, regenerate := range o.regenerations(t) {
			for _, population := range []string{idp.Agents, idp.Contacts} {
				u, other := o.enrolled(t, population), o.enrolled(t, population)
				old, before := o.codes(t, u), o.enrolment(t, other)
				disabled, err := o.db.DisableFactor(t.Context(), o.enrolment(t, u).Recovery.ID, idp.Now())
				if err != nil || !disabled {
					t.Fatal(disabled, err)
				}
				o.use(t, u, old[0])
				idptest.Must(t, regenerate(o.Manager, u))

				e, codes := o.enrolment(t, u), o.codes(t, u)
				if !e.Recovery.SavedAt.IsZero() || !e.Recovery.DisabledAt.IsZero() || len(codes) != 10 || len(e.Of(idp.MethodTOTP)) != 1 {
					t.Errorf("%s: %d codes of %+v", name, len(codes), e.Recovery)
				}
				for _, code := range old {
					_, err := o.db.RecoveryCodeByMAC(t.Context(), u.ID, mfa.RecoveryMAC(o.RecoveryKey, u.ID, code))
					if slices.Contains(codes, code) || !errors.Is(err, idp.ErrNotFound) {
						t.Errorf("%s: an old code stays (%v)", name, err)
					}
				}
				if diff := cmp.Diff(before, o.enrolment(t, other)); diff != "" {
					t.Errorf("%s: somebody else's: %s", name, diff)
				}
				o.expectLetters(t, ui.MailRecoveryGenerated, u, name != "own", 1)
				o.expectLetters(t, ui.MailRecoveryGenerated, other, false, 0)
				want := map[string]idp.AuditEvent{
					"own":                   {ActorID: u.ID},
					"by an admin":           {ActorID: "ada", Detail: map[string]string{"reason": ticket}},
					"from the command line": {Detail: map[string]string{"by": "command_line"}},
				}[name]
				want.Kind, want.UserID, want.PopulationID = idp.AuditRecoveryGenerated, u.ID, population
				diff := cmp.Diff([]idp.AuditEvent{want}, o.events(t, want.Kind, u.ID), cmpopts.IgnoreFields(want, "ID", "At"), cmpopts.EquateEmpty())
				if diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	})
}

func TestOwnSetNeedsAFreshSecondStep(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.enrolled(t, idp.Contacts)
		before := o.state(t)
		for name, at := range map[string]time.Time{"never": {}, "too old": idp.Now().Add(-authz.FreshSecondStep - time.Second)} {
			if err := o.Self.RegenerateOwn(t.Context(), u.ID, at); !errors.Is(err, authz.ErrStepUp) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("from %s to %s", before, after)
		}
		if err := o.Self.RegenerateOwn(t.Context(), u.ID, idp.Now().Add(-9*time.Minute)); err != nil {
			t.Errorf("nine minutes: %v", err)
		}
	})
}

func TestNoNewSetWithinTwoHoursWhoeverAsks(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for name, regenerate := range o.regenerations(t) {
			u := o.enrolled(t, idp.Agents)
			for i := range 2 {
				idptest.Must(t, regenerate(o.Manager, u))
				for _, age := range []time.Duration{0, 2*time.Hour - time.Minute} {
					o.db.Age(t, "recovery_sets", age, "created_at")
					set, before := o.enrolment(t, u).Recovery, o.state(t)
					for again, regenerate := range o.regenerations(t) {
						err := regenerate(o.Manager, u)
						var soon *factors.TooSoonError
						if !errors.As(err, &soon) || !soon.At.Equal(set.CreatedAt.Add(2*time.Hour)) {
							t.Errorf("%s, then %s %s later: %v, generated at %s", name, again, age, err, set.CreatedAt)
						} else if !strings.Contains(err.Error(), soon.At.Format(time.RFC3339)) {
							t.Errorf("%s does not say when", err)
						}
					}
					if after := o.state(t); after != before {
						t.Errorf("%s: from %s to %s", name, before, after)
					}
				}
				o.db.Age(t, "recovery_sets", time.Minute, "created_at")
				o.expectLetters(t, ui.MailRecoveryGenerated, u, name != "own", i+1)
			}
		}
	})
}

func TestNoRecoveryCodesWithoutAnAuthenticator(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.person(t, idp.Agents)
		idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{
			ID: idp.NewID(), UserID: u.ID, Method: idp.MethodEmail, CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
		}))
		before := o.state(t)
		for name, regenerate := range o.regenerations(t) {
			if err := regenerate(o.Manager, u); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if codes, err := o.Factors.ViewRecoveryCodes(t.Context(), everything(), u.ID, ticket); !errors.Is(err, idp.ErrNotFound) || codes != nil {
			t.Errorf("viewed %q, %v", codes, err)
		}
		if after := o.state(t); after != before {
			t.Errorf("from %s to %s", before, after)
		}
	})
}

func TestOneOfTenMakesANewSet(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.enrolled(t, idp.Agents)
		ways := o.regenerations(t)
		o.expectOneWinner(t, func(err error) bool {
			var soon *factors.TooSoonError
			return errors.As(err, &soon)
		}, func(m *manage.Manager, i int) error {
			return ways[[]string{"own", "by an admin"}[i/2%2]](m, u)
		})
		if n := len(o.codes(t, u)); n != 10 || query[int](t, o, "SELECT COUNT(*) FROM recovery_codes") != 10 {
			t.Errorf("%d codes", n)
		}
		if events, mails := o.events(t, idp.AuditRecoveryGenerated, u.ID), o.letters(t, ui.MailRecoveryGenerated, u); len(events) != 1 || len(mails) != 1 {
			t.Errorf("%d events, %d mails", len(events), len(mails))
		}
	})
}

func TestViewedCodesAreThoseThatWereNotUsed(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.enrolled(t, idp.Agents)
		o.enrolled(t, idp.Agents)
		all := o.codes(t, u)
		before := o.enrolment(t, u)
		view := func(a authz.Actor, reason string, want []string) {
			t.Helper()
			got, err := o.Factors.ViewRecoveryCodes(t.Context(), a, u.ID, reason)
			idptest.Must(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		view(holder(idp.PermissionAgentRecovery), " "+ticket+" ", all)
		if diff := cmp.Diff(before, o.enrolment(t, u)); diff != "" {
			t.Errorf("viewing changed %s", diff)
		}
		o.use(t, u, all[0])
		o.use(t, u, all[9])
		view(authz.System(), "", all[1:9])
		for _, code := range all[1:9] {
			o.use(t, u, code)
		}
		if got, err := o.Factors.ViewRecoveryCodes(t.Context(), everything(), u.ID, "again"); err != nil || len(got) != 0 {
			t.Errorf("none left: %q, %v", got, err)
		}

		o.expectLetters(t, ui.MailRecoveryViewed, u, true, 3)
		want := []idp.AuditEvent{ // newest first
			{ActorID: "ada", Detail: map[string]string{"reason": "again"}},
			{Detail: map[string]string{"by": "command_line"}},
			{ActorID: "ada", Detail: map[string]string{"reason": ticket}},
		}
		for i := range want {
			want[i].Kind, want[i].UserID, want[i].PopulationID = idp.AuditRecoveryViewed, u.ID, idp.Agents
		}
		if diff := cmp.Diff(want, o.events(t, idp.AuditRecoveryViewed, ""), cmpopts.IgnoreFields(idp.AuditEvent{}, "ID", "At")); diff != "" {
			t.Error(diff)
		}
	})
}

// What cannot be audited, or told to the person, does not happen.
func TestNothingHappensThatIsNotAuditedAndMailed(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for _, table := range []string{"outbox", "audit_events"} {
			for _, op := range o.operationsOn(t, idp.Agents, idp.PermissionAgentRecovery) {
				o.session(t, op.target, nil)
				if op.prepare != nil {
					op.prepare()
				}
				before := o.state(t)
				o.exec(t, "ALTER TABLE "+table+" RENAME TO hidden")
				err := op.do(everything(), ticket)
				o.exec(t, "ALTER TABLE hidden RENAME TO "+table)
				if err == nil || errors.Is(err, idp.ErrInvalid) || errors.Is(err, idp.ErrNotFound) {
					t.Errorf("%s without %s: %v", op.name, table, err)
				}
				if after := o.state(t); after != before {
					t.Errorf("%s without %s: from %s to %s", op.name, table, before, after)
				}
				idptest.Must(t, op.do(everything(), ticket)) // the table was the reason
			}
		}
	})
}

// belongings are what somebody has who is signed in, in two browsers and at two apps.
type belongings struct {
	user idp.User
	// first and second live, past has ended before.
	first, second, past idp.Session
	grants              []idp.Grant
}

func (o *office) settle(t *testing.T, told, untold idp.Client) belongings {
	t.Helper()
	b := belongings{user: o.enrolled(t, told.Populations[0])}
	b.first, _ = o.session(t, b.user, nil)
	b.second, _ = o.session(t, b.user, nil)
	b.past, _ = o.session(t, b.user, func(s *idp.Session) { s.EndedAt = idp.Now().Add(-time.Minute) })
	offline := func(g *idp.Grant) { g.Offline = true }
	unused := func(g *idp.Grant) { g.CodeUsedAt = time.Time{} }
	b.grants = []idp.Grant{
		o.grant(t, told, b.first, nil), o.grant(t, told, b.first, offline), o.grant(t, untold, b.first, offline),
		o.grant(t, told, b.second, unused), o.grant(t, untold, b.second, nil), o.grant(t, told, b.past, offline),
	}
	return b
}

// expectSignedOut fails unless the sessions of b are over, the apps told, and nothing
// that they hold works any more.
func (o *office) expectSignedOut(t *testing.T, b belongings, told idp.Client, actor string) {
	t.Helper()
	for _, s := range []idp.Session{b.first, b.second, b.past} {
		if got, err := o.db.Session(t.Context(), s.ID); err != nil || got.EndedAt.IsZero() || s.ID == b.past.ID && !got.EndedAt.Equal(b.past.EndedAt) {
			t.Errorf("session ended at %v (%v)", got.EndedAt, err)
		}
	}
	for i, g := range b.grants {
		state, err := o.db.GrantState(t.Context(), g.ID)
		if err != nil || state.Grant.RevokedAt.IsZero() || state.Live(idp.Now()) {
			t.Errorf("grant %d (offline %t) lives: %v", i, g.Offline, err)
		}
	}
	var ended []string
	for _, e := range o.events(t, idp.AuditSignedOut, b.user.ID) {
		ended = append(ended, e.SessionID)
		if e.ActorID != actor || e.PopulationID != b.user.PopulationID || e.Detail["cause"] == "" {
			t.Errorf("the audit log says %+v", e)
		}
	}
	want := []string{b.first.ID, b.second.ID}
	slices.Sort(want)
	if slices.Sort(ended); !slices.Equal(ended, want) {
		t.Errorf("the audit log has the ends of %q, want %q", ended, want)
	}
	list, err := o.db.ClaimDeliveries(t.Context(), told.ID, idp.Now(), 0, 100)
	if err != nil || len(list) != 1 || list[0].Kind != outbox.LogoutKind || list[0].SessionID != b.first.ID || list[0].UserID != b.user.ID {
		t.Errorf("the app is told of %+v (%v)", list, err)
	}
	if n := query[int](t, o, "SELECT COUNT(*) FROM outbox WHERE lane <> 'mail'"); n != 1 {
		t.Errorf("%d are told", n)
	}
}

// expectUntouched fails unless everything of b is as it was.
func (o *office) expectUntouched(t *testing.T, b belongings, e idp.Enrolment) {
	t.Helper()
	if diff := cmp.Diff(e, o.enrolment(t, b.user)); diff != "" || len(e.Of(idp.MethodTOTP)) != 1 || e.RecoveryLeft != 10 {
		t.Errorf("somebody else's factors: %s", diff)
	}
	for _, s := range []idp.Session{b.first, b.second} {
		if got, err := o.db.Session(t.Context(), s.ID); err != nil || !got.EndedAt.IsZero() {
			t.Errorf("somebody else's session: %v, %v", got.EndedAt, err)
		}
	}
	for _, g := range b.grants[:5] {
		if state, err := o.db.GrantState(t.Context(), g.ID); err != nil || !state.Live(idp.Now()) {
			t.Errorf("somebody else's grant: %v", err)
		}
	}
	for _, kind := range []ui.MailKind{ui.MailMFAReset, ui.MailPasswordChanged} {
		o.expectLetters(t, kind, b.user, true, 0)
	}
}

func listens(c *idp.Client) { c.BackchannelLogoutURI = "https://rtx.example/logout" }

func TestResetTakesAllFactorsAndSignsOutEverywhere(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		told, untold := o.app(t, listens, idp.Agents), o.app(t, nil, idp.Agents)
		b, other := o.settle(t, told, untold), o.settle(t, told, untold)
		before := o.enrolment(t, other.user)
		if e := o.enrolment(t, b.user); len(e.Of(idp.MethodTOTP)) != 1 || e.First(idp.MethodEmail) == nil || e.Recovery == nil {
			t.Fatalf("enrolled %+v", e)
		}
		idptest.Must(t, o.Factors.ResetMFA(t.Context(), holder(idp.PermissionAgentRecovery), b.user.ID, ticket))
		if diff := cmp.Diff(idp.Enrolment{}, o.enrolment(t, b.user)); diff != "" {
			t.Error(diff)
		}
		if n := query[int](t, o, "SELECT COUNT(*) FROM recovery_codes WHERE user_id = ?", b.user.ID); n != 0 {
			t.Errorf("%d recovery codes stay", n)
		}
		o.expectSignedOut(t, b, told, "ada")
		o.expectUntouched(t, other, before)
		o.expectLetters(t, ui.MailMFAReset, b.user, true, 1)
		want := []idp.AuditEvent{{
			Kind: idp.AuditMFAReset, ActorID: "ada", UserID: b.user.ID, PopulationID: idp.Agents, Detail: map[string]string{"reason": ticket},
		}}
		if diff := cmp.Diff(want, o.events(t, idp.AuditMFAReset, ""), cmpopts.IgnoreFields(idp.AuditEvent{}, "ID", "At")); diff != "" {
			t.Error(diff)
		}
		if got, err := o.db.User(t.Context(), b.user.ID); err != nil || got.PasswordHash != b.user.PasswordHash {
			t.Errorf("the password changed (%v)", err)
		}
	})
}

// After a reset, codes come with the next authenticator: the two hours are over.
func TestEnrolmentAfterAResetMakesAFreshSet(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.enrolled(t, idp.Contacts)
		idptest.Must(t, o.Self.RegenerateOwn(t.Context(), u.ID, idp.Now()))
		idptest.Must(t, o.Factors.ResetMFA(t.Context(), holder(idp.PermissionContactReset), u.ID, ticket))
		idptest.Must(t, o.Factors.MakeRecoveryCodes(t.Context(), u.ID))
		if n := len(o.codes(t, u)); n != 10 {
			t.Errorf("%d codes", n)
		}
		// Somebody with nothing to lose is told all the same.
		plain := o.person(t, idp.Contacts)
		idptest.Must(t, o.Factors.ResetMFA(t.Context(), authz.System(), plain.ID, ""))
		o.expectLetters(t, ui.MailMFAReset, plain, true, 1)
	})
}
