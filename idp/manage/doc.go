// Package manage owns the operations on people, populations and clients: the
// rules of what may be saved, and the audit events that go with it. API,
// console, self-service and command line all call it, and nothing else writes
// these.
package manage
