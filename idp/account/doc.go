// Package account serves the pages where people look after their own account. What may
// be done, and what goes with it, is for idp/manage to say; the pages ask for proofs
// where it wants some, and put its answers into words.
package account
