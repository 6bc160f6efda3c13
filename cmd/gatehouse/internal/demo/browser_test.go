package demo_test

import "testing"

// TestBrowser tells the stories of people who sign in, with a real browser.
func TestBrowser(t *testing.T) {
	browser := startChromium(t)
	h := startHouse(t, browser, "")
	b := h.window(t)
	b.visit(h.Portals[0].URL)
	b.clicks(`a[href="/login"]`)
	b.page("signin")
	t.Log(b.looks())
}
