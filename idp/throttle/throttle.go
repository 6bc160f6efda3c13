package throttle

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// Cap is how many consecutive failures a factor bears before it stops working
// (NIST SP 800-63B-4 section 3.2.2: at most 100).
const Cap = 100

// MailWindow is how long a person who was sent a mail that anybody may ask for is sent
// no other.
const MailWindow = 10 * time.Minute

// addressMemory is how long a quiet address is remembered: the next person
// behind it may be somebody else.
const addressMemory = 15 * time.Minute

// Kind names what a counter counts.
type Kind string

// The kinds of counters.
const (
	PasswordOfAccount Kind = "password"         // any browser
	PasswordOfBrowser Kind = "password-browser" // a browser the account knows
	OfAddress         Kind = "address"
	Authenticator     Kind = "totp"
	Recovery          Kind = "recovery"
	EmailCode         Kind = "email"
	ConfirmCode       Kind = "confirm"      // codes tried for an address that is to be confirmed
	ConfirmMail       Kind = "confirm-mail" // codes sent there
	MailOfAccount     Kind = "mail"         // mails that anybody may ask for
	MailOfAddress     Kind = "mail-address" // and who asks for them
)

// Counter is one budget of attempts.
type Counter struct {
	kind Kind
	key  []byte
}

// Limiter counts attempts.
type Limiter struct {
	store *store.Store
	key   []byte
}

// New makes a limiter whose keys are HMACs under key, so that the table tells
// nobody who tried to sign in.
func New(s *store.Store, key []byte) *Limiter { return &Limiter{store: s, key: key} }

func (l *Limiter) counter(kind Kind, parts ...[]byte) Counter {
	mac := hmac.New(sha256.New, l.key)
	mac.Write([]byte(kind))
	for _, p := range parts {
		// The length keeps ("ab","c") and ("a","bc") apart.
		mac.Write([]byte{0, byte(len(p) >> 8), byte(len(p))})
		mac.Write(p)
	}
	return Counter{kind: kind, key: mac.Sum(nil)}
}

// Account is the budget of an account from browsers it does not know.
func (l *Limiter) Account(population, email string) Counter {
	return l.counter(PasswordOfAccount, []byte(population), idp.EmailKey(email))
}

// Browser is the budget of an account from one browser that it knows: strangers
// do not use it up.
func (l *Limiter) Browser(population, email string, browserHash []byte) Counter {
	return l.counter(PasswordOfBrowser, []byte(population), idp.EmailKey(email), browserHash)
}

// Address is the budget of a network address; IPv6 counts by /64, which is what
// one customer gets.
func (l *Limiter) Address(address string) Counter { return l.counter(OfAddress, network(address)) }

// Mail is the window of mails to an account of one purpose: known or not, it takes one
// in MailWindow, and is never used up.
func (l *Limiter) Mail(purpose, population, email string) Counter {
	return l.counter(MailOfAccount, []byte(purpose), []byte(population), idp.EmailKey(email))
}

// MailFrom is the budget of mails that a network address may ask for, apart from its
// guesses at passwords.
func (l *Limiter) MailFrom(address string) Counter {
	return l.counter(MailOfAddress, network(address))
}

// network is what an address counts as.
func network(address string) []byte {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return []byte(address)
	}
	ip = ip.Unmap()
	if ip.Is6() {
		if prefix, err := ip.Prefix(64); err == nil {
			ip = prefix.Addr()
		}
	}
	return ip.AsSlice()
}

// Confirmation is the budget of an address that somebody who came through another
// provider says is theirs: of tries (ConfirmCode), or of mails (ConfirmMail).
func (l *Limiter) Confirmation(kind Kind, population, email string) Counter {
	return l.counter(kind, []byte(population), idp.EmailKey(email))
}

// shared kinds are of many people at once.
func (k Kind) shared() bool { return k == OfAddress || k == MailOfAddress }

// NewPassword is the budget of a person's tries at a new password: each may take as
// many hashes as there are passwords that they must not have again. It slows down and
// never blocks, like an address.
func (l *Limiter) NewPassword(userID string) Counter {
	return l.counter(OfAddress, []byte("new password"), []byte(userID))
}

// Factor is the budget of a second factor of a user.
func (l *Limiter) Factor(kind Kind, id string) Counter { return l.counter(kind, []byte(id)) }

// FactorInBrowser is the budget of a second factor from one browser that the
// account knows.
func (l *Limiter) FactorInBrowser(kind Kind, id string, browserHash []byte) Counter {
	return l.counter(kind, []byte(id), browserHash)
}

// ClearAccount forgets what was counted against the address of an account, and the failures of an account from browsers that it does not
// know; those of each browser it knows are counted apart, and stay.
func (l *Limiter) ClearAccount(ctx context.Context, population, email string) error {
	return l.store.ClearThrottles(ctx, [][]byte{
		l.Account(population, email).key,
		l.Confirmation(ConfirmCode, population, email).key, l.Confirmation(ConfirmMail, population, email).key,
	})
}

// ClearFactor forgets the failures of a second factor, or of a set of recovery
// codes, of a user: from strangers' browsers and from those that the account knows.
func (l *Limiter) ClearFactor(ctx context.Context, userID string, method idp.Method, id string) error {
	browsers, err := l.store.KnownBrowsers(ctx, userID)
	if err != nil {
		return err
	}
	keys := [][]byte{l.Factor(Kind(method), id).key}
	for _, hash := range browsers {
		keys = append(keys, l.FactorInBrowser(Kind(method), id, hash).key)
	}
	return l.store.ClearThrottles(ctx, keys)
}

// Capped tells whether a counter's budget is used up. It counts nothing.
func (l *Limiter) Capped(ctx context.Context, c Counter) (bool, error) {
	rows, err := l.store.Throttles(ctx, [][]byte{c.key})
	return len(rows) > 0 && rows[0].Failures >= Cap, err
}

// LimitedError says that an attempt was not made, and why.
type LimitedError struct {
	// Wait is how long until the next attempt is allowed; zero with Capped.
	Wait time.Duration
	// Capped: the budget is used up until a reset.
	Capped bool
	// Kind is the counter that said so.
	Kind Kind
}

// Error implements error.
func (e *LimitedError) Error() string {
	if e.Capped {
		return "too many failures: " + string(e.Kind) + " is blocked until a reset"
	}
	return "too many failures: " + string(e.Kind) + " waits " + e.Wait.String()
}

// Attempt is one that was counted and is now being made.
type Attempt struct {
	limiter *Limiter
	// Failures counts it and those before it.
	counters []store.Throttle
}

// Begin counts an attempt against all counters. It returns a *LimitedError, and
// counts nothing, when one of them does not allow an attempt now.
func (l *Limiter) Begin(ctx context.Context, counters ...Counter) (*Attempt, error) {
	// Another attempt may come in between read and write. After a few rounds the
	// account is clearly under fire, and waiting is the right answer anyway.
	for range 3 {
		next, err := l.next(ctx, idp.Now(), counters)
		if err != nil {
			return nil, err
		}
		err = l.store.CountAttempt(ctx, next)
		if err == nil {
			return &Attempt{limiter: l, counters: next}, nil
		}
		if !errors.Is(err, idp.ErrConflict) {
			return nil, err
		}
	}
	return nil, &LimitedError{Wait: time.Second, Kind: counters[0].kind}
}

// next computes the counters as they stand once this attempt is counted.
func (l *Limiter) next(ctx context.Context, now time.Time, counters []Counter) ([]store.Throttle, error) {
	keys := make([][]byte, len(counters))
	for i, c := range counters {
		keys[i] = c.key
	}
	rows, err := l.store.Throttles(ctx, keys)
	if err != nil {
		return nil, err
	}
	next := make([]store.Throttle, len(counters))
	for i, c := range counters {
		row := store.Throttle{Key: c.key, Kind: string(c.kind), Shared: c.kind.shared()}
		if j := slices.IndexFunc(rows, func(t store.Throttle) bool { return string(t.Key) == string(c.key) }); j >= 0 {
			row = rows[j]
			row.Shared = c.kind.shared()
		}
		if limited := refuse(c.kind, row, now); limited != nil {
			return nil, limited
		}
		if c.kind.shared() && now.Sub(row.LastAt) > addressMemory {
			row.Failures = 0
		}
		row.Failures++
		row.LastAt, row.NextAt = now, now.Add(delay(c.kind, row.Failures))
		next[i] = row
	}
	return next, nil
}

func refuse(kind Kind, row store.Throttle, now time.Time) error {
	if !kind.shared() && kind != MailOfAccount && row.Failures >= Cap {
		return &LimitedError{Capped: true, Kind: kind}
	}
	if wait := row.NextAt.Sub(now); wait > 0 {
		return &LimitedError{Wait: wait, Kind: kind}
	}
	return nil
}

// delay is how long to wait after so many failures in a row. An account gets
// five tries for free, since people mistype; an address twenty, since offices
// share one. Then the wait doubles up to a minute for an account, so that a
// hundred guesses take an hour and a half, and up to ten seconds for an address,
// so that a wrong guess of ours about who shares it stays bearable.
func delay(kind Kind, failures int) time.Duration {
	if kind == MailOfAccount {
		return MailWindow
	}
	free, longest := 5, time.Minute
	if kind.shared() {
		free, longest = 20, 10*time.Second
	}
	if failures < free {
		return 0
	}
	return min(longest, time.Second<<min(failures-free, 16))
}

// Failures is how many attempts in a row have failed if this one does.
func (a *Attempt) Failures() int { return a.counters[0].Failures }

// Last tells whether this attempt used up a budget that nobody shares.
func (a *Attempt) Last() bool {
	return slices.ContainsFunc(a.counters, func(t store.Throttle) bool { return !t.Shared && t.Failures >= Cap })
}

// Succeeded clears the counters, and takes back one count of an address, which
// others share.
func (a *Attempt) Succeeded(ctx context.Context) error {
	var own, shared [][]byte
	for _, c := range a.counters {
		if Kind(c.Kind).shared() {
			shared = append(shared, c.Key)
		} else {
			own = append(own, c.Key)
		}
	}
	if len(own) > 0 {
		if err := a.limiter.store.ClearThrottles(ctx, own); err != nil {
			return err
		}
	}
	if len(shared) == 0 {
		return nil
	}
	return a.limiter.store.ForgiveAttempt(ctx, shared)
}
