package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// called is who calls, as the audit log and the limits see it.
func called(t *testing.T, remote string, header map[string][]string, trusted ...string) string {
	t.Helper()
	return calledAt(serve(t, "https://id.example", trusted...), remote, header)
}

func TestProxiesWriteAddressesInManyWays(t *testing.T) {
	for header, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "203.0.113.7:51234": "203.0.113.7", " 203.0.113.7\t": "203.0.113.7",
		"2001:db8::1": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "[2001:db8::1]:443": "2001:db8::1",
		"2001:DB8:0:0::1": "2001:db8::1", "::ffff:203.0.113.7": "203.0.113.7", "[::ffff:203.0.113.7]:80": "203.0.113.7",
		"fe80::1%eth0": "fe80::1", "[fe80::1%eth0]:443": "fe80::1",
		// The rightmost one that no trusted proxy has counts, whatever a stranger wrote before.
		"198.51.100.1, 203.0.113.7":                      "203.0.113.7",
		"198.51.100.1:1, 203.0.113.7:2, 10.9.9.9:3":      "203.0.113.7",
		"203.0.113.7, [::ffff:10.2.2.2]:443, 10.9.9.9:3": "203.0.113.7",
		"10.2.2.2, 10.9.9.9":                             "10.2.2.2",
		// What is no address ends the walk at the proxy that passed it on.
		"": "10.1.2.3", "unknown": "10.1.2.3", "_hidden": "10.1.2.3", "203.0.113.7, unknown": "10.1.2.3",
		"203.0.113.7,": "10.1.2.3", "203.0.113.7, unknown, 10.9.9.9": "10.9.9.9", "203.0.113.7 198.51.100.1": "10.1.2.3",
		"203.0.113.7:": "10.1.2.3", "203.0.113.7:99999": "10.1.2.3", "203.0.113.7:80:80": "10.1.2.3", "203.0.113": "10.1.2.3",
		"[2001:db8::1": "10.1.2.3", "2001:db8::1]": "10.1.2.3", "[203.0.113.7]": "10.1.2.3", "[]": "10.1.2.3", "[2001:db8::1]443": "10.1.2.3",
		"0313.0.113.7": "10.1.2.3", "1e3": "10.1.2.3", "http://203.0.113.7": "10.1.2.3", "for=203.0.113.7": "10.1.2.3", `"203.0.113.7"`: "10.1.2.3",
	} {
		got := called(t, "10.1.2.3:4444", map[string][]string{"X-Forwarded-For": {header}}, "10.0.0.0/8")
		if got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestSeveralHeadersAreOneList(t *testing.T) {
	h := map[string][]string{"X-Forwarded-For": {"198.51.100.1", "203.0.113.7:1", "10.2.2.2"}}
	if got := called(t, "10.1.2.3:4444", h, "10.0.0.0/8"); got != "203.0.113.7" {
		t.Error(got)
	}
}

func TestNoOtherHeaderSaysWhoCalls(t *testing.T) {
	others := map[string][]string{}
	for _, name := range []string{
		"X-Real-Ip", "Cf-Connecting-Ip", "X-Appengine-Remote-Addr", "Fly-Client-Ip", "True-Client-Ip", "X-Client-Ip",
		"X-Cluster-Client-Ip", "X-Original-Forwarded-For", "X-Forwarded", "Forwarded-For",
	} {
		others[name] = []string{"203.0.113.7"}
	}
	others["Forwarded"] = []string{"for=203.0.113.7"}
	for _, trusted := range [][]string{nil, {"10.0.0.0/8"}} {
		if got := called(t, "10.1.2.3:4444", others, trusted...); got != "10.1.2.3" {
			t.Errorf("trusting %v: %s", trusted, got)
		}
		others["X-Forwarded-For"] = []string{"unknown"} // nothing falls back to them
		if got := called(t, "10.1.2.3:4444", others, trusted...); got != "10.1.2.3" {
			t.Errorf("trusting %v: %s", trusted, got)
		}
	}
}

func TestTrustedProxiesMayBeWrittenInEitherForm(t *testing.T) {
	h := map[string][]string{"X-Forwarded-For": {"203.0.113.7"}}
	for trusted, remotes := range map[string][]string{
		"10.0.0.0/8":          {"10.1.2.3:1", "[::ffff:10.1.2.3]:1"},
		"::ffff:10.0.0.0/104": {"10.1.2.3:1", "[::ffff:10.1.2.3]:1"},
		"10.1.2.3":            {"10.1.2.3:1"},
		"::ffff:10.1.2.3":     {"10.1.2.3:1"},
		"fd00::/8":            {"[fd00::1]:1", "[fd00::1%eth0]:1"},
		"::1":                 {"[::1]:1"},
	} {
		for _, from := range remotes {
			if got := called(t, from, h, trusted); got != "203.0.113.7" {
				t.Errorf("%s from %s: %s", trusted, from, got)
			}
		}
	}
	if got := called(t, "11.1.2.3:1", h, "10.0.0.0/8", "::/96"); got != "11.1.2.3" {
		t.Errorf("a stranger is believed: %s", got)
	}
}

// Whatever strangers write, the address is the one that the nearest trusted proxy saw.
func TestStrangersCannotChooseTheirAddress(t *testing.T) {
	h := serve(t, "https://id.example", "10.0.0.0/8")
	rapid.Check(t, func(t *rapid.T) {
		junk := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9a-f.:,\[\] %]{0,40}`),
			rapid.SampledFrom([]string{"10.9.9.9", "10.9.9.9:1", "198.51.100.1", "[::1]", "unknown", ""}))
		forged := strings.Join(rapid.SliceOfN(junk, 0, 4).Draw(t, "forged"), ",")
		list := forged + "," + rapid.SampledFrom([]string{"203.0.113.7", " 203.0.113.7:80", "[::ffff:203.0.113.7]:1"}).Draw(t, "seen")
		for range rapid.IntRange(0, 2).Draw(t, "proxies") {
			list += rapid.SampledFrom([]string{",10.2.2.2", ", 10.2.2.2:443"}).Draw(t, "proxy")
		}
		lines := []string{list}
		if i := rapid.IntRange(0, len(list)).Draw(t, "cut"); strings.HasPrefix(list[i:], ",") {
			lines = []string{list[:i], list[i+1:]}
		}
		if got := calledAt(h, "10.1.2.3:4444", map[string][]string{"X-Forwarded-For": lines}); got != "203.0.113.7" {
			t.Fatalf("%q: %s", lines, got)
		}
	})
}

func FuzzForwardedFor(f *testing.F) {
	for _, s := range []string{"", "203.0.113.7:80", "[2001:db8::1]:443", "fe80::1%eth0, x", ",,", "[", "]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		h := serve(t, "https://id.example", "10.0.0.0/8")
		got := calledAt(h, "10.1.2.3:4444", map[string][]string{"X-Forwarded-For": {list}})
		again := calledAt(h, "10.1.2.3:4444", map[string][]string{"X-Forwarded-For": {got}})
		if got == "" || got != again {
			t.Errorf("%q: %q, then %q", list, got, again)
		}
	})
}

func calledAt(h http.Handler, remote string, header map[string][]string) string {
	req := httptest.NewRequest("GET", "/visit", http.NoBody)
	req.RemoteAddr, req.Header = remote, header
	address, _, _ := strings.Cut(ask(h, req).Body.String(), " ")
	return address
}
