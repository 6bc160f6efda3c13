package manage_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/store"
)

// policy is a population's policy as an admin sees it.
func (o *office) policy(t *testing.T, population string) idp.Policy {
	t.Helper()
	return o.population(t, population).Policy
}

func (o *office) population(t *testing.T, id string) idp.Population {
	t.Helper()
	p, err := o.db.Population(t.Context(), id)
	idptest.Must(t, err)
	return p
}

func (o *office) override(t *testing.T, clientID string) idp.Override {
	t.Helper()
	v, err := o.db.Override(t.Context(), clientID)
	idptest.Must(t, err)
	return v
}

// app adds a client of some populations.
func (o *office) app(t *testing.T, change func(c *idp.Client), populations ...string) idp.Client {
	t.Helper()
	c := idp.Client{Name: "App", Populations: populations, RedirectURIs: []string{"https://rtx.example/cb"}}
	if change != nil {
		change(&c)
	}
	c, _, err := o.Apps.CreateClient(t.Context(), c)
	idptest.Must(t, err)
	return c
}

// session adds one of now, judged by the policies of now.
func (o *office) session(t *testing.T, u idp.User, change func(s *idp.Session)) (s idp.Session, token string) {
	t.Helper()
	s, token = idptest.Session(u, o.population(t, u.PopulationID))
	version, err := o.db.PolicyVersion(t.Context())
	idptest.Must(t, err)
	s.ConnectionID, s.Proofs = "", s.Proofs[:2] // as if typed here
	if s.PolicyVersion = version; change != nil {
		change(&s)
	}
	idptest.Must(t, o.db.CreateSession(t.Context(), s))
	return s, token
}

// grant adds one with a redeemed code, that ends with its session.
func (o *office) grant(t *testing.T, c idp.Client, s idp.Session, change func(g *idp.Grant)) idp.Grant {
	t.Helper()
	g, _ := idptest.Grant(c, s)
	g.CodeUsedAt, g.Offline = idp.Now(), false
	if change != nil {
		change(&g)
	}
	if !s.EndedAt.IsZero() { // it had the grant while it lasted
		_, err := o.db.SQL().ExecContext(t.Context(), "UPDATE sessions SET ended_at = NULL WHERE id = '"+s.ID+"'")
		idptest.Must(t, err)
	}
	idptest.Must(t, o.db.CreateGrant(t.Context(), g))
	if !s.EndedAt.IsZero() {
		_, err := o.db.EndSessions(t.Context(), s.EndedAt, s.ID)
		idptest.Must(t, err)
	}
	return g
}

// save changes a population's policy as an admin who has seen the present one.
func (o *office) save(t *testing.T, population string, apply populations.Apply) idp.Policy {
	t.Helper()
	p, err := o.Populations.SavePolicy(t.Context(), everything(), populations.Change[idp.Policy]{
		ID: population, To: otherLabel(o.policy(t, population)), Apply: apply, Reason: ticket,
	})
	idptest.Must(t, err)
	return p
}

// otherLabel makes a policy one that is worth saving.
func otherLabel(p idp.Policy) idp.Policy {
	if short, had := strings.CutSuffix(p.IssuerLabel, "!"); had {
		p.IssuerLabel = short
	} else {
		p.IssuerLabel += "!"
	}
	return p
}

// saveOverride is save for a client.
func (o *office) saveOverride(t *testing.T, c idp.Client, v idp.Override, apply populations.Apply) idp.Override {
	t.Helper()
	v.Version = o.override(t, c.ID).Version
	v, err := o.Populations.SaveOverride(t.Context(), everything(), populations.Change[idp.Override]{ID: c.ID, To: v, Apply: apply, Reason: ticket})
	idptest.Must(t, err)
	return v
}

func TestPoliciesThatCanBeSavedAndThoseThatCannot(t *testing.T) {
	t.Parallel()
	label := func(l string) func(c *populations.Change[idp.Policy]) {
		return func(c *populations.Change[idp.Policy]) { c.To.IssuerLabel = l }
	}
	nothing := idp.Policy{Version: 1, IssuerLabel: "RTX"}
	inOffice(t, func(t *testing.T, o *office) {
		for name, c := range map[string]struct {
			change func(c *populations.Change[idp.Policy])
			field  string
		}{
			"as it is":                {func(*populations.Change[idp.Policy]) {}, ""},
			"no label":                {label(""), "issuer_label"},
			"a blank label":           {label(" \t\u00a0\n "), "issuer_label"},
			"64 characters":           {label(strings.Repeat("玛", 64)), ""},
			"65 characters":           {label(strings.Repeat("玛", 65)), "issuer_label"},
			"64 once it is tidied up": {label("  " + strings.Repeat("x", 31) + "   " + strings.Repeat("y", 32) + " "), ""},
			"a colon":                 {label("RTX: agents"), "issuer_label"},
			"a NUL":                   {label("RTX\x00"), "issuer_label"},
			"an escape":               {label("RTX\x1b[31m"), "issuer_label"},
			"a control character, C1": {label("RTX\u0090x"), "issuer_label"},
			"invalid UTF-8":           {label("RTX\xff"), "issuer_label"},
			"an emoji":                {label("RTX 🔑 玛雅"), ""},
			"email code":              {func(c *populations.Change[idp.Policy]) { c.To.EmailCode = true }, ""},
			"email code alone":        {func(c *populations.Change[idp.Policy]) { c.To = idp.Policy{Version: 1, EmailCode: true} }, ""},
			"a colon that nobody sees": {func(c *populations.Change[idp.Policy]) {
				c.To = idp.Policy{Version: 1, EmailCode: true, IssuerLabel: ":"}
			}, "issuer_label"},
			"nothing":            {func(c *populations.Change[idp.Policy]) { c.To = nothing }, "password_alone"},
			"nothing, and meant": {func(c *populations.Change[idp.Policy]) { c.To, c.PasswordAlone = nothing, true }, ""},
			"on next login":      {func(c *populations.Change[idp.Policy]) { c.Apply = populations.OnNextLogin }, ""},
			"no apply":           {func(c *populations.Change[idp.Policy]) { c.Apply = "" }, "apply"},
			"another apply":      {func(c *populations.Change[idp.Policy]) { c.Apply = "tomorrow" }, "apply"},
		} {
			c2 := populations.Change[idp.Policy]{
				ID: idp.Agents, To: idp.Policy{Authenticator: true, IssuerLabel: "RTX"},
				Apply: populations.Immediately, Reason: ticket,
			}
			// Something else first, so that each case is a change.
			_, err := o.Populations.SavePolicy(t.Context(), everything(), populations.Change[idp.Policy]{
				ID: idp.Agents, To: idp.Policy{Version: o.policy(t, idp.Agents).Version, Authenticator: true, IssuerLabel: "Before"},
				Apply: populations.OnNextLogin, Reason: ticket,
			})
			idptest.Must(t, err)
			c.change(&c2)
			c2.To.Version = o.policy(t, idp.Agents).Version
			before := o.state(t)
			_, err = o.Populations.SavePolicy(t.Context(), everything(), c2)
			expectField(t, name, err, c.field)
			if changed := o.state(t) != before; changed != (c.field == "") {
				t.Errorf("%s: changed %t", name, changed)
			}
		}
	})
}

func TestEmailCodesNeedAMailServer(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.refit(func(p *manage.Parts) { p.Mailer = nil })
		change := populations.Change[idp.Policy]{
			ID: idp.Agents, To: idp.Policy{Version: 1, Authenticator: true, IssuerLabel: "RTX", EmailCode: true},
			Apply: populations.Immediately, Reason: ticket,
		}
		for name, a := range map[string]authz.Actor{"an admin": everything(), "the command line": authz.System()} {
			_, err := o.Populations.SavePolicy(t.Context(), a, change)
			expectField(t, name, err, "email_code")
		}
		change.To.EmailCode = false
		_, err := o.Populations.SavePolicy(t.Context(), everything(), change)
		expectField(t, "without", err, "")
	})
}

func TestNoPolicyOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx, before := t.Context(), o.state(t)
		_, errPolicy := o.Populations.SavePolicy(ctx, everything(), populations.Change[idp.Policy]{
			ID: "partners", To: o.policy(t, idp.Agents), Apply: populations.Immediately, Reason: ticket,
		})
		_, errOverride := o.Populations.SaveOverride(ctx, everything(), populations.Change[idp.Override]{
			ID: "nothing", To: idp.Override{Mode: idp.OverrideOff}, Apply: populations.Immediately, Reason: ticket,
		})
		_, errPreview := o.Populations.PreviewPolicy(ctx, everything(), "partners", idp.Policy{})
		_, errAtClient := o.Populations.PreviewOverride(ctx, everything(), "nothing", idp.Override{})
		for i, err := range []error{errPolicy, errOverride, errPreview, errAtClient} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("from %s to %s", before, after)
		}
	})
}

func TestLabelIsTidiedUp(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		saved, err := o.Populations.SavePolicy(t.Context(), everything(), populations.Change[idp.Policy]{
			ID: idp.Contacts, To: idp.Policy{Version: 1, Authenticator: true, IssuerLabel: " \n RTX \t Support\u3000 portal  "},
			Apply: populations.OnNextLogin, Reason: ticket,
		})
		idptest.Must(t, err)
		want := idp.Policy{Version: 2, Authenticator: true, IssuerLabel: "RTX Support portal"}
		for _, got := range []idp.Policy{saved, o.policy(t, idp.Contacts)} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		if diff := cmp.Diff(idp.Policy{Version: 1, Authenticator: true, IssuerLabel: "Agent portal"}, o.policy(t, idp.Agents)); diff != "" {
			t.Errorf("the other population: %s", diff)
		}
	})
}

func TestVersionsAreOneSequence(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		app := o.app(t, nil, idp.Agents)
		got := []int64{
			o.save(t, idp.Agents, populations.Immediately).Version,
			o.saveOverride(t, app, idp.Override{Mode: idp.OverrideOff}, populations.Immediately).Version,
			o.save(t, idp.Contacts, populations.OnNextLogin).Version,
			o.saveOverride(t, app, idp.Override{Mode: idp.OverrideInherit}, populations.OnNextLogin).Version,
			o.save(t, idp.Agents, populations.OnNextLogin).Version,
		}
		if diff := cmp.Diff([]int64{2, 3, 4, 5, 6}, got); diff != "" {
			t.Error(diff)
		}
		stored := []int64{o.policy(t, idp.Agents).Version, o.policy(t, idp.Contacts).Version, o.override(t, app.ID).Version}
		if diff := cmp.Diff([]int64{6, 4, 5}, stored); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMinVersionRisesImmediatelyAndNeverFalls(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		app := o.app(t, nil, idp.Agents)
		required := idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA, Federated: true}
		for i, c := range []struct {
			apply            populations.Apply
			policy, override int64 // the MinVersions then
			reaped           int64
		}{
			{populations.OnNextLogin, 0, 0, 0},
			{populations.Immediately, 4, 5, 2},
			{populations.OnNextLogin, 4, 5, 2},
			{populations.OnNextLogin, 4, 5, 2},
			{populations.Immediately, 10, 11, 4},
		} {
			o.save(t, idp.Agents, c.apply)
			required.Federated = !required.Federated
			returned := o.saveOverride(t, app, required, c.apply)
			stored := o.override(t, app.ID)
			if got := o.population(t, idp.Agents).MinVersion; got != c.policy {
				t.Errorf("%d: the population's is %d, want %d", i, got, c.policy)
			}
			if diff := cmp.Diff(returned, stored); diff != "" || stored.MinVersion != c.override || stored.MinACR != idp.ACRMFA || stored.Federated != required.Federated {
				t.Errorf("%d: the override is %+v, want %d (%s)", i, stored, c.override, diff)
			}
			if o.reaped.Load() != c.reaped || o.population(t, idp.Contacts).MinVersion != 0 {
				t.Errorf("%d: %d clean-ups, contacts' is %d", i, o.reaped.Load(), o.population(t, idp.Contacts).MinVersion)
			}
		}
	})
}

func TestWhatAnotherAdminChangedIsNotOverwritten(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		app := o.app(t, nil, idp.Agents)
		o.save(t, idp.Agents, populations.Immediately)
		o.saveOverride(t, app, idp.Override{Mode: idp.OverrideOff}, populations.Immediately)
		before := o.state(t)
		for _, base := range []int64{0, 1, 4, 1000} {
			for _, apply := range []populations.Apply{populations.Immediately, populations.OnNextLogin} {
				_, errPolicy := o.Populations.SavePolicy(t.Context(), everything(), populations.Change[idp.Policy]{
					ID: idp.Agents, To: idp.Policy{Version: base, EmailCode: true}, Apply: apply, Reason: ticket,
				})
				_, errOverride := o.Populations.SaveOverride(t.Context(), everything(), populations.Change[idp.Override]{
					ID: app.ID, To: idp.Override{Version: base, Mode: idp.OverrideRequired}, Apply: apply, Reason: ticket,
				})
				if !errors.Is(errPolicy, idp.ErrConflict) || !errors.Is(errOverride, idp.ErrConflict) {
					t.Errorf("base %d, %s: %v and %v", base, apply, errPolicy, errOverride)
				}
			}
		}
		if after := o.state(t); after != before {
			t.Errorf("from %s to %s", before, after)
		}
	})
}

// expectOneWinner races ten admins, half of them on another replica.
func (o *office) expectOneWinner(t *testing.T, lost func(error) bool, fn func(m *manage.Manager, i int) error) {
	t.Helper()
	managers := []*manage.Manager{o.Manager, o.on(o.db.Replica(t))}
	won := 0
	for _, err := range idptest.Race(10, func(i int) error { return fn(managers[i%2], i) }) {
		if err == nil {
			won++
		} else if !lost(err) {
			t.Errorf("one lost with %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of ten won", won)
	}
}

func isConflict(err error) bool { return errors.Is(err, idp.ErrConflict) }

func TestOneOfTenAdminsSaves(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		app := o.app(t, nil, idp.Agents)
		applies := []populations.Apply{populations.Immediately, populations.OnNextLogin}
		o.expectOneWinner(t, isConflict, func(m *manage.Manager, i int) error {
			_, err := m.Populations.SavePolicy(t.Context(), everything(), populations.Change[idp.Policy]{
				ID: idp.Agents, To: idp.Policy{Version: 1, Authenticator: true, IssuerLabel: "Admin " + strconv.Itoa(i)},
				Apply: applies[i/2%2], Reason: ticket,
			})
			return err
		})
		o.expectOneWinner(t, isConflict, func(m *manage.Manager, i int) error {
			_, err := m.Populations.SaveOverride(t.Context(), everything(), populations.Change[idp.Override]{
				ID: app.ID, To: idp.Override{Mode: idp.OverrideRequired}, Apply: applies[i/2%2], Reason: ticket,
			})
			return err
		})
		if o.policy(t, idp.Agents).Version != 2 || o.override(t, app.ID).Version != 3 {
			t.Errorf("%+v, %+v", o.policy(t, idp.Agents), o.override(t, app.ID))
		}
		for kind, want := range map[idp.AuditKind]int{idp.AuditPolicyChanged: 1, idp.AuditOverrideChanged: 1} {
			if got := len(o.events(t, kind, "")); got != want {
				t.Errorf("%d events %s", got, kind)
			}
		}
	})
}

func TestChangeOfAPolicyIsAudited(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := idp.WithVisit(t.Context(), &idp.Visit{Address: "192.0.2.7", RequestID: "r1"})
		app := o.app(t, nil, idp.Agents)
		_, err := o.Populations.SavePolicy(ctx, holder(idp.PermissionAuthentication), populations.Change[idp.Policy]{
			ID: idp.Agents, To: idp.Policy{Version: 1, EmailCode: true}, Apply: populations.Immediately, Reason: " ticket\n4711 ",
		})
		idptest.Must(t, err)
		_, err = o.Populations.SaveOverride(ctx, authz.System(), populations.Change[idp.Override]{
			ID: app.ID, To: idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA, Federated: true}, Apply: populations.OnNextLogin,
		})
		idptest.Must(t, err)
		got := append(o.events(t, idp.AuditPolicyChanged, ""), o.events(t, idp.AuditOverrideChanged, "")...)
		want := []idp.AuditEvent{
			{
				Kind: idp.AuditPolicyChanged, ActorID: "ada", PopulationID: idp.Agents, Address: "192.0.2.7", RequestID: "r1",
				Detail: map[string]string{
					"before.authenticator": "true", "after.authenticator": "false", "before.email_code": "false", "after.email_code": "true",
					"before.issuer_label": "Agent portal", "after.issuer_label": "",
					"apply": "immediately", "version": "2", "reason": "ticket\n4711",
				},
			},
			{
				Kind: idp.AuditOverrideChanged, ClientID: app.ID, Address: "192.0.2.7", RequestID: "r1",
				Detail: map[string]string{
					"before.mode": "inherit", "after.mode": "required", "before.min_acr": "", "after.min_acr": string(idp.ACRMFA),
					"before.federated": "false", "after.federated": "true", "apply": "next_login", "version": "3", "by": "command_line",
				},
			},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(idp.AuditEvent{}, "ID", "At")); diff != "" {
			t.Error(diff)
		}
	})
}

// alive counts the sessions that may be used.
func (o *office) alive(t *testing.T, tokens ...string) (n int) {
	t.Helper()
	var hashes [][]byte
	for _, token := range tokens {
		hashes = append(hashes, idp.HashSecret(token))
	}
	found, err := o.db.SessionsByToken(t.Context(), "", hashes)
	idptest.Must(t, err)
	if len(found) != len(tokens) {
		t.Fatalf("%d sessions of %d tokens", len(found), len(tokens))
	}
	for _, f := range found {
		if f.Session.Alive(f.Population, idp.Now()) {
			n++
		}
	}
	return n
}

func TestImmediatelyIsOneWriteHoweverManySessions(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		app := o.app(t, nil, idp.Agents)
		u, counts := o.person(t, idp.Agents), [][2]int64{}
		for _, sessions := range []int{10, 500} {
			var tokens []string
			idptest.Must(t, o.db.Do(t.Context(), func(ctx context.Context) error {
				version, err := o.db.PolicyVersion(ctx)
				for range sessions {
					s, token := idptest.Session(u, idp.Population{ID: idp.Agents, SessionLifetime: time.Hour, Policy: idp.Policy{Version: version}})
					g, _ := idptest.Grant(app, s)
					err = errors.Join(err, o.db.CreateSession(ctx, s), o.db.CreateGrant(ctx, g))
					tokens = append(tokens, token)
				}
				return err
			}))
			ctx, policy := store.CountStatements(t.Context())
			_, err := o.Populations.SavePolicy(ctx, everything(), populations.Change[idp.Policy]{
				ID: idp.Agents, To: otherLabel(o.policy(t, idp.Agents)), Apply: populations.Immediately, Reason: ticket,
			})
			idptest.Must(t, err)
			if n := o.alive(t, tokens...); n != 0 {
				t.Errorf("%d sessions live on", n)
			}
			v := idp.Override{Version: o.override(t, app.ID).Version, Mode: idp.OverrideRequired, Federated: len(counts) > 0}
			ctx, override := store.CountStatements(t.Context())
			_, err = o.Populations.SaveOverride(ctx, everything(), populations.Change[idp.Override]{ID: app.ID, To: v, Apply: populations.Immediately, Reason: ticket})
			idptest.Must(t, err)
			counts = append(counts, [2]int64{policy.Load(), override.Load()})
		}
		if counts[0] != counts[1] || counts[0][0] == 0 || counts[0][0] > 8 || counts[0][1] > 8 {
			t.Errorf("statements at 10 and at 500 sessions: %v", counts)
		}
		if n := query[int](t, o, "SELECT COUNT(*) FROM sessions WHERE ended_at IS NOT NULL"); n != 0 {
			t.Errorf("%d sessions were written to", n)
		}
	})
}

func TestOnNextLoginLeavesSessionsAsTheyAre(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		_, agent := o.session(t, o.person(t, idp.Agents), nil)
		_, contact := o.session(t, o.person(t, idp.Contacts), nil)
		o.save(t, idp.Agents, populations.OnNextLogin)
		if n := o.alive(t, agent, contact); n != 2 {
			t.Errorf("%d of two live on", n)
		}
		o.save(t, idp.Agents, populations.Immediately)
		if o.alive(t, agent) != 0 || o.alive(t, contact) != 1 {
			t.Error("Immediately ended too little, or another population's")
		}
		_, later := o.session(t, o.person(t, idp.Agents), nil)
		if o.alive(t, later) != 1 {
			t.Error("nobody can sign in any more")
		}
	})
}

func TestOverridesThatCanBeSavedAndThoseThatCannot(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		app := o.app(t, nil, idp.Agents)
		for name, c := range map[string]struct {
			override idp.Override
			apply    populations.Apply
			field    string
		}{
			"inherit":                         {idp.Override{Mode: idp.OverrideInherit}, populations.Immediately, ""},
			"off":                             {idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin, ""},
			"required":                        {idp.Override{Mode: idp.OverrideRequired}, populations.Immediately, ""},
			"at least two steps":              {idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRTwoStep}, populations.Immediately, ""},
			"at least MFA, federated too":     {idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRMFA, Federated: true}, populations.Immediately, ""},
			"no mode":                         {idp.Override{}, populations.Immediately, "mode"},
			"another mode":                    {idp.Override{Mode: "maybe"}, populations.Immediately, "mode"},
			"off with a least acr":            {idp.Override{Mode: idp.OverrideOff, MinACR: idp.ACRMFA}, populations.Immediately, "min_acr"},
			"off, federated too":              {idp.Override{Mode: idp.OverrideOff, Federated: true}, populations.Immediately, "min_acr"},
			"inherit with a least acr":        {idp.Override{Mode: idp.OverrideInherit, MinACR: idp.ACRTwoStep}, populations.Immediately, "min_acr"},
			"inherit, federated too":          {idp.Override{Mode: idp.OverrideInherit, Federated: true}, populations.Immediately, "min_acr"},
			"at least a password":             {idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRPassword}, populations.Immediately, "min_acr"},
			"what nobody can reach":           {idp.Override{Mode: idp.OverrideRequired, MinACR: "urn:elsewhere"}, populations.Immediately, "min_acr"},
			"an alias":                        {idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRRefedsMFA}, populations.Immediately, "min_acr"},
			"an acr that we do not know":      {idp.Override{Mode: idp.OverrideRequired, MinACR: "gold"}, populations.Immediately, "min_acr"},
			"no apply":                        {idp.Override{Mode: idp.OverrideOff}, "", "apply"},
			"another apply":                   {idp.Override{Mode: idp.OverrideOff}, "tomorrow", "apply"},
			"a MinVersion of the admin's own": {idp.Override{Mode: idp.OverrideOff, MinVersion: 1000}, populations.OnNextLogin, ""},
		} {
			o.saveOverride(t, app, idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRTwoStep, Federated: true}, populations.OnNextLogin)
			v, before := c.override, o.state(t)
			now := o.override(t, app.ID)
			v.Version = now.Version
			saved, err := o.Populations.SaveOverride(t.Context(), everything(), populations.Change[idp.Override]{ID: app.ID, To: v, Apply: c.apply, Reason: ticket})
			expectField(t, name, err, c.field)
			if changed := o.state(t) != before; changed != (c.field == "") {
				t.Errorf("%s: changed %t", name, changed)
			}
			if c.field != "" {
				continue
			}
			want := v
			want.Version, want.MinVersion = now.Version+1, now.MinVersion
			if want.Version = query[int64](t, o, "SELECT value FROM policy_sequence"); c.apply == populations.Immediately {
				want.MinVersion = want.Version
			}
			for _, got := range []idp.Override{saved, o.override(t, app.ID)} {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	})
}
