// Package demo is a whole installation on this machine, to try and to test with:
// the provider with seeded people, two portals, a simulated
// Microsoft Entra and a mailbox.
package demo
