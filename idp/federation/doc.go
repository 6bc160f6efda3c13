// Package federation owns the conversation with other providers: what they are asked,
// whether their answer can be believed, and signing out with them. It does not decide who
// a person is here, nor whether they may come in.
package federation
