package provider

import (
	"testing"
	"time"
)

func TestNoncesAreTakenForAFewMinutesOnAllReplicas(t *testing.T) {
	t.Parallel()
	one := &Provider{Config: Config{NonceKey: []byte("k")}}
	two := &Provider{Config: Config{NonceKey: []byte("k")}}
	other := &Provider{Config: Config{NonceKey: []byte("l")}}
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	nonce := one.nonce(at)
	for after, want := range map[time.Duration]bool{
		0: true, nonceStep: true, 2*nonceStep - time.Second: true, -time.Second: true, // clocks differ a little
		2 * nonceStep: false, time.Hour: false, -time.Hour: false,
	} {
		if got := two.ours(nonce, at.Add(after)); got != want {
			t.Errorf("%s after it was given: %t, want %t", after, got, want)
		}
	}
	if other.ours(nonce, at) || two.ours("", at) {
		t.Error("a nonce counts that was not given")
	}
}
