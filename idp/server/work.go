package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
	"gatehouse/idp/jobs"
	"gatehouse/idp/keys"
	"gatehouse/idp/outbox"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
)

// reapEvery is how long relying parties may hear late of what another replica
// ended "Immediately", should that replica stop before it has told them.
const reapEvery = 10 * time.Second

// remindEvery is how often a batch of reminders is stored: slowly enough for mails that people
// wait for.
const remindEvery = 5 * time.Second

// Work does the background work until ctx ends: deliveries, clean-up, keys.
func (s *Server) Work(ctx context.Context) {
	var working sync.WaitGroup
	working.Go(func() { s.worker().Run(ctx) })
	working.Go(func() { s.reapWhenTold(ctx) })
	list := []jobs.Job{
		{Name: "sweep", Every: time.Minute, Run: s.sweep},
		{Name: "end expired sessions", Every: time.Minute, Run: func(ctx context.Context) error {
			_, err := s.sessions.Expire(ctx)
			return err
		}},
		{Name: "clean up after policies", Every: reapEvery, Run: s.reapNow},
		{Name: "remind people of the second step", Every: remindEvery, Run: s.Manage.Populations.Remind},
		{Name: "make people searchable", Every: time.Minute, Run: s.indexPeople},
		{Name: "count what happened", Every: time.Minute, Run: s.countActivity},
		{Name: "count who is here", Every: time.Minute, Run: s.countTallies},
		{Name: "rotate signing keys", Every: time.Hour, Run: func(ctx context.Context) error {
			_, err := s.Keys.Rotate(ctx, false)
			return err
		}},
		{Name: "reload signing keys", Every: keys.Staleness, Run: s.Keys.Reload},
	}
	for i, j := range list {
		list[i].Run = func(ctx context.Context) error {
			ended := func(error) {}
			if s.tracing != nil {
				ctx, ended = s.tracing.Job(ctx, j.Name)
			}
			err := j.Run(ctx)
			ended(err)
			if err == nil || ctx.Err() == nil { // else it was told to stop
				s.metrics.Job(j.Name, err)
			}
			return err
		}
	}
	jobs.Run(ctx, list...)
	working.Wait()
}

func (s *Server) backchannel() *outbox.Backchannel {
	client := fetch.NewClient(s.cfg.PrivateNetworks)
	if s.tracing != nil {
		client = s.tracing.Client(client)
	}
	return &outbox.Backchannel{Issuer: s.cfg.Issuer, Store: s.Store, Signer: s.Keys, HTTP: client}
}

// worker carries out the deliveries.
func (s *Server) worker() *outbox.Worker {
	w := &outbox.Worker{
		Outbox: s.outbox, Write: s.pages.WriteMail, Logout: s.backchannel().Tell,
		Request: s.Manage.Links.CarryOut, Observe: s.metrics.Delivery,
	}
	if s.tracing != nil {
		w.Span = s.tracing.Delivery
	}
	if s.Mailer != nil {
		w.Mailer = s.Mailer
	}
	return w
}

// reapSoon asks this process to clean up now. It never waits.
func (s *Server) reapSoon() {
	select {
	case s.reap <- struct{}{}:
	default:
	}
}

func (s *Server) reapWhenTold(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.reap:
		}
		if err := s.reapNow(ctx); err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, "clean up after a policy, it will be tried again", "cause", err)
		}
	}
}

func (s *Server) reapNow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, jobs.Within)
	defer cancel()
	_, err := s.sessions.Reap(ctx)
	return err
}

func (s *Server) sweep(ctx context.Context) error {
	keep, err := s.auditRetention(ctx)
	if err != nil {
		return err
	}
	n, err := s.Store.Sweep(ctx, idp.Now(), store.Retention{Audit: keep})
	s.metrics.Swept(n)
	return err
}

// What indexPeople does: people of one transaction, and transactions of one run.
const (
	indexBatch   = 500
	indexBatches = 200
)

// indexPeople makes people searchable whom another program added, or an older version, up to
// 100,000 in one run. Replicas may do it at once.
func (s *Server) indexPeople(ctx context.Context) error {
	for range indexBatches {
		if n, err := s.Store.IndexUsers(ctx, indexBatch); err != nil || n < indexBatch {
			return err
		}
	}
	return nil
}

// hoursOfOneRun is how many hours are counted in one run: the 30 days of an installation that
// was not counted yet take a few minutes.
const hoursOfOneRun = 200

func (s *Server) countActivity(ctx context.Context) error {
	_, err := s.Store.CountActivity(ctx, idp.Now(), hoursOfOneRun)
	return err
}

func (s *Server) countTallies(ctx context.Context) error {
	return s.Store.CountTallies(ctx, idp.Now(), throttle.Stops())
}

// auditRetention is what the configuration says, or else the database.
func (s *Server) auditRetention(ctx context.Context) (time.Duration, error) {
	if s.cfg.AuditRetention != nil {
		return *s.cfg.AuditRetention, nil
	}
	return s.Store.AuditRetention(ctx)
}
