// Package idp is the vocabulary of Gatehouse: the types, errors and identifiers
// that every other package speaks in. It does no I/O and
// imports none of our packages.
package idp
