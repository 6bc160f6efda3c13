// Package password hashes and judges passwords: argon2id, hashes imported from
// other systems, and the rules that a password must meet. It owns the encodings; the
// commonest passwords are those of package blocklist. It stores nothing and does not
// limit guessing.
package password
