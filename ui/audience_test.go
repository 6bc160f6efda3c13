package ui

import (
	"regexp"
	"strings"
	"testing"
)

// ofTheOrganisation are words that mean nothing to a customer: they have no admin, and the
// organisation is not theirs.
var ofTheOrganisation = regexp.MustCompile(`(?i)\badmin(istrator)?s?\b|\b(your|this|their own) organi[sz]ation|\bhelp desk\b`)

// toStaff tells whether a text goes to people with an admin of their own, and to no
// customer: the console, and what mails say where the recipient is staff.
func toStaff(key Key) bool {
	for _, prefix := range []string{"console.", "settings.access.", "settings.connection.", "permission.", "setup.", "break_glass.", "mail.break_glass.", "mail.who.admin", "mail.whom.admin"} {
		if strings.HasPrefix(string(key), prefix) {
			return true
		}
	}
	return false
}

// What a customer may read speaks of support, and not of "your administrator" or "your
// organisation".
func TestCustomersAreNotToldOfAnAdministrator(t *testing.T) {
	u, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for key, texts := range u.catalogs.of(fallback) {
		for _, text := range texts {
			if found := ofTheOrganisation.FindString(text); found != "" && !toStaff(key) {
				t.Errorf("%s says %q: %s", key, found, text)
			}
		}
	}
}
