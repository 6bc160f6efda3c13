package observe

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// What costs statements is read when it is asked for, and no more often than this. A
// database that does not answer in time has no numbers then, and holds up nobody.
const (
	readEvery  = 30 * time.Second
	readWithin = 2 * time.Second
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func gaugeOf(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counterOf(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

// computed are numbers that are made when they are asked for.
type computed struct {
	descriptions []*prometheus.Desc
	now          func() []prometheus.Metric
}

// Describe implements prometheus.Collector.
func (c computed) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descriptions {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c computed) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.now() {
		ch <- m
	}
}

// Database has the metrics say how the pools are doing, and what the database holds.
func (m *Metrics) Database(s *store.Store) {
	m.pools(s.Pools)
	waiting := describe("gatehouse_outbox_deliveries", "Mails, sign-out notices and requests that wait to be carried out, by kind.", "kind")
	oldest := describe("gatehouse_outbox_oldest_timestamp_seconds", "When the oldest of those was stored, in Unix time, by kind.", "kind")
	sessions := describe("gatehouse_sessions", "Sessions that have not ended, by population.", "population")
	m.read([]*prometheus.Desc{waiting, oldest, sessions}, func(ctx context.Context) ([]prometheus.Metric, error) {
		var list []prometheus.Metric
		backlogs, err := s.Backlogs(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range backlogs {
			list = append(list, gaugeOf(waiting, float64(b.Waiting), b.Kind), gaugeOf(oldest, float64(b.OldestAt.Unix()), b.Kind))
		}
		counts, err := s.SessionCounts(ctx)
		for population, n := range counts {
			list = append(list, gaugeOf(sessions, float64(n), population))
		}
		return list, err
	})
}

func (m *Metrics) pools(read func() []store.Pool) {
	open := describe("gatehouse_database_connections", "Open connections, by pool and state (in_use, idle).", "pool", "state")
	most := describe("gatehouse_database_connections_max", "The most connections that a pool may have.", "pool")
	waits := describe("gatehouse_database_waits_total", "How often a connection, or SQLite's one writer, was waited for, by pool.", "pool")
	wait := describe("gatehouse_database_wait_seconds_total", "How long that took altogether, by pool.", "pool")
	m.registry.MustRegister(computed{[]*prometheus.Desc{open, most, waits, wait}, func() (list []prometheus.Metric) {
		for _, p := range read() {
			list = append(list, gaugeOf(open, float64(p.InUse), p.Name, "in_use"), gaugeOf(open, float64(p.Idle), p.Name, "idle"),
				gaugeOf(most, float64(p.Max), p.Name), counterOf(waits, float64(p.Waits), p.Name), counterOf(wait, p.Waited.Seconds(), p.Name))
		}
		return list
	}})
}

// SigningKeys has the metrics say when the keys that sign now are due for a successor.
func (m *Metrics) SigningKeys(next func() map[idp.Algorithm]time.Time) {
	due := describe("gatehouse_signing_key_rotation_timestamp_seconds",
		"When the key that signs now is due for a successor, in Unix time, by algorithm; it signs for a day longer.", "algorithm")
	m.registry.MustRegister(computed{[]*prometheus.Desc{due}, func() (list []prometheus.Metric) {
		for algorithm, at := range next() {
			list = append(list, gaugeOf(due, float64(at.Unix()), string(algorithm)))
		}
		return list
	}})
}

// read registers numbers that cost statements.
func (m *Metrics) read(descriptions []*prometheus.Desc, read func(context.Context) ([]prometheus.Metric, error)) {
	readings := describe("gatehouse_database_readings_total",
		"How often the database was asked for numbers, by outcome. After a failure their series are missing.", "outcome")
	var done, failed atomic.Int64
	r := &reading{read: func(ctx context.Context) []prometheus.Metric {
		list, err := read(ctx)
		if err != nil {
			slog.WarnContext(ctx, "read numbers for metrics", "cause", err)
			failed.Add(1)
			return nil
		}
		done.Add(1)
		return list
	}}
	m.registry.MustRegister(computed{append(descriptions, readings), func() []prometheus.Metric {
		return append(slices.Clip(r.now()), counterOf(readings, float64(done.Load()), "ok"), counterOf(readings, float64(failed.Load()), "failed"))
	}})
}

// reading keeps numbers for a while. Those who ask at once share one.
type reading struct {
	read func(context.Context) []prometheus.Metric

	mu   sync.Mutex
	at   time.Time
	kept []prometheus.Metric
	done chan struct{} // closed once kept is what began at that moment
}

func (r *reading) now() []prometheus.Metric {
	timer := time.NewTimer(readWithin)
	defer timer.Stop()
	select {
	case <-r.begun():
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}

// begun begins a reading when it is time and none is under way, and tells when it is done.
func (r *reading) begun() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done != nil {
		select {
		case <-r.done:
		default:
			return r.done
		}
		if idp.Now().Sub(r.at) < readEvery {
			return r.done
		}
	}
	r.at, r.kept, r.done = idp.Now(), nil, make(chan struct{})
	go r.fill(r.done)
	return r.done
}

func (r *reading) fill(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	list := r.read(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = list
	close(done)
}
