// Package keyset knows the public keys that others publish (RFC 7517): another provider,
// or an app that authenticates by its own. It reads them, says which can be used, fetches
// them again within bounds, and checks signatures. Whose keys they are, and what a token
// says, is its callers' to know.
package keyset
