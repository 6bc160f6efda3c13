package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/idp"
)

// bench is a world with a provider that prepares rounds. What is measured runs in
// processes that are started for each operation.
type bench struct {
	o        options
	w        world
	orders   orders
	process  *process
	helper   *conn
	cookies  []string // of each lane
	tokens   []string // of each lane
	nextUser atomic.Int64
	passkey  *ecdsa.PrivateKey
}

func newBench(ctx context.Context, o options, w world) (*bench, error) {
	b := &bench{o: o, w: w, orders: orders{World: w}, tokens: make([]string, o.workers)}
	var err error
	if b.passkey, err = x509.ParseECPrivateKey(w.PasskeyKey); err != nil {
		return nil, fmt.Errorf("read the passkeys' key: %w", err)
	}
	if b.process, err = start(ctx, roleProvider, b.orders); err != nil {
		return nil, err
	}
	if b.helper, err = dial(b.process.address); err != nil {
		return nil, err
	}
	for path, body := range map[string]*[]byte{
		"/keys": &b.orders.Keys, "/.well-known/openid-configuration": &b.orders.Discovery,
	} {
		a, err := b.helper.expect(http.StatusOK, get(path))
		if err != nil {
			return nil, err
		}
		a.header.Del("Content-Length") // the two differ in it
		*body, b.orders.Headers = a.body, a.header
	}
	for i := range o.workers {
		cookies, _, err := b.signIn(b.helper, i, w.Clients[0])
		if err != nil {
			return nil, err
		}
		b.cookies = append(b.cookies, cookies)
	}
	b.nextUser.Store(int64(o.workers) - 1)
	return b, nil
}

func (b *bench) close() {
	if err := errors.Join(b.helper.Close(), b.process.stop()); err != nil {
		fmt.Println("close:", err)
	}
}

// figures are what rounds of one side gave.
type figures struct {
	count    int
	elapsed  time.Duration
	cpu      time.Duration
	took     []time.Duration
	resident int64
}

// measure lets provider and floor take turns, and prints the outcome.
func (b *bench) measure(ctx context.Context, op operation) (err error) {
	var sides [2]*process
	for i, role := range []string{roleProvider, roleFloor} {
		o := b.orders
		if b.o.profiles != "" && role == roleProvider {
			o.Profile = filepath.Join(b.o.profiles, strings.NewReplacer(", ", "-", " ", "-").Replace(op.name)+".prof")
		}
		if sides[i], err = start(ctx, role, o); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sides[i].stop()) }()
	}
	var got [2]figures
	var ratios []float64
	for round := -1; round < b.o.rounds; round++ { // one to warm up
		var rates [2]float64
		for i, side := range sides {
			length, limit := b.o.round*max(1, op.length), op.limit
			if round < 0 {
				length, limit = b.o.round/4, min(op.limit, int64(4*b.o.workers))
			}
			if err := op.prepare(ctx); err != nil {
				return err
			}
			first := b.nextUser.Load()
			f, err := b.round(side, op, length, limit)
			if err != nil {
				return err
			}
			if i == 1 {
				b.nextUser.Store(first) // the floor knows no people yet
			}
			if round >= 0 {
				rates[i] = f.rate()
				got[i].add(f)
			}
		}
		if round >= 0 {
			ratios = append(ratios, rates[0]/rates[1])
		}
	}
	slices.Sort(ratios)
	printRow(op, got[0], got[1], ratios[len(ratios)/2])
	return nil
}

func (f *figures) add(g figures) {
	f.count, f.elapsed, f.cpu = f.count+g.count, f.elapsed+g.elapsed, f.cpu+g.cpu
	f.took, f.resident = append(f.took, g.took...), max(f.resident, g.resident)
}

// round puts load on one side for a while.
func (b *bench) round(side *process, op operation, length time.Duration, limit int64) (figures, error) {
	lanes := make([]*lane, b.o.workers)
	for i := range lanes {
		c, err := dial(side.address)
		if err != nil {
			return figures{}, err
		}
		defer func() { _ = c.Close() }() // nothing is lost with it
		lanes[i] = &lane{conn: c, index: i, cookies: b.cookies[i]}
	}
	var f figures
	var done atomic.Int64
	var mu sync.Mutex
	var errs []error
	var working sync.WaitGroup
	before, err := cpuTime(side.cmd.Process.Pid)
	if err != nil {
		return f, err
	}
	begin := idp.Now()
	end := begin.Add(length)
	for _, l := range lanes {
		working.Go(func() {
			took, err := l.work(op, end, &done, limit)
			mu.Lock()
			defer mu.Unlock()
			f.took, errs = append(f.took, took...), append(errs, err)
		})
	}
	working.Wait()
	f.elapsed, f.count = idp.Now().Sub(begin), len(f.took)
	after, errCPU := cpuTime(side.cmd.Process.Pid)
	f.cpu = after - before
	var errRSS error
	f.resident, errRSS = resident(side.cmd.Process.Pid)
	return f, errors.Join(append(errs, errCPU, errRSS)...)
}

// work does an operation again and again until the round ends.
func (l *lane) work(op operation, end time.Time, done *atomic.Int64, limit int64) ([]time.Duration, error) {
	var took []time.Duration
	for now := idp.Now(); now.Before(end); {
		if limit > 0 && done.Add(1) > limit {
			break
		}
		if err := op.do(l); err != nil {
			return took, err
		}
		after := idp.Now()
		took = append(took, after.Sub(now))
		now = after
	}
	return took, nil
}

func (f *figures) rate() float64 { return float64(f.count) / f.elapsed.Seconds() }

// perCore is the rate if one core did nothing but this process's share.
func (f *figures) perCore() float64 { return float64(f.count) / max(f.cpu, ticks).Seconds() }

// percentile expects what took to be sorted.
func (f *figures) percentile(p float64) time.Duration {
	return f.took[min(len(f.took)-1, int(p*float64(len(f.took))))]
}

func printHeader(o options) {
	fmt.Printf("%d connections, %d rounds of %v on each side, in turns.\n\n", o.workers, o.rounds, o.round)
	fmt.Println("| Operation | ops/s | ops/s on one core | p50 | p99 | floor ops/s | floor on one core | ratio | goal | ratio of processor time |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
}

func printRow(op operation, ours, floor figures, ratio float64) {
	if ours.count == 0 || floor.count == 0 {
		fmt.Printf("| %s | nothing was done | | | | | | | | |\n", op.name)
		return
	}
	slices.Sort(ours.took)
	goal := "–"
	if op.goal > 0 {
		goal = fmt.Sprintf("%.1f", op.goal)
	}
	fmt.Printf("| %s | %.0f | %.0f | %s | %s | %.0f | %.0f | **%.2f** | %s | %.2f |\n", op.name,
		ours.rate(), ours.perCore(), milliseconds(ours.percentile(0.5)), milliseconds(ours.percentile(0.99)),
		floor.rate(), floor.perCore(), ratio, goal, ours.perCore()/floor.perCore())
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
