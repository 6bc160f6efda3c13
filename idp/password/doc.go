// Package password hashes and checks passwords: argon2id, hashes imported from
// other systems, and the rules a new password must meet. It owns the encodings
// and the list of common passwords; it stores nothing and does not limit
// guessing.
package password
