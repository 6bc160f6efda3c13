// Package imports reads files of people whom another system knew, CSV and JSON lines,
// and has package manage add them, line by line. It owns the forms of the files and
// what is reported about each line; what may be saved is the business of manage, and
// which hashes and keys can be read that of password and mfa.
package imports
