package idp

import (
	"net/url"
	"slices"
	"strings"
)

// SubjectType is how an app is told who a person is (OpenID Connect Core 1.0 section 8).
type SubjectType string

// The subject types.
const (
	PublicSubject   SubjectType = "public"   // the person's id, the same for every app
	PairwiseSubject SubjectType = "pairwise" // another one for each sector
)

// Sector is the host whose apps know a person by the same pairwise subject (OpenID Connect Core
// 1.0 section 8.1): that of SectorIdentifierURI, else the one of all redirect URIs; empty where
// there is none. This machine's own names are nobody's.
func (c Client) Sector() string {
	if u, err := url.Parse(c.SectorIdentifierURI); c.SectorIdentifierURI != "" && err == nil {
		return strings.ToLower(u.Hostname())
	}
	var sectors []string
	for _, uri := range c.RedirectURIs {
		sectors = append(sectors, sectorOf(uri))
	}
	slices.Sort(sectors)
	if sectors = slices.Compact(sectors); len(sectors) != 1 {
		return ""
	}
	return sectors[0]
}

func sectorOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || IsLoopback(u.Hostname()) {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// Sub is the subject by which the grant's app, and the APIs that it calls, know the person.
func (g Grant) Sub() string {
	if g.Subject != "" {
		return g.Subject
	}
	return g.UserID
}
