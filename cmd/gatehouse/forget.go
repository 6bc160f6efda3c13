package main

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/idp"
	"gatehouse/idp/keys"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/server"
)

type keysForget struct {
	storage

	Yes bool `help:"Do it: what is sealed under the lost key is removed for good."`
}

// Run says what the master keys do not open, and removes it.
func (c keysForget) Run(ctx context.Context, t terminal) error {
	st, err := c.openAsIs(ctx)
	if err != nil {
		return err
	}
	if pending, err := st.Pending(ctx); err != nil || pending {
		return closing(errors.Join(err, errors.New("the database is of an older version: run gatehouse migrate up first")), st)
	}
	ring, err := c.config().NewKeyring()
	if err != nil {
		return closing(err, st)
	}
	left, err := keys.Check(ctx, st, ring)
	switch {
	case err != nil:
		return closing(err, st)
	case left.Whole():
		_, err = fmt.Fprintln(t.out, "the master keys open everything; nothing is lost")
		return closing(err, st)
	case !c.Yes:
		return closing(fmt.Errorf("lost: %s; stop all replicas and say --yes to remove it: signing keys are made anew, everybody is signed out, "+
			"people set up their second steps again, connections without their secrets are switched off until those are entered again", left), st)
	}
	users, err := keys.Forget(ctx, st, ring)
	if err != nil {
		return closing(err, st)
	}
	m, err := server.NewManager(ctx, c.config(), st, ring)
	if err != nil {
		return closing(err, st)
	}
	for _, id := range users {
		err := m.Factors.ResetMFA(ctx, authz.System(), id, "the master key was lost")
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return closing(fmt.Errorf("reset the second steps of %s, run it again for the rest: %w", id, err), st)
		}
	}
	_, err = fmt.Fprintf(t.out, "%s: removed; the second steps of %d people are reset, and they are told\n", left, len(users))
	return closing(err, st)
}
