// Package keys owns the keys that sign tokens: how they are made, published,
// rotated and found again, and the secrets that the program makes for itself.
// Encryption at rest is keyring's.
package keys
