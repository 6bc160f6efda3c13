package authz

import (
	"context"
	"errors"
	"sync"

	"gatehouse/idp/store"
)

// ErrGone: the session of the actor has ended since the operation began.
var ErrGone = errors.New("the session has ended")

// watch is what a request was allowed so far.
type watch struct {
	mu      sync.Mutex
	allowed []Request
}

type watchKey struct{}

// Watch has every transaction of ctx look at its caller again just before it is committed.
// A slow body, or a row that another transaction holds, must not let a caller write who
// was signed out, deleted or lost a role in the meantime. again reads the caller anew. Its
// error undoes the transaction, and so does a rule that no longer allows the operation.
func (m *Manager) Watch(ctx context.Context, again func(ctx context.Context) (Actor, error)) context.Context {
	w := &watch{}
	return store.Witnessed(context.WithValue(ctx, watchKey{}, w), store.Witness{
		Look: func(ctx context.Context) error {
			a, err := again(ctx)
			if err != nil {
				return err
			}
			return m.stillAllowed(ctx, a, w.requests())
		},
		Refused: func(ctx context.Context, err error) error { return m.auditLate(ctx, err) },
	})
}

// note keeps what was allowed.
func (w *watch) note(r Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = append(w.allowed, r)
}

func (w *watch) requests() []Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Request(nil), w.allowed...)
}

// noteAllowed keeps what the caller of ctx was allowed, for their transaction's end.
func noteAllowed(ctx context.Context, r Request) {
	if w, ok := ctx.Value(watchKey{}).(*watch); ok {
		w.note(r)
	}
}

// lateError is a refusal at the end of a transaction.
type lateError struct {
	actor   Actor
	request Request
	error
}

// Unwrap gives the refusal itself.
func (e *lateError) Unwrap() error { return e.error }

// stillAllowed asks the rules once more.
func (m *Manager) stillAllowed(ctx context.Context, a Actor, allowed []Request) error {
	for _, r := range allowed {
		if err := m.check(ctx, a, r); err != nil {
			return &lateError{actor: a, request: r, error: err}
		}
	}
	return nil
}

// auditLate writes a refusal at the end of a transaction to the audit log.
func (m *Manager) auditLate(ctx context.Context, err error) error {
	var late *lateError
	if !errors.As(err, &late) || !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrStepUp) {
		return nil
	}
	if refused := m.refused(ctx, late.actor, late.request, late.error); !errors.Is(refused, late.error) {
		return refused
	}
	return nil
}
