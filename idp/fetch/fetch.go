package fetch

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"gatehouse/idp"
)

// The limits of a request.
const (
	Timeout = 5 * time.Second
	MaxBody = 64 << 10 // bytes
)

// ErrAddress: the name leads to an address that may not be reached.
var ErrAddress = fmt.Errorf("%w: a private or local address, which this server may not reach", idp.ErrInvalid)

// NewClient makes an HTTP client for addresses that come from a setting. It takes
// https alone and refuses private, loopback and link-local addresses as they
// resolve, unless private allows them; it follows no redirect and uses no proxy,
// both of which would lead around that.
func NewClient(private bool) *http.Client {
	dialer := &net.Dialer{Timeout: Timeout}
	if !private {
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return checkAddress(address) }
	}
	return &http.Client{
		Timeout: Timeout,
		Transport: &limited{
			private: private,
			next: &http.Transport{
				DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: MaxBody,
				TLSHandshakeTimeout: Timeout, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 4,
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checkAddress sees the address that a name resolved to, just before the
// connection is made: a name that points elsewhere by then gains nothing.
func checkAddress(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("read the address: %w", err)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("read the address: %w", err)
	}
	// No prefix contains an address with a zone.
	if !public(ip.Unmap().WithZone("")) {
		return ErrAddress
	}
	return nil
}

// notPublic are ranges beyond those that netip knows by name.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),  // carriers' shared space, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),   // protocol assignments, RFC 6890
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks, RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved
	netip.MustParsePrefix("64:ff9b::/96"),   // IPv4 behind NAT64, RFC 6052
	netip.MustParsePrefix("64:ff9b:1::/48"), // RFC 8215
	netip.MustParsePrefix("2002::/16"),      // IPv4 in 6to4, RFC 3056
	netip.MustParsePrefix("fec0::/10"),      // site-local, RFC 3879
}

func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

// limited refuses what is not https and cuts answers that are too long.
type limited struct {
	private bool
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l *limited) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && (r.URL.Scheme != "http" || !l.private) {
		return nil, fmt.Errorf("%w: only https is fetched", idp.ErrInvalid)
	}
	res, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &cut{Reader: io.LimitReader(res.Body, MaxBody), Closer: res.Body}
	return res, nil
}

type cut struct {
	io.Reader
	io.Closer
}
