// Package observe owns the numbers that an operator watches, and traces: which there are, and
// how they are made of what other packages tell their hooks. It decides nothing, asks the database
// for little and rarely, and knows no person: labels hold what we name ourselves.
package observe
