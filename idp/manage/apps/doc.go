// Package apps owns the operations on clients, which admins call apps, and what may be
// saved of them. It issues no token.
package apps
