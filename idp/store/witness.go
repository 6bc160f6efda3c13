package store

import (
	"context"
	"errors"
)

// Witness is asked just before a transaction is committed whether it still may be.
type Witness struct {
	// Look sees what others have committed by then, and nothing of the transaction: what
	// that does to its own caller, such as a sign-out of everybody, is no reason against
	// it. Its error undoes the transaction.
	Look func(ctx context.Context) error
	// Refused, if not nil, is told of an error of Look once the transaction is undone.
	Refused func(ctx context.Context, err error) error
}

type (
	witnessKey struct{}
	outsideKey struct{}
)

// Witnessed has every transaction of ctx wait for the word of a witness: between the
// moment in which a request is let in and the one in which its transaction has all locks,
// as much may have happened as takes place in the time that others hold them. Writes
// outside of transactions have no witness.
func Witnessed(ctx context.Context, w Witness) context.Context {
	return context.WithValue(ctx, witnessKey{}, &w)
}

// refusedByWitness is an error of Look, to tell it from those of the transaction.
type refusedByWitness struct{ error }

// Unwrap gives Look's error.
func (r refusedByWitness) Unwrap() error { return r.error }

// AskWitness asks the witness of ctx, if there is one: for what happens outside of
// transactions and cannot be undone.
func (s *Store) AskWitness(ctx context.Context) error {
	w, _ := ctx.Value(witnessKey{}).(*Witness)
	if w == nil {
		return nil
	}
	if err := w.Look(outside(ctx)); err != nil {
		return refusedByWitness{err}
	}
	return nil
}

// tellWitness tells the witness of ctx why a transaction was undone, if that was by its
// word, and returns the cause.
func (s *Store) tellWitness(ctx context.Context, err error) error {
	var refused refusedByWitness
	if !errors.As(err, &refused) {
		return err
	}
	if w, _ := ctx.Value(witnessKey{}).(*Witness); w != nil && w.Refused != nil {
		return errors.Join(refused.error, w.Refused(outside(ctx), refused.error))
	}
	return refused.error
}

// outside is ctx without its witness, whose reads go by connections of their own: a
// transaction that holds one of the last connections must not wait for another.
func outside(ctx context.Context) context.Context {
	return context.WithValue(context.WithValue(ctx, outsideKey{}, true), witnessKey{}, (*Witness)(nil))
}
