package ui

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// secretFields are the names of all inputs that take a password, a code or another
// secret: what is typed there is kept nowhere.
var secretFields = []string{"password", "current", "code", "recovery", "client_secret"}

// IsSecret tells whether what is typed into an input of a name is a secret.
func IsSecret(name string) bool { return slices.Contains(secretFields, name) }

// Typed is what was typed into a form that was not carried out.
type Typed struct {
	Page   string // the page of the form, and where it is posted to
	Fields url.Values
	Notice string // what to say above the form
}

// Refill fills in the form of a page. Secrets stay empty, what is hidden or cannot be
// changed stays as it is, but for the version that was on the screen: what others saved
// since is not overwritten unseen.
func Refill(page []byte, t Typed) ([]byte, error) {
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	for n := range root.Descendants() {
		if n.DataAtom == atom.Form && attribute(n, "action") == t.Page && strings.EqualFold(attribute(n, "method"), "post") {
			refillForm(n, t)
			break
		}
	}
	var out bytes.Buffer
	err = html.Render(&out, root)
	return out.Bytes(), err
}

func refillForm(form *html.Node, t Typed) {
	for n := range form.Descendants() {
		name := attribute(n, "name")
		if name == "" || IsSecret(name) || has(n, "disabled") {
			continue
		}
		switch n.DataAtom {
		case atom.Input:
			refillInput(n, t.Fields[name])
		case atom.Textarea:
			if t.Fields.Has(name) {
				setText(n, t.Fields.Get(name))
			}
		case atom.Select:
			if t.Fields.Has(name) {
				refillSelect(n, t.Fields[name])
			}
		}
	}
	notice := element("div", html.Attribute{Key: "class", Val: "notice"}, html.Attribute{Key: "role", Val: "status"})
	p := element("p")
	setText(p, t.Notice)
	notice.AppendChild(p)
	form.Parent.InsertBefore(notice, form)
}

// refillInput fills in one input. A box that was sent without its value was not ticked.
func refillInput(n *html.Node, values []string) {
	switch kind := strings.ToLower(attribute(n, "type")); {
	case kind == "checkbox" || kind == "radio" && values != nil:
		toggle(n, "checked", slices.Contains(values, attribute(n, "value")))
	case kind == "hidden" && attribute(n, "name") != "version", kind == "radio", kind == "password", kind == "file", kind == "submit",
		attribute(n, "autocomplete") == "one-time-code", len(values) != 1:
	default:
		set(n, "value", values[0])
	}
}

func refillSelect(n *html.Node, values []string) {
	for option := range n.Descendants() {
		if option.DataAtom == atom.Option {
			toggle(option, "selected", slices.Contains(values, attribute(option, "value")))
		}
	}
}

func element(name string, attributes ...html.Attribute) *html.Node {
	return &html.Node{Type: html.ElementNode, Data: name, DataAtom: atom.Lookup([]byte(name)), Attr: attributes}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func set(n *html.Node, name, value string) {
	toggle(n, name, false)
	n.Attr = append(n.Attr, html.Attribute{Key: name, Val: value})
}

func toggle(n *html.Node, name string, on bool) {
	n.Attr = slices.DeleteFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
	if on {
		n.Attr = append(n.Attr, html.Attribute{Key: name})
	}
}

func setText(n *html.Node, text string) {
	for n.FirstChild != nil {
		n.RemoveChild(n.FirstChild)
	}
	n.AppendChild(&html.Node{Type: html.TextNode, Data: text})
}
