package idp

import (
	"errors"
	"time"
)

// BusyWait is when to try again what was refused with ErrBusy.
const BusyWait = 5 * time.Second

// What the domain can say went wrong. Adapters map these to pages, to the
// protocol's errors and to status codes, each in one table of their own; they
// are told apart with errors.Is and never by text.
var (
	// ErrNotFound: there is no such row, or it is not this caller's to see.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the row was changed since it was read, or a unique value is taken.
	ErrConflict = errors.New("conflict")
	// ErrExpired: it existed and its time is over.
	ErrExpired = errors.New("expired")
	// ErrUsed: a thing that works once was used before.
	ErrUsed = errors.New("already used")
	// ErrDisabled: the account or factor exists and may not be used.
	ErrDisabled = errors.New("disabled")
	// ErrLastAdmin: no person would be left who holds the role Admin and can sign in.
	ErrLastAdmin = errors.New("the last admin")
	// ErrSystemRole: a system role cannot be changed.
	ErrSystemRole = errors.New("a system role cannot be changed")
	// ErrInUse: it cannot be removed while something refers to it.
	ErrInUse = errors.New("in use")
	// ErrTwoSecrets: a client has two secrets at most.
	ErrTwoSecrets = errors.New("there are two secrets already")
	// ErrBusy: there is too much to do for it to be begun; nothing was done.
	ErrBusy = errors.New("busy")
	// ErrUnavailable: the database does not serve us now: it is not there, locked, full or
	// too slow. Nothing was done.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnreadable: what is stored cannot be opened: its master key is lost, or it was
	// damaged. Asking again does not help; making it anew does.
	ErrUnreadable = errors.New("unreadable")
	// ErrInvalid: the input cannot be accepted as it is.
	ErrInvalid = errors.New("invalid")
)

// RotatingError says that a rotation of signing keys is under way. It is an ErrConflict.
type RotatingError struct{ At time.Time }

// Error implements error.
func (e *RotatingError) Error() string {
	return "a rotation is under way: the next key signs from " + e.At.Format(time.RFC3339) + " on"
}

// Unwrap makes it a conflict.
func (e *RotatingError) Unwrap() error { return ErrConflict }
