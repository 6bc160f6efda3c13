// Package pageauth signs people in to our own pages, the console and the account. They
// are relying parties of this provider like any other, each with a client that every
// installation has. The package finds the sessions that count at the pages, asks for
// sign-ins and step-ups, and takes the browser back. It does not decide what a visitor
// may do: the pages and the operations do.
//
// It is no part of package session, on which the operations rest: they would then import
// the pages' errors and templates.
package pageauth
