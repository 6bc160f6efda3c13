package mailbox

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	message "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // so that mail in any charset can be read
	"github.com/emersion/go-message/mail"
	"golang.org/x/net/html"
)

const (
	maxDepth      = 10  // of parts within parts
	maxParts      = 100 // in all
	snippetLength = 250
)

// envelope is what the SMTP conversation said, which the headers may not.
type envelope struct {
	from string
	to   []string
}

// address is as Mailpit writes it.
type address struct {
	Name    string
	Address string
}

// String is the address as people write it.
func (a address) String() string {
	if a.Name == "" {
		return a.Address
	}
	return a.Name + " <" + a.Address + ">"
}

// field is one header field, decoded.
type field struct{ Name, Value string }

// attachment is a part that is not shown.
type attachment struct {
	FileName    string
	ContentType string
	Size        int
}

// letter is a message that arrived.
type letter struct {
	ID          string
	MessageID   string
	ReturnPath  string
	From        address
	To, Cc, Bcc []address
	ReplyTo     []address
	Subject     string
	Date        time.Time // as the sender says
	Created     time.Time // when it arrived
	Text, HTML  string
	Snippet     string
	Size        int
	Headers     []field
	Attachments []attachment
	Read        bool

	parts int
}

// parse reads a message. What cannot be read is kept as text: in a mailbox for
// tests, a broken message is worth seeing.
func parse(raw []byte, env envelope) letter {
	l := letter{
		ID:         rand.Text(),
		ReturnPath: env.from,
		From:       address{Address: env.from},
		Created:    now(),
		Size:       len(raw),
	}
	l.Date = l.Created
	entity, err := message.Read(bytes.NewReader(raw))
	if entity == nil || (err != nil && !readable(err)) {
		l.Text = strings.ToValidUTF8(string(raw), "\uFFFD")
	} else {
		l.readHeader(mail.Header{Header: entity.Header})
		l.readPart(entity, 0)
	}
	l.addBlindCopies(env.to)
	l.Snippet = snippet(l.Text, l.HTML)
	return l
}

func readable(err error) bool {
	return message.IsUnknownCharset(err) || message.IsUnknownEncoding(err)
}

func (l *letter) readHeader(h mail.Header) {
	l.Subject = text(h.Text("Subject"))
	l.MessageID = strings.Trim(h.Get("Message-Id"), " <>")
	if date, err := h.Date(); err == nil && !date.IsZero() {
		l.Date = date.UTC()
	}
	if from := addresses(h, "From"); len(from) > 0 {
		l.From = from[0]
	}
	l.To, l.Cc, l.Bcc = addresses(h, "To"), addresses(h, "Cc"), addresses(h, "Bcc")
	l.ReplyTo = addresses(h, "Reply-To")
	for fields := h.Fields(); fields.Next(); {
		l.Headers = append(l.Headers, field{fields.Key(), text(fields.Text())})
	}
}

// text is a decoded header value, or as it came when it cannot be decoded.
func text(s string, _ error) string { return strings.ToValidUTF8(s, "\uFFFD") }

func addresses(h mail.Header, name string) []address {
	if !h.Has(name) {
		return nil
	}
	list, err := h.AddressList(name)
	if err != nil {
		return []address{{Address: text(h.Text(name))}}
	}
	var found []address
	for _, a := range list {
		found = append(found, address{a.Name, a.Address})
	}
	return found
}

// addBlindCopies adds the recipients that no header names.
func (l *letter) addBlindCopies(recipients []string) {
	named := slices.Concat(l.To, l.Cc, l.Bcc)
	for _, r := range recipients {
		if !slices.ContainsFunc(named, func(a address) bool { return strings.EqualFold(a.Address, r) }) {
			l.Bcc = append(l.Bcc, address{Address: r})
		}
	}
}

// readPart takes a part, and what is in it, up to a depth and a number that no
// honest message reaches.
func (l *letter) readPart(e *message.Entity, depth int) {
	if l.parts++; l.parts > maxParts || depth > maxDepth {
		return
	}
	parts := e.MultipartReader()
	if parts == nil {
		l.readLeaf(e)
		return
	}
	for {
		part, err := parts.NextPart()
		if err != nil && !readable(err) {
			return // the end, or a part that stops short
		}
		l.readPart(part, depth+1)
	}
}

func (l *letter) readLeaf(e *message.Entity) {
	body, err := io.ReadAll(e.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		body = append(body, "\n[The rest of this part could not be read.]"...)
	}
	kind, params, _ := e.Header.ContentType()
	disposition, dispositionParams, _ := e.Header.ContentDisposition()
	content := strings.ToValidUTF8(string(body), "\uFFFD")
	switch {
	case disposition == "attachment" || !strings.HasPrefix(kind, "text/"):
		name := dispositionParams["filename"]
		if name == "" {
			name = params["name"]
		}
		l.Attachments = append(l.Attachments, attachment{name, kind, len(body)})
	case kind == "text/html":
		l.HTML += content
	default:
		l.Text += content
	}
}

// snippet is the beginning of what the message says.
func snippet(plain, markup string) string {
	if strings.TrimSpace(plain) == "" {
		plain = visible(markup)
	}
	words := []rune(strings.Join(strings.Fields(plain), " "))
	if len(words) <= snippetLength {
		return string(words)
	}
	return string(words[:snippetLength]) + "…"
}

// visible is the text of an HTML part.
func visible(markup string) string {
	var out strings.Builder
	hidden := false // inside an element whose text is not shown
	tokens := html.NewTokenizer(strings.NewReader(markup))
	for {
		switch kind := tokens.Next(); kind {
		case html.ErrorToken:
			return out.String()
		case html.TextToken:
			if !hidden {
				out.Write(tokens.Text())
			}
		case html.StartTagToken, html.EndTagToken:
			out.WriteByte(' ')
			name, _ := tokens.TagName()
			if slices.Contains([]string{"style", "script", "title"}, string(name)) {
				hidden = kind == html.StartTagToken
			}
		}
	}
}
