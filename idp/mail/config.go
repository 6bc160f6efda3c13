package mail

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"gatehouse/idp"
)

// Security is how a connection is protected.
type Security string

// The protections.
const (
	StartTLS Security = "starttls" // mandatory upgrade (RFC 3207), port 587
	TLS      Security = "tls"      // implicit TLS (RFC 8314), port 465
	Plain    Security = "none"     // no TLS: only for a server on this machine or a trusted network
)

// Config says which server sends our mail, and as whom.
type Config struct {
	// Server is host:port, or host alone: port 587, 465 or 25 by Security.
	Server string
	// Security is StartTLS when it is empty.
	Security Security
	// Username and Password are both given or neither. They are refused over
	// Plain unless the host is loopback.
	Username, Password string
	// From is an RFC 5322 address, with an optional display name:
	// `RTX Help <help@rtx.example>`.
	From string
	// RootCAs is for tests; nil is the system's.
	RootCAs *x509.CertPool
}

// Enabled tells whether a server is configured.
func (c Config) Enabled() bool { return c.Server != "" }

// Check says everything that is wrong: joined errors that are idp.ErrInvalid and
// begin each with the field. A missing server is wrong, so ask Enabled first.
func (c Config) Check() error {
	_, bad := c.complete()
	return bad
}

// settings are those of a Config that was checked.
type settings struct {
	Config
	host, port string
	from       netmail.Address // its domain in ASCII
}

// complete parses and checks everything.
func (c Config) complete() (settings, error) {
	s := settings{Config: c}
	if s.Security == "" {
		s.Security = StartTLS
	}
	var server, security, user, from error
	s.host, s.port, server = parseServer(c.Server)
	switch s.Security {
	case StartTLS:
		s.port = either(s.port, "587")
	case TLS:
		s.port = either(s.port, "465")
	case Plain:
		s.port = either(s.port, "25")
	default:
		security = wrong("smtp-security", "it is starttls, tls or none")
	}
	switch {
	case (c.Username == "") != (c.Password == ""):
		user = wrong("smtp-username", "user name and password are both given or neither")
	case strings.ContainsFunc(c.Username+c.Password, unicode.IsControl):
		user = wrong("smtp-username", "user name and password have no control characters")
	case c.Username != "" && s.Security == Plain && server == nil && !loopback(s.host):
		user = wrong("smtp-username", "a password goes to another machine only over TLS")
	}
	s.from, from = parseFrom(c.From)
	return s, errors.Join(server, security, user, from)
}

func wrong(field, what string) error { return fmt.Errorf("%s: %w: %s", field, idp.ErrInvalid, what) }

func either(value, instead string) string {
	if value == "" {
		return instead
	}
	return value
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$`)

// parseServer splits host and port; the port may be missing. The value is not
// repeated in errors, since people paste URLs with passwords.
func parseServer(server string) (host, port string, err error) {
	if server == "" {
		return "", "", wrong("smtp-server", "it is missing")
	}
	host, port, err = net.SplitHostPort(server)
	if err != nil {
		host, port = server, ""
		if inner, ok := strings.CutPrefix(server, "["); ok {
			host = strings.TrimSuffix(inner, "]")
		}
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", wrong("smtp-server", "the port is a number from 1 to 65535")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host, port, nil
	}
	if host, err = asciiDomain(host); err != nil || !hostForm.MatchString(host) {
		return "", "", wrong("smtp-server", "it is host:port or a host alone")
	}
	return host, port, nil
}

// loopback tells whether host is this machine.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

func parseFrom(from string) (netmail.Address, error) {
	const form = "it is an address like help@rtx.example, or with a name: RTX Help <help@rtx.example>"
	parsed, err := netmail.ParseAddress(from)
	if err != nil || !tidy(from) || !tidy(parsed.Name) {
		return netmail.Address{}, wrong("mail-from", form)
	}
	address, err := asciiAddress(parsed.Address)
	if err != nil {
		return netmail.Address{}, wrong("mail-from", form)
	}
	// Runs of spaces would be folded into lines of spaces alone, which RFC 5322
	// section 3.2.2 forbids: they look like the end of the headers.
	return netmail.Address{Name: strings.Join(strings.Fields(parsed.Name), " "), Address: address}, nil
}

// tidy tells whether s may stand in one line of text.
func tidy(s string) bool {
	return strings.ToValidUTF8(s, "") == s && !strings.ContainsFunc(s, unicode.IsControl)
}

// asciiAddress writes the domain of an address in ASCII (RFC 5891), which every
// server understands; the part before the @ stays as it is.
func asciiAddress(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || len(address) > idp.MaxEmail || !tidy(address) || strings.ContainsFunc(address, unicode.IsSpace) {
		return "", idp.ErrInvalid
	}
	domain, err := asciiDomain(address[at+1:])
	if err != nil || domain == "" {
		return "", idp.ErrInvalid
	}
	return address[:at+1] + domain, nil
}

func asciiDomain(domain string) (string, error) {
	if ascii(domain) {
		return domain, nil
	}
	return idna.Lookup.ToASCII(domain)
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
