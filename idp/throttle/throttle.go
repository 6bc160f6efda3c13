package throttle

import (
	"bytes"
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

// addressMemory is how long a quiet address is remembered: the next person behind it may
// be another.
const addressMemory = 15 * time.Minute

// confirmMemory is how long the codes for an address are counted together.
const confirmMemory = 24 * time.Hour

// codeInterval is how long codes to an address are apart at first.
const codeInterval = 30 * time.Second

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
	Passkey           Kind = "passkey"      // answers of a browser that the account knows
	ConfirmCode       Kind = "confirm"      // codes tried for an address that is to be confirmed
	ConfirmMail       Kind = "confirm-mail" // codes sent there
	DeviceCode        Kind = "device"       // codes of devices tried from an address
	Registrations     Kind = "registration" // requests of apps that register themselves
	MailOfAccount     Kind = "mail"         // mails that anybody may ask for
	MailOfAddress     Kind = "mail-address" // and who asks for them
	MailTo            Kind = "mail-to"      // mails that people here cause to an address
	MailBy            Kind = "mail-by"      // and who of them does
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
	// Observe hears of every decision, for metrics. Optional.
	Observe func(Kind, Decision)
}

// Decision is what a counter said of an attempt.
type Decision string

// The decisions.
const (
	Admitted Decision = "admitted"
	Delayed  Decision = "delayed" // not now
	Blocked  Decision = "blocked" // not before a reset
)

func (l *Limiter) decided(d Decision, counters ...Counter) {
	if l.Observe == nil {
		return
	}
	for _, c := range counters {
		l.Observe(c.kind, d)
	}
}

// New makes a limiter whose keys are HMACs under key, so that the table does not tell who
// tried to sign in.
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

// DeviceCodes is the budget of codes of devices that a network address tries.
func (l *Limiter) DeviceCodes(address string) Counter {
	return l.counter(DeviceCode, network(address))
}

// Registrations is the budget of a network address for apps that register themselves.
func (l *Limiter) Registrations(address string) Counter {
	return l.counter(Registrations, network(address))
}

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

// Confirmation is the budget of an address that a person from another provider says is
// theirs: of tries (ConfirmCode), or of mails (ConfirmMail).
func (l *Limiter) Confirmation(kind Kind, population, email string) Counter {
	return l.counter(kind, []byte(population), idp.EmailKey(email))
}

// rule is how a kind admits attempts.
type rule struct {
	// free is from which failure in a row on the next attempt waits: first after that
	// one, twice as long after each further one, and never longer than longest.
	free           int
	first, longest time.Duration
	// shared counters are of many people at once: a success takes back its own count.
	shared bool
	// memory is after how long without an attempt the count begins anew, zero for never.
	memory time.Duration
	// cap is how many failures block until a reset, zero for never: it is for what has a
	// reset, which a person's own password and second steps have.
	cap int
}

// own is the rule of what one person proves: five tries for free, since people
// mistype, then waits up to a minute, so that a hundred guesses take an hour and a
// half, and then none.
var own = rule{free: 5, first: time.Second, longest: time.Minute, cap: Cap}

// of is the rule of each kind. An address has twenty tries for free, since offices
// share one, and waits of at most ten seconds, so that a wrong guess of ours about who
// shares it stays bearable.
var of = map[Kind]rule{
	PasswordOfAccount: own,
	PasswordOfBrowser: own,
	Authenticator:     own,
	Recovery:          own,
	EmailCode:         own,
	// A signature cannot be guessed: waits keep a broken browser from having us check many, and
	// nothing stops the passkey.
	Passkey:    {free: 5, first: time.Second, longest: 10 * time.Second, memory: addressMemory},
	OfAddress:  {free: 20, first: time.Second, longest: 10 * time.Second, shared: true, memory: addressMemory},
	DeviceCode: {free: 20, first: time.Second, longest: 10 * time.Second, shared: true, memory: addressMemory},
	// Each counts, whatever comes of it: a registration is a write, and may have us ask others.
	Registrations: {free: 50, first: time.Second, longest: 10 * time.Second, shared: true, memory: addressMemory},
	MailOfAddress: {free: 20, first: time.Second, longest: 10 * time.Second, shared: true, memory: addressMemory},
	// What is counted against an address without an account cannot be reset. Waits as long
	// as mails of ours are apart leave 144 guesses a day.
	ConfirmCode: {free: 5, first: time.Second, longest: MailWindow, memory: confirmMemory},
	// One, and another after the half minute that codes are apart.
	ConfirmMail: {free: 1, first: codeInterval, longest: MailWindow, memory: confirmMemory},
	// An unproved address is mailed three times at once, and then more and more rarely. An
	// admin who invites many people does so at a slower pace after two hundred.
	MailTo:        {free: 3, first: time.Minute, longest: MailWindow, memory: confirmMemory},
	MailBy:        {free: 200, first: time.Second, longest: 10 * time.Second, shared: true, memory: addressMemory},
	MailOfAccount: {free: 1, first: MailWindow, longest: MailWindow},
}

// rule is that of a kind. What has none of its own is counted as strictly as what one
// person proves.
func (k Kind) rule() rule {
	if r, ok := of[k]; ok {
		return r
	}
	return own
}

func (k Kind) shared() bool { return k.rule().shared }

// waits are the waits after each failure from the first that is not free.
func (r rule) waits() []time.Duration {
	list := []time.Duration{r.first}
	for wait := r.first; wait < r.longest; {
		wait = min(2*wait, r.longest)
		list = append(list, wait)
	}
	return list
}

func (c Counter) budget() store.Budget {
	r := c.kind.rule()
	return store.Budget{Key: c.key, Kind: string(c.kind), Free: r.free, Waits: r.waits(), Cap: r.cap, Memory: r.memory}
}

// NewPassword is the budget of a person's tries at a new password: each may take as
// many hashes as there are passwords that they must not have again. It slows down and
// never blocks, like an address.
func (l *Limiter) NewPassword(userID string) Counter {
	return l.counter(OfAddress, []byte("new password"), []byte(userID))
}

// Factor is the budget of a method of a person, whatever factors of it they have: it
// does not begin anew with another authenticator or another set of codes.
func (l *Limiter) Factor(kind Kind, userID string) Counter { return l.counter(kind, []byte(userID)) }

// FactorInBrowser is the budget of a method of a person from one browser that the
// account knows.
func (l *Limiter) FactorInBrowser(kind Kind, userID string, browserHash []byte) Counter {
	return l.counter(kind, []byte(userID), browserHash)
}

// SetUp is the budget of one set-up of an authenticator: its codes are no guesses at
// what the person has.
func (l *Limiter) SetUp(flowID string) Counter {
	return l.counter(Authenticator, []byte("set-up"), []byte(flowID))
}

// ClearAccount forgets what was counted against the address of an account, and the failures of an account from browsers that it does not
// know; those of each browser it knows are counted apart, and stay.
func (l *Limiter) ClearAccount(ctx context.Context, population, email string) error {
	return l.store.ClearThrottles(ctx, [][]byte{
		l.Account(population, email).key,
		l.Confirmation(ConfirmCode, population, email).key, l.Confirmation(ConfirmMail, population, email).key,
	})
}

// ClearFactor forgets the failures of a method of a person: from strangers' browsers
// and from those that the account knows.
func (l *Limiter) ClearFactor(ctx context.Context, userID string, method idp.Method) error {
	browsers, err := l.store.KnownBrowsers(ctx, userID)
	if err != nil {
		return err
	}
	keys := [][]byte{l.Factor(Kind(method), userID).key}
	for _, hash := range browsers {
		keys = append(keys, l.FactorInBrowser(Kind(method), userID, hash).key)
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
	limiter  *Limiter
	counters []Counter
	// failures counts, for each counter, this attempt and those before it.
	failures []int
}

// Begin counts an attempt against all counters. It returns a *LimitedError, and
// counts nothing, when one of them does not allow an attempt now; in a transaction of
// the caller with several counters, that one is to be given up then.
func (l *Limiter) Begin(ctx context.Context, counters ...Counter) (*Attempt, error) {
	// All attempts take their counters in one order, those of many people last.
	ordered := slices.SortedFunc(slices.Values(counters), func(a, b Counter) int {
		switch {
		case a.kind.shared() == b.kind.shared():
			return bytes.Compare(a.key, b.key)
		case a.kind.shared():
			return 1
		}
		return -1
	})
	budgets := make([]store.Budget, len(ordered))
	for i, c := range ordered {
		budgets[i] = c.budget()
	}
	failures, err := l.store.CountAttempt(ctx, idp.Now(), budgets)
	if errors.Is(err, idp.ErrConflict) {
		return nil, l.limited(ctx, ordered)
	}
	if err != nil {
		return nil, err
	}
	l.store.AfterCommit(ctx, func() { l.decided(Admitted, ordered...) })
	return &Attempt{limiter: l, counters: ordered, failures: failures}, nil
}

// limited says why an attempt was not admitted: the longest of the waits, after which
// all counters admit one.
func (l *Limiter) limited(ctx context.Context, counters []Counter) error {
	keys := make([][]byte, len(counters))
	for i, c := range counters {
		keys[i] = c.key
	}
	rows, err := l.store.Throttles(ctx, keys)
	if err != nil {
		return err
	}
	wait, kind := longest(rows, idp.Now())
	for _, row := range rows {
		if most := Kind(row.Kind).rule().cap; most > 0 && row.Failures >= most {
			l.decided(Blocked, Counter{kind: Kind(row.Kind)})
			return &LimitedError{Capped: true, Kind: Kind(row.Kind)}
		}
	}
	if wait == 0 { // another's success has cleared it since
		wait, kind = time.Second, counters[0].kind
	}
	l.decided(Delayed, Counter{kind: kind})
	return &LimitedError{Wait: wait, Kind: kind}
}

// longest is the longest wait of counters, and whose it is.
func longest(rows []store.Throttle, now time.Time) (wait time.Duration, kind Kind) {
	for _, row := range rows {
		if left := row.NextAt.Sub(now); left > wait {
			wait, kind = left, Kind(row.Kind)
		}
	}
	return wait, kind
}

// Failures is how many attempts in a row have failed if this one does.
func (a *Attempt) Failures() int { return a.failures[0] }

// Last tells whether this attempt used up a budget.
func (a *Attempt) Last() bool {
	for i, c := range a.counters {
		if most := c.kind.rule().cap; most > 0 && a.failures[i] >= most {
			return true
		}
	}
	return false
}

// Succeeded clears the counters, and takes back one count of an address, which
// others share.
func (a *Attempt) Succeeded(ctx context.Context) error {
	var own, shared [][]byte
	for _, c := range a.counters {
		if c.kind.shared() {
			shared = append(shared, c.key)
		} else {
			own = append(own, c.key)
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

// NotMade takes back an attempt that was counted and then not made, since there was
// no room for its work: it was no guess.
func (a *Attempt) NotMade(ctx context.Context) error {
	keys := make([][]byte, len(a.counters))
	for i, c := range a.counters {
		keys[i] = c.key
	}
	return a.limiter.store.ForgiveAttempt(ctx, keys)
}
