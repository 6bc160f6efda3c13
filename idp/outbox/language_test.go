package outbox_test

import (
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/outbox"
)

// A mail is in the person's language, else in that of the page on which they asked for it,
// else in their user group's. An admin's page says nothing about it.
func TestTheLanguageOfAMail(t *testing.T) {
	for _, c := range []struct{ person, page, group, want string }{
		{"de-CH", "fr", "ja", "de-CH fr ja"},
		{"", "fr", "ja", "fr ja"},
		{"", "", "ja", "ja"},
		{"", "", "", ""},
	} {
		ctx := idp.WithVisit(t.Context(), &idp.Visit{})
		if c.page != "" {
			idp.Reads(ctx, c.page)
		}
		u := idp.User{Locale: c.person}
		u.Zoneinfo = "Asia/Tokyo"
		f := outbox.FrameFor(ctx, u, idp.Population{Brand: idp.Brand{Language: c.group}})
		if f.Lang != c.want || f.Zone != "Asia/Tokyo" {
			t.Errorf("%+v: %q in %q", c, f.Lang, f.Zone)
		}
	}
	idp.Reads(t.Context(), "de") // a job has no visit
}
