package portal

import (
	"net/http"
	"time"
)

// notice is what the next page says about what was just done. The cookie that
// carries it holds one of these names and no text of its own.
type notice string

const (
	noticeRefreshed           notice = "refreshed"
	noticeNotRefreshed        notice = "not-refreshed"
	noticeNoRefreshToken      notice = "no-refresh-token"
	noticeEnded               notice = "ended"
	noticeEndedByProvider     notice = "ended-by-provider"
	noticeSignedOutHere       notice = "signed-out-here"
	noticeSignedOutOnlyHere   notice = "signed-out-only-here"
	noticeSignedOutEverywhere notice = "signed-out-everywhere"
)

var noticeTexts = map[notice]string{
	noticeRefreshed:           "Refreshed: the sign-in service issued new tokens.",
	noticeNotRefreshed:        "The sign-in service did not renew your tokens just now. You are still signed in here; try again in a moment.",
	noticeNoRefreshToken:      "This sign-in came without a refresh token, so there is nothing to refresh.",
	noticeEnded:               "Your session here has ended: it ran out, or you were signed out elsewhere.",
	noticeEndedByProvider:     "The sign-in service has ended your sign-in, so you were signed out here too. Sign in again to go on.",
	noticeSignedOutHere:       "You are signed out of this portal. The sign-in service may still know you.",
	noticeSignedOutOnlyHere:   "You are signed out of this portal, but the sign-in service could not be reached. You may still be signed in there.",
	noticeSignedOutEverywhere: "You are signed out of this portal and of the sign-in service.",
}

// Good says that the notice confirms something rather than warns of it.
func (n notice) Good() bool {
	return n == noticeRefreshed || n == noticeSignedOutHere || n == noticeSignedOutEverywhere
}

// Text is the sentence for people.
func (n notice) Text() string { return noticeTexts[n] }

// say leaves a notice for the next page.
func (p *Portal) say(w http.ResponseWriter, n notice) {
	p.setCookie(w, noticeCookie, string(n), time.Minute)
}

// said takes the notice that was left, once.
func (p *Portal) said(w http.ResponseWriter, r *http.Request) notice {
	n := notice(p.cookie(r, noticeCookie))
	if n != "" {
		p.dropCookie(w, noticeCookie)
	}
	if _, known := noticeTexts[n]; !known {
		return ""
	}
	return n
}
