package login

import (
	"context"
	"sync"
)

// turns has those who want the same wait for each other, in this process.
type turns struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// take waits until a key is free, and leave gives it back. waited: it was taken meanwhile.
func (t *turns) take(ctx context.Context, key string) (leave func(), waited bool, err error) {
	for {
		t.mu.Lock()
		before, busy := t.held[key]
		if !busy {
			if t.held == nil {
				t.held = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			t.held[key] = mine
			t.mu.Unlock()
			return func() { t.give(key, mine) }, waited, nil
		}
		t.mu.Unlock()
		waited = true
		select {
		case <-before:
		case <-ctx.Done():
			return nil, true, ctx.Err()
		}
	}
}

func (t *turns) give(key string, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, key)
	close(mine)
}
