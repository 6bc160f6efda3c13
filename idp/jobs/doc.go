// Package jobs owns periodic work: when something runs, that one failure does not stop it,
// and that it ends with the program. What the work is belongs to the package that
// registers it; it must be safe to run on all replicas at once.
package jobs
