package store

import (
	"context"

	"gatehouse/idp"
)

// MoveClient brings the client of our own pages up to date: where it is reached, and who
// may sign in to it.
func (s *Store) MoveClient(ctx context.Context, c idp.Client) error {
	s.AfterCommit(ctx, func() { s.forgetClient(c.ID) })
	return written(s.writer(ctx).Model(&clientRow{}).Where("id = ?", c.ID).UpdateColumns(map[string]any{
		"redirect_uris": jsonList(c.RedirectURIs), "home_url": c.HomeURL, "populations": words(c.Populations),
	}).Error, "client")
}
