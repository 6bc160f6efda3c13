// Package mfa holds the rules of second factors: pure, no I/O. It owns the table of
// methods,
// authenticator codes, recovery codes, the arithmetic from proofs to amr, acr
// and auth_time, and the policy that decides which factor is asked for. It
// stores nothing, reads no clock and does not limit guessing: callers pass in
// the time and make single use atomic.
package mfa
