package authz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
)

// FreshSecondStep is the greatest age of the second step of an actor who does something
// sensitive.
const FreshSecondStep = 10 * time.Minute

// maxReason is how long a reason may be, in characters.
const maxReason = 500

// Why an operation is refused. Each has a page and a status of its own.
var (
	// ErrForbidden: the actor lacks a permission for it.
	ErrForbidden = errors.New("forbidden")
	// ErrStepUp: the actor's second step is too old for it (RFC 9470).
	ErrStepUp = errors.New("a fresh second step is needed")
)

// Actor is who asks for an operation.
type Actor struct {
	UserID      string
	Permissions []string
	// SecondStepAt is when they last proved a second step, zero for never.
	SecondStepAt time.Time
	// Service is the client that acts for itself: then there is no UserID.
	Service string
	// Repeats: the actor is a program that sends a change again when the answer was lost.
	// A change that is made already is answered with its result. A person gets a conflict.
	Repeats bool
	// System is a person with a shell on the server. Nothing would stop them.
	System bool
}

// System is the command line on the server.
func System() Actor { return Actor{System: true} }

// ActorOf is a person who is signed in, with the permissions of their roles as they
// are now.
func (m *Manager) ActorOf(ctx context.Context, userID string, secondStepAt time.Time) (Actor, error) {
	permissions, err := m.PermissionsOf(ctx, userID)
	return Actor{UserID: userID, Permissions: permissions, SecondStepAt: secondStepAt}, err
}

// ActorOfRoles is a service with these roles, with their permissions as they are now. The
// caller sets which service. A program cannot be asked for a second step, so it counts as
// fresh.
func (m *Manager) ActorOfRoles(ctx context.Context, roles []string) (Actor, error) {
	held, err := m.Store.RolesByID(ctx, roles...)
	return Actor{Permissions: PermissionsIn(held), SecondStepAt: idp.Now()}, err
}

func (m *Manager) PermissionsOf(ctx context.Context, userID string) ([]string, error) {
	roles, err := m.Store.RolesOf(ctx, userID)
	var list []string
	for _, r := range roles {
		list = append(list, r.Permissions...)
	}
	return list, err
}

// Can tells whether the actor holds a permission.
func (a Actor) Can(permission string) bool {
	return a.System || slices.Contains(a.Permissions, permission)
}

// notUpward refuses a target who holds a permission that the actor lacks.
func (m *Manager) notUpward(ctx context.Context, a Actor, target idp.User) error {
	theirs, err := m.PermissionsOf(ctx, target.ID)
	if err != nil {
		return err
	}
	for _, p := range theirs {
		if !a.Can(p) {
			return fmt.Errorf("%w: that person holds permission %s", ErrForbidden, p)
		}
	}
	return nil
}

// Audit is an event of an operation.
func (a Actor) Audit(kind idp.AuditKind, reason string, detail map[string]string) idp.AuditEvent {
	if detail == nil {
		detail = map[string]string{}
	}
	if a.System {
		detail["by"] = "command_line"
	}
	if a.Service != "" {
		detail["service"] = a.Service
	}
	if reason = strings.TrimSpace(reason); reason != "" {
		detail["reason"] = reason
	}
	return idp.AuditEvent{Kind: kind, ActorID: a.UserID, Detail: detail}
}

// AuditSignOut is an event of sessions that end by an operation, of which cause is the kind.
func (a Actor) AuditSignOut(cause idp.AuditKind) idp.AuditEvent {
	return a.Audit(idp.AuditSignedOut, "", map[string]string{"cause": string(cause)})
}

// CanSeePeople tells whose data the actor's permissions let them see: agents, and
// all others.
func (a Actor) CanSeePeople() (agents, others bool) {
	all := a.Can(idp.PermissionUsers) || a.Can(idp.PermissionSessions)
	return all || a.Can(idp.PermissionAgentRecovery), all || a.Can(idp.PermissionContactReset)
}

// MadeFor tells when a way into another person's account becomes unproved by being made:
// at once, and never where the actor holds all that a connection could give.
func (a Actor) MadeFor(user idp.User, at time.Time) time.Time {
	if a.UserID == user.ID && user.ID != "" || a.CanAll(idp.Permissions()) {
		return time.Time{}
	}
	return at
}
