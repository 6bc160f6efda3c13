// Package arrival serves the pages behind links that come by mail: an invitation, a
// confirmed address, a new password. It owns no rules: package manage has them. Asking
// for such a link belongs to the sign-in.
package arrival
