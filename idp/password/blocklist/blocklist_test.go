package blocklist

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// entries is how many passwords a filter holds.
func entries(filter string) int { return number(filter, buckets-1) }

func TestFilterIsWhole(t *testing.T) {
	n := entries(filter)
	if n < 100_000 || n > 120_000 {
		t.Errorf("%d entries", n)
	}
	if len(filter) != header+4*n {
		t.Errorf("%d bytes for %d entries", len(filter), n)
	}
	from := 0
	for bucket := range buckets {
		to := number(filter, bucket)
		for i := from + 1; i < to; i++ {
			if number(filter[header:], i-1) >= number(filter[header:], i) {
				t.Fatalf("bucket %d is not sorted", bucket)
			}
		}
		if to < from {
			t.Fatalf("bucket %d ends before it begins", bucket)
		}
		from = to
	}
}

func TestCommonestAreIn(t *testing.T) {
	for _, text := range []string{
		"password", "PassWord", "12345678", "qwertyuiop", "iloveyou", "sunshine", "1q2w3e4r", "football",
		"password123", "trustno1", "letmein", "dragon", "monkey", "123456789012345",
	} {
		if !Contains(Fold(text)) {
			t.Errorf("%q is not in the filter", text)
		}
	}
	for _, text := range []string{"", "correct horse battery", "tea for two at half past nine", "\x00", "password "} {
		if Contains(Fold(text)) {
			t.Errorf("%q is in the filter", text)
		}
	}
}

// A password that is not among the commonest is taken for one with a probability of
// entries / 2^40, 1 in 10 million. Of a million, none is expected to be; the bound is
// what would happen less than once in a thousand runs, and the seed is fixed.
func TestFalsePositivesAreRare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same every time
	const tries = 1_000_000
	wrong := 0
	for range tries {
		var b [12]byte
		for i := range b {
			b[i] = byte(' ' + random.IntN(95))
		}
		if Contains(Fold(string(b[:]))) {
			wrong++
		}
	}
	if rate := float64(entries(filter)) / (1 << 40); wrong > 2 || rate > 1.1e-7 {
		t.Errorf("%d of %d wrong, %g expected of each", wrong, tries, rate)
	}
}

func TestBuiltFilterHoldsWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.String(), 0, 200).Draw(t, "in")
		other := rapid.SliceOfN(rapid.String(), 0, 50).Draw(t, "other")
		built := string(Build(in))
		for _, text := range in {
			if !search(built, Key(text)) {
				t.Fatalf("%q is missing", text)
			}
		}
		for _, text := range other {
			if search(built, Key(text)) && !slices.Contains(in, text) {
				t.Fatalf("%q was not put in", text)
			}
		}
	})
}

func TestLookUpAllocatesNothing(t *testing.T) {
	text := Fold("correct horse battery")
	if n := testing.AllocsPerRun(100, func() { Contains(text) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// The file is what gen.go wrote: whoever changes it changes this line too.
func TestFilterIsTheReviewedOne(t *testing.T) {
	sum := sha256.Sum256([]byte(filter))
	if got := hex.EncodeToString(sum[:]); got != reviewed {
		t.Errorf("the filter's SHA-256 is %s", got)
	}
	if strings.Contains(filter, "password") {
		t.Error("it holds passwords as text")
	}
}

const reviewed = "2ae1dc8986b09fd1747d31f635c214fe7a6b73bc130f4177ce4424904361ec3f"

func FuzzContains(f *testing.F) {
	f.Add("password")
	f.Add("")
	f.Add("zzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, text string) {
		if folded := Fold(text); Contains(folded) != slices.Contains(stored(Key(folded)>>32), uint32(Key(folded))) {
			t.Errorf("%q is not found as it stands", text)
		}
	})
}

// stored are the entries of a bucket.
func stored(bucket uint64) []uint32 {
	from := 0
	if bucket > 0 {
		from = number(filter, int(bucket-1))
	}
	var list []uint32
	for i := from; i < number(filter, int(bucket)); i++ {
		list = append(list, uint32(number(filter[header:], i)))
	}
	return list
}
