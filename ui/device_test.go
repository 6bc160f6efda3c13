package ui_test

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDevice(t *testing.T) {
	u := newUI(t)
	const webkit = "AppleWebKit/537.36 (KHTML, like Gecko) "
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/131.0.0.0 Safari/537.36":                                                         "Chrome on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) " + webkit + "Chrome/131.0.0.0 Safari/537.36":                                                   "Chrome on macOS",
		"Mozilla/5.0 (X11; Linux x86_64) " + webkit + "Chrome/131.0.0.0 Safari/537.36":                                                                   "Chrome on Linux",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) " + webkit + "Chrome/131.0.0.0 Safari/537.36":                                                          "Chrome on ChromeOS",
		"Mozilla/5.0 (Linux; Android 10; K) " + webkit + "Chrome/131.0.0.0 Mobile Safari/537.36":                                                         "Chrome on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.70":                                       "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 10; Pixel 3 XL) " + webkit + "Chrome/131.0.6778.81 Mobile Safari/537.36 EdgA/131.0.2903.48":                         "Edge on Android",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0":                                                               "Firefox on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14.7; rv:133.0) Gecko/20100101 Firefox/133.0":                                                            "Firefox on macOS",
		"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0":                                                                 "Firefox on Linux",
		"Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0":                                                                           "Firefox on Android",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15":                          "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1":        "Safari on iPhone",
		"Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1":                 "Safari on iPad",
		"Mozilla/5.0 (Linux; Android 10; K) " + webkit + "SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36":                                     "Samsung Internet on Android",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0":                                           "Opera on Windows",
		"curl/8.5.0": "curl on an unknown device",
		"Mozilla/5.0 (Windows NT 10.0) Evil/1.0 (call 555 0100 now)": "an unknown browser on Windows",
		"":                                    "Unknown device",
		"-":                                   "Unknown device",
		"Call 555 0100 now, or be locked out": "Unknown device",
		"<script>alert(1)</script>\r\nBcc: x@evil.example": "Unknown device",
		"\xff\xfe\x00/1.0":               "Unknown device",
		strings.Repeat("A/1 (;) ", 1280): "Unknown device",
		strings.Repeat("é", 5120):        "Unknown device",
	} {
		if got := u.Device("en", agent); got != want {
			t.Errorf("%.80q: got %q, want %q", agent, got, want)
		}
	}
}

func FuzzDevice(f *testing.F) {
	u := newMailUI(f)
	for _, seed := range []string{"", "Android (Android; Android 3; Tablet)", "CrOS x86_64 (CrOS x86_64 1)", "http://a (Linux", "iPhone OS/1 Safari/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, agent string) {
		got := u.Device("en", agent)
		if got == "" || utf8.RuneCountInString(got) > 60 || strings.ContainsAny(got, "<>\r\n\x00") {
			t.Errorf("%q for %q", got, agent)
		}
	})
}
