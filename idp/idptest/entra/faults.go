package entra

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/idp"
)

// Fault is one way in which the simulation can misbehave.
type Fault string

// The faults. Those of ID tokens change a token that is otherwise right.
const (
	WrongNonce      Fault = "id-token-wrong-nonce"
	NoNonce         Fault = "id-token-no-nonce"
	WrongAudience   Fault = "id-token-wrong-audience"
	WrongIssuer     Fault = "id-token-wrong-issuer"
	WrongTenant     Fault = "id-token-wrong-tenant"
	BadSignature    Fault = "id-token-bad-signature"
	AlgNone         Fault = "id-token-alg-none"
	AlgHS256        Fault = "id-token-alg-hs256"
	UnknownKey      Fault = "id-token-unknown-key"
	Expired         Fault = "id-token-expired"
	FromTheFuture   Fault = "id-token-from-the-future"
	NoObjectID      Fault = "id-token-no-oid"
	NoIDToken       Fault = "id-token-missing"
	CodeExpired     Fault = "code-expired"
	TokenSlow       Fault = "token-slow"
	TokenHang       Fault = "token-hangs"
	TokenHTML       Fault = "token-html"
	TokenHuge       Fault = "token-10-megabytes"
	TokenFails      Fault = "token-500"
	KeysDown        Fault = "keys-down"
	KeysHang        Fault = "keys-hang"
	KeysHuge        Fault = "keys-10-megabytes"
	DiscoveryDown   Fault = "discovery-down"
	DiscoveryHang   Fault = "discovery-hangs"
	DiscoveryHTML   Fault = "discovery-html"
	DiscoveryHuge   Fault = "discovery-10-megabytes"
	DiscoveryIssuer Fault = "discovery-other-issuer"
	UserinfoDown    Fault = "userinfo-down"
)

// faultTexts say what each does, in the order of the console.
var faultTexts = []struct {
	Fault Fault
	Text  string
}{
	{WrongNonce, "ID token with another nonce"},
	{NoNonce, "ID token without a nonce"},
	{WrongAudience, "ID token for another app"},
	{WrongIssuer, "ID token of another issuer"},
	{WrongTenant, "ID token whose tid is not the issuer’s"},
	{BadSignature, "ID token with a broken signature"},
	{AlgNone, "ID token without a signature (alg none)"},
	{AlgHS256, "ID token signed with the public key as a secret (HS256)"},
	{UnknownKey, "ID token signed with a key that is not published"},
	{Expired, "ID token that expired an hour ago"},
	{FromTheFuture, "ID token that begins in an hour"},
	{NoObjectID, "ID token without oid"},
	{NoIDToken, "Token response without an ID token"},
	{CodeExpired, "The code has expired when it is redeemed"},
	{TokenSlow, "Token endpoint answers after three seconds"},
	{TokenHang, "Token endpoint never answers"},
	{TokenHTML, "Token endpoint answers a web page"},
	{TokenHuge, "Token endpoint answers ten megabytes"},
	{TokenFails, "Token endpoint answers 500"},
	{KeysDown, "Keys document is down (503)"},
	{KeysHang, "Keys document never comes"},
	{KeysHuge, "Keys document has ten megabytes"},
	{DiscoveryDown, "Discovery document is down (503)"},
	{DiscoveryHang, "Discovery document never comes"},
	{DiscoveryHTML, "Discovery document is a web page"},
	{DiscoveryHuge, "Discovery document has ten megabytes"},
	{DiscoveryIssuer, "Discovery document names another issuer"},
	{UserinfoDown, "Userinfo endpoint is down (503)"},
}

const (
	forever     = -1
	logoutType  = "logout+jwt"
	defaultSlow = 3 * time.Second
	hugeBytes   = 10 << 20
)

// faults are those that are on, and how long.
type faults struct {
	mu       sync.Mutex
	left     map[Fault]int // times left, or forever
	slow     time.Duration
	skew     time.Duration
	mutate   func(claims map[string]any)
	keys     func(keys []any) []any
	refusals []*failure
	typ      string
}

func newFaults() *faults {
	return &faults{left: map[Fault]int{}, slow: defaultSlow, typ: logoutType}
}

// take reports whether a fault strikes now, and counts it.
func (f *faults) take(x Fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch n := f.left[x]; n {
	case 0:
		return false
	case forever:
		return true
	case 1:
		delete(f.left, x)
	default:
		f.left[x] = n - 1
	}
	return true
}

// Break turns faults on until Mend.
func (t *Tenant) Break(list ...Fault) { t.faults.set(forever, list) }

// BreakOnce turns each of the faults on for the next time it can strike.
func (t *Tenant) BreakOnce(list ...Fault) { t.faults.set(1, list) }

// Mend turns faults off; all of them, with the skew, Mutate and waiting refusals,
// when none is named.
func (t *Tenant) Mend(list ...Fault) {
	if len(list) > 0 {
		t.faults.set(0, list)
		return
	}
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	clear(t.faults.left)
	t.faults.slow, t.faults.skew, t.faults.mutate, t.faults.keys, t.faults.refusals = defaultSlow, 0, nil, nil, nil
	t.faults.typ = logoutType
}

func (f *faults) set(times int, list []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range list {
		f.left[x] = times
	}
}

// SetSlow is how long TokenSlow takes.
func (t *Tenant) SetSlow(d time.Duration) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.slow = d
}

// SetSkew moves the clock of ID tokens: forward when positive.
func (t *Tenant) SetSkew(d time.Duration) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.skew = d
}

// Mutate changes the claims of each ID token before it is signed; nil ends it.
func (t *Tenant) Mutate(change func(claims map[string]any)) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.mutate = change
}

// SetLogoutType is the typ of logout tokens; empty for none, until Mend.
func (t *Tenant) SetLogoutType(typ string) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.typ = typ
}

func (f *faults) logoutType() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.typ
}

// MutateKeys changes the keys of each keys document before it is sent; nil ends it.
func (t *Tenant) MutateKeys(change func(keys []any) []any) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.keys = change
}

// bendKeys changes keys as MutateKeys says.
func (t *Tenant) bendKeys(keys []any) []any {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	if t.faults.keys == nil {
		return keys
	}
	return t.faults.keys(keys)
}

// RefuseNext makes the next authorization request come back to the app at once as
// an OAuth error with an AADSTS number (0: without one) and a text.
func (t *Tenant) RefuseNext(code int, oauth, text string) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.refusals = append(t.faults.refusals, refuse(code, oauth, text))
}

// refusal is the next of those that wait.
func (f *faults) refusal() *failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.refusals) == 0 {
		return nil
	}
	next := f.refusals[0]
	f.refusals = f.refusals[1:]
	return next
}

// spoil answers in place of an endpoint if one of its faults strikes.
func (t *Tenant) spoil(w http.ResponseWriter, r *http.Request, list ...Fault) bool {
	i := slices.IndexFunc(list, t.faults.take)
	if i < 0 {
		return false
	}
	switch list[i] {
	case TokenSlow:
		return !t.pause(r)
	case TokenHang, KeysHang, DiscoveryHang:
		<-r.Context().Done()
	case TokenHTML, DiscoveryHTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Service</title><h1>Our services aren’t available right now</h1>")
	case TokenHuge, KeysHuge, DiscoveryHuge:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"padding":"`+strings.Repeat("a", hugeBytes)+`"}`)
	case TokenFails:
		t.fail(w, serverError(nil))
	default:
		http.Error(w, "The service is unavailable.", http.StatusServiceUnavailable)
	}
	return true
}

// pause waits as long as TokenSlow takes, and reports whether the caller is still there.
func (t *Tenant) pause(r *http.Request) bool {
	t.faults.mu.Lock()
	wait := time.NewTimer(t.faults.slow)
	t.faults.mu.Unlock()
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// skewed is the time as ID tokens tell it.
func (f *faults) skewed() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return idp.Now().Add(f.skew)
}

// bend changes the claims of an ID token as the faults and Mutate say.
func (t *Tenant) bend(claims map[string]any) {
	for x, change := range map[Fault]func(){
		WrongNonce:    func() { claims["nonce"] = "another-" + newGUID() },
		NoNonce:       func() { delete(claims, "nonce") },
		WrongAudience: func() { claims["aud"] = newGUID() },
		WrongIssuer:   func() { claims["iss"] = t.Issuer(newGUID()) },
		WrongTenant:   func() { claims["tid"] = newGUID() },
		NoObjectID:    func() { delete(claims, "oid") },
		Expired:       func() { shift(claims, -2*time.Hour) },
		FromTheFuture: func() { shift(claims, time.Hour+backdated) },
	} {
		if t.faults.take(x) {
			change()
		}
	}
	t.faults.mu.Lock()
	mutate := t.faults.mutate
	t.faults.mu.Unlock()
	if mutate != nil {
		mutate(claims)
	}
}

// shift moves the times of a token.
func shift(claims map[string]any, by time.Duration) {
	for _, name := range []string{"iat", "nbf", "exp"} {
		if at, ok := claims[name].(int64); ok {
			claims[name] = at + int64(by/time.Second)
		}
	}
}
