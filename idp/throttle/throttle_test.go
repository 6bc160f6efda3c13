package throttle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
)

const maya = "maya@rtx.example"

func limiter(s *store.Store) *throttle.Limiter { return throttle.New(s, []byte("key of the test")) }

// inFakeTime runs a test on SQLite with a clock that moves only when it sleeps.
func inFakeTime(t *testing.T, test func(t *testing.T, s *store.Store, l *throttle.Limiter)) {
	t.Helper()
	address := idptest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), address)
		idptest.Must(t, err)
		defer func() { _ = s.Close() }()
		idptest.Must(t, s.Migrate(t.Context()))
		test(t, s, limiter(s))
	})
}

// limited tells how an attempt was refused, nil when it was allowed.
func limited(t *testing.T, err error) *throttle.LimitedError {
	t.Helper()
	var refused *throttle.LimitedError
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	return refused
}

// fail makes n attempts that are wrong, as fast as they are allowed.
func fail(t *testing.T, db *idptest.Database, n int, counters ...throttle.Counter) *throttle.Attempt {
	t.Helper()
	var last *throttle.Attempt
	for i := range n {
		if i > 0 {
			db.Age(t, "throttles", 2*time.Minute, "next_at")
		}
		var err error
		last, err = limiter(db.Store).Begin(t.Context(), counters...)
		idptest.Must(t, err)
	}
	return last
}

// The waits between failures, as many as it takes to see the rule.
func TestDelaysGrow(t *testing.T) {
	t.Parallel()
	seconds := func(after int, list ...int) []time.Duration {
		waits := make([]time.Duration, after)
		for _, s := range list {
			waits = append(waits, time.Duration(s)*time.Second)
		}
		return waits
	}
	account := seconds(4, 1, 2, 4, 8, 16, 32, 60, 60, 60)
	for name, c := range map[string]struct {
		counter func(l *throttle.Limiter) throttle.Counter
		waits   []time.Duration
	}{
		"account": {func(l *throttle.Limiter) throttle.Counter { return l.Account(idp.Agents, maya) }, account},
		"browser": {func(l *throttle.Limiter) throttle.Counter { return l.Browser(idp.Agents, maya, []byte("b")) }, account},
		"totp":    {func(l *throttle.Limiter) throttle.Counter { return l.Factor(throttle.Authenticator, "f") }, account},
		"codes":   {func(l *throttle.Limiter) throttle.Counter { return l.Factor(throttle.Recovery, "s") }, account},
		"address": {func(l *throttle.Limiter) throttle.Counter { return l.Address("192.0.2.1") }, seconds(19, 1, 2, 4, 8, 10, 10, 10)},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, _ *store.Store, l *throttle.Limiter) {
				for i, want := range c.waits {
					a, err := l.Begin(t.Context(), c.counter(l))
					idptest.Must(t, err)
					if a.Failures() != i+1 {
						t.Errorf("attempt %d counts as %d", i+1, a.Failures())
					}
					expectWait(t, l, c.counter(l), want)
				}
			})
		})
	}
}

// expectWait waits for so long, and is refused until then.
func expectWait(t *testing.T, l *throttle.Limiter, c throttle.Counter, want time.Duration) {
	t.Helper()
	if want == 0 {
		return
	}
	_, err := l.Begin(t.Context(), c)
	if got := limited(t, err); got == nil || got.Wait != want || got.Capped {
		t.Fatalf("refused with %v, want a wait of %s", got, want)
	}
	time.Sleep(want - time.Microsecond)
	_, err = l.Begin(t.Context(), c)
	if got := limited(t, err); got == nil || got.Wait != time.Microsecond {
		t.Fatalf("just before the end: %v", got)
	}
	time.Sleep(time.Microsecond)
}

// A hundred guesses take an hour and a half, and then the factor stops working.
func TestAccountIsCappedAtAHundredFailures(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, _ *store.Store, l *throttle.Limiter) {
		began, account := idp.Now(), l.Account(idp.Agents, maya)
		for i := 1; i <= throttle.Cap; i++ {
			a, err := l.Begin(t.Context(), account)
			if refused := limited(t, err); refused != nil {
				time.Sleep(refused.Wait)
				a, err = l.Begin(t.Context(), account)
				idptest.Must(t, err)
			}
			if a.Last() != (i == 100) {
				t.Fatalf("attempt %d is the last: %t", i, a.Last())
			}
		}
		if took := idp.Now().Sub(began); took < 85*time.Minute || took > 95*time.Minute {
			t.Errorf("a hundred guesses took %s", took)
		}
		for range 2 { // time does not help
			_, err := l.Begin(t.Context(), account)
			if refused := limited(t, err); refused == nil || !refused.Capped || refused.Wait != 0 || refused.Kind != throttle.PasswordOfAccount {
				t.Errorf("after a hundred failures: %v", refused)
			}
			time.Sleep(200 * 24 * time.Hour)
		}
	})
}

// A limit that says "try again later" has a later, however often it was met: after
// the wait that it says, an attempt is admitted. Only what has a reset ends at a cap.
func TestEveryLimitHasALater(t *testing.T) {
	t.Parallel()
	resettable := []throttle.Kind{
		throttle.PasswordOfAccount, throttle.PasswordOfBrowser, throttle.Authenticator, throttle.Recovery, throttle.EmailCode,
	}
	for _, kind := range throttle.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, _ *store.Store, l *throttle.Limiter) {
				for i := range 2 * throttle.Cap {
					_, err := l.Begin(t.Context(), l.Of(kind))
					refused := limited(t, err)
					if refused == nil {
						continue
					}
					if refused.Capped {
						if !slices.Contains(resettable, kind) || i < throttle.Cap/2 {
							t.Fatalf("attempt %d: %v", i, err)
						}
						return
					}
					time.Sleep(refused.Wait)
					if _, err = l.Begin(t.Context(), l.Of(kind)); err != nil {
						t.Fatalf("attempt %d after the wait of %s: %v", i, refused.Wait, err)
					}
				}
			})
		})
	}
}

// The wait that is said is the longest of all that hold an attempt back.
func TestWaitIsThatOfAllCounters(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, _ *store.Store, l *throttle.Limiter) {
		account, address := l.Account(idp.Agents, maya), l.Address("192.0.2.1")
		for range 5 {
			_, err := l.Begin(t.Context(), account)
			idptest.Must(t, err)
		}
		for range 22 {
			_, err := l.Begin(t.Context(), address)
			if refused := limited(t, err); refused != nil {
				time.Sleep(refused.Wait)
				_, err = l.Begin(t.Context(), address)
			}
			idptest.Must(t, err)
		}
		_, err := l.Begin(t.Context(), account)
		idptest.Must(t, err)
		for range 2 { // the account waits for less than the address
			_, err := l.Begin(t.Context(), account, address)
			refused := limited(t, err)
			if refused == nil || refused.Kind != throttle.OfAddress || refused.Wait != 4*time.Second {
				t.Fatalf("refused with %v", err)
			}
		}
		time.Sleep(4 * time.Second)
		if _, err := l.Begin(t.Context(), account, address); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
}

// An attempt for which there was no room is none.
func TestAttemptThatWasNotMadeIsNotCounted(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		l := limiter(db.Store)
		account, address := l.Account(idp.Agents, maya), l.Address("192.0.2.1")
		fail(t, db, 4, account, address)
		for range 10 {
			a, err := l.Begin(t.Context(), account, address)
			idptest.Must(t, err)
			idptest.Must(t, a.NotMade(t.Context()))
		}
		for _, c := range []throttle.Counter{account, address} {
			if a := fail(t, db, 1, c); a.Failures() != 5 {
				t.Errorf("the next failure is the %dth", a.Failures())
			}
		}
	})
}

func TestAddressIsNeverCapped(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, _ *store.Store, l *throttle.Limiter) {
		for range 3 * throttle.Cap {
			_, err := l.Begin(t.Context(), l.Address("192.0.2.1"))
			idptest.Must(t, err)
			time.Sleep(10 * time.Second)
		}
	})
}

func TestHundredthAttemptMayBeRight(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		account := limiter(db.Store).Account(idp.Agents, maya)
		last := fail(t, db, throttle.Cap, account)
		if !last.Last() {
			t.Fatal("it is not the last")
		}
		idptest.Must(t, last.Succeeded(t.Context()))
		if a := fail(t, db, 1, account); a.Failures() != 1 {
			t.Errorf("after a success the next failure is the %dth", a.Failures())
		}
	})
}

func TestSuccessClearsTheAccountAndForgivesTheAddress(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		l := limiter(db.Store)
		account, address := l.Account(idp.Agents, maya), l.Address("192.0.2.1")
		fail(t, db, 6, account, address)
		db.Age(t, "throttles", time.Hour, "next_at")
		right, err := l.Begin(t.Context(), account, address)
		idptest.Must(t, err)
		idptest.Must(t, right.Succeeded(t.Context()))
		if a := fail(t, db, 1, account); a.Failures() != 1 {
			t.Errorf("the account has %d failures", a.Failures())
		}
		if a := fail(t, db, 1, address); a.Failures() != 7 {
			t.Errorf("the address has %d failures, want the six before and this", a.Failures())
		}
	})
}

func TestAddressIsForgottenAfterAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		l := limiter(db.Store)
		address, account := l.Address("192.0.2.1"), l.Account(idp.Agents, maya)
		fail(t, db, 25, address, account)
		db.Age(t, "throttles", 14*time.Minute)
		if a := fail(t, db, 1, address); a.Failures() != 26 {
			t.Errorf("after 14 minutes it is failure %d", a.Failures())
		}
		db.Age(t, "throttles", 15*time.Minute+time.Second)
		if a := fail(t, db, 1, address); a.Failures() != 1 {
			t.Errorf("after a quiet quarter of an hour it is failure %d", a.Failures())
		}
		if a := fail(t, db, 1, account); a.Failures() != 26 {
			t.Errorf("the account forgets as well: failure %d", a.Failures())
		}
	})
}

func TestStrangersDoNotUseUpAKnownBrowser(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		l := limiter(db.Store)
		fail(t, db, throttle.Cap, l.Account(idp.Agents, maya))
		if a := fail(t, db, 1, l.Browser(idp.Agents, maya, []byte("hers"))); a.Failures() != 1 {
			t.Errorf("her browser has %d failures", a.Failures())
		}
		fail(t, db, 10, l.Browser(idp.Agents, maya, []byte("hers")))
		for name, c := range map[string]throttle.Counter{
			"another browser":    l.Browser(idp.Agents, maya, []byte("another")),
			"another person":     l.Account(idp.Agents, "robin@rtx.example"),
			"another population": l.Account(idp.Contacts, maya),
			"her authenticator":  l.Factor(throttle.Authenticator, maya),
		} {
			if a := fail(t, db, 1, c); a.Failures() != 1 {
				t.Errorf("%s has %d failures", name, a.Failures())
			}
		}
	})
}

func TestOneRefusalCountsNothing(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		l := limiter(db.Store)
		account, address := l.Account(idp.Agents, maya), l.Address("192.0.2.1")
		fail(t, db, 5, account)
		_, err := l.Begin(t.Context(), address, account)
		if refused := limited(t, err); refused == nil || refused.Kind != throttle.PasswordOfAccount {
			t.Fatalf("refused: %v", refused)
		}
		if a := fail(t, db, 1, address); a.Failures() != 1 {
			t.Errorf("the address paid for the account's refusal: %d", a.Failures())
		}
	})
}

func TestUnknownAccountBehavesLikeAKnownOne(t *testing.T) {
	t.Parallel()
	inFakeTime(t, func(t *testing.T, s *store.Store, l *throttle.Limiter) {
		known := (&idptest.Database{Store: s}).World(t).User.Email
		for i := range 12 {
			var said [2]string
			for j, email := range []string{known, "nobody@rtx.example"} {
				_, err := l.Begin(t.Context(), l.Account(idp.Agents, email))
				said[j] = fmt.Sprint(err)
			}
			if said[0] != said[1] {
				t.Errorf("attempt %d: %s and %s", i, said[0], said[1])
			}
			time.Sleep(time.Duration(i) * time.Second)
		}
	})
}

func TestSpellingsOfOneAddressShareABudget(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		a, b func(l *throttle.Limiter) throttle.Counter
		same bool
	}{
		{"IPv4", address("192.0.2.1"), address("192.0.2.1"), true},
		{"IPv4 inside IPv6", address("192.0.2.1"), address("::ffff:192.0.2.1"), true},
		{"neighbours in IPv4", address("192.0.2.1"), address("192.0.2.2"), false},
		{"one /64", address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff:ffff:ffff:ffff"), true},
		{"two /64", address("2001:db8:1:2::1"), address("2001:db8:1:3::1"), false},
		{"spellings of IPv6", address("2001:DB8::"), address("2001:0db8:0:0::1"), true},
		{"a zone", address("fe80::1%eth0"), address("fe80::1%eth1"), true},
		{"no addresses", address("unknown"), address("pipe"), false},
		{"none and none", address(""), address(""), true},
		{"an email and its spelling", account(maya), account(" MAYA@rtx.EXAMPLE"), true},
		{"two emails", account(maya), account("maya@rtx.example.org"), false},
	}
	inFakeTime(t, func(t *testing.T, _ *store.Store, l *throttle.Limiter) {
		for _, c := range cases {
			if same := sharesBudget(t, l, c.a(l), c.b(l)); same != c.same {
				t.Errorf("%s: one budget: %t, want %t", c.name, same, c.same)
			}
		}
	})
}

func address(s string) func(*throttle.Limiter) throttle.Counter {
	return func(l *throttle.Limiter) throttle.Counter { return l.Address(s) }
}

func account(email string) func(*throttle.Limiter) throttle.Counter {
	return func(l *throttle.Limiter) throttle.Counter { return l.Account(idp.Agents, email) }
}

// sharesBudget counts an attempt on both and takes them back.
func sharesBudget(t *testing.T, l *throttle.Limiter, a, b throttle.Counter) bool {
	t.Helper()
	first, err := l.Begin(t.Context(), a)
	idptest.Must(t, err)
	second, err := l.Begin(t.Context(), b)
	idptest.Must(t, err)
	idptest.Must(t, first.Succeeded(t.Context()))
	idptest.Must(t, second.Succeeded(t.Context()))
	return second.Failures() == 2
}

// ("ab", "c") and ("a", "bc") are two accounts, however the parts are cut.
func TestDifferentPartsAreDifferentBudgets(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), idptest.SQLite(t))
	idptest.Must(t, err)
	defer func() { _ = s.Close() }()
	idptest.Must(t, s.Migrate(t.Context()))
	l := limiter(s)
	if sharesBudget(t, l, l.Account("ab", "c"), l.Account("a", "bc")) {
		t.Error(`("ab", "c") and ("a", "bc") share a budget`)
	}
	part := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00\x01")), 0, 3, -1)
	rapid.Check(t, func(rt *rapid.T) {
		p, e, b := part.Draw(rt, "population"), part.Draw(rt, "email"), part.Draw(rt, "browser")
		q, f, c := part.Draw(rt, "population"), part.Draw(rt, "email"), part.Draw(rt, "browser")
		same := p == q && bytes.Equal(idp.EmailKey(e), idp.EmailKey(f))
		if sharesBudget(t, l, l.Account(p, e), l.Account(q, f)) != same {
			rt.Fatalf("accounts (%q, %q) and (%q, %q)", p, e, q, f)
		}
		same = same && b == c
		if sharesBudget(t, l, l.Browser(p, e, []byte(b)), l.Browser(q, f, []byte(c))) != same {
			rt.Fatalf("browsers (%q, %q, %q) and (%q, %q, %q)", p, e, b, q, f, c)
		}
	})
}

func TestTableTellsNobodyWhoTried(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		l := limiter(db.Store)
		_, err := l.Begin(t.Context(), l.Account(idp.Agents, maya), l.Address("192.0.2.1"))
		idptest.Must(t, err)
		other := throttle.New(db.Store, []byte("another key"))
		a, err := other.Begin(t.Context(), other.Account(idp.Agents, maya))
		if err != nil || a.Failures() != 1 {
			t.Errorf("under another key it is failure %d (%v)", a.Failures(), err)
		}
		rows, err := db.SQL().QueryContext(t.Context(), "SELECT key FROM throttles")
		idptest.Must(t, err)
		defer func() { _ = rows.Close() }()
		n := 0
		for ; rows.Next(); n++ {
			var key []byte
			idptest.Must(t, rows.Scan(&key))
			for _, known := range [][]byte{[]byte("maya"), []byte("192"), {192, 0, 2, 1}, []byte("agents"), idp.HashSecret(maya)} {
				if bytes.Contains(key, known) || len(key) != 32 {
					t.Errorf("the key %q tells something", key)
				}
			}
		}
		if err := rows.Err(); err != nil || n != 3 {
			t.Errorf("%d rows (%v)", n, err)
		}
	})
}

func TestRefusalSaysWhatAndHowLong(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]throttle.LimitedError{
		"too many failures: totp waits 4s":                     {Wait: 4 * time.Second, Kind: throttle.Authenticator},
		"too many failures: password is blocked until a reset": {Capped: true, Kind: throttle.PasswordOfAccount},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}

func TestDatabaseThatFailsAllowsNothing(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := limiter(db.Store)
		var refused *throttle.LimitedError
		if a, err := l.Begin(ctx, l.Account(idp.Agents, maya)); a != nil || err == nil || errors.As(err, &refused) {
			t.Errorf("%v, %v", a, err)
		}
	})
}
