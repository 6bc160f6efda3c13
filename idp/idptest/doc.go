// Package idptest owns what the tests of several packages share, such as a
// database that is theirs alone. It does not hold tests or stand-ins that one
// package alone needs, and no code of the program imports it; the simulated Entra below it
// also stands in the demo.
package idptest
