package manage_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/store"
)

// town is a world to count in: of the agents, three may sign in, two of them without
// an authenticator, with three living sessions; of the contacts, one with one.
type town struct {
	*office
	// jwt and opaque are apps of agents, support is one of contacts and agents.
	jwt, opaque, support idp.Client
}

func inTown(t *testing.T, test func(t *testing.T, o *town)) {
	t.Helper()
	inOffice(t, func(t *testing.T, o *office) {
		w := &town{office: o}
		format := func(ttl time.Duration) func(c *idp.Client) {
			return func(c *idp.Client) { c.TokenFormat, c.AccessTTL = idp.JWTToken, ttl }
		}
		w.jwt = o.app(t, format(5*time.Minute), idp.Agents)
		w.opaque = o.app(t, nil, idp.Agents)
		w.support = o.app(t, format(2*time.Minute), idp.Contacts, idp.Agents)

		maya, kim, robin := o.enrolled(t, idp.Agents), o.person(t, idp.Agents), o.person(t, idp.Agents)
		idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{
			ID: idp.NewID(), UserID: kim.ID, Method: idp.MethodEmail, CreatedAt: idp.Now(), LastUsedAt: idp.Now(),
		}))
		o.exec(t, "UPDATE factors SET disabled_at = created_at WHERE method = 'totp'") // still enrolled
		gone := idptest.User(idp.Agents, "gone@rtx.example")
		gone.Disabled = true
		idptest.Must(t, o.db.CreateUser(t.Context(), gone))

		old, _ := o.session(t, maya, nil)
		o.grant(t, w.jwt, old, nil)
		o.save(t, idp.Agents, populations.Immediately) // ends it
		s, _ := o.session(t, maya, nil)
		o.grant(t, w.jwt, s, nil)
		o.grant(t, w.jwt, s, nil) // a second sign-in at the same app
		o.grant(t, w.opaque, s, nil)
		s, _ = o.session(t, kim, nil)
		o.grant(t, w.jwt, s, nil)
		o.grant(t, w.opaque, s, func(g *idp.Grant) { g.RevokedAt = idp.Now() })
		o.session(t, robin, nil)
		ended, _ := o.session(t, robin, func(s *idp.Session) { s.EndedAt = idp.Now() })
		o.grant(t, w.jwt, ended, nil)
		expired, _ := o.session(t, robin, func(s *idp.Session) { s.ExpiresAt = idp.Now() })
		o.grant(t, w.jwt, expired, nil)
		contact, _ := o.session(t, o.person(t, idp.Contacts), nil)
		o.grant(t, w.support, contact, nil)
		test(t, w)
	})
}

// rows counts those of every table.
func (o *office) rows(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range strings.Fields(`populations policies users roles user_roles clients overrides requests flows
		sessions grants tokens factors recovery_sets recovery_codes email_codes known_browsers throttles
		signing_keys settings audit_events outbox policy_sequence connections identities`) {
		counts[table] = query[int](t, o, "SELECT COUNT(*) FROM "+table)
	}
	return counts
}

// expectPreview fails unless a preview says so, and wrote nothing.
func (w *town) expectPreview(t *testing.T, name string, want populations.Preview, preview func() (populations.Preview, error)) {
	t.Helper()
	before, state := w.rows(t), w.state(t)
	got, err := preview()
	idptest.Must(t, err)
	slices.SortFunc(want.Clients, func(a, b idp.Client) int { return strings.Compare(a.ID, b.ID) })
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
	if diff := cmp.Diff(before, w.rows(t)); diff != "" || state != w.state(t) {
		t.Errorf("%s: written: %s", name, diff)
	}
}

func TestPreviewOfAPolicyCountsWhomItConcerns(t *testing.T) {
	t.Parallel()
	inTown(t, func(t *testing.T, w *town) {
		agents := populations.Preview{
			Affected: store.Affected{People: 3, WithoutAuthenticator: 2, Sessions: 3},
			Clients:  []idp.Client{w.jwt, w.opaque, w.support}, JWTFor: 5 * time.Minute,
		}
		contacts := populations.Preview{
			Affected: store.Affected{People: 1, WithoutAuthenticator: 1, Sessions: 1},
			Clients:  []idp.Client{w.support}, JWTFor: 2 * time.Minute,
		}
		for name, c := range map[string]struct {
			population string
			policy     idp.Policy
			want       populations.Preview
			without    int64
		}{
			"agents, authenticator":    {idp.Agents, idp.Policy{Authenticator: true}, agents, 2},
			"agents, both":             {idp.Agents, idp.Policy{Authenticator: true, EmailCode: true}, agents, 0},
			"agents, email code":       {idp.Agents, idp.Policy{EmailCode: true}, agents, 0},
			"agents, nothing":          {idp.Agents, idp.Policy{}, agents, 0},
			"contacts, authenticator":  {idp.Contacts, idp.Policy{Authenticator: true}, contacts, 1},
			"contacts, nothing at all": {idp.Contacts, idp.Policy{}, contacts, 0},
		} {
			c.want.WithoutFactor = c.without
			w.expectPreview(t, name, c.want, func() (populations.Preview, error) {
				return w.Populations.PreviewPolicy(t.Context(), holder(idp.PermissionAuthentication), c.population, c.policy)
			})
		}
	})
}

func TestPreviewOfAnOverrideCountsTheSessionsAtItsApp(t *testing.T) {
	t.Parallel()
	required := func(acr idp.ACR) idp.Override { return idp.Override{Mode: idp.OverrideRequired, MinACR: acr} }
	inTown(t, func(t *testing.T, w *town) {
		agents, both := store.Affected{People: 3, WithoutAuthenticator: 2}, store.Affected{People: 4, WithoutAuthenticator: 3}
		check := func(name string, c idp.Client, v idp.Override, affected store.Affected, without, sessions int64) {
			t.Helper()
			affected.Sessions = sessions
			want := populations.Preview{Affected: affected, WithoutFactor: without, Clients: []idp.Client{c}}
			if c.TokenFormat == idp.JWTToken {
				want.JWTFor = c.AccessTTL
			}
			w.expectPreview(t, name, want, func() (populations.Preview, error) {
				return w.Populations.PreviewOverride(t.Context(), holder(idp.PermissionAuthentication), c.ID, v)
			})
		}
		check("off", w.jwt, idp.Override{Mode: idp.OverrideOff}, agents, 0, 2)
		check("inherit", w.opaque, idp.Override{Mode: idp.OverrideInherit}, agents, 0, 1)
		check("required", w.opaque, required(""), agents, 2, 1)
		check("required of both", w.support, required(""), both, 3, 1)
		check("MFA of both", w.support, required(idp.ACRMFA), both, 3, 1)

		// With email codes, agents have a factor for two steps, and none for MFA.
		_, err := w.Populations.SavePolicy(t.Context(), authz.System(), populations.Change[idp.Policy]{
			ID: idp.Agents, To: idp.Policy{Version: w.policy(t, idp.Agents).Version, EmailCode: true}, Apply: populations.OnNextLogin,
		})
		idptest.Must(t, err)
		check("required, with email codes", w.support, required(""), both, 1, 1)
		check("two steps, with email codes", w.support, required(idp.ACRTwoStep), both, 1, 1)
		check("MFA, with email codes", w.support, required(idp.ACRMFA), both, 3, 1)

		// What an override has ended at one app is over there, and goes on elsewhere.
		w.saveOverride(t, w.jwt, required(""), populations.Immediately)
		check("after Immediately", w.jwt, required(""), agents, 0, 0)
		check("after Immediately, elsewhere", w.opaque, required(""), agents, 0, 1)
	})
}
