// Package populations owns what is set for a population: portal access, MFA, passwords,
// sessions, registration and brand, when a change applies, and whom it concerns.
package populations
