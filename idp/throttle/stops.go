package throttle

import "gatehouse/idp/store"

// Stops are the counters that stop what they count at the cap.
func Stops() store.Stops {
	stops := store.Stops{At: Cap}
	for kind, r := range of {
		if r.cap > 0 {
			stops.Kinds = append(stops.Kinds, string(kind))
		}
	}
	return stops
}
