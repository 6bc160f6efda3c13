package server

import (
	"context"

	"gatehouse/idp/account"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/self"
)

// identities are people's accounts elsewhere, as their own pages see them.
type identities struct{ manage *manage.Manager }

// Of implements account.Identities.
func (i identities) Of(ctx context.Context, userID string) ([]account.Identity, error) {
	entries, err := i.manage.Self.OwnIdentities(ctx, userID)
	list := make([]account.Identity, len(entries))
	for n, e := range entries {
		list[n] = account.Identity{ID: e.ConnectionID, Provider: e.Connection, Account: e.Email, LinkedAt: e.CreatedAt}
	}
	return list, err
}

// Unlink implements account.Identities.
func (i identities) Unlink(ctx context.Context, s self.Self, id string) error {
	return i.manage.Self.UnlinkOwn(ctx, s, id)
}
