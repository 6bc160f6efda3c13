package jobs

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Job is work that runs again and again.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) error
}

// Within is how long one run may take: one that waits for an answer that never comes ends, and
// the next may get one.
const Within = 5 * time.Minute

// Run runs all jobs until ctx ends, then waits for those under way. Each starts
// after a random part of its period, so that replicas spread out.
func Run(ctx context.Context, list ...Job) {
	var running sync.WaitGroup
	for _, j := range list {
		running.Go(func() { j.repeat(ctx) })
	}
	running.Wait()
}

func (j Job) repeat(ctx context.Context) {
	wait := time.Duration(rand.Int64N(int64(j.Every))) // #nosec G404 -- spreads load, guards nothing
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if err := j.once(ctx); err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, "job failed, it will be tried again", "job", j.Name, "cause", err)
		}
		wait = j.Every
	}
}

func (j Job) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	return j.Run(ctx)
}
