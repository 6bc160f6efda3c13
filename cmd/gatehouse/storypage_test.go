package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"gatehouse/idp/idptest"
)

// sheet is a page as somebody reads it who has no scripts.
type sheet struct {
	root *html.Node
	url  *url.URL
}

func read(p *idptest.Page) (sheet, error) {
	root, err := html.Parse(strings.NewReader(p.Body))
	return sheet{root, p.URL}, err
}

// words is the text of a part of the page, with single spaces.
func words(n *html.Node) string {
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" && d.Parent.Data != "script" && d.Parent.Data != "title" {
			text.WriteString(d.Data)
		}
		text.WriteByte(' ')
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// labelled is the first element of a kind that says exactly that, else the first whose
// text has it.
func (s sheet) labelled(element, label string) *html.Node {
	var near *html.Node
	for n := range s.root.Descendants() {
		if n.Type != html.ElementNode || n.Data != element {
			continue
		}
		switch text := words(n); {
		case text == label:
			return n
		case near == nil && strings.Contains(text, label):
			near = n
		}
	}
	return near
}

// link is where a link leads.
func (s sheet) link(label string) (string, error) {
	a := s.labelled("a", label)
	if a == nil {
		return "", fmt.Errorf("there is no link %q", label)
	}
	href, _ := attribute(a, "href")
	to, err := s.url.Parse(href)
	if err != nil {
		return "", err
	}
	return to.String(), nil
}

// press is what a button sends, with what was filled in.
func (s sheet) press(label string, filled url.Values) (target string, form url.Values, err error) {
	button := s.labelled("button", label)
	if button == nil {
		return "", nil, fmt.Errorf("there is no button %q", label)
	}
	form = url.Values{}
	for n := range button.Ancestors() {
		if n.Data != "form" {
			continue
		}
		names := collect(n, form)
		for name, values := range filled {
			if !slices.Contains(names, name) {
				return "", nil, fmt.Errorf("the form of %q has no field %q but %q", label, name, names)
			}
			form[name] = values
		}
		if name, ok := attribute(button, "name"); ok {
			value, _ := attribute(button, "value")
			form.Set(name, value)
		}
		action, _ := attribute(n, "action")
		to, err := s.url.Parse(action)
		if err != nil {
			return "", nil, err
		}
		return to.String(), form, nil
	}
	return "", nil, fmt.Errorf("the button %q belongs to no form", label)
}

// collect adds what stands in a form's fields, and returns the names of all.
func collect(form *html.Node, into url.Values) (names []string) {
	for n := range form.Descendants() {
		name, ok := attribute(n, "name")
		if n.Type != html.ElementNode || !ok || n.Data == "button" {
			continue
		}
		names = append(names, name)
		value, _ := attribute(n, "value")
		kind, _ := attribute(n, "type")
		_, checked := attribute(n, "checked")
		switch {
		case n.Data == "textarea":
			into.Set(name, words(n))
		case n.Data == "input" && (kind != "checkbox" && kind != "radio" || checked):
			into.Add(name, value)
		}
	}
	return names
}
