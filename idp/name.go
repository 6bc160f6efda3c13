package idp

import "strings"

// Directs tells whether a character does nothing but turn the direction of text, its own
// or that around it (Unicode, Bidi_Control). In a name it makes "moc.elpmaxe" read as
// "example.com", and a page's own words stand in another order.
func Directs(r rune) bool {
	switch {
	case r == '\u061c', r == '\u200e', r == '\u200f':
		return true
	case '\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u2069':
		return true
	}
	return false
}

// PlainName is a name that a file or another program wrote without what turns the
// direction of text. What a person or an admin types is refused instead, so that they
// see it.
func PlainName(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if Directs(r) {
			return -1
		}
		return r
	}, name))
}
