package portal

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWaysIn(t *testing.T) {
	for amr, want := range map[string]string{
		"pwd":             "password",
		"pwd otp mca mfa": "password and email code",
		"pwd otp mfa":     "password and authenticator app or recovery code",
		"user mfa hwk":    "passkey",
		"user mfa swk":    "passkey",
		"fed":             "your organisation's account",
		"fed pwd mfa":     "your organisation's account and a second step there",
		"":                "a method the sign-in service did not name",
	} {
		if got := waysIn(strings.Fields(amr)); got != want {
			t.Errorf("waysIn(%q) = %q, want %q", amr, got, want)
		}
	}
}

func TestAgoAndLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute:      "just now / has passed",
		30 * time.Second:  "just now / in less than a minute",
		time.Minute:       "1 minute ago / in 1 minute",
		119 * time.Minute: "1 hour ago / in 1 hour",
		72 * time.Hour:    "3 days ago / in 72 hours",
	} {
		if got := ago(d) + " / " + left(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestMemory(t *testing.T) {
	m := newMemory[int](3)
	later := func(minutes int) time.Time { return now().Add(time.Duration(minutes) * time.Minute) }
	for i, minutes := range []int{5, 1, 3, 4} {
		if !m.add(fmt.Sprint(i), i, later(minutes)) {
			t.Errorf("adding %d failed", i)
		}
	}
	if _, ok := m.get("1"); ok || len(m.entries) != 3 {
		t.Errorf("what expires first did not make room: %v", m.entries)
	}
	if m.add("0", 9, later(9)) {
		t.Error("a taken key was added again")
	}
	m.entries["0"] = entry[int]{0, later(-1)}
	if !m.add("0", 9, later(9)) {
		t.Error("an expired key was not free")
	}
	if m.replace("gone", 1) {
		t.Error("a missing value was replaced")
	}
}
