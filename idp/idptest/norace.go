//go:build !race

package idptest

// Raced: the race detector watches, and what is repeated often takes many times as long.
const Raced = false
