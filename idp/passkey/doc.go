// Package passkey owns the ceremonies of passkeys (WebAuthn Level 3): what a browser is asked
// for, and whether its answer is right. It is pure: whose passkey it is, that it is known and
// that an answer counts once are its callers' to see to.
package passkey
