package ui

import (
	"fmt"
	"html/template"
	"unicode"
)

// Page is a page that Render can show. The structs of this package that embed
// a Frame implement it.
type Page interface {
	about() about
	frame() Frame
}

// about is what the layout needs to know of a page beside its frame.
type about struct {
	template string       // name of the file in templates/, without .html
	name     string       // of the page, where it is not its template's
	failed   bool         // the title then starts with "Error: "
	console  bool         // shown in the console's layout
	away     bool         // its form posts to an app, which may show it in a frame
	next     template.URL // where the page goes on to by itself, empty for nowhere
}

// Frame is what all pages have in common. Its zero value is usable.
type Frame struct {
	Lang         string // language of the texts, from Match; English when unknown
	Brand        Brand  // how the organisation shows itself
	ClientName   string // the app the person signs in to, such as "Agent portal"
	ClientLogo   string // path of the logo of that app, may be empty
	Account      string // email of who signs in, may be empty
	NotYouAction string // URL of the POST form behind "Not you?", may be empty
	Links        []FooterLink
	Zone         string   // the reader's time zone, from their account; empty: UTC
	Here         string   // address of the page, to come back to with another language; empty: the reader cannot choose
	Languages    []Link   // that it can be read in, with the language as the URL; RenderFor fills them in
	Notice       *Message // what the person should know first, such as MsgPolicyChanged, may be nil
	Waiting      Waiting  // what the page's script waits for
	LogoutURLs   []string // of apps that end a session of theirs in a hidden frame of this page
	FormFields   []Field  // hidden fields of every POST form, such as the flow's version
}

func (f Frame) frame() Frame { return f }

// Logo is the URL of the logo that a page shows, empty for none.
func Logo(p Page) string { return p.frame().Brand.LogoURL }

// LogoutURLs are the addresses that a page opens in hidden frames.
func LogoutURLs(p Page) []string { return p.frame().LogoutURLs }

// PostsAway tells whether a page's form posts to an app.
func PostsAway(p Page) bool { return p.about().away }

// Brand is how the organisation of a population shows itself.
type Brand struct {
	Name    string // shown on top and in the title
	LogoURL string // http, https or a path; the first letter of Name when empty
	Color   string // such as "#2b59e0"; the default when empty or not valid
}

// FooterLink is a link at the foot of pages or mails. It is stored with the mail.
type FooterLink struct {
	Label Key
	URL   string
}

// Link is a labelled address.
type Link struct {
	Label string
	URL   string
}

// Field is a hidden form field.
type Field struct {
	Name  string
	Value string
}

// Method is another way to go on. It is a POST form that looks like a link,
// because choosing may write (sending a code, say).
type Method struct {
	Label  Message // such as MsgUseEmailCode
	Hint   Message // one more line under the label, only on ChooseMethod, may be empty
	Action string  // URL the form posts to
	Name   string  // name of its hidden field, may be empty
	Value  string  // value of its hidden field
}

// anyOf says whether one of the messages is set.
func anyOf(messages ...*Message) bool {
	for _, m := range messages {
		if m != nil {
			return true
		}
	}
	return false
}

// monogram is the letter that stands in for a missing logo.
func monogram(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return ""
}

// clock writes seconds as 1:05 or 1:00:05, as the script's countdown does.
func clock(seconds int) string {
	h, m, s := seconds/3600, seconds/60%60, seconds%60
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d", h, m, s)
	}
	return fmt.Sprintf("%d:%02d", m, s)
}

// dict builds the argument of a shared template from names and values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments", len(pairs))
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out, nil
}
