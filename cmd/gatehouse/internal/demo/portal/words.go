package portal

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// voice is how a portal speaks before anyone is signed in.
type voice struct {
	name  string
	title string
	lead  string
}

var voices = map[Kind]voice{
	Agent: {
		name:  "Agent portal",
		title: "Welcome to the desk",
		lead:  "Sign in to answer customers. We will bring you back here when you are done.",
	},
	Support: {
		name:  "Support portal",
		title: "How can we help?",
		lead:  "Sign in to reach our support team. We will bring you back here when you are done.",
	},
}

// waysIn says amr (RFC 8176) in words.
func waysIn(amr []string) string {
	has := func(value string) bool { return slices.Contains(amr, value) }
	if has("fed") {
		if has("mfa") {
			return "your organisation's account and a second step there"
		}
		return "your organisation's account"
	}
	var ways []string
	if has("pwd") {
		ways = append(ways, "password")
	}
	if has("hwk") || has("swk") {
		ways = append(ways, "passkey")
	}
	switch {
	case has("otp") && has("mca"):
		ways = append(ways, "email code")
	case has("otp"):
		ways = append(ways, "authenticator app or recovery code")
	}
	if len(ways) == 0 {
		return "a method the sign-in service did not name"
	}
	return strings.Join(ways, " and ")
}

var levels = map[string]string{
	"urn:gatehouse:acr:password":     "password alone",
	"urn:gatehouse:acr:federated":    "your organisation's sign-in",
	"urn:gatehouse:acr:two-step":     "two steps, one of them by email",
	"urn:gatehouse:acr:mfa":          "two factors",
	"https://refeds.org/profile/mfa": "two factors",
	"phr":                            "phishing-resistant",
}

// ago says how long something is in the past.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(int(d.Minutes()), "minute") + " ago"
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour") + " ago"
	default:
		return count(int(d.Hours()/24), "day") + " ago"
	}
}

// left says how far ahead something is.
func left(d time.Duration) string {
	switch {
	case d <= 0:
		return "has passed"
	case d < time.Minute:
		return "in less than a minute"
	case d < time.Hour:
		return "in " + count(int(d.Minutes()), "minute")
	default:
		return "in " + count(int(d.Hours()), "hour")
	}
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
