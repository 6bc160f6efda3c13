package jobs_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/jobs"
)

func TestJobsRunAgainAndAgainUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var minutely, hourly atomic.Int32
		job := func(name string, every time.Duration, n *atomic.Int32) jobs.Job {
			return jobs.Job{Name: name, Every: every, Run: func(context.Context) error { n.Add(1); return nil }}
		}
		done := make(chan struct{})
		go func() {
			jobs.Run(ctx, job("minutely", time.Minute, &minutely), job("hourly", time.Hour, &hourly))
			close(done)
		}()
		time.Sleep(10*time.Hour + time.Nanosecond)
		synctest.Wait()
		if minutely.Load() != 600 || hourly.Load() != 10 {
			t.Errorf("in ten hours %d and %d runs", minutely.Load(), hourly.Load())
		}
		cancel()
		<-done
		time.Sleep(time.Hour)
		if minutely.Load() != 600 {
			t.Error("a job ran after the end")
		}
	})
}

// Replicas that start together do not work at the same moment.
func TestFirstRunIsSomewhereInThePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := idp.Now()
		starts := map[time.Duration]bool{}
		first := make(chan time.Duration, 20)
		var replicas []jobs.Job
		for range cap(first) {
			ran := false
			replicas = append(replicas, jobs.Job{Every: time.Hour, Run: func(context.Context) error {
				if !ran {
					first <- idp.Now().Sub(began)
				}
				ran = true
				return nil
			}})
		}
		done := make(chan struct{})
		go func() { jobs.Run(ctx, replicas...); close(done) }()
		for range cap(first) {
			at := <-first
			starts[at] = true
			if at > time.Hour {
				t.Errorf("the first run is after %s", at)
			}
		}
		if len(starts) < cap(first)/2 {
			t.Errorf("%d replicas started at %d moments", cap(first), len(starts))
		}
		cancel()
		<-done
	})
}

func TestOneFailureStopsNothing(t *testing.T) {
	log := idptest.Log(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		done := make(chan struct{})
		go func() {
			jobs.Run(ctx, jobs.Job{Name: "sweep", Every: time.Minute, Run: func(context.Context) error {
				runs++
				return errors.New("the database is down")
			}})
			close(done)
		}()
		time.Sleep(5*time.Minute + time.Nanosecond)
		cancel()
		<-done
		if runs != 5 || strings.Count(log.String(), "job=sweep") != 5 || !strings.Contains(log.String(), "the database is down") {
			t.Errorf("%d runs, and the log says %s", runs, log.String())
		}
	})
}

// A job that is under way is told to stop and waited for; that it then fails is
// no news.
func TestEndWaitsForWhatIsUnderWay(t *testing.T) {
	log := idptest.Log(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		finished := false
		done := make(chan struct{})
		go func() {
			jobs.Run(ctx, jobs.Job{Every: time.Minute, Run: func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(10 * time.Second)
				finished = true
				return ctx.Err()
			}})
			close(done)
		}()
		time.Sleep(time.Minute + time.Nanosecond)
		cancel()
		<-done
		if !finished || log.String() != "" {
			t.Errorf("finished: %t, and the log says %s", finished, log.String())
		}
	})
}
