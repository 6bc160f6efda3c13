package mail

import (
	"bytes"
	netmail "net/mail"
	"regexp"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"gatehouse/idp"
)

// maxSubject is the longest subject, in bytes: a line of a mail has at most 998
// (RFC 5322 section 2.1.1).
const maxSubject = 900

// maxFromName is the longest display name, in bytes.
const maxFromName = 200

// Message is one mail to one person.
type Message struct {
	// To is a bare address without quoted parts; it may be an internationalised
	// one (RFC 6531).
	To string
	// Subject is one line of at most 900 bytes.
	Subject string
	// Text and HTML say the same. One of them may be empty.
	Text, HTML string
	// FromName stands in place of the configured display name; empty leaves that, and so
	// does one that is not one line.
	FromName string
	// ID is unique: with the sender's domain it becomes the Message-ID, so that a
	// delivery that is repeated is recognised. At most 128 letters, digits and
	// "-_~", with single dots between (RFC 5322 section 3.6.4).
	ID string
	// Kind is the caller's note. It is not sent.
	Kind string
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*$`)

// letter is a message that is ready to be sent.
type letter struct {
	from, to string // in angle brackets, quoted where they must be
	masked   string // the recipient for error texts
	utf8     bool   // an address needs SMTPUTF8
	data     []byte
}

// compose writes the mail. Everything that is wrong with it is a
// *PermanentError.
func (s *Sender) compose(m Message) (*letter, error) {
	to, err := netmail.ParseAddress(m.To)
	if err != nil || to.Name != "" || to.Address != m.To {
		// Not even masked: a forged address may hide another one in its middle.
		return nil, permanent("%w: the recipient is not a bare address", idp.ErrInvalid)
	}
	address, err := asciiAddress(to.Address)
	if err != nil {
		return nil, permanent("%w: the recipient is not a bare address", idp.ErrInvalid)
	}
	l := &letter{
		from: brackets(s.set.from.Address), to: brackets(address), masked: idp.MaskEmail(address),
		utf8: !ascii(s.set.from.Address + address),
	}
	switch {
	case !tidy(m.Subject) || len(m.Subject) > maxSubject:
		return nil, permanent("mail to %s: %w: the subject is not one line of at most %d bytes", l.masked, idp.ErrInvalid, maxSubject)
	case len(m.ID) > 128 || !idForm.MatchString(m.ID):
		return nil, permanent("mail to %s: %w: the ID", l.masked, idp.ErrInvalid)
	case m.Text == "" && m.HTML == "":
		return nil, permanent("mail to %s: %w: the mail is empty", l.masked, idp.ErrInvalid)
	}
	var data bytes.Buffer
	if _, err := s.write(m, address).WriteTo(&data); err != nil {
		// The library's words may quote the mail.
		return nil, permanent("mail to %s: %w: it cannot be written", l.masked, idp.ErrInvalid)
	}
	l.data = data.Bytes()
	return l, nil
}

// write makes the headers and the parts of a mail that was checked.
func (s *Sender) write(m Message, to string) *gomail.Msg {
	from := s.set.from
	if name := strings.TrimSpace(m.FromName); name != "" && len(name) <= maxFromName && tidy(name) {
		from.Name = name
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP))
	msg.FromMailAddress(&from)
	msg.ToMailAddress(&netmail.Address{Address: to})
	// Runs of spaces would be folded into lines of spaces alone, which RFC 5322
	// section 3.2.2 forbids: they look like the end of the headers.
	msg.Subject(strings.Join(strings.Fields(m.Subject), " "))
	msg.SetMessageIDWithValue(m.ID + from.Address[strings.LastIndexByte(from.Address, '@'):])
	msg.SetDateWithValue(idp.Now())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	if m.Text != "" {
		msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	}
	// The last part is the one that readers prefer (RFC 2046 section 5.1.4).
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg
}

// brackets is the form of an address in SMTP commands (RFC 5321 section 4.1.2).
func brackets(address string) string { return (&netmail.Address{Address: address}).String() }
