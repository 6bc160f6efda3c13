package portal

import (
	"errors"
	"net/http"
)

// errSignedOut says that this browser has no session here.
var errSignedOut = errors.New("signed out")

// home shows who is signed in and how, or the way to sign in.
func (p *Portal) home(w http.ResponseWriter, r *http.Request) error {
	if p.returned(r) {
		p.dropCookie(w, logoutCookie)
		p.say(w, noticeSignedOutEverywhere)
		return seeHome(w, r)
	}
	said := p.said(w, r)
	s, err := p.fresh(r)
	if err == nil {
		return p.pages.write(w, http.StatusOK, p.signedIn(s, said))
	}
	if p.cookie(r, sessionCookie) != "" {
		p.dropCookie(w, sessionCookie)
		if said == "" {
			said = noticeEnded
		}
	}
	return p.pages.write(w, http.StatusOK, p.signedOut(said))
}

// me answers the claims of the ID token.
func (p *Portal) me(w http.ResponseWriter, r *http.Request) {
	s, err := p.fresh(r)
	if err != nil {
		refuseSignedOut(w)
		return
	}
	writeJSON(w, http.StatusOK, s.identity.claims)
}

func refuseSignedOut(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	writeJSON(w, http.StatusUnauthorized, map[string]string{
		"error":             "login_required",
		"error_description": "nobody is signed in to this portal in this browser",
	})
}

func seeHome(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
