package main

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/people"
)

type adminSignOutEveryone struct {
	storage

	Reason string `help:"Why; it goes to the audit log." required:""`
	Yes    bool   `help:"Do it. Without, it says how many people it would sign out."`
}

// Run signs everybody out, and ends the access that apps keep of people: after a restore
// that revived what was ended, or when the database got into wrong hands. Providers may run
// meanwhile, on all replicas; those who sign in again meanwhile stay.
func (c adminSignOutEveryone) Run(ctx context.Context, t terminal) error {
	m, st, err := c.manager(ctx)
	if err != nil {
		return err
	}
	ids, err := st.PeopleWithAccess(ctx)
	switch {
	case err != nil:
		return closing(err, st)
	case !c.Yes:
		return closing(fmt.Errorf("%d people are signed in, or apps have access to them: say --yes to end that", len(ids)), st)
	}
	for n, id := range ids {
		_, err := m.People.SignOut(ctx, authz.System(), id, c.Reason, people.EndAppAccess)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return closing(fmt.Errorf("%d of %d people are signed out, run it again for the rest: %w", n, len(ids), err), st)
		}
	}
	_, err = fmt.Fprintf(t.out, "%d people are signed out\n", len(ids))
	return closing(err, st)
}
