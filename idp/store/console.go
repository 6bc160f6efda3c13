package store

import (
	"context"

	"gatehouse/idp"
)

// MoveConsole brings the console's client up to date: where it is reached, and who
// may sign in to it.
func (s *Store) MoveConsole(ctx context.Context, c idp.Client) error {
	return written(s.writer(ctx).Model(&clientRow{}).Where("id = ?", c.ID).UpdateColumns(map[string]any{
		"redirect_uris": jsonList(c.RedirectURIs), "home_url": c.HomeURL, "populations": words(c.Populations),
	}).Error, "client")
}
