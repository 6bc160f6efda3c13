package portal

import (
	"sync"
	"time"
)

// memory keeps values until they expire, at most max of them: when it is full,
// what expires first makes room.
type memory[V any] struct {
	max int

	mu      sync.Mutex
	entries map[string]entry[V]
}

type entry[V any] struct {
	value   V
	expires time.Time
}

func newMemory[V any](limit int) *memory[V] {
	return &memory[V]{max: limit, entries: map[string]entry[V]{}}
}

// add stores a value under a new key; it answers false when the key is taken.
func (m *memory[V]) add(key string, value V, expires time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.live(key); taken {
		return false
	}
	if len(m.entries) >= m.max {
		m.makeRoom()
	}
	m.entries[key] = entry[V]{value, expires}
	return true
}

func (m *memory[V]) get(key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live(key)
}

// take removes and answers the value, if it is there and matches. Of two callers
// one gets it.
func (m *memory[V]) take(key string, matches func(V) bool) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.live(key)
	if !ok || !matches(value) {
		var none V
		return none, false
	}
	delete(m.entries, key)
	return value, true
}

// replace changes a value that is still there and keeps its expiry.
func (m *memory[V]) replace(key string, value V) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.live(key); !ok {
		return false
	}
	m.entries[key] = entry[V]{value, m.entries[key].expires}
	return true
}

func (m *memory[V]) remove(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, key)
}

// removeIf removes the values that match and answers how many they were.
func (m *memory[V]) removeIf(matches func(V) bool) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	removed := 0
	for key, e := range m.entries {
		if matches(e.value) {
			delete(m.entries, key)
			removed++
		}
	}
	return removed
}

func (m *memory[V]) live(key string) (V, bool) {
	e, ok := m.entries[key]
	if ok && !now().Before(e.expires) {
		delete(m.entries, key)
		e, ok = entry[V]{}, false
	}
	return e.value, ok
}

func (m *memory[V]) makeRoom() {
	var first string
	for key, e := range m.entries {
		if !now().Before(e.expires) {
			delete(m.entries, key)
		} else if f, ok := m.entries[first]; !ok || e.expires.Before(f.expires) {
			first = key
		}
	}
	if len(m.entries) >= m.max {
		delete(m.entries, first)
	}
}
