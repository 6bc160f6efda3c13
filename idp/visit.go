package idp

import (
	"context"
	"net/netip"
)

// Visit is what is known of the HTTP request being served: it goes into audit
// events and logs.
type Visit struct {
	RequestID string
	Address   string // of the client, as trusted proxies tell it
	UserAgent string
	// Language is that of the page on which people act for themselves, empty where an admin
	// or a program does.
	Language string
}

// Network is what the visitor's address counts as: IPv6 by /64, which is what one
// customer gets.
func (v Visit) Network() string {
	ip, err := netip.ParseAddr(v.Address)
	if err != nil {
		return v.Address
	}
	ip = ip.Unmap()
	if ip.Is6() {
		if prefix, err := ip.Prefix(64); err == nil {
			ip = prefix.Addr()
		}
	}
	return ip.String()
}

type visitKey struct{}

// WithVisit returns a context that carries a visit.
func WithVisit(ctx context.Context, v *Visit) context.Context {
	return context.WithValue(ctx, visitKey{}, v)
}

// Reads notes the language of the page on which the visitor acts for themselves. Mails about
// that are in it where the person has chosen none.
func Reads(ctx context.Context, language string) {
	if v, ok := ctx.Value(visitKey{}).(*Visit); ok {
		v.Language = language
	}
}

// VisitFrom returns the visit of a context, an empty one where there is none:
// a job or a command.
func VisitFrom(ctx context.Context) Visit {
	if v, ok := ctx.Value(visitKey{}).(*Visit); ok {
		return *v
	}
	return Visit{}
}
