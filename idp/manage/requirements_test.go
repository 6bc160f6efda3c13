package manage_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/password"
	"gatehouse/ui"
)

// require changes the password requirements as an admin who has seen the present ones.
func (o *office) require(t *testing.T, population string, r idp.PasswordRules, apply populations.Apply) populations.PopulationEntry {
	t.Helper()
	seen, err := o.Populations.Population(t.Context(), everything(), population)
	idptest.Must(t, err)
	before, err := o.db.PolicyVersion(t.Context())
	idptest.Must(t, err)
	e, err := o.Populations.SavePasswordRules(t.Context(), everything(), populations.Change[idp.PasswordRules]{
		ID: population, Version: seen.Version, To: r, Apply: apply, Reason: ticket,
	})
	idptest.Must(t, err)
	// A sign-in that is about to finish looks at this number, and asks again.
	if after, err := o.db.PolicyVersion(t.Context()); err != nil || after != before+1 {
		t.Errorf("the number of the last change goes from %d to %d (%v)", before, after, err)
	}
	return e
}

// everyRule is as much as can be asked.
func everyRule(days int) idp.PasswordRules {
	return idp.PasswordRules{MinLength: 64, Upper: true, Lower: true, Digit: true, Special: true, ExpiryDays: days, NoReuse: 24}
}

func TestRequirementsThatCanBeSavedAndThoseThatCannot(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ok := populations.Change[idp.PasswordRules]{
			ID: idp.Agents, Version: 1, To: idp.PasswordRules{MinLength: 12}, Apply: populations.OnNextLogin, Reason: ticket,
		}
		for name, c := range map[string]struct {
			change func(c *populations.Change[idp.PasswordRules])
			field  string
		}{
			"no length":          {func(c *populations.Change[idp.PasswordRules]) { c.To.MinLength = 0 }, "min_length"},
			"7 characters":       {func(c *populations.Change[idp.PasswordRules]) { c.To.MinLength = 7 }, "min_length"},
			"8 characters":       {func(c *populations.Change[idp.PasswordRules]) { c.To.MinLength = 8 }, ""},
			"64 characters":      {func(c *populations.Change[idp.PasswordRules]) { c.To.MinLength = 64 }, ""},
			"65 characters":      {func(c *populations.Change[idp.PasswordRules]) { c.To.MinLength = 65 }, "min_length"},
			"what nobody types":  {func(c *populations.Change[idp.PasswordRules]) { c.To.MinLength = 5000 }, "min_length"},
			"a negative length":  {func(c *populations.Change[idp.PasswordRules]) { c.To.MinLength = -1 }, "min_length"},
			"all there is":       {func(c *populations.Change[idp.PasswordRules]) { c.To = everyRule(3650) }, ""},
			"25 passwords":       {func(c *populations.Change[idp.PasswordRules]) { c.To.NoReuse = 25 }, "no_reuse"},
			"negative passwords": {func(c *populations.Change[idp.PasswordRules]) { c.To.NoReuse = -1 }, "no_reuse"},
			"eleven years":       {func(c *populations.Change[idp.PasswordRules]) { c.To.ExpiryDays = 3651 }, "expiry_days"},
			"expired already":    {func(c *populations.Change[idp.PasswordRules]) { c.To.ExpiryDays = -1 }, "expiry_days"},
			"no choice":          {func(c *populations.Change[idp.PasswordRules]) { c.Apply = "" }, "apply"},
			"another choice":     {func(c *populations.Change[idp.PasswordRules]) { c.Apply = "tomorrow" }, "apply"},
			"no reason":          {func(c *populations.Change[idp.PasswordRules]) { c.Reason = " " }, "reason"},
		} {
			change := ok
			change.Version = o.entry(t, idp.Agents).Version
			c.change(&change)
			before := o.population(t, idp.Agents)
			_, err := o.Populations.SavePasswordRules(t.Context(), everything(), change)
			expectField(t, name, err, c.field)
			after := o.population(t, idp.Agents)
			if c.field != "" && (after.Passwords != before.Passwords || after.PasswordsAtSignIn != before.PasswordsAtSignIn) {
				t.Errorf("%s: refused, and %+v", name, after)
			}
			if c.field == "" && after.Passwords != change.To {
				t.Errorf("%s: saved %+v", name, after.Passwords)
			}
		}
	})
}

func (o *office) entry(t *testing.T, id string) populations.PopulationEntry {
	t.Helper()
	e, err := o.Populations.Population(t.Context(), everything(), id)
	idptest.Must(t, err)
	return e
}

// What each choice leaves behind for people who sign in, and who is signed out.
func TestThreeWaysToApplyRequirements(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		first := idp.PasswordRules{MinLength: 12, Digit: true, ExpiryDays: 90, NoReuse: 3}
		laxer := idp.PasswordRules{MinLength: 10, Special: true}
		u := o.person(t, idp.Agents)
		s, _ := o.session(t, u, nil)
		lives := func() bool { return s.Alive(o.population(t, idp.Agents), idp.Now()) }

		e := o.require(t, idp.Agents, first, populations.OnlyNew)
		if p := o.population(t, idp.Agents); p.Passwords != first || p.PasswordsAtSignIn != (idp.PasswordRules{}) || p.ExpirySince.IsZero() || !lives() {
			t.Errorf("only new ones: %+v", p)
		}
		since := o.population(t, idp.Agents).ExpirySince
		e2 := o.require(t, idp.Agents, first, populations.OnNextLogin)
		if p := o.population(t, idp.Agents); p.PasswordsAtSignIn != first || e2.Version != e.Version+1 || !lives() || !p.ExpirySince.Equal(since) {
			t.Errorf("on next login: %+v", p)
		}
		o.require(t, idp.Agents, laxer, populations.OnlyNew)
		if p := o.population(t, idp.Agents); p.Passwords != laxer || p.PasswordsAtSignIn != (idp.PasswordRules{MinLength: 10}) || !lives() {
			t.Errorf("only new ones, which may be shorter: %+v", p)
		}
		reaped := o.reaped.Load()
		saved := o.require(t, idp.Agents, first, populations.Immediately)
		p := o.population(t, idp.Agents)
		if p.PasswordsAtSignIn != first || lives() || o.reaped.Load() != reaped+1 || saved.MinVersion != p.MinVersion {
			t.Errorf("immediately: %+v", p)
		}
		events := o.events(t, idp.AuditPasswordRules, "")
		if len(events) != 4 || !strings.Contains(fmt.Sprint(events), "after.digit:true after.expiry_days:90 after.min_length:12 after.no_reuse:3") {
			t.Errorf("the audit log says %+v", events)
		}
		for _, e := range events {
			if e.PopulationID != idp.Agents || e.ActorID != "ada" || e.Detail["reason"] != ticket || e.Detail["apply"] == "" {
				t.Errorf("the event is %+v", e)
			}
		}
	})
}

func TestRequirementsAreSavedOnceByAnybody(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		managers := []*manage.Manager{o.Manager, o.on(o.db.Replica(t))}
		saved := 0
		for _, err := range idptest.Race(6, func(i int) error {
			_, err := managers[i%2].Populations.SavePasswordRules(t.Context(), everything(), populations.Change[idp.PasswordRules]{
				ID: idp.Agents, Version: 1, To: idp.PasswordRules{MinLength: 9 + i}, Apply: populations.OnlyNew, Reason: ticket,
			})
			return err
		}) {
			switch {
			case err == nil:
				saved++
			case !errors.Is(err, idp.ErrConflict):
				t.Error(err)
			}
		}
		if saved != 1 {
			t.Errorf("%d admins changed the same", saved)
		}
	})
}

func TestPreviewOfRequirementsCountsPeople(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.app(t, func(c *idp.Client) { c.TokenFormat, c.AccessTTL = idp.JWTToken, 5*time.Minute }, idp.Agents)
		u := o.person(t, idp.Agents)
		o.session(t, u, nil)
		for i, days := range []int{0, 100} {
			other := idptest.User(idp.Agents, fmt.Sprintf("other%d@rtx.example", i))
			other.PasswordChangedAt = idp.Now().Add(-time.Duration(days) * 24 * time.Hour)
			idptest.Must(t, o.db.CreateUser(t.Context(), other))
		}
		before := o.state(t)
		got, err := o.Populations.PreviewPasswordRules(t.Context(), everything(), idp.Agents, idp.PasswordRules{MinLength: 8, ExpiryDays: 90})
		idptest.Must(t, err)
		if got.Expired != 1 || got.Sessions != 1 || got.JWTFor != 5*time.Minute || got.People+got.Elsewhere != 3 {
			t.Errorf("%+v", got)
		}
		if got, err = o.Populations.PreviewPasswordRules(t.Context(), everything(), idp.Agents, idp.PasswordRules{MinLength: 8}); err != nil || got.Expired != 0 {
			t.Errorf("without an expiry: %+v (%v)", got, err)
		}
		if o.state(t) != before {
			t.Error("a preview changed something")
		}
	})
}

func TestWhatASignInIsJudgedBy(t *testing.T) {
	t.Parallel()
	now := idp.Now()
	u := idp.User{Email: "maya@rtx.example", Name: "Maya Lindqvist", CreatedAt: now.Add(-1000 * time.Hour), PasswordChangedAt: now.Add(-50 * time.Hour)}
	old := u
	old.PasswordChangedAt = time.Time{}
	rules := func(days int) idp.PasswordRules { return idp.PasswordRules{MinLength: 8, ExpiryDays: days} }
	for name, c := range map[string]struct {
		population idp.Population
		user       idp.User
		password   string
		want       []password.Kind
	}{
		"no rule":                     {idp.Population{}, u, "x", nil},
		"only for new ones":           {idp.Population{Passwords: rules(1), ExpirySince: now}, u, "x", nil},
		"short":                       {idp.Population{PasswordsAtSignIn: rules(0)}, u, "x7!kQ2m", []password.Kind{password.TooShort}},
		"common":                      {idp.Population{PasswordsAtSignIn: rules(0)}, u, "password", []password.Kind{password.Common}},
		"personal":                    {idp.Population{PasswordsAtSignIn: rules(0)}, u, "lindqvist", []password.Kind{password.Personal}},
		"good":                        {idp.Population{PasswordsAtSignIn: rules(3)}, u, "x7!kQ2mw", nil},
		"expired":                     {idp.Population{PasswordsAtSignIn: rules(2)}, u, "x7!kQ2mw", []password.Kind{password.Expired}},
		"both":                        {idp.Population{PasswordsAtSignIn: rules(2)}, u, "x", []password.Kind{password.TooShort, password.Expired}},
		"nobody knows when":           {idp.Population{PasswordsAtSignIn: rules(41)}, old, "x7!kQ2mw", []password.Kind{password.Expired}},
		"a new one that expired":      {idp.Population{Passwords: rules(2), ExpirySince: now.Add(-60 * time.Hour)}, u, "x", []password.Kind{password.Expired}},
		"a new one goes by its own":   {idp.Population{Passwords: rules(9), PasswordsAtSignIn: rules(1), ExpirySince: now.Add(-60 * time.Hour)}, u, "x7!kQ2mw", nil},
		"an older one goes by theirs": {idp.Population{Passwords: rules(9), PasswordsAtSignIn: rules(1), ExpirySince: now.Add(-40 * time.Hour)}, u, "x7!kQ2mw", []password.Kind{password.Expired}},
	} {
		if c.population.PasswordsAtSignIn == (idp.PasswordRules{}) && !c.population.ExpirySince.IsZero() {
			c.population.Passwords.MinLength = 30 // which counts for nobody
		}
		if c.population.ExpirySince.IsZero() { // everything was applied to everybody
			c.population.Passwords = c.population.PasswordsAtSignIn
		}
		var got []password.Kind
		for _, r := range people.JudgeSignIn(c.population, c.user, c.password) {
			got = append(got, r.Kind)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestPasswordsAreNotUsedAgain(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.person(t, idp.Agents)
		set := func(plain string) error {
			return o.People.SetPassword(t.Context(), everything(), u.ID, plain, ticket)
		}
		const a, b, c, d = "gentle maple corner", "quiet harbour lantern", "silver pebble garden", "narrow willow bridge"
		idptest.Must(t, set(a))
		idptest.Must(t, set(b))
		idptest.Must(t, set(a)) // there is no rule
		o.require(t, idp.Agents, idp.PasswordRules{MinLength: 8, NoReuse: 3}, populations.OnlyNew)
		for i, step := range []struct {
			plain string
			ok    bool
		}{{a, false}, {b, true}, {a, false}, {c, true}, {a, false}, {b, false}, {c, false}, {d, true}, {a, true}, {d, false}} {
			err := set(step.plain)
			var weak *people.PasswordError
			switch {
			case step.ok && err != nil:
				t.Errorf("step %d, %s: %v", i, step.plain, err)
			case !step.ok && (!errors.As(err, &weak) || !slices.Equal(weak.Reasons, []password.Reason{{Kind: password.Reused, Number: 3}})):
				t.Errorf("step %d, %s: %v", i, step.plain, err)
			}
		}
		o.require(t, idp.Agents, idp.PasswordRules{MinLength: 8}, populations.OnlyNew)
		idptest.Must(t, set(a))
	})
}

// A hash that nobody can compute is no reason to refuse a password.
func TestUnusableFormerHashesMatchNothing(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.person(t, idp.Agents)
		o.require(t, idp.Agents, idp.PasswordRules{MinLength: 8, NoReuse: 3}, populations.OnlyNew)
		for range 2 {
			idptest.Must(t, o.db.SetPasswordHash(t.Context(), u.ID, "$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", idp.Now()))
		}
		idptest.Must(t, o.People.SetPassword(t.Context(), everything(), u.ID, "gentle maple corner", ticket))
	})
}

// Every reason has words, and the list that people see names each rule once.
func TestReasonsHaveWords(t *testing.T) {
	t.Parallel()
	pages, err := newPages()
	idptest.Must(t, err)
	p := idp.Population{Brand: idp.Brand{Name: "RTX"}, Passwords: everyRule(90)}
	broken := []password.Reason{{Kind: password.TooLong, Number: password.MaxBytes}, {Kind: password.Reused, Number: 24}}
	seen := map[string]bool{}
	list := people.PasswordRuleList(password.Rules{PasswordRules: p.Passwords}, true, broken)
	for _, rule := range list {
		text := pages.Text("en", rule.Text)
		if text == string(rule.Text.Key) || strings.Contains(text, "{") || seen[rule.Kind] {
			t.Errorf("%s says %q", rule.Kind, text)
		}
		seen[rule.Kind] = true
		if want := rule.Kind == "too_long" || rule.Kind == "reused"; rule.Broken != want {
			t.Errorf("%s: broken %t", rule.Kind, rule.Broken)
		}
	}
	if len(list) != 9 {
		t.Errorf("%d rules", len(list))
	}
	few := password.Rules{PasswordRules: idp.PasswordRules{MinLength: 15}, Personal: []string{"Maya Lindqvist"}}
	list = people.PasswordRuleList(few, true, nil)
	if len(list) != 4 || list[0].Text.Args[0] != 15 || list[3].Kind != "same" || !list[3].Later {
		t.Errorf("few rules: %+v", list)
	}
	if text := pages.Text("en", *ui.MsgPasswordExpired.With(90)); !strings.Contains(text, "90 days") {
		t.Error(text)
	}
	if got := people.BrokenRules(few, "lindqvist"); !slices.Equal(got, []string{"too_short", "personal"}) {
		t.Errorf("broken: %v", got)
	}
}

// Where an app lets people in by the password alone, a new one has at least 15
// characters, however it is set, though the population's policy asks for a second step.
func TestAPasswordThatIsAloneAtOneAppHasFifteenCharacters(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		const short, long = "gentle maple", "gentle maple corner"
		policy := o.policy(t, idp.Agents)
		policy.Authenticator = true
		idptest.Must(t, second(o.Populations.SavePolicy(t.Context(), everything(), populations.Change[idp.Policy]{
			ID: idp.Agents, To: policy, Apply: populations.OnNextLogin, Reason: ticket,
		})))
		app, u := o.app(t, nil, idp.Agents), o.person(t, idp.Agents)
		ways := map[string]func(plain string) error{
			"another person sets it": func(plain string) error {
				return o.People.SetPassword(t.Context(), everything(), u.ID, plain, ticket)
			},
			"with a new account": func(plain string) error {
				return second(o.People.AddUser(t.Context(), everything(), people.NewUser{
					Population: idp.Agents, Email: idp.NewID() + "@rtx.example", Password: plain,
				}))
			},
			"by a link": func(plain string) error {
				idptest.Must(t, o.asks(t, o.Manager, "reset", idp.Agents, u.Email))
				return second(o.Links.UseLink(t.Context(), idp.ResetLink, o.token(t, idp.ResetLink), links.LinkForm{Password: plain}))
			},
			"instead of the present one": func(plain string) error {
				return second(o.People.HashReplacement(t.Context(), o.population(t, idp.Agents), u, plain))
			},
		}
		for name, set := range ways {
			if err := set(short); err != nil {
				t.Fatalf("%s: with a second step everywhere: %v", name, err)
			}
		}
		o.saveOverride(t, app, idp.Override{Mode: idp.OverrideOff}, populations.OnNextLogin)
		for name, set := range ways {
			var weak *people.PasswordError
			if err := set(short); !errors.As(err, &weak) || weak.Reasons[0].Kind != password.TooShort || weak.Reasons[0].Number != 15 {
				t.Errorf("%s: %v", name, err)
			}
			if err := set(long + " " + name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
