package passkey

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"gatehouse/idp"
)

// Site is where passkeys are used.
type Site struct {
	Issuer string
	// Domain is the one that passkeys belong to (RP ID): the issuer's host, or one above it;
	// empty for the host.
	Domain string
	// Origins are the pages elsewhere that may use them too (WebAuthn Level 3 section 5.11).
	Origins []string
}

// mostLabels is how many sites browsers look at among related origins at least (section
// 5.11.1): they may pass over the rest.
const mostLabels = 5

// host is the issuer's.
func (s Site) host() (*url.URL, string, error) {
	u, err := url.Parse(s.Issuer)
	if err != nil || u.Hostname() == "" {
		return nil, "", fmt.Errorf("passkeys: %w: issuer %q has no host", idp.ErrInvalid, s.Issuer)
	}
	return u, strings.ToLower(u.Hostname()), nil
}

// Check says everything that is wrong with a site, one error a field, named as the flags are.
func (s Site) Check() error {
	_, host, err := s.host()
	if err != nil {
		return nil // the issuer's own check says so
	}
	errs := []error{s.checkDomain(host)}
	labels := map[string]bool{}
	for _, o := range s.Origins {
		label, err := labelOf(o)
		errs, labels[label] = append(errs, err), true
	}
	if delete(labels, ""); len(labels) > mostLabels {
		errs = append(errs, fmt.Errorf("passkey-origins: they are of %d sites: browsers need to look at %d only", len(labels), mostLabels))
	}
	return errors.Join(errs...)
}

func (s Site) checkDomain(host string) error {
	switch {
	case s.Domain == "" || s.Domain == host:
		return nil
	case net.ParseIP(host) != nil || !strings.HasSuffix(host, "."+s.Domain):
		return fmt.Errorf("passkey-domain: %q is neither the issuer's host %s nor a domain above it", s.Domain, host)
	}
	if _, err := publicsuffix.EffectiveTLDPlusOne(s.Domain); err != nil {
		return fmt.Errorf("passkey-domain: %q is no domain that one can have of one's own: %w", s.Domain, err)
	}
	return nil
}

var hostName = regexp.MustCompile(`^[a-z0-9.-]+$`)

// labelOf is by what browsers count the site of an origin: the label before its public suffix.
func labelOf(origin string) (string, error) {
	u, err := url.Parse(origin)
	local := err == nil && u.Scheme == "http" && u.Hostname() == "localhost"
	if err != nil || u.Scheme != "https" && !local || u.Host == "" || origin != u.Scheme+"://"+u.Host || origin != strings.ToLower(origin) ||
		!hostName.MatchString(u.Hostname()) || u.Port() == "443" || strings.HasSuffix(u.Host, ":") || net.ParseIP(u.Hostname()) != nil {
		return "", fmt.Errorf("passkey-origins: %q is not an origin such as https://id.example, without a path", origin)
	}
	if local {
		return "", nil
	}
	site, err := publicsuffix.EffectiveTLDPlusOne(u.Hostname())
	if err != nil {
		return "", fmt.Errorf("passkey-origins: %q is of no domain that one can have of one's own: %w", origin, err)
	}
	label, _, _ := strings.Cut(site, ".")
	return label, nil
}

// origins are those whose pages use passkeys.
func (s Site) origins(u *url.URL) []string {
	return slices.Concat([]string{u.Scheme + "://" + u.Host}, s.Origins)
}
