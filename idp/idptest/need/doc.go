// Package need owns the answer to what a test needs and does not find on this machine. It
// imports nothing of ours, so that tests of pages link no provider.
package need
