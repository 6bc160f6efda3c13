// Package system owns the operations on the installation: signing keys, the audit log,
// sign-out notices and the test mail.
package system
