// Package login owns the sign-in: its state machine, its pages and the moment in
// which a session comes about. It does not know the protocol that asked for the
// sign-in: it meets provider in stored requests and flows, and in the two calls
// of Requests.
//
// A flow row holds what happened so far (proofs, notes); Next alone says what
// comes next; every POST adds a fact and advances the row's version, so that of
// two tabs one moves it. No GET writes.
//
// It also serves the pages behind links in mails: an invitation, a confirmed address, a
// new password. Their rules are in package links.
package login
