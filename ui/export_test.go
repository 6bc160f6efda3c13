package ui

// WithoutConsole is a UI whose texts of the console are nothing but a mark.
func WithoutConsole(mark string) (*UI, error) {
	texts, err := loadCatalogs()
	if err != nil {
		return nil, err
	}
	console, err := readCatalog(fallback, ofConsole)
	if err != nil {
		return nil, err
	}
	for key := range console {
		texts[fallback][key] = forms{"other": mark}
	}
	return newUI("", texts)
}

// OfConsole tells whether only the console shows a page.
func OfConsole(p Page) bool { return ofConsole(p.about().template) }
