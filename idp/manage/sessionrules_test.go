package manage_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/populations"
)

const day = 24 * time.Hour

func TestLimitsOfSessionsThatCanBeSavedAndThoseThatCannot(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for name, c := range map[string]struct {
			change func(r *populations.SessionRules)
			field  string
		}{
			"as it is":                   {func(*populations.SessionRules) {}, ""},
			"five minutes":               {func(r *populations.SessionRules) { r.Idle = 5 * time.Minute }, ""},
			"less than five minutes":     {func(r *populations.SessionRules) { r.Idle = 5*time.Minute - 1 }, "session_idle"},
			"negative":                   {func(r *populations.SessionRules) { r.Idle = -time.Hour }, "session_idle"},
			"idle for longer than it is": {func(r *populations.SessionRules) { r.Idle = 25 * time.Hour }, "session_idle"},
			"400 days":                   {func(r *populations.SessionRules) { r.Lifetime = 400 * day }, ""},
			"401 days":                   {func(r *populations.SessionRules) { r.Lifetime = 401 * day }, "session_lifetime"},
			"kept":                       {func(r *populations.SessionRules) { r.KeepSignedIn = true }, ""},
			"kept for longer than it is": {func(r *populations.SessionRules) { r.KeepSignedIn, r.KeptIdle = true, 91*day }, "kept_idle"},
			"kept for less":              {func(r *populations.SessionRules) { r.KeepSignedIn, r.KeptIdle = true, 30*time.Minute }, "kept_idle"},
			"kept, at most for less": {func(r *populations.SessionRules) {
				r.KeepSignedIn, r.KeptIdle, r.KeptLifetime = true, time.Hour, 2*time.Hour
			}, "kept_lifetime"},
			"kept for two years":          {func(r *populations.SessionRules) { r.KeepSignedIn, r.KeptLifetime = true, 800*day }, "kept_lifetime"},
			"nonsense that is turned off": {func(r *populations.SessionRules) { r.KeptIdle, r.KeptLifetime = -1, 0 }, ""},
			"nobody is signed out":        {func(r *populations.SessionRules) { r.EndOthers = false }, ""},
		} {
			seen := o.entry(t, idp.Agents)
			wanted := populations.SessionRules{
				Idle: time.Hour, Lifetime: day, KeptIdle: idp.DefaultKeptIdle, KeptLifetime: idp.DefaultKeptLifetime, EndOthers: true,
			}
			c.change(&wanted)
			_, err := o.Populations.SaveSessionRules(t.Context(), everything(), populations.Change[populations.SessionRules]{
				ID: idp.Agents, Version: seen.Version, To: wanted, Reason: ticket,
			})
			expectField(t, name, err, c.field)
			after := populations.SessionRulesOf(o.population(t, idp.Agents))
			if !wanted.KeepSignedIn {
				after.KeptIdle, after.KeptLifetime = wanted.KeptIdle, wanted.KeptLifetime // which stay as they were
			}
			if saved := after == wanted; saved != (c.field == "") && name != "as it is" {
				t.Errorf("%s: %+v", name, after)
			}
		}
		_, err := o.Populations.SaveSessionRules(t.Context(), everything(), populations.Change[populations.SessionRules]{
			ID: idp.Agents, Version: 1, To: populations.SessionRulesOf(o.population(t, idp.Agents)), Reason: ticket,
		})
		if !errors.Is(err, idp.ErrConflict) {
			t.Errorf("over what somebody else saved: %v", err)
		}
	})
}

func TestLowerLimitsCountAtOnce(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		u := o.person(t, idp.Contacts)
		aged := func(kept bool, age, idle time.Duration) idp.Session {
			s, _ := o.session(t, u, func(s *idp.Session) {
				s.Kept, s.CreatedAt, s.LastSeenAt = kept, idp.Now().Add(-age), idp.Now().Add(-idle)
				s.ExpiresAt = s.CreatedAt.Add(80 * day)
			})
			return s
		}
		fresh, idle, old, kept := aged(false, time.Hour, time.Minute), aged(false, 3*day, 2*day), aged(false, 20*day, time.Minute), aged(true, 20*day, 2*day)
		rules := populations.SessionRulesOf(o.population(t, idp.Contacts))
		save := func(change func(r *populations.SessionRules)) populations.SessionsPreview {
			t.Helper()
			change(&rules)
			before := o.state(t)
			preview, err := o.Populations.PreviewSessionRules(t.Context(), everything(), idp.Contacts, rules)
			idptest.Must(t, err)
			if o.state(t) != before {
				t.Error("a preview changed something")
			}
			_, err = o.Populations.SaveSessionRules(t.Context(), everything(), populations.Change[populations.SessionRules]{
				ID: idp.Contacts, Version: o.entry(t, idp.Contacts).Version, To: rules, Reason: ticket,
			})
			idptest.Must(t, err)
			return preview
		}
		expectLiving := func(when string, want ...idp.Session) {
			t.Helper()
			lives := map[string]bool{}
			for _, s := range want {
				lives[s.ID] = true
			}
			for name, s := range map[string]idp.Session{"fresh": fresh, "idle": idle, "old": old, "kept": kept} {
				now, err := o.db.Session(t.Context(), s.ID)
				idptest.Must(t, err)
				if got := now.Alive(o.population(t, idp.Contacts), idp.Now()); got != lives[s.ID] {
					t.Errorf("%s: %s alive %t", when, name, got)
				}
			}
		}
		expectLiving("before", fresh, idle, old, kept)
		if p := save(func(r *populations.SessionRules) { r.KeepSignedIn = true }); p != (populations.SessionsPreview{Sessions: 4}) {
			t.Errorf("more for those who stay: %+v", p)
		}
		if p := save(func(r *populations.SessionRules) { r.Idle = day }); p != (populations.SessionsPreview{Sessions: 4, Ending: 1}) {
			t.Errorf("a day without use: %+v", p)
		}
		expectLiving("a day without use", fresh, old, kept)
		if p := save(func(r *populations.SessionRules) { r.Lifetime = 10 * day }); p != (populations.SessionsPreview{Sessions: 3, Ending: 1}) {
			t.Errorf("ten days at most: %+v", p)
		}
		expectLiving("ten days at most", fresh, kept)
		if p := save(func(r *populations.SessionRules) { r.KeepSignedIn = false }); p != (populations.SessionsPreview{Sessions: 2, Ending: 1}) {
			t.Errorf("nobody stays signed in: %+v", p)
		}
		expectLiving("nobody stays signed in", fresh)
		save(func(r *populations.SessionRules) { r.KeepSignedIn, r.Idle, r.Lifetime = true, 30*day, 30*day })
		expectLiving("everything longer than ever", fresh)

		events := o.events(t, idp.AuditSessionRules, "")
		if len(events) != 5 || events[0].PopulationID != idp.Contacts || events[0].Detail["after.keep_signed_in"] != "true" || events[0].Detail["after.session_idle"] != "2592000" {
			t.Errorf("the audit log says %+v", events)
		}
	})
}
