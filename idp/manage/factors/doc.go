// Package factors owns what others do to a person's second step: recovery codes, enabling
// what was disabled, and the reset. How a step is asked for is package login's.
package factors
