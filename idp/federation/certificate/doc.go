// Package certificate owns the keys by which this provider proves to another one who
// it is, and the certificates that an admin uploads there. It does not use them.
package certificate
