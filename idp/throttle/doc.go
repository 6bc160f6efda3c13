// Package throttle limits guessing. It owns the counters' keys, the delays and
// the cap; what happens at the cap is its callers' business.
//
// An attempt is counted before it is made and forgiven when it was right, so
// that parallel guesses cannot share one count. Counters stand in the database:
// replicas share them. Unknown accounts have counters like known ones.
package throttle
