package idp_test

import (
	"testing"
	"time"

	"gatehouse/idp"
)

var nine = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func population() idp.Population {
	return idp.Population{ID: idp.Agents, SessionIdle: time.Hour, SessionLifetime: 48 * time.Hour, MinVersion: 3, Policy: idp.Policy{Version: 5}}
}

func living() idp.Session {
	return idp.Session{ID: "s", PolicyVersion: 3, CreatedAt: nine, LastSeenAt: nine, ExpiresAt: nine.Add(24 * time.Hour)}
}

func TestSessionLives(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *idp.Session)
		after  time.Duration
		want   bool
	}{
		"now":                          {func(*idp.Session) {}, 0, true},
		"just before it was idle":      {func(*idp.Session) {}, time.Hour - 1, true},
		"idle":                         {func(*idp.Session) {}, time.Hour, false},
		"just before its limit":        {func(s *idp.Session) { s.LastSeenAt = nine.Add(23 * time.Hour) }, 24*time.Hour - 1, true},
		"at its limit":                 {func(s *idp.Session) { s.LastSeenAt = nine.Add(23*time.Hour + time.Minute) }, 24 * time.Hour, false},
		"ended":                        {func(s *idp.Session) { s.EndedAt = nine }, 0, false},
		"ended in the future":          {func(s *idp.Session) { s.EndedAt = nine.Add(time.Minute) }, 0, false},
		"judged by a newer policy":     {func(s *idp.Session) { s.PolicyVersion = 5 }, 0, true},
		"its policy was replaced":      {func(s *idp.Session) { s.PolicyVersion = 2 }, 0, false},
		"no session, of an outer join": {func(s *idp.Session) { *s = idp.Session{} }, 0, false},
	} {
		s := living()
		c.change(&s)
		if got := s.Alive(population(), nine.Add(c.after)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A limit that was lowered since counts at once; one that was raised does not, since
// the person was told another.
func TestSessionLivesByTheLimitsOfNow(t *testing.T) {
	shorter, longer, keeps, kept := 10*time.Hour, 100*time.Hour, 1000*time.Hour, 5*time.Hour
	for name, c := range map[string]struct {
		lifetime time.Duration
		keeps    bool
		kept     bool
		after    time.Duration
		want     bool
	}{
		"lowered":                               {shorter, false, false, shorter, false},
		"just before a limit that was lowered":  {shorter, false, false, shorter - 1, true},
		"raised":                                {longer, false, false, 24 * time.Hour, false},
		"kept":                                  {longer, true, true, kept - 1, true},
		"kept, and idle for longer than others": {longer, true, true, kept, false},
		"not kept, where others may be":         {longer, true, false, time.Hour, false},
		"kept, where nobody may be any more":    {longer, false, true, time.Hour, false},
	} {
		p := population()
		p.SessionLifetime, p.KeepSignedIn, p.KeptIdle, p.KeptLifetime = c.lifetime, c.keeps, kept, keeps
		s := living()
		s.Kept = c.kept
		if !c.kept && c.after > 2*time.Hour {
			s.LastSeenAt = nine.Add(c.after - time.Minute)
		}
		if got := s.Alive(p, nine.Add(c.after)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestKeptLimitsAreNoLowerThanOthers(t *testing.T) {
	p := population()
	p.KeepSignedIn = true
	if idle, lifetime := p.Limits(true); idle != p.SessionIdle || lifetime != p.SessionLifetime {
		t.Errorf("%v and %v", idle, lifetime)
	}
}

// app is one that offers everything to one population.
func app() idp.App {
	return idp.App{
		Kind: idp.WebClient, GrantTypes: []string{"authorization_code", "refresh_token"},
		Scopes: []string{"openid", "email", "offline_access"}, Populations: []string{"agents"},
	}
}

func TestGrantLives(t *testing.T) {
	offline := func(s *idp.GrantState) { s.Grant.Offline = true }
	for name, c := range map[string]struct {
		change func(s *idp.GrantState)
		after  time.Duration
		want   bool
		// offline is what a grant with offline access does instead.
		offline bool
	}{
		"now":                        {func(*idp.GrantState) {}, 0, true, true},
		"session idle":               {func(*idp.GrantState) {}, time.Hour, false, true},
		"session ended":              {func(s *idp.GrantState) { s.Session.EndedAt = nine }, 0, false, true},
		"session is gone":            {func(s *idp.GrantState) { s.Session = idp.Session{} }, 0, false, true},
		"session of an older policy": {func(s *idp.GrantState) { s.Session.PolicyVersion = 2 }, 0, false, true},
		"revoked":                    {func(s *idp.GrantState) { s.Grant.RevokedAt = nine }, 0, false, false},
		"person disabled":            {func(s *idp.GrantState) { s.User.Disabled = true }, 0, false, false},
		"just before its end":        {func(s *idp.GrantState) { s.Session.LastSeenAt = nine.Add(time.Hour) }, 90*time.Minute - 1, true, true},
		"at its end":                 {func(s *idp.GrantState) { s.Session.LastSeenAt = nine.Add(time.Hour) }, 90 * time.Minute, false, false},
		"policy replaced":            {func(s *idp.GrantState) { s.Grant.PolicyVersion = 2 }, 0, false, false},
		"override replaced":          {func(s *idp.GrantState) { s.OverrideMin = 4 }, 0, false, false},

		"app lost the population":      {func(s *idp.GrantState) { s.App.Populations = []string{"contacts"} }, 0, false, false},
		"app lost it and got it again": {func(s *idp.GrantState) { s.App.Taken = idp.Taken{"population:agents": 4} }, 0, false, false},
		"app lost it before":           {func(s *idp.GrantState) { s.App.Taken = idp.Taken{"population:agents": 3} }, 0, true, true},
		"app lost another":             {func(s *idp.GrantState) { s.App.Taken = idp.Taken{"population:contacts": 4} }, 0, true, true},
		"app lost sign-ins":            {func(s *idp.GrantState) { s.App.GrantTypes = []string{"refresh_token"} }, 0, false, false},
		"app lost refresh tokens":      {func(s *idp.GrantState) { s.App.GrantTypes = []string{"authorization_code"} }, 0, true, true},
		"and the session is over": {func(s *idp.GrantState) {
			s.App.GrantTypes, s.Session.EndedAt = []string{"authorization_code"}, nine
		}, 0, false, false},
		"app lost offline access, and the session is over": {func(s *idp.GrantState) {
			s.App.Scopes, s.Session.EndedAt = []string{"openid"}, nine
		}, 0, false, false},
		"app lost it, got it again, and the session is over": {func(s *idp.GrantState) {
			s.App.Taken, s.Session.EndedAt = idp.Taken{"scope:offline_access": 4}, nine
		}, 0, false, false},
		"app is of another kind":  {func(s *idp.GrantState) { s.App.Taken = idp.Taken{"kind": 4} }, 0, false, false},
		"app became a service":    {func(s *idp.GrantState) { s.App.Kind = idp.ServiceClient }, 0, false, false},
		"passwords count no more": {func(s *idp.GrantState) { s.Population.Taken = idp.Taken{"password": 4} }, 0, false, false},
	} {
		for _, isOffline := range []bool{false, true} {
			s := idp.GrantState{
				Grant: idp.Grant{
					PolicyVersion: 3, ExpiresAt: nine.Add(90 * time.Minute), PopulationID: "agents", GivenVersion: 3,
					Scopes: []string{"openid", "offline_access"}, Proofs: []idp.Proof{{Method: idp.MethodPassword, Version: 3}},
				},
				Session: living(), Population: population(), OverrideMin: 3, App: app(),
			}
			want := c.want
			if isOffline {
				offline(&s)
				want = c.offline
			}
			c.change(&s)
			if got := s.Live(nine.Add(c.after)); got != want {
				t.Errorf("%s, offline %t: %t", name, isOffline, got)
			}
		}
	}
}

func TestOneMethodMakesASecondStepMandatory(t *testing.T) {
	for _, c := range []struct {
		policy idp.Policy
		want   bool
	}{{idp.Policy{}, false}, {idp.Policy{Authenticator: true}, true}, {idp.Policy{EmailCode: true}, true}, {idp.Policy{Authenticator: true, EmailCode: true}, true}} {
		if c.policy.SecondStep() != c.want {
			t.Errorf("%+v", c.policy)
		}
	}
}

func TestClassesAreOrdered(t *testing.T) {
	ranks := []idp.ACR{"urn:other", idp.ACRPassword, idp.ACRTwoStep, idp.ACRMFA, idp.ACRPasskey}
	for want, acr := range ranks {
		if acr.Rank() != want {
			t.Errorf("%s has rank %d", acr, acr.Rank())
		}
	}
	if idp.ACRFederated.Rank() != idp.ACRPassword.Rank() || idp.ACRRefedsMFA.Rank() != idp.ACRMFA.Rank() || idp.ACR("").Rank() != 0 {
		t.Error("federated is as strong as a password, and the alias as what it stands for")
	}
	last := 0
	for _, acr := range idp.ACRs() {
		if acr.Rank() < last || acr.Rank() == 0 {
			t.Errorf("discovery lists %s out of order", acr)
		}
		last = acr.Rank()
	}
}

func TestPermissionsAreListedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range idp.Permissions() {
		if seen[p] || p == "" {
			t.Errorf("%q twice", p)
		}
		seen[p] = true
	}
	if !seen[idp.PermissionDeliveries] {
		t.Errorf("the newest is missing: %v", seen)
	}
}
