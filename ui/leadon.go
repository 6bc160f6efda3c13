package ui

import "html/template"

// LeadOn leads to another address by itself, and by a link. It works without a script,
// and takes its own place in the browser's history: the back button passes it by.
type LeadOn struct {
	Frame
	URL template.URL // of an app, whatever its scheme, or of another provider
}

func (p LeadOn) about() about { return about{template: "lead-on", failed: false, next: p.URL} }
