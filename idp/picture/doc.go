// Package picture owns pictures that lie on other servers and are shown on pages of ours:
// they are fetched, checked, kept for a while and served from here, so that the other
// server does not learn who signs in. It does not know whose pictures they are.
package picture
