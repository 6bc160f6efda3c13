// Package self owns what people do to their own account: profile, address, password,
// factors, sessions, connected accounts and the copy of their data. It asks no permission,
// but a fresh proof of who they are.
package self
