package ui

import "maps"

// WithoutConsole is a UI whose texts of the console are nothing but a mark.
func WithoutConsole(mark string) (*UI, error) {
	texts, english := maps.Clone(theCatalogs), maps.Clone(theCatalogs.of(fallback))
	console, err := readCatalog(fallback, ofConsole)
	if err != nil {
		return nil, err
	}
	for key := range console {
		english[key] = forms{"other": mark}
	}
	texts[fallback] = func() map[Key]forms { return english }
	return newUI("", texts)
}

// OfConsole tells whether only the console shows a page.
func OfConsole(p Page) bool { return ofConsole(p.about().template) }
