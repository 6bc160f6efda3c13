// Package connections owns sign-in through other providers: the connections, who a person
// is on the other side, what roles that brings, and the import of people. It does not talk
// to the other side: that is package federation.
package connections
