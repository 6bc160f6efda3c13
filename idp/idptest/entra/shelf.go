package entra

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// shelf keeps the newest maxKept things by a key.
type shelf[V any] struct {
	things map[string]V
	order  []string
}

func newShelf[V any]() *shelf[V] { return &shelf[V]{things: map[string]V{}} }

func (s *shelf[V]) put(key string, v V) {
	if _, there := s.things[key]; !there {
		s.order = append(s.order, key)
	}
	s.things[key] = v
	if len(s.order) > maxKept {
		delete(s.things, s.order[0])
		s.order = s.order[1:]
	}
}

func (s *shelf[V]) get(key string) (V, bool) {
	v, ok := s.things[key]
	return v, ok
}

// drop takes a thing away; its place in the order stays until it is the oldest.
func (s *shelf[V]) drop(key string) { delete(s.things, key) }

// newToken makes 256 random bits as text.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// newGUID makes a random identifier in Microsoft's favourite form.
func newGUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
