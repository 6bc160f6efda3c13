package web

import (
	"net/http"
	"net/netip"
	"strings"

	"gatehouse/idp"
)

// proxies are the networks whose X-Forwarded-For is believed.
type proxies []netip.Prefix

// parseProxies reads addresses and networks. An IPv4 address in IPv6 form is the IPv4
// address.
func parseProxies(list []string) (proxies, error) {
	var nets proxies
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return nil, idp.ErrInvalid
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		if in4 := prefix.Addr().Unmap(); in4 != prefix.Addr() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(in4, prefix.Bits()-96)
		}
		nets = append(nets, prefix.Masked())
	}
	return nets, nil
}

func (p proxies) trust(address netip.Addr) bool {
	for _, n := range p {
		if n.Contains(address) {
			return true
		}
	}
	return false
}

// caller is the address that a request came from: the nearest one that is no trusted
// proxy. X-Forwarded-For is read from its right end, where the nearest proxy writes, and
// no further than addresses that are trusted: what stands left of another was written by
// a stranger. An entry that is no address ends the walk too, at the proxy that passed it
// on. No other header says who calls. The caller has no address where the connection has
// none.
func (p proxies) caller(r *http.Request) string {
	at, ok := parseHop(r.RemoteAddr)
	if !ok {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.trust(at); i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		at = hop
	}
	return at.String()
}

// remote is the address of the connection.
func remote(r *http.Request) string { return proxies(nil).caller(r) }

// parseHop reads an address as proxies write it: alone, with a port, and an IPv6 address
// in brackets or without. The zone of an address says something to its own host only, and
// is left out.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone(""), true
	}
	if inside, ok := strings.CutPrefix(text, "["); ok {
		if text, ok = strings.CutSuffix(inside, "]"); !ok || !strings.Contains(text, ":") {
			return netip.Addr{}, false
		}
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}
