package observe

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/idp"
)

// answer is one number.
func answer() []prometheus.Metric {
	return []prometheus.Metric{gaugeOf(describe("n", "A number."), 1)}
}

// The sleeps of these tests take no time: synctest has a clock of its own.
func TestNumbersAreReadOnceInHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		r := &reading{read: func(context.Context) []prometheus.Metric { reads++; return answer() }}
		for range 61 {
			if len(r.now()) != 1 {
				t.Error("the number is missing")
			}
			time.Sleep(time.Second)
		}
		if reads != 3 {
			t.Errorf("in a minute it was read %d times", reads)
		}
	})
}

// Who asks while the database hangs waits for two seconds, even if it does not hear that
// its time is over, and asks it nothing more. What was known before is old by then.
func TestHangingDatabaseHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		hang := make(chan struct{})
		r := &reading{read: func(context.Context) []prometheus.Metric {
			if reads.Add(1) == 2 {
				<-hang
			}
			return answer()
		}}
		r.now()
		time.Sleep(readEvery)
		for range 20 {
			begin := idp.Now()
			if list := r.now(); len(list) != 0 || idp.Now().Sub(begin) > readWithin {
				t.Errorf("%d numbers after %s", len(list), idp.Now().Sub(begin))
			}
			time.Sleep(readEvery)
		}
		if n := reads.Load(); n != 2 {
			t.Errorf("it was asked %d times", n)
		}
		close(hang)
		synctest.Wait()
		if len(r.now()) != 1 {
			t.Error("the number does not come back")
		}
	})
}

func TestReadingHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reading{read: func(ctx context.Context) []prometheus.Metric { <-ctx.Done(); return nil }}
		begin := idp.Now()
		if r.now(); idp.Now().Sub(begin) > readWithin {
			t.Errorf("it took %s", idp.Now().Sub(begin))
		}
	})
}
