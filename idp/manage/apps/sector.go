package apps

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
	"gatehouse/idp/manage/entry"
)

// checkSector checks that pairwise subjects have a sector (OpenID Connect Core 1.0 section 8.1),
// and the form of its address. An app is of a sector because its codes go to redirect URIs there.
// The tokens of a device go to the program that asks for them, wherever that is.
func (m *Manager) checkSector(c idp.Client, refuse func(broken bool, field, key string, args ...any)) {
	if uri := c.SectorIdentifierURI; uri != "" {
		u, err := url.Parse(uri)
		broken := err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(uri, "# \\")
		refuse(broken, "sector_identifier_uri", "settings.client.url", uri)
		refuse(!broken && u.Scheme != "https" && (u.Scheme != "http" || !m.PrivateNetworks), "sector_identifier_uri", "settings.client.https", uri)
	}
	pairwise := c.SubjectType == idp.PairwiseSubject
	refuse(pairwise && (c.Sector() == "" || len(c.RedirectURIs) == 0), "subject_type", "settings.client.sector")
	refuse(pairwise && c.Allows(idp.DeviceGrant), "subject_type", "settings.client.sector_device")
}

// readSector reads what is at a sector identifier URI, where it or the redirect URIs are new: all
// of these must be listed there, so that nobody joins a sector by its address alone.
func (m *Manager) readSector(ctx context.Context, before, after idp.Client) error {
	uri := strings.TrimSpace(after.SectorIdentifierURI)
	if uri == "" || uri == before.SectorIdentifierURI && slices.Equal(before.RedirectURIs, after.RedirectURIs) {
		return nil
	}
	var listed []string
	if err := fetch.JSON(ctx, m.Fetch, uri, "", &listed); err != nil {
		// What went wrong is not said: it would tell what there is in our network.
		slog.InfoContext(ctx, "read a sector identifier URI", "cause", fetch.Brief(err))
		return entry.Invalid("sector_identifier_uri", "settings.client.sector_unread")
	}
	for _, redirect := range after.RedirectURIs {
		if !slices.Contains(listed, redirect) {
			return entry.Invalid("sector_identifier_uri", "settings.client.sector_lacks", redirect)
		}
	}
	return nil
}
