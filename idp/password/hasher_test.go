package password

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"pgregory.net/rapid"
)

// cheap are parameters for tests that hash often.
var cheap = Params{Memory: 64, Time: 1, Threads: 1}

// counting makes a Hasher that counts the hashes it computes.
func counting(p Params) (*Hasher, *atomic.Int64) {
	var count atomic.Int64
	h := New(p)
	h.started = func() func() {
		count.Add(1)
		return func() {}
	}
	return h, &count
}

func verify(t testing.TB, h *Hasher, encoded, password string) (ok, rehash bool) {
	t.Helper()
	ok, rehash, err := h.Verify(t.Context(), encoded, password)
	if err != nil {
		t.Fatal(err)
	}
	return ok, rehash
}

func encode(t testing.TB, h *Hasher, password string) string {
	t.Helper()
	encoded, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestHashIsArgon2idWithTheDocumentedCosts(t *testing.T) {
	h := New(Params{})
	encoded := encode(t, h, "correct horse")
	if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") || len(encoded) != 97 {
		t.Errorf("got %s", encoded)
	}
	if ok, rehash := verify(t, h, encoded, "correct horse"); !ok || rehash {
		t.Errorf("right password: ok %v, rehash %v", ok, rehash)
	}
	if ok, rehash := verify(t, h, encoded, "correct horsf"); ok || rehash {
		t.Errorf("wrong password: ok %v, rehash %v", ok, rehash)
	}
	if again := encode(t, h, "correct horse"); again == encoded {
		t.Error("the salt is not random")
	}
}

func TestOtherParametersAskForRehash(t *testing.T) {
	old := encode(t, New(cheap), "correct horse")
	ok, rehash := verify(t, New(Params{Memory: 64, Time: 2, Threads: 1}), old, "correct horse")
	if !ok || !rehash {
		t.Errorf("ok %v, rehash %v", ok, rehash)
	}
}

// The hashes of "correct horse" that other programs made: Python's argon2-cffi,
// bcrypt and hashlib.
func TestImportedHashes(t *testing.T) {
	const salt = "AAECAwQFBgcICQoLDA0ODw"
	for name, c := range map[string]struct {
		encoded string
		rehash  bool
	}{
		"argon2id, our costs":   {"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$0AuQxA+RjPiJeA19Op7DwrFxnfh9xeTU2T6mFj2wThc", false},
		"argon2id, other costs": {"$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$V38f836aPlLJfTn46DiRwbc7Dof/4EKc7o7eL7AF/kQ", true},
		"bcrypt 2b":             {"$2b$04$cothbgfQIkuLEqCwZx9JMuokuFoAT.WYMltEm8xZtKZz1EeAuaFum", true},
		"bcrypt 2y":             {"$2y$04$cothbgfQIkuLEqCwZx9JMuokuFoAT.WYMltEm8xZtKZz1EeAuaFum", true},
		"bcrypt 2a":             {"$2a$04$3GLnz2kkLEGVtxRQdTKJQ.4K2x7fp2PmaaxGXghMZpZQWzS2Qe0D.", true},
		"passlib":               {"$pbkdf2-sha256$29000$" + salt + "$ZvLORN3Wu1.2s6Mb0kBKZ43bylSsC/t0Vz5rE9nJPNg", true},
		"PBKDF2 in PHC form":    {"$pbkdf2-sha512$i=25000,l=64$" + salt + "$no0pQATH8VKOEmBWJw50YZrk2tmzRj9Ae6xEw1vLLehsKeOPWOMVonpc79bKsUZLnXvPrnJcFkEt9hwlEgxdKw", true},
		"padded":                {"$pbkdf2-sha256$i=29000$" + salt + "==$ZvLORN3Wu1+2s6Mb0kBKZ43bylSsC/t0Vz5rE9nJPNg=", true},
		"scrypt":                {"$scrypt$ln=14,r=8,p=1$" + salt + "$JbN2hANm9NOw4h5BRHZnbjzQ6Jr0QwNWojTOC2WgIbU", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(Params{})
			if ok, rehash := verify(t, h, c.encoded, "correct horse"); !ok || rehash != c.rehash {
				t.Errorf("right password: ok %v, rehash %v", ok, rehash)
			}
			if ok, rehash := verify(t, h, c.encoded, "correct horsf"); ok || rehash {
				t.Errorf("wrong password: ok %v, rehash %v", ok, rehash)
			}
		})
	}
}

// An imported hash of bytes that are not in normal form still matches, and is
// replaced by one of the normal form.
func TestImportedHashOfBytesAsTyped(t *testing.T) {
	const decomposed, composed = "re\u0301sume\u0301", "r\u00e9sum\u00e9"
	const encoded = "$pbkdf2-sha256$i=1000$AAECAwQFBgcICQoLDA0ODw$ZK/fzjBx5dZ36Xa84ilhG3ILp1p.amo1xZPPq3.MQj8"
	h := New(cheap)
	if ok, rehash := verify(t, h, encoded, decomposed); !ok || !rehash {
		t.Errorf("as typed: ok %v, rehash %v", ok, rehash)
	}
	own := encode(t, h, decomposed)
	for _, typed := range []string{decomposed, composed} {
		if ok, rehash := verify(t, h, own, typed); !ok || rehash {
			t.Errorf("%+q: ok %v, rehash %v", typed, ok, rehash)
		}
	}
}

func TestEverythingOfAPasswordCounts(t *testing.T) {
	h := New(cheap)
	long := strings.Repeat("x", MaxBytes)
	encoded := encode(t, h, long)
	if ok, _ := verify(t, h, encoded, long); !ok {
		t.Error("the longest password does not verify")
	}
	for _, other := range []string{long[1:], long[1:] + "y", " " + long[1:], ""} {
		if ok, _ := verify(t, h, encoded, other); ok {
			t.Errorf("%d bytes verify too", len(other))
		}
	}
	if _, err := h.Hash(t.Context(), long+"x"); !errors.Is(err, ErrTooLong) {
		t.Errorf("Hash: %v", err)
	}
	if _, _, err := h.Verify(t.Context(), encoded, long+"x"); !errors.Is(err, ErrTooLong) {
		t.Errorf("Verify: %v", err)
	}
}

func TestBcryptDoesNotMatchWhatItNeverHashed(t *testing.T) {
	full := strings.Repeat("x", 72)
	encoded, err := bcrypt.GenerateFromPassword([]byte(full), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	h := New(cheap)
	if ok, _ := verify(t, h, string(encoded), full); !ok {
		t.Error("72 bytes do not verify")
	}
	if ok, _ := verify(t, h, string(encoded), full+"anything"); ok {
		t.Error("72 right bytes and any ending verify")
	}
}

func TestUnknownPersonTakesTheSameWork(t *testing.T) {
	h, count := counting(cheap)
	known := encode(t, h, "correct horse")
	for _, typed := range []string{"", "wrong", "de\u0301compose\u0301"} {
		count.Store(0)
		verify(t, h, known, typed)
		wrong := count.Swap(0)
		if ok, rehash := verify(t, h, "", typed); ok || rehash {
			t.Errorf("%q: ok %v, rehash %v", typed, ok, rehash)
		}
		if unknown := count.Load(); unknown != wrong || wrong == 0 {
			t.Errorf("%q: %d hashes for an unknown person, %d for a wrong password", typed, unknown, wrong)
		}
	}
	if h.dummy.params != h.params || !h.current(h.dummy) {
		t.Error("the dummy is not of the current parameters")
	}
}

func TestNeverMoreAtOnceThanProcessors(t *testing.T) {
	var running, most atomic.Int64
	h := New(cheap)
	h.started = func() func() {
		now := running.Add(1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		time.Sleep(time.Millisecond)
		return func() { running.Add(-1) }
	}
	encoded := encode(t, h, "correct horse")
	var all sync.WaitGroup
	for range 16 * runtime.GOMAXPROCS(0) {
		all.Go(func() { verify(t, h, encoded, "wrong") })
		all.Go(func() { encode(t, h, "correct horse") })
	}
	all.Wait()
	if want := int64(runtime.GOMAXPROCS(0)); most.Load() != want {
		t.Errorf("%d hashes at once, want %d", most.Load(), want)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	h := New(cheap)
	resume := h.Suspend()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, _, err := h.Verify(ctx, "", "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Verify: %v", err)
	}
	if _, err := h.Hash(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Hash: %v", err)
	}
	resume()
	if _, err := h.Hash(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that had ended hashed: %v", err)
	}
}

func TestNewRefusesWhatItCouldNotVerify(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(Params{Memory: maxMemory + 1})
}

func TestAnyTextIsAPassword(t *testing.T) {
	h := New(cheap)
	rapid.Check(t, func(r *rapid.T) {
		password := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(r, "password")
		encoded := encode(t, h, password)
		if ok, rehash := verify(t, h, encoded, password); !ok || rehash {
			r.Fatalf("ok %v, rehash %v", ok, rehash)
		}
		if ok, _ := verify(t, h, encoded, password+"x"); ok {
			r.Fatal("another password matches")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := New(Params{})
	for b.Loop() {
		verify(b, h, "", "wrong")
	}
}
