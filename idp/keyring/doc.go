// Package keyring encrypts small secrets at rest (TOTP keys, recovery codes,
// signing keys, upstream secrets) with AES-256-GCM under master keys that can
// rotate. It owns the master keys and the sealed format; it knows neither the
// rows that hold sealed values nor when they are encrypted again.
package keyring
