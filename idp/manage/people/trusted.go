package people

import (
	"context"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// TrustedBrowsersOf lists the browsers in which a person is not asked for the second step of
// their population, the newest first, without hashes.
func TrustedBrowsersOf(ctx context.Context, s *store.Store, u idp.User) ([]idp.TrustedBrowser, error) {
	p, err := s.Population(ctx, u.PopulationID)
	if err != nil {
		return nil, err
	}
	list, err := s.TrustedBrowsers(ctx, u.ID)
	list = slices.DeleteFunc(list, func(b idp.TrustedBrowser) bool { return b.Worth(p, idp.Override{}, idp.Now()) == "" })
	for i := range list {
		list[i].BrowserHash = nil
	}
	return list, err
}
