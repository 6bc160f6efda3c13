package idp

import "net/netip"

// IsLoopback tells whether a URL's host is this machine (RFC 8252 section 7.3), and
// "localhost" too.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
