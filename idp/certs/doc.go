// Package certs owns the certificate of an issuer that has no proxy with TLS in front of it:
// read from files that others renew, or got and renewed from an authority by ACME (RFC 8555).
// It knows nothing of requests, and keeps nothing in the database.
package certs
