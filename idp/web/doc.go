// Package web is the plumbing under our pages: it turns errors into pages, sets
// security headers, names requests, finds the caller's address behind trusted
// proxies, refuses cross-site posts and large bodies, and lets exports take their
// time. It knows no page in particular and no state.
package web
