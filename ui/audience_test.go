package ui

import (
	"io/fs"
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
	for _, prefix := range []string{"console.", "settings.access.", "settings.connection.", "setup.", "break_glass.", "mail.break_glass.", "mail.who.admin", "mail.whom.admin"} {
		if strings.HasPrefix(string(key), prefix) {
			return true
		}
	}
	return false
}

// sharedKeys are those of the console that pages of one's own account show too.
func sharedKeys(t *testing.T) map[Key]bool {
	t.Helper()
	pages, err := fs.Glob(templateFiles, "templates/account*.html")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages (%v)", len(pages), err)
	}
	keys := map[Key]bool{"console.error.stale": true, "settings.reason": true}
	for _, page := range pages {
		text, err := fs.ReadFile(templateFiles, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range regexp.MustCompile(`console\.[a-z_.]+`).FindAllString(string(text), -1) {
			keys[Key(key)] = true
		}
	}
	return keys
}

// What a customer may read speaks of support, and not of "your administrator" or "your
// organisation".
func TestCustomersAreNotToldOfAnAdministrator(t *testing.T) {
	u, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	shared := sharedKeys(t)
	for key, texts := range u.catalogs[fallback] {
		for _, text := range texts {
			if found := ofTheOrganisation.FindString(text); found != "" && (!toStaff(key) || shared[key]) {
				t.Errorf("%s says %q: %s", key, found, text)
			}
		}
	}
}
