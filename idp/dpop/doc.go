// Package dpop reads proofs that the sender of a request holds a private key (RFC 9449). It
// is pure: that a proof is used once, and with which nonce, is its callers' to see to.
package dpop
