package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strings"
)

// PermanentError says that the server will never take this mail: it answered
// 5xx to this recipient or message (RFC 5321 section 4.2.1), or the mail cannot
// be written. Trying again is pointless; other errors are worth another try.
type PermanentError struct {
	// Cause is what is wrong with the mail.
	Cause error
}

// Error implements error.
func (e *PermanentError) Error() string { return "refused for good: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *PermanentError) Unwrap() error { return e.Cause }

func permanent(format string, args ...any) error {
	return &PermanentError{Cause: fmt.Errorf(format, args...)}
}

var (
	errClosed       = errors.New("the sender is closed")
	errNoSMTP       = errors.New("the server's answer is not SMTP")
	errReplyTooLong = errors.New("the server's reply is too long")
	errNoUTF8       = errors.New("the address needs SMTPUTF8 (RFC 6531), which the server does not offer")
	errNoUpgrade    = errors.New("the server does not offer STARTTLS, so nothing was sent")
)

// maxAnswer is how much of a server's words an error may hold, in bytes.
const maxAnswer = 200

var enhancedForm = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// answer is what a server said no with.
type answer struct {
	code     int
	enhanced string // RFC 3463, empty for none
	words    string // empty once the server has heard a secret
}

// Error implements error.
func (a *answer) Error() string {
	return strings.TrimSpace(strings.Join([]string{fmt.Sprint(a.code), a.enhanced, a.words}, " "))
}

// answerOf is the server's answer in err, without its words; nil if err is none.
func answerOf(err error) *answer {
	var said *textproto.Error
	if !errors.As(err, &said) {
		return nil
	}
	return &answer{code: said.Code, enhanced: enhancedForm.FindString(said.Msg)}
}

// early tells of a failure at a step before the server has heard any secret. Its
// words help the operator: they say why it takes no connection from us.
func early(step string, err error) error {
	var said *textproto.Error
	if a := answerOf(err); a != nil && errors.As(err, &said) {
		a.words = words(strings.TrimPrefix(said.Msg, a.enhanced))
		return fmt.Errorf("%s: %w", step, a)
	}
	if harmless := withoutWords(err); harmless != nil {
		return fmt.Errorf("%s: %w", step, harmless)
	}
	return fmt.Errorf("%s: %s", step, words(err.Error()))
}

// words makes a server's words fit for a log line.
func words(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(s) > maxAnswer {
		s = strings.ToValidUTF8(s[:maxAnswer], "") + "…"
	}
	return s
}

// late tells of a failure at a step after the server has heard a secret: of the
// server's answer only the codes, and of other errors only those that cannot
// quote it.
func late(step string, err error) error {
	if a := answerOf(err); a != nil {
		return fmt.Errorf("%s: %w", step, a)
	}
	if harmless := withoutWords(err); harmless != nil {
		return fmt.Errorf("%s: %w", step, harmless)
	}
	return fmt.Errorf("%s: %w", step, errNoSMTP)
}

// withoutWords is the part of err that holds none of the server's words; nil if
// there is no such part.
func withoutWords(err error) error {
	for _, lost := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, lost) {
			return fmt.Errorf("the connection was lost: %w", lost)
		}
	}
	var (
		network     net.Error
		record      tls.RecordHeaderError
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, errReplyTooLong):
		return errReplyTooLong
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &record):
		return fmt.Errorf("%w: is the security right for this port?", record)
	case errors.As(err, &network):
		return fmt.Errorf("the connection was lost: %w", network)
	}
	return nil
}

// ofMail is like late for a step whose 5xx is about this recipient or message
// and so final. Answers that ask for a proof of who we are (RFC 4954 section 6),
// or complain of the order of commands, are about the operator's settings.
func ofMail(step string, err error) error {
	told := late(step, err)
	if a := answerOf(err); a != nil && a.code >= 500 {
		switch a.code {
		case 503, 530, 534, 535, 538:
		default:
			return &PermanentError{Cause: told}
		}
	}
	return told
}
